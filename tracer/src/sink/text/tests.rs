//! Every line fits the terminal, whatever the addresses, the names and the times are.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::tz::TimeZone;

use super::*;
use crate::model::TcpState::{self, *};
use crate::model::event::{ShownTuple, Task};
use crate::model::{Endpoint, Family, MonoNs, Privileges, RequestEnd, ResetReasons, WallClock};
use crate::stats::{Comparison, Methods, SummaryBuilder, TimewaitSockets};
use crate::track::{
    Closer, ConnId, Ending, Opened, Origin, Output, Owner, Segment, Timeline, Unknown,
};

const WIDTHS: [usize; 13] = [60, 72, 80, 84, 90, 98, 100, 107, 120, 121, 145, 146, 200];
const WIDEST_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(255, 255, 255, 254));
const WIDEST_V6: IpAddr = IpAddr::V6(Ipv6Addr::from_bits(u128::MAX - 1));
/// `59 min 59 s`, the widest.
const LONG_NS: u64 = 3_599 * 1_000_000_000;
/// `119.9 s ± 100 ms`, the widest with an error.
const WITHIN: Span = Span::Within {
    ns: 119_900_000_000,
    error_ns: 99_000_001,
};

fn text(width: Option<usize>, names: Naming, raw: bool) -> Text {
    Text {
        names,
        raw,
        clock: LocalClock::new(
            WallClock::new(MonoNs(0), 1_767_323_045_000_000_000),
            TimeZone::UTC,
        ),
        color: false,
        width,
        verbose: true,
        timewait_hooked: false,
        reset_reasons: ResetReasons::default(),
        netns_names: BTreeMap::new(),
    }
}

impl Text {
    fn change_line(&self, change: &Change) -> String {
        let mut line = String::new();
        self.change(change, &mut line);
        line
    }

    fn picture(&self, timeline: &Timeline) -> String {
        let mut picture = String::new();
        self.timeline(timeline, &mut picture);
        picture
    }
}

fn owner() -> Owner {
    Owner {
        process: Some((4_194_304, Comm(*b"a-very-long-nam\0"))),
        ..Owner::default()
    }
}

fn tuple(addr: IpAddr) -> Tuple {
    let end = Endpoint::new(Some(addr), Some(65_535));
    Tuple {
        local: end,
        remote: end,
    }
}

fn change(addr: IpAddr, from: TcpState, to: TcpState, in_from: Option<Span>) -> Change {
    Change {
        error_ns: 0,
        at: MonoNs(1),
        conn: ConnId(1),
        origin: Origin::Tracepoint {
            shown: ShownTuple {
                local_addr: addr,
                local_port: 65_535,
                remote_addr: addr,
                remote_port: 65_535,
            },
            task: Task::named(4_194_304, 4_194_304, Comm(*b"a-very-long-nam\0")),
            task_holds_socket: None,
        },
        family: Family::Ipv4,
        tuple: tuple(addr),
        from: Some(from),
        to,
        in_from,
        netns: None,
        cookie: None,
        owner: owner(),
    }
}

/// A change that a small socket told as it ended, at a time known within bounds.
fn ended(addr: IpAddr, from: TcpState, origin: Origin) -> Change {
    Change {
        origin,
        error_ns: 63_900_000,
        ..change(addr, from, Close, Some(WITHIN))
    }
}

fn changes(addr: IpAddr) -> Vec<Change> {
    let known = |ns| Some(Span::Known(ns));
    let timewait = TimewaitEnd::ALL.map(|end| {
        let end = Some(end);
        ended(addr, FinWait2, Origin::Timewait { end })
    });
    let request = RequestEnd::FAILURES.map(|end| {
        let end = Some(end);
        ended(addr, SynRecv, Origin::Request { end })
    });
    let mut all = vec![
        change(addr, Close, SynSent, None),
        change(addr, SynRecv, Established, known(40_100)),
        change(addr, Established, CloseWait, known(LONG_NS)),
        change(
            addr,
            Established,
            FinWait1,
            Some(Span::Unknown(Unknown::Loss)),
        ),
        change(addr, FinWait1, FinWait2, known(999_900_000)),
        change(addr, FinWait2, Close, known(LONG_NS)),
    ];
    all.extend(timewait);
    all.extend(request);
    all
}

