//! Scenarios of single connections, told as scripts.

mod between;
mod request;
mod timewait;

use std::net::{IpAddr, Ipv4Addr};

use super::output::Unknown;
use super::test_events::{change, loss};
use super::*;
use crate::model::TcpState::*;
use crate::model::event::Comm;
use crate::model::{
    CloseError, Endpoint, Event, Existing, MonoNs, Process, StateChange, TcpState, Tuple,
};

/// Runs events through a tracker and returns what it showed.
fn outputs(selection: Selection, limits: Limits, events: &[Event]) -> Vec<Output> {
    let mut tracker = Tracker::new(selection, limits);
    tracker.handle(&Event::ExistingComplete);
    for event in events {
        tracker.handle(event);
    }
    tracker.finish(MonoNs(1_000_000));
    std::iter::from_fn(|| tracker.poll()).collect()
}

fn all(events: &[Event]) -> Vec<Output> {
    outputs(Selection::default(), Limits::default(), events)
}

fn timelines(outputs: &[Output]) -> Vec<&Timeline> {
    let mut found = Vec::new();
    for output in outputs {
        if let Output::Timeline(timeline) = output {
            found.push(&**timeline);
        }
    }
    found
}

fn changes(outputs: &[Output]) -> Vec<&Change> {
    let mut found = Vec::new();
    for output in outputs {
        if let Output::Change(change) = output {
            found.push(change);
        }
    }
    found
}

