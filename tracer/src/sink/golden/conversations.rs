//! What is written of conversations: both ends in one namespace and in two, one that was refused, one
//! that was never established, FINs that cross, one that is older than the trace, one that is open.

use jiff::tz::TimeZone;
use std::collections::BTreeMap;

use super::{END, START, by, compare, wall};
use crate::model::{Event, Existing, MonoNs, Naming, RequestEnd, TcpState::*, TimewaitEnd};
use crate::sink::{clock::LocalClock, json::Json, text::Text};
use crate::track::conversation::Conversation;
use crate::track::conversation::scenes::{Both, Fate, Side, TIME_WAIT_US, conversations_within};

const EXPIRES: (u64, TimewaitEnd) = (TIME_WAIT_US, TimewaitEnd::Expired);

fn both(socket: u64, netns: [u32; 2], local: &str, remote: &str) -> Both {
    let a = Side::new(socket, netns[0], local, remote);
    Both {
        a,
        b: a.mirrored(socket + 1, netns[1]),
        by_request: true,
    }
}

fn events() -> Vec<Event> {
    let us = |us: u64| START / 1_000 + us;
    let story = both(1, [1, 1], "127.0.0.1:40112", "127.0.0.1:8080");
    let refused = both(3, [1, 1], "127.0.0.1:40113", "127.0.0.1:9");
    let (local, remote) = ("[2001:db8::1:40]:55000", "[2001:db8::2:40]:443");
    let reset = both(5, [4_026_532_177, 4_026_532_233], local, remote);
    let half_open = both(7, [1, 1], "10.0.0.1:41000", "10.0.0.1:8080");
    let at_once = both(9, [1, 1], "127.0.0.1:40114", "127.0.0.1:8080");
    let older = both(11, [1, 1], "127.0.0.1:40001", "127.0.0.1:5432");
    let open = both(13, [1, 1], "127.0.0.1:40115", "127.0.0.1:8080");
    let existing = |side: Side| {
        Event::Existing(Existing {
            holder: None,
            at: MonoNs(START + 10),
            cookie: side.socket,
            state: Established,
            full_socket: true,
            tuple: side.tuple(),
            netns: side.netns,
            uid: None,
            left_ns: None,
            age_ns: None,
        })
    };
    let mut events = vec![existing(older.a), existing(older.b)];
    events.extend(story.lead(Fate::AFirst, us(100), 41, EXPIRES));
    events.extend(refused.lead(Fate::Refused, us(2_000), 77, EXPIRES));
    events.extend(reset.lead(Fate::Reset, us(3_000), 1_250, EXPIRES));
    events.extend(half_open.lead(Fate::HalfOpen, us(4_000), 900_000, EXPIRES));
    events.extend(at_once.lead(Fate::AtOnce, us(5_000), 300, EXPIRES));
    let steps = [(us(8_000), FinWait1), (us(8_020), FinWait2)];
    events.extend(older.a.passes(Established, &steps));
    let steps = [
        (us(8_010), CloseWait),
        (us(9_010), LastAck),
        (us(9_030), Close),
    ];
    events.extend(older.b.passes(Established, &steps));
    events.extend(
        older
            .a
            .waits(us(9_020), FinWait2, us(9_500), TimewaitEnd::Reused),
    );
    events.extend(
        open.b
            .is_asked_for(us(20_010), us(20_030), RequestEnd::Completed),
    );
    let steps = [(us(20_000), SynSent), (us(20_020), Established)];
    events.extend(open.a.passes(Close, &steps));
    let steps = [(us(20_030), SynRecv), (us(20_031), Established)];
    events.extend(open.b.passes(Listen, &steps));
    for event in &mut events {
        let Event::StateChange(change) = event else {
            continue;
        };
        match (change.cookie, change.to) {
            (Some(1 | 3 | 9), SynSent) => *change = by(8518, b"curl", change.clone()),
            (Some(2), LastAck) => *change = by(77, b"a\x1b[2Jb", change.clone()),
            _ => {}
        }
    }
    events
}

fn conversations() -> Vec<Conversation> {
    conversations_within(events(), true, 1_000, END)
}

fn text(color: bool, width: Option<usize>) -> String {
    let text = Text {
        reset_reasons: crate::model::ResetReasons::default(),
        netns_names: BTreeMap::new(),
        names: Naming::Netstat,
        raw: false,
        clock: LocalClock::new(wall(), TimeZone::UTC),
        color,
        width,
        verbose: false,
        timewait_hooked: true,
    };
    let told = conversations();
    told.iter().map(|one| text.conversation(one)).collect()
}

#[test]
fn text_in_a_pipe_and_on_narrow_terminals() {
    let golden = include_str!("conversations.txt");
    compare("golden/conversations.txt", &text(false, None), golden);
    for (width, file, golden) in [
        (
            80,
            "golden/conversations-80.txt",
            include_str!("conversations-80.txt"),
        ),
        (
            44,
            "golden/conversations-44.txt",
            include_str!("conversations-44.txt"),
        ),
    ] {
        let written = text(false, Some(width));
        compare(file, &written, golden);
        for line in written.lines().filter(|line| !line.contains("2001:db8")) {
            assert!(line.chars().count() <= width, "{width} columns: {line}");
        }
    }
}

#[test]
fn colour_adds_nothing_but_colour_to_conversations() {
    let plain = text(false, None);
    let mut coloured = text(true, None);
    while let Some(start) = coloured.find("\x1b[") {
        let end = coloured[start..].find('m').expect("a style ends in m") + start;
        coloured.replace_range(start..=end, "");
    }
    assert_eq!(coloured, plain);
}

#[test]
fn json_of_conversations() {
    let json = Json {
        reset_reasons: crate::model::ResetReasons::default(),
        netns_names: BTreeMap::new(),
        names: Naming::Netstat,
        raw: false,
        wall: wall(),
    };
    let told = conversations();
    let written: Vec<u8> = told.iter().flat_map(|one| json.conversation(one)).collect();
    let written = String::from_utf8(written).expect("JSON is UTF-8");
    let golden = include_str!("conversations.jsonl");
    compare("golden/conversations.jsonl", &written, golden);
}
