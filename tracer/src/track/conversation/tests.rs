//! Conversations, scene by scene.

use super::scenes::{Both, Fate, Side, TIME_WAIT_US, conversations, conversations_within};
use super::*;
use crate::model::{Event, Existing, MonoNs, RequestEnd, TcpState, TcpState::*, TimewaitEnd};
use crate::track::{Span, test_events::loss};

const EXPIRES: (u64, TimewaitEnd) = (TIME_WAIT_US, TimewaitEnd::Expired);

/// Both ends on loopback; the sockets have this number and the next.
fn loopback(socket: u64) -> Both {
    let a = Side::new(socket, 1, "127.0.0.1:40112", "127.0.0.1:8080");
    Both {
        a,
        b: a.mirrored(socket + 1, 1),
        by_request: true,
    }
}

/// Ends in two network namespaces.
fn across(socket: u64, netns: [u32; 2]) -> Both {
    let a = Side::new(socket, netns[0], "10.0.0.1:40112", "10.0.0.2:80");
    Both {
        a,
        b: a.mirrored(socket + 1, netns[1]),
        by_request: true,
    }
}

/// The sockets of each conversation, a's first.
fn sockets(told: &[Conversation]) -> Vec<(Option<u64>, Option<u64>)> {
    let b = |one: &Conversation| one.b().and_then(|b| b.cookie);
    told.iter().map(|one| (one.a.cookie, b(one))).collect()
}

fn whys(told: &[Conversation]) -> Vec<Option<Alone>> {
    let why = |one: &Conversation| match one.b {
        Other::Known(_) => None,
        Other::Alone(why) => Some(why),
    };
    told.iter().map(why).collect()
}

#[test]
fn both_ends_tell_one_story() {
    let events = loopback(1).lead(Fate::AFirst, 100, 10, EXPIRES);
    let told = conversations(events, true);
    assert_eq!(sockets(&told), [(Some(1), Some(2))]);
    let one = &told[0];
    assert_eq!(one.opened_by(), Some(By::One(End::A)));
    assert_eq!(one.closed_first(), Some(By::One(End::A)));
    assert_eq!(one.start(), Some(MonoNs(100_000)));
    assert_eq!(one.lifetime(), Span::Known((90 + TIME_WAIT_US) * 1_000));
    let steps: Vec<(Option<u64>, End, TcpState)> = one
        .steps()
        .iter()
        .map(|step| (step.at.map(|at| at.0 / 1_000), step.end, step.to))
        .collect();
    let at = Some;
    assert_eq!(
        steps,
        [
            (at(100), End::A, SynSent),
            (at(110), End::B, SynRecv),
            (at(120), End::A, Established),
            (at(130), End::B, Established),
            (at(150), End::A, FinWait1),
            (at(160), End::B, CloseWait),
            (at(170), End::A, FinWait2),
            (at(180), End::B, LastAck),
            (at(190), End::A, TimeWait),
            (at(200), End::B, Close),
            (at(190 + TIME_WAIT_US), End::A, Close),
        ]
    );
}

#[test]
fn who_closes_first_is_told_of_a_and_b() {
    for (fate, by) in [
        (Fate::AFirst, Some(By::One(End::A))),
        (Fate::BFirst, Some(By::One(End::B))),
        (Fate::AtOnce, Some(By::Both)),
        (Fate::Reset, Some(By::One(End::A))),
    ] {
        let told = conversations(loopback(1).lead(fate, 100, 20, EXPIRES), true);
        assert_eq!(sockets(&told), [(Some(1), Some(2))], "{fate:?}");
        assert_eq!(told[0].closed_first(), by, "{fate:?}");
    }
}

#[test]
fn without_request_sockets_the_last_ack_begins_the_other_end() {
    let both = Both {
        by_request: false,
        ..loopback(1)
    };
    let told = conversations(both.lead(Fate::AFirst, 100, 20, EXPIRES), false);
    assert_eq!(sockets(&told), [(Some(1), Some(2))]);
    // Where they are followed and there was none, nobody knows when the SYN came.
    let told = conversations(both.lead(Fate::AFirst, 100, 20, EXPIRES), true);
    assert_eq!(sockets(&told), [(Some(1), Some(2))]);
    let steps = told[0].steps();
    let received = steps.iter().position(|step| step.to == SynRecv);
    assert_eq!(received, Some(2), "before it was established: {steps:?}");
    assert_eq!(told[0].start(), Some(MonoNs(100_000)));
    assert!(matches!(told[0].lifetime(), Span::Known(_)));
}

