//! What the sinks write of one small session, held against files.
//!
//! The session has what is hard to write right: a port that is known late, a refusal, a loss, a
//! connection that is older than the trace, names with control characters, both families, and the
//! states that the tracepoint hides.

mod conversations;
mod hidden;

use jiff::tz::TimeZone;
use std::collections::BTreeMap;

use super::{Session, clock::LocalClock, csv::Csv, json::Json, text::Text};
use crate::model::event::Comm;
use crate::model::{
    CloseError, Event, Existing, Family, Loss, LossCause, MonoNs, Naming, Privileges, ResetReasons,
    StateChange, TcpState, TcpState::*, Thresholds, WallClock,
};
use crate::stats::findings::{Finding, Findings};
use crate::stats::{Comparison, Methods, Summary, SummaryBuilder, TimewaitSockets};
use crate::track::test_events::change;
use crate::track::{Follows, Limits, Output, Selection, Timewaits, Tracker};

const START: u64 = 1_000_000_000;
const END: MonoNs = MonoNs(START + 70_000_000_000);

fn wall() -> WallClock {
    WallClock::new(MonoNs(START), 1_767_323_045_000_000_000)
}

fn session() -> Session {
    Session {
        reset_reasons: ResetReasons::default(),
        tracer: "0.1.0".to_owned(),
        kernel: "6.12.117".to_owned(),
        machine: "x86_64".to_owned(),
        boot_id: Some("5a8b0d2e-7a3f-4a67-9f0e-0d9e0c9a4c11".to_owned()),
        hostname: "web1".to_owned(),
        hook: "tp_btf".to_owned(),
        time_wait: "fentry".to_owned(),
        time_wait_bound: Some("exact, but for those older than the trace".to_owned()),
        half_open: "fentry".to_owned(),
        filters: vec!["--port 80,443".to_owned()],
        start: MonoNs(START),
        wall: wall(),
        missing: vec!["the cgroup".to_owned()],
        notes: Vec::new(),
        privileges: Some(Privileges {
            capabilities: Vec::new(),
            user: 1000,
            no_new_privs: true,
            landlock: Some(6),
            seccomp: true,
        }),
        ring_bytes: 8 << 20,
        existing: 3,
        redacted: false,
    }
}

fn at(socket: u64, us: u64, from: TcpState, to: TcpState) -> StateChange {
    StateChange {
        uid: Some(1000),
        ..change(socket, START + us * 1_000, from, to)
    }
}

fn by(pid: u32, name: &[u8], mut change: StateChange) -> StateChange {
    let mut comm = [0; 16];
    comm[..name.len()].copy_from_slice(name);
    change.task.pid = pid;
    change.task.tid = pid;
    change.task.comm = Comm(comm);
    change.task_holds_socket = Some(true);
    change
}

fn events() -> Vec<Event> {
    let mut begun = by(8518, b"curl", at(1, 100, Close, SynSent));
    begun.bound_port = Some(0);
    begun.shown.local_port = 0;
    let mut refused = at(1, 180, SynSent, Close);
    refused.error = Some(CloseError(111));

    let ipv6 = |mut change: StateChange| {
        change.socket_family = Family::Ipv6;
        change.shown.local_addr = "2001:db8::1".parse().expect("an address");
        change.shown.remote_addr = "2001:db8::2".parse().expect("an address");
        change
    };
    let older = ipv6(at(2, 2_000, Established, CloseWait));
    let existing = Existing {
        at: MonoNs(START + 10),
        cookie: 2,
        state: Established,
        full_socket: true,
        tuple: older.tuple(),
        netns: 1,
        uid: Some(33),
        holder: None,
        left_ns: None,
        age_ns: None,
    };
    let loss = Loss {
        beside: 0,
        cause: LossCause::RingFull { cpu: 1 },
        lost: 1234,
        since: MonoNs(START + 3_000_000),
        until: MonoNs(START + 3_500_000),
    };
    let mut reset = at(3, 1_504_040, FinWait2, Close);
    reset.error = Some(CloseError(104));
    let changes = |changes: [StateChange; 5]| changes.map(Event::StateChange);
    let closed = changes([
        at(3, 2_500, Listen, SynRecv),
        at(3, 2_540, SynRecv, Established),
        by(77, b"a\x1b[2Jb", at(3, 4_000, Established, FinWait1)),
        at(3, 4_040, FinWait1, FinWait2),
        reset,
    ]);
    let [opened, established, rest @ ..] = closed;
    [
        Event::Existing(existing),
        Event::Existing(hidden::older()),
        Event::ExistingComplete,
        Event::StateChange(begun),
        Event::StateChange(refused),
        Event::StateChange(older),
        opened,
        established,
        Event::Loss(loss),
    ]
    .into_iter()
    .chain(rest)
    .chain(hidden::events())
    .collect()
}

fn outputs() -> Vec<Output> {
    let mut tracker = Tracker::new(Selection::default(), Limits::default());
    tracker.follow(Follows {
        resets: false,
        timewaits: Timewaits::Hooked,
        requests: true,
        armings: true,
        since: MonoNs(START),
        tick_ns: Some(4_000_000),
    });
    for event in events() {
        tracker.handle(&event);
    }
    tracker.finish(END);
    std::iter::from_fn(|| tracker.poll()).collect()
}

