//! Entries to write: by hand, and of any kind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::evidence::{
    Asked, Clock, Closing, Entry, Head, Namespace, Sealed, TimeZoneOf, Turn, User, Writer,
};
use crate::model::event::Comm;
use crate::model::{
    Answer, Args, Batch, Endpoint, Existing, Found, KernelCounters, Look, Loss, LossCause, MonoNs,
    Privileges, Process, Question, Reading, ResetReasons, TcpSettings, TcpState, Tuple, TwReuse,
};

pub(super) fn head() -> Head {
    Head {
        tracer: "0.1.0".to_owned(),
        abi: 2,
        kernel: "6.12.117".to_owned(),
        machine: "x86_64".to_owned(),
        boot_id: None,
        hostname: "host\u{1b}".to_owned(),
        build_id: Some("0badc0de".to_owned()),
        hook: "tp_btf".to_owned(),
        time_wait: "fentry".to_owned(),
        half_open: "off".to_owned(),
        sees_silent_rearms: true,
        tells_resets: false,
        reset_reasons: ResetReasons::default(),
        hz: None,
        missing: vec!["no \"cgroup2\"".to_owned()],
        notes: Vec::new(),
        privileges: Some(Privileges {
            capabilities: vec!["CAP_SYS_ADMIN".to_owned()],
            user: 1000,
            no_new_privs: true,
            landlock: Some(5),
            seccomp: true,
        }),
        filters: vec!["--port".to_owned(), "443".to_owned()],
        netns: vec![4_026_531_840],
        command: vec!["tracer".to_owned(), "--port=443".to_owned()],
        user: User {
            uid: 1000,
            name: Some("someone".to_owned()),
        },
        start: MonoNs(1_000_000),
        clock: clock(1_000_000, 5),
        zone: TimeZoneOf {
            iana: Some("Europe/Berlin".to_owned()),
            offset_s: -3600,
        },
        ring_bytes: 8 << 20,
        max_connections: 1_000_000,
        hold_ns: 50_000_000,
        redacted: false,
        secret: None,
    }
}

pub(super) fn clock(mono: u64, suspended_ns: u64) -> Clock {
    Clock {
        mono: MonoNs(mono),
        wall_ns: 1_790_000_000_000_000_000 + i128::from(mono),
        suspended_ns,
    }
}

/// A record such as the kernel side writes, of some connection.
pub(super) fn record(at: u64, connection: u64) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes[0..2].copy_from_slice(&1_u16.to_le_bytes());
    bytes[2..4].copy_from_slice(&128_u16.to_le_bytes());
    bytes[8..16].copy_from_slice(&at.to_le_bytes());
    bytes[16..24].copy_from_slice(&(0xffff_8880_0000_0000 + 2048 * connection).to_le_bytes());
    bytes[24..32].copy_from_slice(&connection.to_le_bytes());
    bytes[64..66].copy_from_slice(&7_u16.to_le_bytes());
    bytes[66..68].copy_from_slice(&2_u16.to_le_bytes());
    bytes[68..70].copy_from_slice(&2_u16.to_le_bytes());
    bytes[70..72].copy_from_slice(&6_u16.to_le_bytes());
    bytes[112..116].copy_from_slice(b"curl");
    bytes
}

pub(super) fn batch<'r>(records: impl IntoIterator<Item = &'r [u8]>) -> Batch {
    let mut batch = Batch::default();
    records.into_iter().for_each(|record| batch.push(record));
    batch
}

fn reading() -> Reading {
    let text = "a stray line\nTcp: ActiveOpens PassiveOpens\nTcp: 18446744073709551615 2\n";
    Reading {
        netns: 1,
        before: MonoNs(3),
        after: MonoNs(u64::MAX),
        counters: KernelCounters::parse(text),
    }
}

fn tuple() -> Tuple {
    Tuple {
        local: Endpoint {
            addr: Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            port: Some(0),
        },
        remote: Endpoint {
            addr: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
            port: None,
        },
    }
}