#[test]
fn a_tuple_that_is_used_again_while_its_time_wait_stands() {
    let (first, second) = (loopback(1), loopback(3));
    let mut events = first.lead(Fate::AFirst, 100, 20, (5_000, TimewaitEnd::Reused));
    // The port is taken over just after the SYN_SENT of the next one.
    events.extend(second.lead(Fate::AFirst, 100 + 9 * 20 + 4_990, 20, EXPIRES));
    let told = conversations(events, true);
    assert_eq!(sockets(&told), [(Some(1), Some(2)), (Some(3), Some(4))]);
}

#[test]
fn a_refused_connection_has_no_other_end() {
    let told = conversations(loopback(1).lead(Fate::Refused, 100, 20, EXPIRES), true);
    assert_eq!(sockets(&told), [(Some(1), None)]);
    assert_eq!(whys(&told), [Some(Alone::NotSeen)]);
    assert_eq!(told[0].opened_by(), Some(By::One(End::A)));
}

#[test]
fn a_half_open_end_belongs_to_whom_it_waited_for() {
    let told = conversations(loopback(1).lead(Fate::HalfOpen, 100, 20, EXPIRES), true);
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0].b().and_then(|b| b.half_open_end),
        Some(RequestEnd::Reset)
    );
}

#[test]
fn an_end_that_comes_late_is_waited_for() {
    // The reset is told before the child that it ends.
    let both = Both {
        by_request: false,
        ..across(1, [1, 2])
    };
    let mut events = both
        .a
        .passes(Close, &[(100, SynSent), (200, Established), (210, Close)]);
    let late = [(250, SynRecv), (251, Established), (260, Close)];
    // It began after this end was gone: not by this end's doing, as far as anybody can tell.
    events.extend(both.b.passes(Listen, &late));
    assert_eq!(
        whys(&conversations(events, false)),
        [Some(Alone::NotSeen); 2]
    );
    let mut events = both
        .a
        .passes(Close, &[(100, SynSent), (200, Established), (260, Close)]);
    events.extend(both.b.passes(Listen, &late));
    assert_eq!(sockets(&conversations(events, false)), [(Some(1), Some(2))]);
}

#[test]
fn ends_that_are_equal_in_several_namespaces_are_not_guessed_at() {
    // At the same time: each may be either's.
    let mut events = across(1, [1, 2]).lead(Fate::AFirst, 100, 50, EXPIRES);
    events.extend(across(3, [3, 4]).lead(Fate::AFirst, 110, 50, EXPIRES));
    let told = conversations(events, true);
    assert_eq!(whys(&told), [Some(Alone::Several); 4]);
    // One after the other: a handshake has its time.
    let mut events = across(1, [1, 2]).lead(Fate::AFirst, 100, 50, EXPIRES);
    events.extend(across(3, [3, 4]).lead(Fate::AFirst, 300, 50, EXPIRES));
    let told = conversations(events, true);
    assert_eq!(sockets(&told), [(Some(1), Some(2)), (Some(3), Some(4))]);
}

#[test]
fn loopback_does_not_lead_into_another_namespace() {
    let mut events = Vec::new();
    let elsewhere = Both {
        b: loopback(1).a.mirrored(2, 7),
        ..loopback(1)
    };
    events.extend(elsewhere.lead(Fate::AFirst, 100, 20, EXPIRES));
    assert_eq!(
        whys(&conversations(events, true)),
        [Some(Alone::NotSeen); 2]
    );
}

#[test]
fn a_connection_to_itself_is_both_ends() {
    let side = Side::new(1, 1, "127.0.0.1:5000", "127.0.0.1:5000");
    let steps = [
        (100, SynSent),
        (101, SynRecv),
        (102, Established),
        (300, Close),
    ];
    let told = conversations(side.passes(Close, &steps), true);
    assert_eq!(whys(&told), [Some(Alone::Itself)]);
}

#[test]
fn syns_that_cross_open_from_both_ends() {
    let Both { a, b, .. } = across(1, [1, 2]);
    let opens = |begin| {
        [
            (begin, SynSent),
            (300, SynRecv),
            (350, Established),
            (900, Close),
        ]
    };
    let mut events = a.passes(Close, &opens(100));
    events.extend(b.passes(Close, &opens(120)));
    let told = conversations(events, true);
    assert_eq!(sockets(&told), [(Some(1), Some(2))]);
    assert_eq!(told[0].opened_by(), Some(By::Both));
    // Each was refused by itself: they never met.
    let mut events = a.passes(Close, &[(100, SynSent), (200, Close)]);
    events.extend(b.passes(Close, &[(120, SynSent), (220, Close)]));
    assert_eq!(
        whys(&conversations(events, true)),
        [Some(Alone::NotSeen); 2]
    );
}

