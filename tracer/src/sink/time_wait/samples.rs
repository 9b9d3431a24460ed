//! Figures to write, made by hand.

use std::collections::BTreeMap;

use super::View;
use crate::model::event::Comm;
use crate::model::{MonoNs, TcpSettings, TimewaitEnd, TwReuse, WallClock};
use crate::stats::timewait::{
    HeldFigures, LocalPort, Namespace, Outlook, PortUse, Process, Remote, Report, Spread, Tally,
    Terms, TimeWait, Top, Towards,
};

pub(super) const SECOND: u64 = 1_000_000_000;
const START: MonoNs = MonoNs(SECOND);

pub(super) fn wall() -> WallClock {
    WallClock::new(START, 1_767_323_045_000_000_000)
}

/// A moment at which nothing has happened yet.
pub(super) fn quiet() -> Report {
    let terms = Terms { rows: 5, hz: None };
    TimeWait::new(START, 10).report(START, terms)
}

/// A server under load, and a client on it that has nearly used up its ports.
pub(super) fn busy() -> Report {
    let mut report = quiet();
    report.at = MonoNs(71 * SECOND);
    report.duration_ns = 70 * SECOND;
    report.lost = 3;
    report.hz = Some(250);
    report.timer_ns = (60 * SECOND, 62_048_000_000);
    report.time_wait = time_wait(&report.time_wait);
    report.fin_wait2.entered = 40;
    report.fin_wait2.entered_per_s = Some(2.5);
    report.fin_wait2.left_per_s = Some(0.0);
    report.fin_wait2.most = 2;
    report.fin_wait2.left = 40;
    report.fin_wait2.went_on = 39;
    report.fin_wait2.ends = BTreeMap::from([(TimewaitEnd::Reset, 1)]);
    report.fin_wait2.spread = Spread {
        count: 40,
        p50_ns: Some(40_100),
        p90_ns: Some(52_000),
        p99_ns: Some(1_000_000),
        max_ns: Some(1_203_000),
        error_ns: Some(0),
        ..report.fin_wait2.spread
    };
    report.rearmed = 12;
    report.refused = 7;
    report.no_port = 4;
    report.processes = Top {
        rows: vec![
            (process(80, b"nginx"), tally(11_000, 0, 13_000, 2_000)),
            (process(8518, b"a\x1b[31mname"), tally(1_045, 0, 1_048, 3)),
            (Process(None), tally(0, 300, 0, 300)),
        ],
        rest: tally(300, 0, 300, 0),
        rest_keys: 12,
        rest_is_more: false,
    };
    report.local_ports = Top {
        rows: vec![
            (LocalPort::Listening(443), tally(11_000, 0, 13_000, 2_000)),
            (LocalPort::Chosen, tally(1_345, 0, 1_348, 3)),
            (LocalPort::Unknown, tally(0, 300, 0, 300)),
        ],
        ..nothing()
    };
    report.remotes = remotes();
    report.cgroups = Top {
        rows: vec![
            (Some(77), tally(12_345, 0, 14_348, 2_003)),
            (Some(78), tally(0, 300, 0, 300)),
        ],
        ..nothing()
    };
    report.namespaces = Top {
        rows: vec![(Some(4_026_531_840), tally(12_345, 300, 14_348, 2_303))],
        ..nothing()
    };
    report.settings = vec![Namespace {
        netns: Some(4_026_531_840),
        settings: Some(settings()),
    }];
    report.ports = ports();
    report.port_ends = 5;
    report.ports_unlisted = 2;
    report
}

fn time_wait(nothing: &HeldFigures) -> HeldFigures {
    let mut spread = nothing.spread.clone();
    for (from, count) in [
        (0, 3),
        (60 * SECOND, 488),
        (61 * SECOND, 512),
        (61 * SECOND + 500_000_000, 1_000),
    ] {
        let mut classes = spread.classes.iter_mut();
        let class = classes.find(|class| class.from_ns == from);
        class.expect("there is such a class").count = count;
    }
    HeldFigures {
        now: 12_345,
        most: 14_010,
        found: 300,
        entered: 14_348,
        left: 2_303,
        entered_per_s: Some(204.4),
        left_per_s: Some(198.25),
        spread: Spread {
            count: 2_003,
            unknown: 300,
            p50_ns: Some(61_520_000_000),
            p90_ns: Some(61_980_000_000),
            p99_ns: Some(62_040_000_000),
            max_ns: Some(62_044_123_456),
            error_ns: Some(4_000_000),
            ..spread
        },
        ends: BTreeMap::from([(TimewaitEnd::Expired, 2_300), (TimewaitEnd::Reused, 3)]),
        went_on: 0,
        unseen: 0,
    }
}

fn remotes() -> Top<Remote> {
    let remote = |addr: &str, port| Remote {
        addr: Some(addr.parse().expect("an address")),
        port,
    };
    Top {
        rows: vec![
            (remote("192.0.2.7", None), tally(11_000, 0, 13_000, 2_000)),
            (
                remote("2001:db8:1234:5678:9abc:def0:1234:5678", Some(8080)),
                tally(1_345, 0, 1_348, 3),
            ),
        ],
        rest: tally(0, 300, 0, 300),
        rest_keys: 8_190,
        rest_is_more: true,
    }
}

fn ports() -> Vec<PortUse> {
    let port = |remote: &str, time_wait, outlook| PortUse {
        towards: Towards {
            netns: Some(4_026_531_840),
            local: "192.0.2.1".parse().expect("an address"),
            remote: remote.parse().expect("a socket address"),
        },
        time_wait,
        otherwise: 100,
        perhaps: 20,
        given: 1,
        usable: Some(28_220),
        taken_per_s: Some(512.5),
        freed_per_s: Some(0.2),
        no_port: 4,
        outlook,
    };
    vec![
        port("192.0.2.9:5432", 28_100, Outlook::Exhausted),
        port(
            "192.0.2.9:80",
            15_000,
            Outlook::RunsOut {
                in_ns: 25_560_000_000,
            },
        ),
        port("[2001:db8::9]:443", 61, Outlook::LevelsOff { ports: 720 }),
        port("127.0.0.1:80", 28_100, Outlook::TakenOver),
    ]
}

fn settings() -> TcpSettings {
    TcpSettings {
        local_ports: Some(32_768..=60_999),
        reserved_ports: Some(vec![40_000..=40_011]),
        tw_reuse: Some(TwReuse::Loopback),
        tw_reuse_delay_ns: Some(SECOND),
        fin_timeout_ns: Some(60 * SECOND),
        max_tw_buckets: Some(13_000),
        timewait_sockets: Some(12_350),
    }
}

pub(super) fn cgroups() -> BTreeMap<u64, String> {
    BTreeMap::from([(77, "/system.slice/nginx.service".to_owned())])
}

pub(super) fn view<'a>(report: &'a Report, cgroups: &'a BTreeMap<u64, String>) -> View<'a> {
    View {
        report,
        method: "fentry",
        cgroups,
        evicted: 1,
        is_last: true,
    }
}

fn process(pid: u32, name: &[u8]) -> Process {
    let mut comm = Comm::default();
    comm.0[..name.len()].copy_from_slice(name);
    Process(Some((pid, comm)))
}

fn tally(now: u64, found: u64, entered: u64, ended: u64) -> Tally {
    Tally {
        now,
        found,
        entered,
        ended,
    }
}

fn nothing<K>() -> Top<K> {
    Top {
        rows: Vec::new(),
        rest: Tally::default(),
        rest_keys: 0,
        rest_is_more: false,
    }
}