fn timelines(addr: IpAddr) -> Vec<Timeline> {
    let spans = [
        Span::Known(40_100),
        Span::Known(LONG_NS),
        Span::Open(LONG_NS),
        WITHIN,
        Span::Unknown(Unknown::BeforeTrace),
        Span::Unknown(Unknown::Loss),
        Span::Unknown(Unknown::Missed),
        Span::Unknown(Unknown::NotFollowed),
        Span::Unknown(Unknown::Clock),
        Span::Unknown(Unknown::NoRequest),
    ];
    let segment = |span| Segment {
        state: Established,
        start: None,
        span,
    };
    let endings = [
        None,
        Some(Ending::TimeWaitOrClosed),
        Some(Ending::NotFollowed),
        Some(Ending::Error(113)),
        Some(Ending::GivenUp),
    ];
    let timeline = |ended| Timeline {
        ended_at: None,
        people: crate::track::People::default(),
        figures: None,
        marks: crate::track::Marks::default(),
        conn: ConnId(1),
        family: Family::Ipv4,
        tuple: tuple(addr),
        opened: Opened::NotSeen,
        closed_first: Some(Closer::Remote),
        ended,
        segments: spans.map(segment).to_vec(),
        lifetime: Span::Open(LONG_NS),
        timewait_end: None,
        rearmed: 0,
        half_open_end: None,
        owner: owner(),
        netns: None,
        cookie: None,
    };
    let mut all = endings.map(timeline).to_vec();
    for end in TimewaitEnd::ALL {
        let mut over = timeline(Some(Ending::TimeWaitOver(end)));
        (over.timewait_end, over.rearmed) = (Some(end), 4_294_967);
        over.segments.truncate(4);
        all.push(over);
    }
    for end in RequestEnd::FAILURES {
        let mut failed = timeline(Some(Ending::NotEstablished(end)));
        failed.half_open_end = Some(end);
        all.push(failed);
    }
    all
}

fn session() -> Session {
    Session {
        reset_reasons: ResetReasons::default(),
        tracer: "0.1.0".to_owned(),
        kernel: "6.12.117+deb13-cloud-amd64".to_owned(),
        machine: "x86_64".to_owned(),
        boot_id: None,
        hostname: "web1".to_owned(),
        hook: "tracepoint".to_owned(),
        time_wait: "off".to_owned(),
        time_wait_bound: None,
        half_open: "off".to_owned(),
        filters: [
            "--port 80,443,8080,8443",
            "--addr 10.0.0.0/8",
            "--comm a\u{1b}[2Jb",
        ]
        .map(str::to_owned)
        .to_vec(),
        start: MonoNs(0),
        wall: WallClock::new(MonoNs(0), 0),
        missing: [
            "the network namespace",
            "the cgroup",
            "the uid",
            "the socket cookie",
        ]
        .map(str::to_owned)
        .to_vec(),
        notes: vec![
            "cannot enter network namespace 4026532200 of /proc/4242/ns/net: Operation not \
             permitted (os error 1)"
                .to_owned(),
        ],
        privileges: Some(Privileges {
            capabilities: ["CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN"]
                .map(str::to_owned)
                .to_vec(),
            user: 1000,
            no_new_privs: true,
            landlock: None,
            seccomp: true,
        }),
        ring_bytes: 8 << 20,
        existing: 3,
        redacted: false,
    }
}

fn loss() -> Loss {
    Loss {
        beside: 0,
        cause: LossCause::RingFull { cpu: 127 },
        lost: 1_234_567,
        since: MonoNs(1),
        until: MonoNs(LONG_NS),
    }
}

fn summary() -> crate::stats::Summary {
    let mut builder = SummaryBuilder::new(Methods {
        time_wait: Some("fentry"),
        half_open: Some("fentry"),
    });
    for change in changes(WIDEST_V4).into_iter().chain(changes(WIDEST_V6)) {
        builder.add(&Output::Change(change));
    }
    builder.add(&Output::Loss(loss()));
    for timeline in timelines(WIDEST_V4) {
        builder.add(&Output::Timeline(Box::new(timeline)));
    }
    let compared = |counter, agree| Comparison {
        counter,
        kernel: Some(123_456),
        traced: Some(123_455),
        agree,
        uncertain: 2,
        note: Some("a namespace went while it was traced"),
    };
    let kernel = [None, Some(true), Some(false)]
        .into_iter()
        .flat_map(|agree| {
            ["ActiveOpens", "PassiveOpens", "EstabResets"].map(|counter| compared(counter, agree))
        })
        .collect();
    let timewait = TimewaitSockets {
        found: 123_456,
        open: 12_345,
    };
    crate::stats::Summary {
        not_followed: 1_234,
        ..builder.finish(LONG_NS, 12_345, timewait, Ok(kernel))
    }
}

#[test]
fn processes_that_were_not_followed_are_told_where_there_are_some() {
    let written = |summary| text(None, Naming::Netstat, false).summary(&summary);
    let said = written(summary());
    assert!(
        said.contains("of 1,234 processes nothing is shown"),
        "{said}"
    );
    let none = crate::stats::Summary {
        not_followed: 0,
        ..summary()
    };
    assert!(!written(none).contains("processes"));
}