#[test]
fn ends_that_were_there_before_the_trace() {
    let Both { a, b, .. } = across(1, [1, 2]);
    let existing = |side: Side| {
        Event::Existing(Existing {
            holder: None,
            at: MonoNs(1_000),
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
    let mut events = vec![existing(a), existing(b)];
    events.extend(a.passes(
        Established,
        &[(500, CloseWait), (510, LastAck), (520, Close)],
    ));
    events.extend(b.passes(Established, &[(490, FinWait1), (515, FinWait2)]));
    events.extend(b.waits(516, FinWait2, 700, TimewaitEnd::Reset));
    let told = conversations(events, true);
    assert_eq!(sockets(&told), [(Some(1), Some(2))]);
    assert_eq!((told[0].opened_by(), told[0].start()), (None, None));
    assert_eq!(told[0].closed_first(), Some(By::One(End::B)));
    assert!(matches!(told[0].lifetime(), Span::Unknown(_)));
    // The other end was there all the time, and nothing happened to it.
    let mut events = vec![existing(a), existing(b)];
    events.extend(a.passes(Established, &[(500, Close)]));
    assert_eq!(whys(&conversations(events, true)), [Some(Alone::Unchanged)]);
}

#[test]
fn what_is_open_is_told_at_the_end() {
    let Both { a, b, .. } = loopback(1);
    let mut events = a.passes(Close, &[(100, SynSent), (120, Established)]);
    events.extend(b.is_asked_for(110, 130, RequestEnd::Completed));
    events.extend(b.passes(Listen, &[(130, SynRecv), (130, Established)]));
    let told = conversations(events, true);
    assert_eq!(sockets(&told), [(Some(1), Some(2))]);
    assert!(matches!(told[0].lifetime(), Span::Open(_)));
    assert_eq!(told[0].steps().len(), 4, "no CLOSE");
}

#[test]
fn doubt_by_a_loss_pairs_only_inside_a_namespace() {
    for (both, pairs) in [(loopback(1), true), (across(1, [1, 2]), false)] {
        let mut events = both.lead(Fate::AFirst, 100, 20, EXPIRES);
        events.push(Event::Loss(loss(105_000, 115_000)));
        let told = conversations(events, true);
        assert_eq!(told.iter().any(|one| one.b().is_some()), pairs, "{told:?}");
    }
}

#[test]
fn a_request_socket_that_losses_gave_another_ones_full_socket_is_not_paired() {
    let (first, second) = (loopback(1), loopback(3));
    let mut events = first.a.passes(Close, &[(100, SynSent), (120, Established)]);
    // Of its child nothing else is seen than this, and of the next connection only that child's first change.
    let asked = first.b.is_asked_for(110, 130, RequestEnd::Completed);
    events.extend(asked.into_iter().take(1));
    events.push(Event::Loss(loss(130_000, 310_000)));
    events.extend(second.b.passes(Listen, &[(330, SynRecv)]));
    events.push(Event::Loss(loss(330_000, 330_000)));
    let told = conversations(events, true);
    assert_eq!(sockets(&told), [(Some(1), None), (Some(4), None)]);
}

#[test]
fn too_many_that_wait_are_told_alone_the_oldest_first() {
    let mut events = Vec::new();
    // b is gone, a waits for a minute.
    for number in 0..10 {
        let a = Side::new(
            2 * number,
            1,
            &format!("127.0.0.1:{}", 40_000 + number),
            "127.0.0.1:80",
        );
        let both = Both {
            a,
            b: a.mirrored(2 * number + 1, 1),
            by_request: true,
        };
        events.extend(both.lead(Fate::AFirst, 100 + 1_000 * number, 20, EXPIRES));
    }
    let told = conversations_within(events, true, 4, MonoNs(100_000_000_000));
    let alone: Vec<Option<u64>> = told
        .iter()
        .filter(|one| whys(std::slice::from_ref(one)) == [Some(Alone::LetGo)])
        .map(|one| one.a.cookie)
        .collect();
    assert_eq!(alone.first(), Some(&Some(1)), "the oldest first: {alone:?}");
    assert!(told.iter().all(|one| {
        one.b()
            .is_none_or(|b| b.cookie == one.a.cookie.map(|a| a + 1))
    }));
}
