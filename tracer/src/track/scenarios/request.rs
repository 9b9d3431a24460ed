//! Connections that begin in request sockets.

use super::*;
use crate::model::event::ShownTuple;
use crate::model::{Request, RequestEnd, RequestNews, Socket};
use crate::track::{Follows, Timewaits};

fn run(events: &[Event]) -> Vec<Output> {
    run_with(Selection::default(), events)
}

fn run_with(selection: Selection, events: &[Event]) -> Vec<Output> {
    let mut tracker = Tracker::new(selection, Limits::default());
    tracker.follow(Follows {
        resets: false,
        timewaits: Timewaits::Unseen,
        requests: true,
        armings: false,
        since: MonoNs(10),
        tick_ns: None,
    });
    tracker.handle(&Event::ExistingComplete);
    for event in events {
        tracker.handle(event);
    }
    tracker.finish(MonoNs(100_000_000_000));
    std::iter::from_fn(|| tracker.poll()).collect()
}

/// Something about the request socket that becomes the socket numbered so.
fn request(socket: u64, at: u64, news: RequestNews) -> Event {
    let child = change(socket, at, Listen, SynRecv);
    Event::Request(Request {
        at: MonoNs(at),
        address: Socket(socket + 1000),
        netns: child.netns,
        tuple: child.tuple(),
        retransmits: 0,
        news,
    })
}

/// A child's first change before Linux 6.15: its listener's ends, and no cookie.
fn nameless(socket: u64, at: u64) -> Event {
    let mut child = change(socket, at, Listen, SynRecv);
    child.cookie = None;
    child.shown = ShownTuple {
        remote_port: 0,
        ..child.shown
    };
    Event::StateChange(child)
}

fn child(socket: u64, rest: &[(TcpState, u64)]) -> Vec<Event> {
    life(socket, Listen, rest)
}

#[test]
fn syn_recv_begins_with_the_syn() {
    let mut events = vec![request(1, 100, RequestNews::Armed)];
    events.extend(child(1, &[(SynRecv, 900)]));
    events.push(request(1, 901, RequestNews::Ended(RequestEnd::Completed)));
    events.extend(life(1, SynRecv, &[(Established, 910), (CloseWait, 1000)]));
    let shown = run(&events);
    let timeline = timelines(&shown)[0];
    assert!(
        spans(timeline).starts_with("SYN_RECV 810, ESTABLISHED 90"),
        "{}",
        spans(timeline)
    );
    assert_eq!(timeline.opened, Opened::Passive);
    assert_eq!(timeline.half_open_end, None);
    let changes = changes(&shown);
    assert_eq!(
        (changes[0].to, changes[1].to),
        (SynRecv, Established),
        "told once"
    );
    assert_eq!(changes[0].origin, Origin::Request { end: None });
    assert!(matches!(changes[1].origin, Origin::Tracepoint { .. }));
}

#[test]
fn a_child_that_shows_its_ends_late_is_joined_all_the_same() {
    let mut events = vec![request(1, 100, RequestNews::Armed), nameless(1, 900)];
    events.push(request(1, 901, RequestNews::Ended(RequestEnd::Completed)));
    events.extend(life(1, SynRecv, &[(Established, 910)]));
    let shown = run(&events);
    let [timeline] = timelines(&shown)[..] else {
        panic!("{shown:#?}")
    };
    assert!(
        spans(timeline).starts_with("SYN_RECV 810, ESTABLISHED"),
        "{}",
        spans(timeline)
    );
    assert_eq!(timeline.cookie, Some(1));
    assert_eq!(changes(&shown).len(), 2, "LISTEN → SYN_RECV is told once");
}

#[test]
fn a_child_without_a_request_socket_was_half_open_nobody_knows_how_long() {
    for late in [false, true] {
        let mut events = match late {
            true => vec![nameless(1, 900)],
            false => child(1, &[(SynRecv, 900)]),
        };
        events.extend(life(1, SynRecv, &[(Established, 910), (CloseWait, 1000)]));
        let shown = run(&events);
        let timeline = timelines(&shown)[0];
        assert!(
            spans(timeline).starts_with("SYN_RECV ?NoRequest, ESTABLISHED 90"),
            "{}",
            spans(timeline)
        );
    }
}

#[test]
fn a_request_that_fails_is_a_connection_that_never_was() {
    let events = [
        request(1, 100, RequestNews::Armed),
        request(1, 700, RequestNews::Ended(RequestEnd::Reset)),
    ];
    let shown = run(&events);
    let timeline = timelines(&shown)[0];
    assert_eq!(spans(timeline), "SYN_RECV 600");
    assert_eq!(
        timeline.ended,
        Some(Ending::NotEstablished(RequestEnd::Reset))
    );
    assert_eq!(timeline.half_open_end, Some(RequestEnd::Reset));
    let last = changes(&shown)[1];
    let end = Some(RequestEnd::Reset);
    assert_eq!((last.to, last.origin), (Close, Origin::Request { end }));
}