fn everything(text: &Text, addr: IpAddr) -> String {
    let mut written = text.session(&session());
    for change in changes(addr) {
        written += &text.change_line(&change);
    }
    for timeline in timelines(addr) {
        written += &text.picture(&timeline);
    }
    written + &text.loss(&loss()) + &text.summary(&summary())
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in WIDTHS {
        for names in [Naming::Netstat, Naming::Ss, Naming::Rfc] {
            for raw in [false, true] {
                for line in everything(&text(Some(width), names, raw), WIDEST_V4).lines() {
                    assert!(columns(line) <= width, "{width} columns: {line}");
                }
            }
        }
    }
}

#[test]
fn a_wide_ipv6_address_is_broken_between_its_ends_alone() {
    let end = format!("[{WIDEST_V6}]:65535");
    for width in WIDTHS {
        let written = everything(&text(Some(width), Naming::Netstat, false), WIDEST_V6);
        let whole = written.matches(&end).count();
        assert_eq!(
            whole,
            2 * (changes(WIDEST_V6).len() + timelines(WIDEST_V6).len())
        );
        for line in written.lines() {
            assert!(columns(line) <= width, "{width} columns: {line}");
        }
    }
}

#[test]
fn states_stand_under_one_another_where_lines_are_broken() {
    let text = text(Some(80), Naming::Netstat, false);
    let shorter = |change: &Change| !matches!(change.in_from, Some(Span::Known(LONG_NS) | WITHIN));
    for change in changes(WIDEST_V4)[1..].iter().filter(|one| shorter(one)) {
        let written = text.change_line(change);
        let (head, tail) = written.split_once('\n').expect("a line ends");
        assert!(head.ends_with(":65535"), "{written}");
        let from = change.from.map(|state| state.to_string());
        assert_eq!(tail.find(&from.unwrap_or_default()), Some(47), "{tail}");
        assert_eq!(columns(tail.trim_end()), 80, "times end at the edge");
    }
}

#[test]
fn an_end_that_nobody_saw_is_doubted_at_any_width() {
    let gone = change(WIDEST_V4, FinWait2, Close, Some(Span::Known(1)));
    for width in WIDTHS {
        let written = text(Some(width), Naming::Netstat, false).change_line(&gone);
        let doubt = if width < 146 {
            "CLOSE?"
        } else {
            "or in a timewait socket"
        };
        assert!(written.contains(doubt), "{written}");
    }
}

#[test]
fn why_a_socket_is_gone_is_told_at_any_width() {
    let origin = Origin::Timewait {
        end: Some(TimewaitEnd::NewSyn),
    };
    let gone = change(
        WIDEST_V4,
        TimeWait,
        Close,
        Some(Span::Known(60_130_000_000)),
    );
    let gone = Change { origin, ..gone };
    for width in WIDTHS {
        let written = text(Some(width), Naming::Netstat, false).change_line(&gone);
        assert!(written.contains("new SYN from the peer"), "{written}");
        assert!(written.contains("60.13 s"), "{written}");
        assert!(!written.contains('?'), "{written}");
    }
    let alive = Change {
        origin: Origin::Timewait { end: None },
        ..change(WIDEST_V4, FinWait2, TimeWait, Some(Span::Known(1)))
    };
    let written = text(None, Naming::Netstat, false).change_line(&alive);
    assert!(written.ends_with("1 ns\n"), "{written}");
}

#[test]
fn where_timewait_sockets_are_hooked_a_close_is_doubted_across_a_loss_alone() {
    let mut text = text(None, Naming::Netstat, false);
    let gone = change(WIDEST_V4, FinWait2, Close, Some(Span::Known(1)));
    assert!(text.change_line(&gone).contains("or in a timewait socket"));
    text.timewait_hooked = true;
    assert!(text.change_line(&gone).ends_with("1 ns\n"));
    let lossy = Change {
        in_from: Some(Span::Unknown(Unknown::Loss)),
        ..gone
    };
    assert!(text.change_line(&lossy).contains("or in a timewait socket"));
}

#[test]
fn a_time_of_day_has_no_digits_that_its_error_makes_worthless() {
    let text = text(None, Naming::Netstat, false);
    let shown = |error_ns| {
        let change = change(WIDEST_V4, TimeWait, Close, None);
        text.change_line(&Change { error_ns, ..change })
    };
    assert!(shown(0).starts_with("03:04:05.000000  a-very"));
    assert!(shown(1_000).starts_with("03:04:05.000000  a-very"));
    assert!(shown(1_001).starts_with("03:04:05.00000   a-very"));
    assert!(shown(64_000_000).starts_with("03:04:05.0       a-very"));
    assert!(shown(100_000_001).starts_with("03:04:05         a-very"));
    assert!(shown(u64::MAX).starts_with("03:04:05         a-very"));
}