fn summary(outputs: &[Output]) -> Summary {
    let mut builder = SummaryBuilder::new(Methods {
        time_wait: Some("fentry"),
        half_open: Some("fentry"),
    });
    for output in outputs {
        builder.add(output);
    }
    let compared = |counter, kernel, traced, agree, note| Comparison {
        counter,
        kernel,
        traced,
        agree,
        uncertain: 0,
        note,
    };
    let moved = compared("ListenDrops", Some(2), None, None, None);
    let differs = Some("changes were lost");
    let kernel = vec![
        compared("ActiveOpens", Some(1), Some(1), Some(true), differs),
        compared("PassiveOpens", Some(3), Some(1), Some(false), differs),
        compared("CurrEstab", None, Some(0), None, Some("not read")),
        compared("TW", Some(2), Some(2), Some(true), None),
        compared("TWKilled", Some(0), Some(0), Some(true), None),
        moved,
    ];
    let timewait = TimewaitSockets { found: 1, open: 0 };
    builder.finish(70_000_000_000, 0, timewait, Ok(kernel))
}

fn findings(outputs: &[Output]) -> Vec<Finding> {
    let mut findings = Findings::new(&Thresholds::default());
    for output in outputs {
        findings.add(output);
    }
    findings.finish(END, 0, &[])
}

/// Compares with a golden file; `TRACER_BLESS=1` writes it instead, for a person to review.
pub(super) fn compare(file: &str, written: &str, golden: &str) {
    if std::env::var_os("TRACER_BLESS").is_some() {
        let path = format!("{}/src/sink/{file}", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(&path, written).expect("the golden file can be written");
        return;
    }
    for (number, (found, expected)) in written.lines().zip(golden.lines()).enumerate() {
        assert_eq!(found, expected, "line {} of {file}", number + 1);
    }
    assert_eq!(
        written.lines().count(),
        golden.lines().count(),
        "lines of {file}"
    );
}

fn text(naming: Naming, color: bool, width: Option<usize>) -> String {
    let text = Text {
        names: naming,
        raw: false,
        clock: LocalClock::new(wall(), TimeZone::UTC),
        color,
        width,
        verbose: false,
        timewait_hooked: true,
        reset_reasons: ResetReasons::default(),
        netns_names: BTreeMap::new(),
    };
    let outputs = outputs();
    let mut written = text.session(&session());
    for output in &outputs {
        match output {
            Output::Change(change) => text.change(change, &mut written),
            Output::Timeline(timeline) => text.timeline(timeline, &mut written),
            Output::Loss(loss) => written += &text.loss(loss),
            Output::Held(_) => {}
        }
    }
    for finding in findings(&outputs) {
        written += &text.finding(&finding);
    }
    written + &text.summary(&summary(&outputs))
}

#[test]
fn json() {
    let json = Json {
        names: Naming::Netstat,
        raw: false,
        wall: wall(),
        reset_reasons: ResetReasons::default(),
        netns_names: BTreeMap::new(),
    };
    let outputs = outputs();
    let utf8 = |bytes| String::from_utf8(bytes).expect("JSON is UTF-8");
    let mut written = utf8(json.session(&session()));
    for output in &outputs {
        match output {
            Output::Change(change) => json.change(change, &mut written),
            Output::Timeline(timeline) => json.timeline(timeline, &mut written),
            Output::Loss(loss) => json.loss(loss, &mut written),
            Output::Held(_) => {}
        }
    }
    for finding in findings(&outputs) {
        written += &utf8(json.finding(&finding));
    }
    written += &utf8(json.summary(&summary(&outputs), END));
    compare(
        "golden/session.jsonl",
        &written,
        include_str!("golden/session.jsonl"),
    );
}

#[test]
fn only_pseudonyms_are_called_so_in_json() {
    let json = Json {
        names: Naming::Netstat,
        raw: false,
        wall: wall(),
        reset_reasons: ResetReasons::default(),
        netns_names: BTreeMap::new(),
    };
    let mut session = session();
    let written = |session: &Session| String::from_utf8(json.session(session)).expect("UTF-8");
    assert!(!written(&session).contains("redacted"));
    session.redacted = true;
    assert!(written(&session).ends_with(",\"redacted\":true}\n"));
}

#[test]
fn csv() {
    let csv = Csv {
        names: Naming::Netstat,
        raw: false,
        wall: wall(),
    };
    let mut written = csv.heading();
    for output in outputs() {
        match output {
            Output::Change(change) => csv.change(&change, &mut written),
            Output::Timeline(timeline) => csv.timeline(&timeline, &mut written),
            Output::Loss(loss) => csv.loss(&loss, &mut written),
            Output::Held(_) => {}
        }
    }
    compare(
        "golden/session.csv",
        &written,
        include_str!("golden/session.csv"),
    );
}

#[test]
fn text_in_a_pipe() {
    let written = text(Naming::Netstat, false, None);
    assert!(
        !written.contains('\x1b'),
        "a pipe gets plain text, whatever a name holds"
    );
    compare(
        "golden/session.txt",
        &written,
        include_str!("golden/session.txt"),
    );
}

#[test]
fn text_on_a_terminal() {
    let written = text(Naming::Netstat, false, Some(80));
    compare(
        "golden/session-80.txt",
        &written,
        include_str!("golden/session-80.txt"),
    );
}

#[test]
fn colour_adds_nothing_but_colour() {
    for width in [None, Some(60), Some(80), Some(160)] {
        let plain = text(Naming::Rfc, false, width);
        let mut coloured = text(Naming::Rfc, true, width);
        while let Some(start) = coloured.find("\x1b[") {
            let end = coloured[start..].find('m').expect("a style ends in m") + start;
            coloured.replace_range(start..=end, "");
        }
        assert_eq!(coloured, plain);
    }
}
