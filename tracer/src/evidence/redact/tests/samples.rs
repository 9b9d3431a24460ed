//! Entries in which everything that may name something is known.

use std::net::IpAddr;

use crate::evidence::entry::{
    Asked, Clock, Closing, Entry, Head, Namespace, TimeZoneOf, Turn, User,
};
use crate::model::event::Comm;
use crate::model::{
    Answer, Args, Batch, Endpoint, Existing, KernelCounters, Look, MonoNs, Process, Question,
    Reading, ResetReasons, TcpState, Tuple,
};

/// In every name.
pub(super) const MARKER: &str = "quagga";
pub(super) const IPV4: [u8; 4] = [93, 184, 216, 34];
pub(super) const IPV6: [u8; 16] = [
    0x2a, 0x00, 0x14, 0x50, 0x40, 0x01, 0x08, 0x30, 0, 0, 0, 0, 0, 0, 0x20, 0x0e,
];
pub(super) const PLACE: u64 = 0xffff_8881_3322_1100;

pub(super) fn v4() -> IpAddr {
    IpAddr::from(IPV4)
}

pub(super) fn v6() -> IpAddr {
    IpAddr::from(IPV6)
}

fn named(text: &str) -> String {
    text.replace('#', MARKER)
}

fn all_named(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| named(text)).collect()
}

fn head() -> Head {
    Head {
        tracer: "0.1.0".to_owned(),
        abi: 2,
        kernel: named("6.12.117-#+"),
        machine: "x86_64".to_owned(),
        boot_id: Some(named("#-7a3f-4a67-9f0e-0d9e0c9a4c11")),
        secret: Some(named("#-7a3f-4a67-9f0e-0d9e0c9a4c11")),
        hostname: named("#1.example.com"),
        build_id: Some("0badc0de".to_owned()),
        hook: "tp_btf".to_owned(),
        time_wait: "fentry".to_owned(),
        half_open: "off".to_owned(),
        sees_silent_rearms: true,
        tells_resets: false,
        reset_reasons: ResetReasons::default(),
        hz: Some(250),
        missing: all_named(&["the cgroup (/srv/#: Permission denied)", "#"]),
        notes: all_named(&[
            "cannot look into 7 (/run/netns/a #): 93.184.216.34, [2a00:1450:4001:830::200e]:443",
            "«#»: # 93.184.216.34:80. ::ffff:93.184.216.34",
        ]),
        privileges: None,
        filters: all_named(&[
            "--comm",
            "#,a#",
            "--addr",
            "93.184.216.34,2a00:1450:4001:830::200e,#",
            "--netns",
            "#,/run/netns/#,/srv/#",
            "--cgroup",
            "/sys/fs/cgroup/#.slice/x-#.service",
            "--port",
            "80,#",
            "#",
        ]),
        netns: vec![4_026_531_840],
        command: all_named(&[
            "/opt/#/tracer",
            "live",
            "--#=#",
            "-#",
            "--laddr=93.184.216.34",
            "--record",
            "#",
            "--",
            "#",
            "93.184.216.34",
        ]),
        user: User {
            uid: 1000,
            name: Some(named("#")),
        },
        start: MonoNs(1),
        clock: clock(),
        zone: TimeZoneOf {
            iana: Some(named("Europe/#")),
            offset_s: 3600,
        },
        ring_bytes: 8 << 20,
        max_connections: 1_000_000,
        hold_ns: 50_000_000,
        redacted: false,
    }
}

fn clock() -> Clock {
    Clock {
        mono: MonoNs(1),
        wall_ns: 2,
        suspended_ns: 3,
    }
}

fn process() -> Process {
    Process {
        pid: 8,
        ppid: Some(1),
        started: Some(MonoNs(9)),
        comm: Comm::new(MARKER.as_bytes()).expect("a short name"),
        uid: Some(1000),
        exe: Some(named("/opt/#/bin/#d (deleted)")),
        args: Some(Args {
            words: all_named(&["#d", "--#=#", "-#", "93.184.216.34", "example"]),
            cut: true,
        }),
        cgroup: Some(named("/#.slice/docker-#.scope/#")),
    }
}

fn tuple() -> Tuple {
    Tuple {
        local: Endpoint::new(Some(v4()), Some(1)),
        remote: Endpoint::new(Some(v6()), None),
    }
}