#[test]
fn a_timer_that_is_set_again_is_a_syn_ack_sent_again() {
    let second = 1_000_000_000;
    let expired = RequestNews::Expired(RequestEnd::TimedOut);
    let mut events = vec![
        request(1, 100, RequestNews::Armed),
        request(1, second, expired),
        request(1, second + 10, RequestNews::Armed),
    ];
    let still = |events: &[Event]| {
        let mut tracker = Tracker::new(Selection::default(), Limits::default());
        tracker.follow(Follows {
            resets: false,
            requests: true,
            ..Follows::default()
        });
        tracker.handle(&Event::ExistingComplete);
        events.iter().for_each(|event| tracker.handle(event));
        tracker.handle_timeout(MonoNs(10 * second));
        tracker.followed()
    };
    assert_eq!(still(&events), 1);
    events.push(request(1, 3 * second, expired));
    assert_eq!(still(&events), 0, "it was not set again");
    let shown = run(&events);
    assert_eq!(spans(timelines(&shown)[0]), "SYN_RECV 2999999900");
    assert_eq!(
        timelines(&shown)[0].half_open_end,
        Some(RequestEnd::TimedOut)
    );
}

#[test]
fn the_same_address_with_other_ends_is_another_request() {
    let mut other = request(2, 200, RequestNews::Armed);
    if let Event::Request(other) = &mut other {
        other.address = Socket(1001);
    }
    let shown = run(&[request(1, 100, RequestNews::Armed), other]);
    let timelines = timelines(&shown);
    assert_eq!(timelines.len(), 2);
    assert_eq!(timelines[0].ended, Some(Ending::NotSeen));
    assert_eq!(timelines[1].ended, None);
}

/// The kernel gives the address of one that timed out to the next one at once.
#[test]
fn a_timer_that_ran_out_was_the_end_if_the_address_is_another_ones_by_then() {
    let mut other = request(2, 201, RequestNews::Armed);
    if let Event::Request(other) = &mut other {
        other.address = Socket(1001);
    }
    let shown = run(&[
        request(1, 100, RequestNews::Armed),
        request(1, 200, RequestNews::Expired(RequestEnd::ListenerClosed)),
        other,
    ]);
    let timelines = timelines(&shown);
    assert_eq!(timelines.len(), 2);
    assert_eq!(spans(timelines[0]), "SYN_RECV 100");
    let end = RequestEnd::ListenerClosed;
    assert_eq!(timelines[0].ended, Some(Ending::NotEstablished(end)));
    assert_eq!(timelines[1].ended, None);
}

#[test]
fn what_began_while_hooks_were_being_attached_begins_nothing() {
    assert_eq!(run(&[request(1, 9, RequestNews::Armed)]), []);
}

#[test]
fn one_that_is_filtered_out_leaves_nothing_behind() {
    let selection = Selection {
        remote_ports: vec![81],
        ..Selection::default()
    };
    let mut events = vec![request(1, 100, RequestNews::Armed)];
    events.extend(child(
        1,
        &[(SynRecv, 900), (Established, 910), (Close, 950)],
    ));
    assert_eq!(run_with(selection, &events), []);
}

/// The same at another address, as another request socket with the same ends has it.
fn elsewhere(event: Event) -> Event {
    match event {
        Event::Request(mut request) => {
            request.address = Socket(request.address.0 + 7);
            Event::Request(request)
        }
        other => other,
    }
}

#[test]
fn the_same_ends_at_another_address_are_another_request() {
    let reset = RequestNews::Ended(RequestEnd::Reset);
    let events = [
        request(1, 100, RequestNews::Armed),
        elsewhere(request(1, 300, RequestNews::Armed)),
        // Told late: it is the end of the first.
        request(1, 301, reset),
        elsewhere(request(1, 900, reset)),
    ];
    let shown = run(&events);
    let timelines = timelines(&shown);
    assert_eq!(timelines.len(), 2);
    assert_eq!(timelines[0].ended, Some(Ending::NotSeen));
    assert_eq!(spans(timelines[1]), "SYN_RECV 600");
}

#[test]
fn a_syn_ack_that_is_sent_again_begins_nothing() {
    let mut again = request(1, 5000, RequestNews::Armed);
    if let Event::Request(again) = &mut again {
        again.retransmits = 2;
    }
    assert_eq!(run(&[again]), [], "its SYN came before anybody looked");
}

#[test]
fn an_address_that_is_used_again_at_once_leaves_the_child_its_request() {
    let mut other = request(2, 902, RequestNews::Armed);
    if let Event::Request(other) = &mut other {
        other.address = Socket(1001);
    }
    let mut events = vec![request(1, 100, RequestNews::Armed), nameless(1, 900)];
    events.push(request(1, 901, RequestNews::Ended(RequestEnd::Completed)));
    events.push(other);
    events.extend(life(1, SynRecv, &[(Established, 910)]));
    let shown = run(&events);
    let first = timelines(&shown)[0];
    assert!(
        spans(first).starts_with("SYN_RECV 810, ESTABLISHED"),
        "{}",
        spans(first)
    );
}

#[test]
fn a_lost_end_is_let_go_one_day() {
    let second = 1_000_000_000;
    let mut tracker = Tracker::new(Selection::default(), Limits::default());
    tracker.follow(Follows {
        resets: false,
        requests: true,
        ..Follows::default()
    });
    tracker.handle(&Event::ExistingComplete);
    tracker.handle(&request(1, 100, RequestNews::Armed));
    tracker.handle(&Event::Loss(loss(200, 300)));
    tracker.handle_timeout(MonoNs(600 * second));
    assert_eq!(tracker.followed(), 1);
    tracker.handle_timeout(MonoNs(3600 * second));
    assert_eq!(tracker.followed(), 0);
}
