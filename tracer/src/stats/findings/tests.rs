//! Findings, each judged from what a tracker tells, and beside each its neighbour that is none.

mod bursts;
mod per_request;
mod ports;
mod staying;

use super::*;
use crate::model::TcpState::{
    Close, CloseWait, Established, FinWait1, FinWait2, LastAck, Listen, SynRecv, SynSent, TimeWait,
};
use crate::model::{
    CloseError, Event, Existing, FindingKind, Request, RequestEnd, RequestNews, Socket,
    StateChange, TcpState, Ticks, Timewait, TimewaitEnd, TimewaitNews,
};
use crate::track::test_events::{change, loss};
use crate::track::{Follows, Limits, Selection, Timewaits, Tracker};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
/// When every trace here begins.
const START: u64 = 100 * SECOND;
/// And ends.
const END: u64 = START + 1_000 * SECOND;

const ECONNRESET: u32 = 104;
const ETIMEDOUT: u32 = 110;
const ECONNREFUSED: u32 = 111;

/// A trace of these events, with the kinds' own thresholds.
fn judge(events: impl IntoIterator<Item = Event>) -> Vec<Finding> {
    judge_with(Findings::new(&Thresholds::default()), events)
}

fn judge_with(mut findings: Findings, events: impl IntoIterator<Item = Event>) -> Vec<Finding> {
    let mut tracker = Tracker::new(Selection::default(), Limits::default());
    tracker.follow(Follows {
        resets: false,
        timewaits: Timewaits::Hooked,
        requests: true,
        armings: true,
        since: MonoNs(START),
        tick_ns: Some(4 * MS),
    });
    for event in events {
        tracker.handle(&event);
        while let Some(output) = tracker.poll() {
            findings.add(&output);
        }
    }
    tracker.finish(MonoNs(END));
    while let Some(output) = tracker.poll() {
        findings.add(&output);
    }
    findings.finish(MonoNs(END), 0, &[])
}

/// The one finding.
fn only(found: &[Finding]) -> &Finding {
    match found {
        [finding] => finding,
        other => panic!("{other:#?}"),
    }
}

fn kinds(found: &[Finding]) -> Vec<FindingKind> {
    found.iter().map(|finding| finding.kind).collect()
}

/// The changes of a socket, each with its milliseconds since the begin.
fn life(socket: u64, from: TcpState, path: &[(TcpState, u64)]) -> Vec<Event> {
    let mut from = from;
    let step = |&(to, ms): &(TcpState, u64)| {
        let change = change(socket, START + ms * MS, from, to);
        from = to;
        Event::StateChange(change)
    };
    path.iter().map(step).collect()
}

/// The same, with the error that is pending at the last change.
fn life_with_error(
    socket: u64,
    from: TcpState,
    path: &[(TcpState, u64)],
    error: u32,
) -> Vec<Event> {
    let mut events = life(socket, from, path);
    if let Some(Event::StateChange(last)) = events.last_mut() {
        last.error = Some(CloseError(error));
    }
    events
}

/// A socket that was there when the trace began.
fn existing(socket: u64, state: TcpState) -> Event {
    let like: StateChange = change(socket, START, state, state);
    Event::Existing(Existing {
        holder: None,
        at: MonoNs(START),
        cookie: socket,
        state,
        full_socket: true,
        tuple: like.tuple(),
        netns: 1,
        uid: None,
        left_ns: None,
        age_ns: None,
    })
}

fn timewait(socket: u64, ms: u64, substate: TcpState, news: TimewaitNews) -> Event {
    let full = change(socket, START + ms * MS, FinWait2, Close);
    Event::Timewait(Timewait {
        at: full.at,
        error_ns: 0,
        cookie: full.cookie,
        netns: full.netns,
        tuple: full.tuple(),
        substate,
        news,
    })
}

fn armed(socket: u64, ms: u64, substate: TcpState) -> Event {
    let now = START / (4 * MS) + ms / 4;
    let expires = now + 60_000 / 4;
    timewait(
        socket,
        ms,
        substate,
        TimewaitNews::Armed(Ticks { now, expires }),
    )
}

fn expired(socket: u64, ms: u64, substate: TcpState) -> Event {
    let end = TimewaitEnd::Expired;
    timewait(
        socket,
        ms,
        substate,
        TimewaitNews::Ended { end, timer: None },
    )
}

/// A half-open connection that ends so.
fn half_open(socket: u64, ms: u64, ends: Option<(u64, RequestEnd)>) -> Vec<Event> {
    let child = change(socket, START, Listen, SynRecv);
    let request = |ms: u64, news| {
        Event::Request(Request {
            at: MonoNs(START + ms * MS),
            address: Socket(socket + 100_000),
            netns: child.netns,
            tuple: child.tuple(),
            retransmits: 0,
            news,
        })
    };
    let begins = request(ms, RequestNews::Armed);
    let ends = ends.map(|(ms, end)| request(ms, RequestNews::Ended(end)));
    [begins].into_iter().chain(ends).collect()
}

/// Events of several connections in the order of time.
fn by_time(events: impl IntoIterator<Item = Vec<Event>>) -> Vec<Event> {
    let mut all: Vec<Event> = events.into_iter().flatten().collect();
    all.sort_by_key(Event::at);
    all
}

