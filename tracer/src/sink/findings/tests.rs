//! Findings of every kind, held against files.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use jiff::tz::TimeZone;

use crate::model::event::Comm;
use crate::model::{Endpoint, Family, FindingKind, MonoNs, Naming, Tuple, WallClock};
use crate::sink::clock::LocalClock;
use crate::sink::golden::compare;
use crate::sink::json::Json;
use crate::sink::text::Text;
use crate::stats::findings::{Detail, Example, Finding, PortsShort, Service};
use crate::stats::timewait::Towards;
use crate::track::{ConnId, Owner};

const SECOND: u64 = 1_000_000_000;
const START: MonoNs = MonoNs(SECOND);

fn wall() -> WallClock {
    WallClock::new(START, 1_767_323_045_000_000_000)
}

fn addr(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn comm(name: &[u8]) -> Comm {
    let mut comm = [0; 16];
    comm[..name.len()].copy_from_slice(name);
    Comm(comm)
}

fn connection(number: u16, ns: Option<u64>, is_open: bool) -> Example {
    Example {
        conn: ConnId(number.into()),
        family: Family::Ipv4,
        tuple: Tuple {
            local: Endpoint::new(Some(addr("10.0.0.5")), Some(40_000 + number)),
            remote: Endpoint::new(Some(addr("10.0.0.9")), Some(8080)),
        },
        owner: Owner {
            opened_by: None,
            process: (number == 1).then(|| (812, comm(b"java\x1b[2J"))),
            uid: Some(1000),
            cgroup: None,
        },
        netns: Some(4_026_531_833),
        ns,
        is_open,
    }
}

/// Details that each kind may have.
fn detail(kind: FindingKind) -> Detail {
    let remote: SocketAddr = "10.0.0.9:5432".parse().expect("an end");
    match kind {
        FindingKind::CloseWait
        | FindingKind::LastAck
        | FindingKind::FinWait1
        | FindingKind::FinWait2 => Detail::Stayed {
            longest_ns: 303 * SECOND,
            still: 2,
            expired: u64::from(kind == FindingKind::FinWait2),
        },
        FindingKind::ConnectTimeout => Detail::Unanswered {
            timed_out: 2,
            given_up: 1,
            still: 0,
        },
        FindingKind::ConnectRefused => Detail::Refused,
        FindingKind::PortExhaustion => Detail::Ports {
            ends: vec![PortsShort {
                towards: Towards {
                    netns: Some(4_026_531_833),
                    local: addr("10.0.0.5"),
                    remote,
                },
                most: 28_010,
                time_wait: 27_900,
                usable: Some(28_232),
                no_port: 3,
            }],
            no_port: 3,
        },
        FindingKind::ConnectionPerRequest => Detail::PerRequest {
            services: vec![Service {
                process: (812, comm(b"java")),
                remote,
                count: 1_500,
                most: 312,
            }],
        },
        FindingKind::ResetStorm => Detail::Resets {
            most: 250,
            by_peer: 300,
            by_us: 20,
        },
        FindingKind::HalfOpenFlood => Detail::HalfOpen {
            most: 180,
            timed_out: 100,
            reset: 20,
            still: 80,
        },
        FindingKind::AcceptQueueOverflow => Detail::Queue {
            failed: 2,
            kernel: vec![("ListenOverflows", 12), ("TCPReqQFullDrop", 1)],
        },
    }
}

fn findings() -> Vec<Finding> {
    let finding = |kind: FindingKind| {
        let lasts = matches!(detail(kind), Detail::Stayed { .. });
        let is_single = kind == FindingKind::ConnectRefused;
        Finding {
            kind,
            count: match kind {
                FindingKind::PortExhaustion | FindingKind::ConnectRefused => 1,
                _ => 1_203,
            },
            is_least: kind == FindingKind::LastAck,
            since: Some(START.plus(2 * SECOND)),
            until: Some(START.plus(if is_single { 2 } else { 305 } * SECOND)),
            threshold: kind.default_threshold(),
            connections: match lasts {
                true => vec![
                    connection(1, Some(303 * SECOND), true),
                    connection(2, Some(61 * SECOND), false),
                ],
                false => vec![connection(1, None, false)],
            },
            detail: detail(kind),
        }
    };
    FindingKind::ALL.map(finding).into()
}

fn text(names: Naming, color: bool, width: Option<usize>) -> String {
    let text = Text {
        reset_reasons: crate::model::ResetReasons::default(),
        netns_names: BTreeMap::new(),
        names,
        raw: false,
        clock: LocalClock::new(wall(), TimeZone::UTC),
        color,
        width,
        verbose: false,
        timewait_hooked: true,
    };
    let findings = findings();
    findings.iter().map(|one| text.finding(one)).collect()
}

#[test]
fn in_a_pipe() {
    let written = text(Naming::Netstat, false, None);
    assert!(!written.contains('\x1b'), "a name cannot move the cursor");
    compare(
        "golden/findings.txt",
        &written,
        include_str!("../golden/findings.txt"),
    );
}

#[test]
fn on_a_terminal_of_80_columns() {
    let written = text(Naming::Ss, false, Some(80));
    for line in written.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    compare(
        "golden/findings-80.txt",
        &written,
        include_str!("../golden/findings-80.txt"),
    );
}

#[test]
fn colour_adds_nothing_but_colour() {
    let plain = text(Naming::Netstat, false, Some(80));
    let mut coloured = text(Naming::Netstat, true, Some(80));
    assert!(coloured.contains("\x1b["));
    while let Some(start) = coloured.find("\x1b[") {
        let end = coloured[start..].find('m').expect("a style ends in m") + start;
        coloured.replace_range(start..=end, "");
    }
    assert_eq!(coloured, plain);
}

#[test]
fn for_programs() {
    let json = Json {
        reset_reasons: crate::model::ResetReasons::default(),
        netns_names: BTreeMap::new(),
        names: Naming::Netstat,
        raw: false,
        wall: wall(),
    };
    let lines: Vec<u8> = findings()
        .iter()
        .flat_map(|one| json.finding(one))
        .collect();
    let written = String::from_utf8(lines).expect("JSON is UTF-8");
    compare(
        "golden/findings.jsonl",
        &written,
        include_str!("../golden/findings.jsonl"),
    );
}