/// `SYN_SENT 10, ESTABLISHED ?` and so on.
fn spans(timeline: &Timeline) -> String {
    let span = |segment: &Segment| match segment.span {
        Span::Known(ns) => format!("{} {ns}", segment.state),
        Span::Within { ns, error_ns } => format!("{} {ns}±{error_ns}", segment.state),
        Span::Open(ns) => format!("{} ≥{ns}", segment.state),
        Span::Unknown(why) => format!("{} ?{why:?}", segment.state),
    };
    timeline
        .segments
        .iter()
        .map(span)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The changes of one socket: each state with the moment it was entered.
fn life(socket: u64, first: TcpState, rest: &[(TcpState, u64)]) -> Vec<Event> {
    let mut from = first;
    rest.iter()
        .map(|&(to, at)| {
            let event = Event::StateChange(change(socket, at, from, to));
            from = to;
            event
        })
        .collect()
}

#[test]
fn an_active_close_is_not_called_an_end() {
    let shown = all(&life(
        1,
        Close,
        &[
            (SynSent, 100),
            (Established, 110),
            (FinWait1, 150),
            (FinWait2, 160),
            (Close, 175),
        ],
    ));
    let [timeline] = timelines(&shown)[..] else {
        panic!("{shown:#?}")
    };
    assert_eq!(
        spans(timeline),
        "SYN_SENT 10, ESTABLISHED 40, FIN_WAIT1 10, FIN_WAIT2 15"
    );
    assert_eq!(timeline.opened, Opened::Active);
    assert_eq!(timeline.closed_first, Some(Closer::Local));
    assert_eq!(timeline.ended, Some(Ending::TimeWaitOrClosed));
    assert_eq!(timeline.lifetime, Span::Known(75));
    assert_eq!(
        changes(&shown)[0].in_from,
        None,
        "nothing is said of the time before"
    );
}

#[test]
fn a_simultaneous_close_is_both_ends_doing() {
    let shown = all(&life(
        1,
        Close,
        &[
            (SynSent, 100),
            (Established, 110),
            (FinWait1, 150),
            (Closing, 160),
            (Close, 175),
        ],
    ));
    let timelines = timelines(&shown);
    assert_eq!(timelines[0].closed_first, Some(Closer::Both));
    assert_eq!(timelines[0].ended, Some(Ending::TimeWaitOrClosed));
}

#[test]
fn a_connection_older_than_the_trace_has_no_false_beginning() {
    let mut tracker = Tracker::new(Selection::default(), Limits::default());
    let first = change(7, 500, Established, CloseWait);
    tracker.handle(&Event::Existing(Existing {
        at: MonoNs(90),
        cookie: 7,
        state: Established,
        full_socket: true,
        tuple: first.tuple(),
        netns: 1,
        uid: Some(33),
        holder: None,
        left_ns: None,
        age_ns: None,
    }));
    tracker.handle(&Event::ExistingComplete);
    tracker.handle(&Event::StateChange(first));
    tracker.handle(&Event::StateChange(change(7, 600, CloseWait, LastAck)));
    tracker.handle(&Event::StateChange(change(7, 610, LastAck, Close)));
    let shown: Vec<Output> = std::iter::from_fn(|| tracker.poll()).collect();

    let found = changes(&shown)[0];
    assert_eq!(
        (found.from, found.to, found.origin),
        (None, Established, Origin::Snapshot)
    );
    let [timeline] = timelines(&shown)[..] else {
        panic!("{shown:#?}")
    };
    assert_eq!(
        spans(timeline),
        "ESTABLISHED ?BeforeTrace, CLOSE_WAIT 100, LAST_ACK 10"
    );
    assert_eq!(timeline.opened, Opened::BeforeTrace);
    assert_eq!(timeline.lifetime, Span::Unknown(Unknown::BeforeTrace));
    assert_eq!(timeline.segments[0].start, None);
    assert_eq!(timeline.owner.uid, Some(33));
    assert_eq!(
        changes(&shown)[1].in_from,
        Some(Span::Unknown(Unknown::BeforeTrace))
    );
}

#[test]
fn a_connection_older_than_the_trace_is_whoevers_has_it_open() {
    let first = change(7, 500, Established, CloseWait);
    let comm = |name: &[u8]| Comm::new(name).expect("a short name");
    let owner = |holder, used_by: Option<u32>| {
        let mut tracker = Tracker::new(Selection::default(), Limits::default());
        for (pid, name) in [(40, &b"nginx"[..]), (41, b"curl")] {
            let process = Process::named(pid, comm(name));
            tracker.handle(&Event::Holder(process));
        }
        tracker.handle(&Event::Existing(Existing {
            at: MonoNs(90),
            cookie: 7,
            state: Established,
            full_socket: true,
            tuple: first.tuple(),
            netns: 1,
            uid: None,
            holder,
            left_ns: None,
            age_ns: None,
        }));
        tracker.handle(&Event::ExistingComplete);
        let mut change = first.clone();
        change.task_holds_socket = Some(used_by.is_some());
        change.task.pid = used_by.unwrap_or(99);
        change.task.comm = comm(b"worker");
        tracker.handle(&Event::StateChange(change));
        let shown: Vec<Output> = std::iter::from_fn(|| tracker.poll()).collect();
        let owners: Vec<_> = changes(&shown)
            .iter()
            .map(|change| change.owner.process)
            .collect();
        <[_; 2]>::try_from(owners).expect("as found, and its change")
    };
    let nginx = Some((40, comm(b"nginx")));
    assert_eq!(owner(Some(40), None), [nginx; 2]);
    // It handed the socket on, or another one that has it open used it.
    assert_eq!(
        owner(Some(40), Some(42)),
        [nginx, Some((42, comm(b"worker")))]
    );
    assert_eq!(owner(None, Some(42)), [None, Some((42, comm(b"worker")))]);
    // Nobody told what it is called.
    assert_eq!(owner(Some(43), None), [None; 2]);
}

#[test]
fn a_connection_that_comes_during_the_listing_has_its_listener() {
    let child = change(7, 100, Listen, SynRecv);
    let listed = |local: Endpoint, holder| Existing {
        at: MonoNs(90),
        cookie: 3,
        state: Listen,
        full_socket: true,
        tuple: Tuple {
            local,
            remote: Endpoint::default(),
        },
        netns: 1,
        uid: None,
        holder,
        left_ns: None,
        age_ns: None,
    };
    let opener = |listeners: &[Existing]| {
        let mut tracker = Tracker::new(Selection::default(), Limits::default());
        for pid in [40, 41] {
            let process = Process::named(pid, Comm::new(b"nginx").expect("a short name"));
            tracker.handle(&Event::Holder(process));
        }
        for listener in listeners {
            tracker.note_listener(listener);
        }
        tracker.handle(&Event::StateChange(child.clone()));
        tracker.handle(&Event::ExistingComplete);
        let shown: Vec<Output> = std::iter::from_fn(|| tracker.poll()).collect();
        let opener = changes(&shown)[0].owner.opened_by;
        opener.map(|(pid, _)| pid)
    };
    let exact = child.tuple().local;
    let any = Endpoint {
        addr: Some(Ipv4Addr::UNSPECIFIED.into()),
        ..exact
    };
    let another = Endpoint {
        port: Some(9),
        ..exact
    };
    assert_eq!(opener(&[listed(exact, Some(40))]), Some(40));
    assert_eq!(
        opener(&[listed(any, Some(41)), listed(exact, Some(40))]),
        Some(40)
    );
    assert_eq!(opener(&[listed(any, Some(41))]), Some(41));
    assert_eq!(opener(&[listed(another, Some(40))]), None);
    // It could be either's.
    let either = [listed(exact, Some(40)), listed(exact, Some(41))];
    assert_eq!(opener(&either), None);
}

#[test]
fn a_change_during_the_listing_is_newer_than_the_list() {
    let mut tracker = Tracker::new(Selection::default(), Limits::default());
    for event in life(
        7,
        Established,
        &[(CloseWait, 100), (LastAck, 110), (Close, 120)],
    ) {
        tracker.handle(&event);
    }
    tracker.handle(&Event::Existing(Existing {
        at: MonoNs(90),
        cookie: 7,
        state: Established,
        full_socket: true,
        tuple: change(7, 0, Established, CloseWait).tuple(),
        netns: 1,
        uid: None,
        holder: None,
        left_ns: None,
        age_ns: None,
    }));
    tracker.handle(&Event::ExistingComplete);
    assert_eq!(
        tracker.followed(),
        0,
        "the list must not bring it back to life"
    );
}

#[test]
fn the_classic_hook_meets_the_list_by_its_ends() {
    let classic = |change: StateChange| StateChange {
        cookie: None,
        netns: None,
        ..change
    };
    let first = classic(change(7, 500, Established, CloseWait));
    let existing = |netns| {
        Event::Existing(Existing {
            at: MonoNs(90),
            cookie: u64::from(netns),
            state: Established,
            full_socket: true,
            tuple: first.tuple(),
            netns,
            uid: None,
            holder: None,
            left_ns: None,
            age_ns: None,
        })
    };
    for (namespaces, expected) in [(1_u32, Some(1)), (2, None)] {
        let mut tracker = Tracker::new(Selection::default(), Limits::default());
        for netns in 1..=namespaces {
            tracker.handle(&existing(netns));
        }
        tracker.handle(&Event::ExistingComplete);
        tracker.handle(&Event::StateChange(first.clone()));
        let shown: Vec<Output> = std::iter::from_fn(|| tracker.poll()).collect();
        let last = *changes(&shown).last().expect("a change");
        assert_eq!(
            last.netns, expected,
            "the same ends in {namespaces} namespaces"
        );
    }
}

#[test]
fn a_reused_address_is_another_connection() {
    let mut events = life(
        1,
        Close,
        &[(SynSent, 100), (Established, 110), (Close, 120)],
    );
    events.extend(life(
        1,
        Close,
        &[(SynSent, 121), (Established, 130), (Close, 140)],
    ));
    let shown = all(&events);
    let timelines = timelines(&shown);
    assert_eq!(timelines.len(), 2);
    assert_ne!(timelines[0].conn, timelines[1].conn);
    assert_eq!(spans(timelines[1]), "SYN_SENT 9, ESTABLISHED 10");
}

#[test]
fn an_address_whose_end_was_not_seen_does_not_join_two_lives() {
    let mut events = life(1, Close, &[(SynSent, 100), (Established, 110)]);
    let other = StateChange {
        cookie: Some(99),
        ..change(1, 500, Established, CloseWait)
    };
    events.push(Event::StateChange(other));
    let shown = all(&events);
    let timelines = timelines(&shown);
    assert_eq!(timelines[0].ended, Some(Ending::NotSeen));
    assert_eq!(spans(timelines[0]), "SYN_SENT 10, ESTABLISHED ?Missed");
    assert_eq!(timelines[1].opened, Opened::BeforeTrace);
}

#[test]
fn a_socket_that_connects_again_begins_again() {
    let mut events = life(1, Close, &[(SynSent, 100), (Close, 105)]);
    events.extend(life(
        1,
        Close,
        &[(SynSent, 200), (Established, 210), (Close, 250)],
    ));
    let shown = all(&events);
    let timelines = timelines(&shown);
    assert_eq!(timelines.len(), 2);
    assert_eq!(timelines[0].cookie, timelines[1].cookie);
    assert_eq!(timelines[1].lifetime, Span::Known(50));
}

#[test]
fn a_loss_makes_the_time_across_it_unknown_and_no_other() {
    let mut events = life(1, Close, &[(SynSent, 100), (Established, 110)]);
    events.push(Event::Loss(loss(120, 130)));
    events.extend(life(
        1,
        Established,
        &[(FinWait1, 150), (FinWait2, 160), (Close, 170)],
    ));
    events.extend(life(
        2,
        Close,
        &[(SynSent, 200), (Established, 210), (Close, 220)],
    ));
    let shown = all(&events);
    let timelines = timelines(&shown);
    assert_eq!(
        spans(timelines[0]),
        "SYN_SENT 10, ESTABLISHED ?Loss, FIN_WAIT1 10, FIN_WAIT2 10"
    );
    assert_eq!(timelines[0].lifetime, Span::Unknown(Unknown::Loss));
    assert_eq!(spans(timelines[1]), "SYN_SENT 10, ESTABLISHED 10");
}

#[test]
fn a_beginning_that_may_be_lost_is_not_called_older_than_the_trace() {
    let mut events = vec![Event::Loss(loss(50, 60))];
    events.extend(life(1, FinWait1, &[(FinWait2, 160), (Close, 170)]));
    let shown = all(&events);
    let [timeline] = timelines(&shown)[..] else {
        panic!("{shown:#?}")
    };
    assert_eq!(timeline.opened, Opened::NotSeen);
    assert_eq!(spans(timeline), "FIN_WAIT1 ?Loss, FIN_WAIT2 10");
}

#[test]
fn a_port_that_is_chosen_late_is_on_every_line() {
    let mut first = change(1, 100, Close, SynSent);
    first.bound_port = Some(0);
    first.shown.local_port = 0;
    let second = change(1, 130, SynSent, Established);
    let shown = all(&[Event::StateChange(first), Event::StateChange(second)]);
    let ports: Vec<_> = changes(&shown)
        .iter()
        .map(|change| change.tuple.local.port)
        .collect();
    assert_eq!(ports, [Some(1001), Some(1001)]);
}

#[test]
fn a_stale_port_of_an_earlier_attempt_is_not_believed() {
    let mut first = change(1, 100, Close, SynSent);
    first.bound_port = Some(0);
    first.shown.local_port = 4444;
    let shown = all(&[Event::StateChange(first)]);
    assert_eq!(changes(&shown)[0].tuple.local.port, None);
}

#[test]
fn a_change_waits_for_its_port_only_so_long() {
    let mut first = change(1, 100, Close, SynSent);
    first.bound_port = Some(0);
    first.shown.local_port = 0;
    let limits = Limits {
        hold_ns: 50,
        ..Limits::default()
    };
    let mut tracker = Tracker::new(Selection::default(), limits);
    tracker.handle(&Event::StateChange(first));
    assert_eq!(tracker.poll(), None);
    assert_eq!(tracker.poll_timeout(), Some(MonoNs(150)));
    tracker.handle_timeout(MonoNs(149));
    assert_eq!(tracker.poll(), None);
    tracker.handle_timeout(MonoNs(150));
    let Some(Output::Change(shown)) = tracker.poll() else {
        panic!("it waited too long")
    };
    assert_eq!(shown.tuple.local.port, None);
    assert_eq!(tracker.poll_timeout(), None);
}

#[test]
fn a_child_that_shows_no_ends_takes_them_from_its_next_change() {
    let mut first = change(1, 100, Listen, SynRecv);
    first.cookie = None;
    first.shown.remote_port = 0;
    first.shown.local_port = 443;
    first.shown.local_addr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    first.shown.remote_addr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let second = change(1, 102, SynRecv, Established);
    let expected = second.tuple();
    let shown = all(&[Event::StateChange(first), Event::StateChange(second)]);
    assert!(
        changes(&shown)
            .iter()
            .all(|change| change.tuple == expected && change.cookie == Some(1))
    );
    assert_eq!(timelines(&shown)[0].opened, Opened::Passive);
}

#[test]
fn a_process_that_was_only_passing_by_is_never_the_owner() {
    let mut events = life(
        1,
        Close,
        &[(SynSent, 100), (Established, 110), (FinWait1, 120)],
    );
    for (at, event) in events.iter_mut().enumerate() {
        let Event::StateChange(change) = event else {
            continue;
        };
        change.task.pid = 10 + at as u32;
        change.task_holds_socket = Some(at == 2);
    }
    let shown = all(&events);
    let owner = timelines(&shown)[0].owner;
    assert_eq!(owner.process.map(|(pid, _)| pid), Some(12));
}

#[test]
fn a_filter_shows_whole_timelines() {
    let selection = Selection {
        states: vec![CloseWait],
        ..Selection::default()
    };
    let mut events = life(
        1,
        Close,
        &[
            (SynSent, 100),
            (Established, 110),
            (CloseWait, 120),
            (Close, 130),
        ],
    );
    events.extend(life(
        2,
        Close,
        &[(SynSent, 200), (Established, 210), (Close, 220)],
    ));
    let shown = outputs(selection, Limits::default(), &events);
    let [timeline] = timelines(&shown)[..] else {
        panic!("{shown:#?}")
    };
    assert_eq!(
        spans(timeline),
        "SYN_SENT 10, ESTABLISHED 10, CLOSE_WAIT 10"
    );
    assert_eq!(changes(&shown).len(), 4);
}

#[test]
fn an_owner_that_changes_at_accept_is_found_from_the_first_change() {
    let selection = Selection {
        uids: vec![33],
        ..Selection::default()
    };
    let mut events = life(
        1,
        Listen,
        &[
            (SynRecv, 100),
            (Established, 101),
            (CloseWait, 150),
            (Close, 160),
        ],
    );
    for (at, event) in events.iter_mut().enumerate() {
        let Event::StateChange(change) = event else {
            continue;
        };
        change.uid = Some(if at < 2 { 0 } else { 33 });
    }
    assert_eq!(
        changes(&outputs(selection, Limits::default(), &events)).len(),
        4
    );
}

#[test]
fn what_a_followed_process_uses_is_shown_whole_and_what_it_kills_is_not() {
    const ECONNABORTED: CloseError = CloseError(103);
    let followed = Selection {
        followed: true,
        ..Selection::default()
    };
    let path = [
        (SynRecv, 100),
        (Established, 101),
        (CloseWait, 150),
        (Close, 160),
    ];
    let shown = |selection: Selection, touch: fn(&mut StateChange)| {
        let mut events = life(1, Listen, &path);
        let Some(Event::StateChange(last)) = events.last_mut() else {
            panic!("no change")
        };
        last.task_holds_socket = Some(true);
        last.task.pid = 7;
        touch(last);
        changes(&outputs(selection, Limits::default(), &events)).len()
    };
    let by_pid = |pid| Selection {
        pids: vec![pid],
        ..followed.clone()
    };
    assert_eq!(shown(followed.clone(), |_| ()), 0, "somebody else's");
    assert_eq!(
        shown(followed.clone(), |last| last.task_is_followed = true),
        4
    );
    assert_eq!(shown(by_pid(6), |last| last.task_is_followed = true), 4);
    assert_eq!(shown(by_pid(7), |_| ()), 4, "the one that was named");
    assert_eq!(shown(by_pid(6), |_| ()), 0);
    let killed = |last: &mut StateChange| {
        last.task_is_followed = true;
        last.error = Some(ECONNABORTED);
    };
    assert_eq!(shown(followed, killed), 0, "`ss -K` uses no connection");
}

#[test]
fn listeners_are_left_out_unless_asked_for() {
    let mut listen = change(1, 100, Close, Listen);
    listen.shown.remote_port = 0;
    listen.shown.remote_addr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let mut stop = listen.clone();
    (stop.at, stop.from, stop.to) = (MonoNs(200), Listen, Close);
    let events = [Event::StateChange(listen), Event::StateChange(stop)];
    assert_eq!(all(&events), []);
    let selection = Selection {
        listening: Listening::Only,
        ..Selection::default()
    };
    let shown = outputs(selection, Limits::default(), &events);
    let [timeline] = timelines(&shown)[..] else {
        panic!("{shown:#?}")
    };
    assert_eq!(spans(timeline), "LISTEN 100");
    assert_eq!(
        (timeline.opened, timeline.ended),
        (Opened::Listen, Some(Ending::StoppedListening))
    );
    assert_eq!(timeline.tuple.remote, Endpoint::default());
}

#[test]
fn too_many_connections_let_the_oldest_go_and_say_so() {
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let mut tracker = Tracker::new(Selection::default(), limits);
    for socket in 1..=3 {
        tracker.handle(&Event::StateChange(change(
            socket,
            100 + socket,
            Close,
            SynSent,
        )));
    }
    assert_eq!((tracker.followed(), tracker.tally().evicted), (2, 1));
    let shown: Vec<Output> = std::iter::from_fn(|| tracker.poll()).collect();
    assert_eq!(timelines(&shown)[0].ended, Some(Ending::NotFollowed));
}

#[test]
fn an_open_connection_has_an_open_end() {
    let shown = all(&life(1, Close, &[(SynSent, 100), (Established, 110)]));
    let timeline = timelines(&shown)[0];
    assert_eq!(spans(timeline), "SYN_SENT 10, ESTABLISHED ≥999890");
    assert_eq!(
        (timeline.ended, timeline.lifetime),
        (None, Span::Open(999_900))
    );
}

#[test]
fn a_state_without_a_name_is_followed_all_the_same() {
    let shown = all(&life(
        1,
        Close,
        &[(SynSent, 100), (Unknown(13), 110), (Close, 130)],
    ));
    assert_eq!(spans(timelines(&shown)[0]), "SYN_SENT 10, UNKNOWN(13) 20");
}

#[test]
fn an_ipv4_mapped_tuple_is_folded() {
    let mut mapped = change(1, 100, Close, SynSent);
    mapped.socket_family = crate::model::Family::Ipv6;
    mapped.shown.local_addr = IpAddr::V6(Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped());
    mapped.shown.remote_addr = IpAddr::V6(Ipv4Addr::new(10, 0, 0, 2).to_ipv6_mapped());
    let plain: Tuple = change(1, 100, Close, SynSent).tuple();
    let shown = all(&[Event::StateChange(mapped)]);
    let first = changes(&shown)[0];
    assert_eq!(
        (first.tuple, first.family),
        (plain, crate::model::Family::Ipv4)
    );
}

#[test]
fn an_error_that_was_pending_before_does_not_end_a_connection() {
    let states = [
        (SynSent, 100),
        (Established, 110),
        (FinWait1, 130),
        (FinWait2, 140),
        (Close, 150),
    ];
    let mut events = life(1, Close, &states);
    for event in &mut events[2..] {
        let Event::StateChange(change) = event else {
            continue;
        };
        // An ICMP error on a socket with IP_RECVERR stays until somebody reads it.
        change.error = Some(CloseError(113));
    }
    assert_eq!(
        timelines(&all(&events))[0].ended,
        Some(Ending::TimeWaitOrClosed)
    );
}

#[test]
fn an_error_that_nobody_saw_coming_makes_no_death_of_a_close() {
    let mut only = change(1, 100, FinWait2, Close);
    only.error = Some(CloseError(104));
    let shown = all(&[Event::StateChange(only)]);
    assert_eq!(timelines(&shown)[0].ended, Some(Ending::TimeWaitOrClosed));
}

#[test]
fn whoever_kills_a_socket_does_not_own_it() {
    let mut events = life(
        1,
        Listen,
        &[(SynRecv, 100), (Established, 110), (Close, 150)],
    );
    if let Some(Event::StateChange(change)) = events.last_mut() {
        change.error = Some(CloseError(103));
        change.task_holds_socket = Some(true);
    }
    assert_eq!(timelines(&all(&events))[0].owner.process, None);
}

#[test]
fn a_connection_that_was_let_go_does_not_come_back_as_an_old_one() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let mut events = life(1, Close, &[(SynSent, 100), (Established, 110)]);
    events.extend(life(2, Close, &[(SynSent, 120)]));
    events.extend(life(1, Established, &[(FinWait1, 130)]));
    let shown = outputs(Selection::default(), limits, &events);
    let timelines = timelines(&shown);
    assert_eq!(spans(timelines[0]), "SYN_SENT 10, ESTABLISHED ?NotFollowed");
    let back = timelines.last().expect("three timelines");
    assert_eq!(back.opened, Opened::NotSeen);
    assert_eq!(spans(back), "ESTABLISHED ?NotFollowed, FIN_WAIT1 ≥999870");
}