#[test]
fn nothing_is_found_in_an_orderly_life() {
    let ours = [(SynSent, 0), (Established, 1), (FinWait1, 5), (FinWait2, 6)];
    let mut events = life(1, Close, &ours);
    events.push(armed(1, 7, TimeWait));
    events.extend(life(1, FinWait2, &[(Close, 7)]));
    events.push(expired(1, 60_107, TimeWait));
    let theirs = [(CloseWait, 300), (LastAck, 301), (Close, 302)];
    events.extend(half_open(2, 200, None));
    events.extend(life(2, Listen, &[(SynRecv, 201)]));
    events.extend(life(2, SynRecv, &[(Established, 202)]));
    events.extend(life(2, Established, &theirs));
    let found = judge(by_time([events]));
    assert_eq!(found, []);
}

#[test]
fn what_is_off_is_not_found() {
    let events = || life_with_error(1, Close, &[(SynSent, 0), (Close, 1)], ECONNREFUSED);
    assert_eq!(kinds(&judge(events())), [FindingKind::ConnectRefused]);
    let mut thresholds = Thresholds::default();
    thresholds.set(FindingKind::ConnectRefused, None);
    assert_eq!(judge_with(Findings::new(&thresholds), events()), []);
    let mut none = Thresholds::default();
    for kind in FindingKind::ALL {
        none.set(kind, None);
    }
    assert_eq!(judge_with(Findings::new(&none), events()), []);
}

#[test]
fn where_changes_were_lost_there_are_at_least_so_many() {
    let refused = life_with_error(1, Close, &[(SynSent, 0), (Close, 1)], ECONNREFUSED);
    assert!(!only(&judge(refused.clone())).is_least);
    let lost = Event::Loss(loss(START, START + MS));
    let found = judge([lost].into_iter().chain(refused.clone()));
    assert!(only(&found).is_least);
    let mut findings = Findings::new(&Thresholds::default());
    findings.lost = 0;
    let mut tracker = Tracker::new(Selection::default(), Limits::default());
    refused.iter().for_each(|event| tracker.handle(event));
    tracker.finish(MonoNs(END));
    while let Some(output) = tracker.poll() {
        findings.add(&output);
    }
    let found = findings.finish(MonoNs(END), 1, &[]);
    assert!(only(&found).is_least, "one connection was let go");
}

#[test]
fn a_refused_connect_is_told_apart_from_one_without_an_answer() {
    let refused = life_with_error(1, Close, &[(SynSent, 0), (Close, 30)], ECONNREFUSED);
    let timed_out = life_with_error(2, Close, &[(SynSent, 10), (Close, 130_000)], ETIMEDOUT);
    let given_up = life(3, Close, &[(SynSent, 20), (Close, 5_020)]);
    let waits = life(4, Close, &[(SynSent, 999_000 - 1)]);
    let found = judge(by_time([refused, timed_out, given_up, waits]));
    let [unanswered, refused] = &found[..] else {
        panic!("{found:#?}");
    };
    assert_eq!(unanswered.kind, FindingKind::ConnectTimeout);
    assert_eq!(unanswered.count, 3);
    let detail = Detail::Unanswered {
        timed_out: 1,
        given_up: 1,
        still: 1,
    };
    assert_eq!(unanswered.detail, detail);
    // The longest first, by the time that was waited.
    let of: Vec<Option<u64>> = unanswered.connections.iter().map(|one| one.ns).collect();
    assert_eq!(
        of,
        [129_990, 5_000, 1_001].map(|ms| Some(ms * MS)),
        "in milliseconds"
    );
    assert!(unanswered.connections[2].is_open);
    assert_eq!(
        (refused.kind, refused.count),
        (FindingKind::ConnectRefused, 1)
    );
    assert_eq!(refused.since, Some(MonoNs(START)));
    assert_eq!(refused.until, Some(MonoNs(START + 30 * MS)));
}

#[test]
fn a_connect_that_is_dropped_in_time_or_has_just_begun_says_nothing() {
    let dropped = life(1, Close, &[(SynSent, 0), (Close, 250)]);
    let begun = life(2, Close, &[(SynSent, 999_500)]);
    let established = life(3, Close, &[(SynSent, 10), (Established, 3_000)]);
    assert_eq!(judge(by_time([dropped, begun, established])), []);
}

#[test]
fn the_queue_is_judged_by_its_sockets_and_by_the_kernels_counters() {
    let full = |socket, ms| half_open(socket, ms, Some((ms + 900, RequestEnd::AcceptQueueFull)));
    let found = judge(by_time([full(1, 0), full(2, 10)]));
    let finding = only(&found);
    assert_eq!(finding.kind, FindingKind::AcceptQueueOverflow);
    assert_eq!((finding.count, finding.connections.len()), (2, 2));
    assert!(finding.is_least, "the kernel was not asked");
    assert_eq!(finding.until, Some(MonoNs(START + 910 * MS)));

    let moved = |counter, kernel| Comparison {
        counter,
        kernel: Some(kernel),
        traced: None,
        agree: None,
        uncertain: 0,
        note: None,
    };
    let counted = |kernel: &[Comparison]| {
        Findings::new(&Thresholds::default()).finish(MonoNs(END), 0, kernel)
    };
    let found = counted(&[moved("ListenDrops", 9), moved("ListenOverflows", 7)]);
    let finding = only(&found);
    assert_eq!((finding.count, finding.is_least), (7, false));
    let detail = Detail::Queue {
        failed: 0,
        kernel: vec![("ListenOverflows", 7)],
    };
    assert_eq!(finding.detail, detail);
    assert_eq!(counted(&[moved("ListenDrops", 9)]), []);
}