/// One of which all is known, whose name is not UTF-8, and one of which next to nothing is.
fn processes() -> Vec<Process> {
    let comm = |bytes| Comm::new(bytes).expect("a short name");
    let words = ["/bin/a\u{1b}[2J", "", "\u{fffd}"]
        .map(str::to_owned)
        .to_vec();
    vec![
        Process {
            pid: 8,
            ppid: Some(0),
            started: Some(MonoNs(10_000_000)),
            comm: comm(&[0xff; 15]),
            uid: Some(u32::MAX),
            exe: Some("/bin/a (deleted)".to_owned()),
            args: Some(Args { words, cut: true }),
            cgroup: Some("/".to_owned()),
        },
        Process::named(u32::MAX, comm(b"a\x1b[2J\n\"b")),
    ]
}

fn asked() -> Asked {
    let question = |cookie| Question {
        netns: 7,
        tuple: tuple(),
        cookie,
        interface: Some(0),
    };
    let look = |answer| Look {
        ticked: MonoNs(1),
        before: MonoNs(2),
        after: MonoNs(3),
        answer,
    };
    let answers = [
        Answer::Found(Found {
            state: TcpState::TimeWait,
            left_ns: Some(0),
            interface: 2,
        }),
        Answer::Found(Found {
            state: TcpState::Unknown(99),
            left_ns: None,
            interface: 0,
        }),
        Answer::Absent,
        Answer::NetnsGone,
        Answer::Failed("a\nreason".to_owned()),
    ];
    Asked {
        now: MonoNs(9),
        answers: (0..).map(question).zip(answers.map(look)).collect(),
    }
}

/// One entry of each kind, with what is known and what is not.
pub(super) fn entries() -> Vec<Entry> {
    let records: Vec<Vec<u8>> = (0..6)
        .map(|at| record(2_000_000 + 1000 * at, at % 2))
        .collect();
    let odd: [&[u8]; 3] = [&[1; 3], &[], &[2; 112]];
    let settings = TcpSettings {
        local_ports: Some(32768..=60999),
        reserved_ports: Some(vec![80..=80, 443..=443]),
        tw_reuse: Some(TwReuse::Loopback),
        ..TcpSettings::default()
    };
    vec![
        Entry::Head(Box::new(head())),
        Entry::Counters(vec![reading()]),
        Entry::Namespaces(vec![
            Namespace {
                inode: 1,
                name: None,
                settings: Some(settings),
            },
            Namespace {
                inode: 2,
                name: Some("shop".to_owned()),
                settings: None,
            },
        ]),
        Entry::Turn(Turn {
            batch: batch(records.iter().map(Vec::as_slice)),
            ..Turn::default()
        }),
        Entry::Processes(processes()),
        Entry::Existing(Existing {
            at: MonoNs(4),
            cookie: u64::MAX,
            state: TcpState::FinWait2,
            full_socket: false,
            tuple: tuple(),
            netns: 1,
            uid: None,
            holder: Some(8),
            left_ns: Some(1),
            age_ns: None,
        }),
        Entry::ExistingComplete,
        Entry::Cgroups(vec![(5, "/system.slice".to_owned())]),
        Entry::Clock(clock(3_000_000, 5)),
        Entry::Turn(Turn {
            batch: batch(odd),
            losses: vec![
                Loss {
                    beside: 0,
                    cause: LossCause::RingFull { cpu: 3 },
                    lost: 4,
                    since: MonoNs(5),
                    until: MonoNs(6),
                },
                Loss {
                    beside: 0,
                    cause: LossCause::NotRecorded,
                    lost: 1,
                    since: MonoNs(7),
                    until: MonoNs(8),
                },
            ],
            emptied: true,
            asked: Some(asked()),
            timeout: Some(MonoNs(4_000_000)),
        }),
        Entry::Turn(Turn::default()),
        Entry::Closing(Closing {
            at: MonoNs(5_000_000),
            counters: vec![reading()],
            not_followed: 3,
        }),
        Entry::End(MonoNs(6_000_000)),
    ]
}

/// A file of entries, a frame for each few, with a seal.
pub(super) fn file(entries: &[Entry], per_frame: usize) -> Vec<u8> {
    let mut writer = Writer::new(&head(), None);
    let mut bytes = Vec::new();
    for some in entries.chunks(per_frame) {
        some.iter().for_each(|entry| writer.entry(entry));
        bytes.extend_from_slice(writer.cut());
        writer.written();
    }
    bytes.extend_from_slice(writer.seal(Sealed::Ended));
    writer.written();
    bytes
}