#[test]
fn an_ending_that_stands_behind_the_bar_is_not_told_twice() {
    let text = text(Some(100), Naming::Netstat, false);
    let over = &timelines(WIDEST_V4)[5];
    let written = text.picture(over);
    assert_eq!(written.matches("expired").count(), 1, "{written}");
    assert!(written.contains("expired · re-armed 4294967×"), "{written}");
    assert!(written.ends_with("└ CLOSE\n"), "{written}");
    let untold = Timeline {
        timewait_end: None,
        ..over.clone()
    };
    let written = text.picture(&untold);
    assert!(written.contains("TIME_WAIT expired"), "{written}");
}

#[test]
fn a_connection_that_is_over_is_not_called_open() {
    let text = text(None, Naming::Rfc, false);
    let mut timeline = timelines(WIDEST_V4).remove(0);
    let written = text.picture(&timeline);
    assert!(written.ends_with("└ still open when the trace ended\n"));
    timeline.segments.push(Segment {
        state: TimeWait,
        start: None,
        span: Span::Open(1),
    });
    let written = text.picture(&timeline);
    assert!(written.ends_with("└ still in TIME-WAIT when the trace ended\n"));
}

#[test]
fn a_half_open_connection_that_failed_is_no_open_one() {
    let failed = timelines(WIDEST_V4).into_iter().find_map(|timeline| {
        (timeline.half_open_end == Some(RequestEnd::AcceptQueueFull)).then_some(timeline)
    });
    let failed = Timeline {
        opened: Opened::Passive,
        ..failed.expect("each failure is among them")
    };
    let written = text(None, Naming::Netstat, false).picture(&failed);
    assert!(written.contains("· asked for by the peer ·"), "{written}");
    assert!(written.contains("accept queue full\n"), "{written}");
    assert!(
        written.ends_with("└ CLOSE · never established\n"),
        "{written}"
    );
}

#[test]
fn a_wide_terminal_keeps_ipv6_on_a_line() {
    let addr = "2001:db8:1234:5678::1".parse().expect("an address");
    let width = 160;
    for change in changes(addr) {
        let written = text(Some(width), Naming::Netstat, false).change_line(&change);
        assert_eq!(written.lines().count(), 1, "{written}");
        assert!(columns(written.trim_end()) <= width, "{written}");
    }
}

#[test]
fn a_pipe_gets_one_line_a_change() {
    let text = text(None, Naming::Netstat, false);
    for change in changes(WIDEST_V6) {
        let written = text.change_line(&change);
        assert_eq!(written.lines().count(), 1, "{written}");
        assert!(written.contains("a-very-long-nam[4194304]"), "{written}");
    }
}

#[test]
fn a_name_that_does_not_fit_keeps_its_number() {
    let whose = |width| process(owner().process, width);
    assert_eq!(whose(None), "a-very-long-nam[4194304]");
    assert_eq!(whose(Some(24)), "a-very-long-nam[4194304]");
    assert_eq!(whose(Some(16)), "a-very…[4194304]");
    assert_eq!(process(None, Some(16)), "-");
}

#[test]
fn pseudonyms_are_called_so() {
    let text = text(None, Naming::Netstat, false);
    let mut session = session();
    let said = "\naddresses and names are pseudonyms\n";
    assert!(!text.session(&session).contains(said));
    session.redacted = true;
    assert!(text.session(&session).contains(said));
}

#[test]
fn notes_are_told_when_asked_for_and_escaped() {
    let mut text = text(None, Naming::Netstat, false);
    assert!(text.session(&session()).contains("note: cannot enter"));
    assert!(!text.session(&session()).contains('\u{1b}'));
    text.verbose = false;
    assert!(!text.session(&session()).contains("note:"));
}

#[test]
fn a_clock_that_was_set_is_told_with_where_the_times_come_from() {
    let step = |wall_ns, suspended_ns| ClockStep {
        since: MonoNs(1_000_000_000),
        until: MonoNs(11_000_000_000),
        wall_ns,
        suspended_ns,
    };
    let text = text(None, Naming::Netstat, false);
    for (step, expected) in [
        (
            step(3_500_000_000, 0),
            "the wall clock was set 3.50 s forward;",
        ),
        (
            step(-90_000_000_000, 0),
            "the wall clock was set 90.00 s back;",
        ),
        (step(0, 8_000_000_000), "the host was suspended for 8.00 s;"),
        (step(1, 8_000_000_000), "forward, the host was suspended"),
    ] {
        let told = text.clock_step(&step);
        assert!(told.contains(expected), "{told}");
        assert!(
            told.starts_with("!! between 03:04:06.000000 and 03:04:16.000000"),
            "{told}"
        );
    }
}