#[test]
fn connections_that_are_not_shown_are_let_go_without_a_word() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let selection = Selection {
        remote_ports: vec![443],
        ..Selection::default()
    };
    let mut tracker = Tracker::new(selection, limits);
    for socket in 1..=3 {
        tracker.handle(&Event::StateChange(change(socket, 100, Close, SynSent)));
    }
    assert_eq!((tracker.poll(), tracker.tally().evicted), (None, 0));
}

#[test]
fn without_cookies_other_ends_are_another_connection() {
    let classic = |change: StateChange| StateChange {
        cookie: None,
        ..change
    };
    let first = classic(change(1, 100, SynSent, Established));
    let mut other = classic(change(1, 200, Established, FinWait1));
    other.shown.local_port = 5555;
    let events = [
        Event::StateChange(first),
        Event::Loss(loss(150, 160)),
        Event::StateChange(other),
    ];
    let shown = all(&events);
    let timelines = timelines(&shown);
    assert_eq!(timelines.len(), 2);
    assert_eq!(timelines[0].ended, Some(Ending::NotSeen));
    assert_eq!(timelines[1].tuple.local.port, Some(5555));
}

#[test]
fn a_connect_in_progress_is_not_listed_beside_itself() {
    let mut begun = change(1, 100, Close, SynSent);
    let existing = Existing {
        at: MonoNs(90),
        cookie: 77,
        state: SynSent,
        full_socket: true,
        tuple: change(1, 110, SynSent, Established).tuple(),
        netns: 1,
        uid: None,
        holder: None,
        left_ns: None,
        age_ns: None,
    };
    (begun.cookie, begun.bound_port, begun.shown.local_port) = (None, None, 0);
    let mut tracker = Tracker::new(Selection::default(), Limits::default());
    tracker.handle(&Event::StateChange(begun));
    tracker.handle(&Event::Existing(existing));
    assert_eq!(tracker.followed(), 1);
}

#[test]
fn a_change_that_changes_nothing_begins_and_ends_nothing() {
    let shown = all(&[Event::StateChange(change(1, 100, Close, Close))]);
    assert_eq!(timelines(&shown).len(), 0);
}
