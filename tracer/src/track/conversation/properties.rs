//! Properties that hold for all conversations, however they lie in time.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::scenes::{Both, Fate, Side, by_time, conversations, conversations_within};
use super::*;
use crate::model::{Event, Loss, LossCause, MonoNs, TimewaitEnd};

const FATES: [Fate; 6] = [
    Fate::AFirst,
    Fate::BFirst,
    Fate::AtOnce,
    Fate::Reset,
    Fate::Refused,
    Fate::HalfOpen,
];

/// Ends that meet again and again: where, and what becomes of each meeting.
#[derive(Clone, Debug)]
struct Slot {
    tuple: u8,
    /// Whether both ends are in one network namespace.
    is_inside: bool,
    /// Whether b is seen.
    has_b: bool,
    begin: u64,
    meetings: Vec<Meeting>,
}

#[derive(Clone, Debug)]
struct Meeting {
    fate: usize,
    /// Between two steps, in microseconds.
    gap: u64,
    /// For how long its TIME_WAIT lasts before the next meeting takes the tuple over.
    time_wait: u64,
}

fn slots() -> impl Strategy<Value = Vec<Slot>> {
    let meeting = (
        0..FATES.len(),
        12_u64..300,
        prop_oneof![1_u64..50, 1_000_u64..60_000_000],
    );
    let meeting = meeting.prop_map(|(fate, gap, time_wait)| Meeting {
        fate,
        gap,
        time_wait,
    });
    let slot = (
        0_u8..3,
        any::<bool>(),
        prop::bool::weighted(0.8),
        1_u64..2_000,
        prop::collection::vec(meeting, 1..5),
    );
    let slot = slot.prop_map(|(tuple, is_inside, has_b, begin, meetings)| Slot {
        tuple,
        is_inside,
        has_b,
        begin,
        meetings,
    });
    prop::collection::vec(slot, 1..5)
}

/// All that happens, and by each a's cookie b's, where it is seen.
fn play(slots: &[Slot], by_request: bool) -> (Vec<Event>, BTreeMap<u64, Option<u64>>) {
    let mut events = Vec::new();
    let mut truth = BTreeMap::new();
    let mut socket = 0;
    for (number, slot) in slots.iter().enumerate() {
        // No two slots share a namespace, and so a tuple at one place.
        let netns = 10 * (number as u32 + 1);
        let other = if slot.is_inside { netns } else { netns + 1 };
        let mut begin = slot.begin;
        for (index, meeting) in slot.meetings.iter().enumerate() {
            socket += 2;
            let local = format!("10.0.0.1:{}", 40_000 + u16::from(slot.tuple));
            let a = Side::new(socket, netns, &local, "10.0.0.2:80");
            let both = Both {
                a,
                b: a.mirrored(socket + 1, other),
                by_request,
            };
            let fate = FATES[meeting.fate];
            let is_last = index + 1 == slot.meetings.len();
            let time_wait = match is_last {
                true => (60_000_000, TimewaitEnd::Expired),
                // The next one's SYN is sent before the port is free.
                false => (meeting.time_wait + 2, TimewaitEnd::Reused),
            };
            let led = both.lead(fate, begin, meeting.gap, time_wait);
            let is_of_a = |event: &Event| match event {
                Event::StateChange(change) => change.cookie == Some(socket),
                Event::Timewait(timewait) => timewait.cookie == Some(socket),
                _ => false,
            };
            let b_is_led = led.iter().any(|event| !is_of_a(event));
            events.extend(led.into_iter().filter(|event| slot.has_b || is_of_a(event)));
            truth.insert(socket, (slot.has_b && b_is_led).then_some(socket + 1));
            begin += 10 * meeting.gap + meeting.time_wait;
        }
    }
    (by_time(events), truth)
}