/// A record of the size of its kind, little more than what makes it decode.
pub(super) fn record(kind: u16, size: u16, family: u16, addr: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; usize::from(size)];
    let mut put = |at: usize, value: &[u8]| bytes[at..][..value.len()].copy_from_slice(value);
    put(0, &kind.to_ne_bytes());
    put(2, &size.to_ne_bytes());
    put(8, &77_u64.to_ne_bytes());
    put(16, &PLACE.to_ne_bytes());
    put(68, &family.to_ne_bytes());
    for at in [80, 96] {
        // What stands behind an address means nothing, and may name something all the same.
        put(at + 4, MARKER.as_bytes());
        put(at, addr);
    }
    if kind == 1 {
        put(66, &2_u16.to_ne_bytes());
        put(70, &6_u16.to_ne_bytes());
        put(112, b"quagga\0quagga\0");
    } else {
        put(62, &1_u16.to_ne_bytes());
        put(66, &6_u16.to_ne_bytes());
    }
    bytes
}

fn records() -> Vec<Vec<u8>> {
    let mut mapped = [0; 16];
    mapped[10..12].fill(0xff);
    mapped[12..].copy_from_slice(&IPV4);
    let (inet, inet6) = (2, 10);
    [(1, 128), (2, 112), (3, 112)]
        .into_iter()
        .flat_map(|(kind, size)| {
            [
                record(kind, size, inet, &IPV4),
                record(kind, size, inet6, &IPV6),
                record(kind, size, inet6, &mapped),
            ]
        })
        .collect()
}

fn reading() -> Reading {
    Reading {
        netns: 1,
        before: MonoNs(1),
        after: MonoNs(2),
        counters: KernelCounters::parse("Tcp: ActiveOpens\nTcp: 5\n"),
    }
}

pub(super) fn turn() -> Turn {
    let mut batch = Batch::default();
    records().iter().for_each(|record| batch.push(record));
    let question = Question {
        netns: 7,
        tuple: tuple(),
        cookie: 8,
        interface: None,
    };
    let look = Look {
        ticked: MonoNs(1),
        before: MonoNs(2),
        after: MonoNs(3),
        answer: Answer::Failed(named("cannot open # at 93.184.216.34")),
    };
    Turn {
        batch,
        losses: Vec::new(),
        emptied: true,
        asked: Some(Asked {
            now: MonoNs(4),
            answers: vec![(question, look)],
        }),
        timeout: Some(MonoNs(5)),
    }
}

/// One of each kind, with everything in it that may name something.
pub(super) fn entries() -> Vec<Entry> {
    let entries = vec![
        Entry::Head(Box::new(head())),
        Entry::Counters(vec![reading()]),
        Entry::Namespaces(
            [
                "#",
                "/run/netns/#",
                "/srv/# #",
                "process # of 93.184.216.34",
            ]
            .map(|name| Namespace {
                inode: 1,
                name: Some(named(name)),
                settings: None,
            })
            .to_vec(),
        ),
        Entry::Cgroups(vec![(5, named("/#.slice/docker-#.scope/#"))]),
        Entry::Turn(turn()),
        Entry::Processes(vec![process()]),
        Entry::Existing(Existing {
            at: MonoNs(1),
            cookie: 2,
            state: TcpState::Established,
            full_socket: true,
            tuple: tuple(),
            netns: 7,
            uid: Some(1000),
            holder: None,
            left_ns: None,
            age_ns: None,
        }),
        Entry::ExistingComplete,
        Entry::Clock(clock()),
        Entry::Closing(Closing {
            at: MonoNs(1),
            counters: vec![reading()],
            not_followed: 0,
        }),
        Entry::End(MonoNs(2)),
    ];
    // A kind that is new belongs here, and is to be looked at in `Redact::entry`.
    for entry in &entries {
        match entry {
            Entry::Head(_)
            | Entry::Counters(_)
            | Entry::Namespaces(_)
            | Entry::Cgroups(_)
            | Entry::Turn(_)
            | Entry::Processes(_)
            | Entry::Existing(_)
            | Entry::ExistingComplete
            | Entry::Clock(_)
            | Entry::Closing(_)
            | Entry::End(_) => {}
        }
    }
    entries
}