/// Says of each conversation that its ends are those of one, as far as their cookies tell.
fn are_right(
    told: &[Conversation],
    truth: &BTreeMap<u64, Option<u64>>,
) -> Result<(), TestCaseError> {
    for one in told {
        let Some(b) = one.b() else { continue };
        let (Some(a), Some(b)) = (one.a.cookie, b.cookie) else {
            continue;
        };
        // Who opened it may not be known.
        let (a, b) = (a.min(b), a.max(b));
        prop_assert_eq!(truth.get(&a), Some(&Some(b)), "{:#?}", one);
    }
    Ok(())
}

/// How many ends are told, each once.
fn ends(told: &[Conversation]) -> Result<usize, TestCaseError> {
    let mut conns: Vec<_> = told
        .iter()
        .flat_map(|one| [Some(&one.a), one.b()])
        .flatten()
        .map(|timeline| timeline.conn)
        .collect();
    conns.sort_unstable();
    let count = conns.len();
    conns.dedup();
    prop_assert_eq!(count, conns.len(), "an end is told twice");
    Ok(count)
}

fn is_half_open(one: &Conversation) -> bool {
    one.b().is_some_and(|b| b.half_open_end.is_some())
}

proptest! {
    /// Whatever namespaces have the same addresses, and whenever a tuple is used again.
    #[test]
    fn no_pair_is_wrong_and_no_end_is_left_out(slots in slots(), by_request: bool) {
        let (events, truth) = play(&slots, by_request);
        let told = conversations(events, by_request);
        are_right(&told, &truth)?;
        let seen = truth.values().map(|b| 1 + usize::from(b.is_some())).sum::<usize>();
        prop_assert_eq!(ends(&told)?, seen);
    }

    /// Where no tuple is at two places, every pair is found.
    #[test]
    fn every_pair_is_found_where_ends_are_unique(mut slots in slots(), by_request: bool) {
        for (number, slot) in slots.iter_mut().enumerate() {
            slot.tuple = number as u8;
        }
        let (events, truth) = play(&slots, by_request);
        let told = conversations(events, by_request);
        are_right(&told, &truth)?;
        let pairs = truth.values().flatten().count();
        prop_assert_eq!(told.iter().filter(|one| one.b().is_some()).count(), pairs);
        // A half-open one has no cookie to be judged by: its other end is the only one there is.
        let half_open = told.iter().filter(|one| is_half_open(one));
        for one in half_open {
            prop_assert_eq!(one.a.segments.len(), 1, "{:#?}", one);
        }
    }

    /// In the order in which halves come, with any bound on how many wait.
    #[test]
    fn a_bound_lets_ends_go_and_makes_no_wrong_pair(slots in slots(), limit in 1_usize..6) {
        let mut slots = slots;
        for (number, slot) in slots.iter_mut().enumerate() {
            slot.tuple = number as u8;
        }
        let (events, truth) = play(&slots, true);
        let told = conversations_within(events, true, limit, MonoNs(1_000_000_000_000));
        are_right(&told, &truth)?;
        let seen = truth.values().map(|b| 1 + usize::from(b.is_some())).sum::<usize>();
        prop_assert_eq!(ends(&told)?, seen);
    }

    /// Any changes may be lost: inside one namespace a pair is right or not told.
    #[test]
    fn losses_make_no_wrong_pair(
        slots in slots(),
        lost in prop::collection::vec(prop::bool::weighted(0.3), 60),
        by_request: bool,
    ) {
        let mut slots = slots;
        for (number, slot) in slots.iter_mut().enumerate() {
            (slot.tuple, slot.is_inside, slot.has_b) = (number as u8, true, true);
        }
        let (events, truth) = play(&slots, by_request);
        let mut kept = Vec::new();
        for (index, event) in events.into_iter().enumerate() {
            if !lost[index % lost.len()] {
                kept.push(event);
                continue;
            }
            let at = event.at().unwrap_or_default();
            let (cause, since, until) = (LossCause::RingFull { cpu: 0 }, at, at);
            kept.push(Event::Loss(Loss { beside: 0, cause, lost: 1, since, until }));
        }
        let told = conversations(kept, by_request);
        are_right(&told, &truth)?;
        ends(&told)?;
    }
}
