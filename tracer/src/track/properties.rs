//! Properties that hold for every stream of events.

mod hidden;

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::test_events::change;
use super::*;
use crate::model::{Event, Loss, LossCause, MonoNs, StateChange, TcpState, TcpState::*};

/// Lives that Linux sockets lead, by the states that they enter.
const LIVES: [(TcpState, &[TcpState]); 9] = [
    (Close, &[SynSent, Established, FinWait1, FinWait2, Close]),
    (Close, &[SynSent, Established, FinWait1, Closing, Close]),
    (Close, &[SynSent, Established, CloseWait, LastAck, Close]),
    (Close, &[SynSent, SynRecv, Established, Close]),
    (Close, &[SynSent, Close]),
    (Listen, &[SynRecv, Established, CloseWait, LastAck, Close]),
    (Listen, &[SynRecv, Established, FinWait1, FinWait2, Close]),
    (Listen, &[SynRecv, FinWait1, Close]),
    (Listen, &[SynRecv, Close]),
];

/// One socket address: the lives led there, one after the other, each step with the time before it.
type Slot = Vec<(usize, Vec<u64>)>;

fn slots() -> impl Strategy<Value = Vec<Slot>> {
    let life = (0..LIVES.len(), prop::collection::vec(1_u64..1000, 5));
    prop::collection::vec(prop::collection::vec(life, 1..5), 1..4)
}

/// The changes of one address, in order. Cookies are told or not, as the hook has it.
fn changes_of(number: usize, slot: &Slot, cookies: bool) -> Vec<StateChange> {
    let mut at = 1;
    let mut changes = Vec::new();
    for (life, &(kind, ref gaps)) in slot.iter().enumerate() {
        let (first, states) = LIVES[kind];
        let mut from = first;
        for (&to, gap) in states.iter().zip(gaps) {
            at += gap;
            let mut change = change(number as u64, at, from, to);
            change.cookie = cookies.then_some((number * 100 + life) as u64);
            changes.push(change);
            from = to;
        }
    }
    changes
}

fn run(events: impl IntoIterator<Item = Event>) -> Vec<Output> {
    let mut tracker = Tracker::new(Selection::default(), Limits::default());
    tracker.handle(&Event::ExistingComplete);
    for event in events {
        tracker.handle(&event);
    }
    tracker.finish(MonoNs(1_000_000));
    std::iter::from_fn(|| tracker.poll()).collect()
}

fn timelines(outputs: Vec<Output>) -> Vec<Timeline> {
    let timeline = |output| match output {
        Output::Timeline(timeline) => Some(*timeline),
        _ => None,
    };
    outputs.into_iter().filter_map(timeline).collect()
}

/// Merges streams in an order that `picks` chooses, each stream's own order kept.
fn interleave(streams: Vec<Vec<StateChange>>, picks: &[usize]) -> Vec<Event> {
    let mut streams: Vec<_> = streams.into_iter().map(Vec::into_iter).collect();
    let mut picks = picks.iter().cycle();
    let mut events = Vec::new();
    while streams.iter().any(|stream| stream.len() > 0) {
        let count = streams.len();
        let pick = picks.next().copied().unwrap_or_default();
        let next = (0..count).find_map(|offset| streams[(pick + offset) % count].next());
        events.extend(next.map(Event::StateChange));
    }
    events
}

fn by_time(streams: Vec<Vec<StateChange>>) -> Vec<StateChange> {
    let mut changes: Vec<StateChange> = streams.into_iter().flatten().collect();
    changes.sort_by_key(|change| change.at);
    changes
}

proptest! {
    #[test]
    fn segments_touch_and_sum_to_the_lifetime(slots in slots()) {
        let streams = slots.iter().enumerate().map(|(number, slot)| changes_of(number, slot, true));
        let changes = by_time(streams.collect());
        for timeline in timelines(run(changes.into_iter().map(Event::StateChange))) {
            let mut sum = 0;
            let mut end = None;
            for segment in &timeline.segments {
                let (Some(start), Span::Known(ns)) = (segment.start, segment.span) else {
                    panic!("nothing is unknown here: {timeline:?}");
                };
                prop_assert!(end.is_none_or(|end| end == start), "{timeline:?}");
                end = Some(start.plus(ns));
                sum += ns;
            }
            prop_assert_eq!(timeline.lifetime, Span::Known(sum));
        }
    }

    #[test]
    fn unrelated_connections_do_not_touch_each_other(
        slots in slots(),
        picks in prop::collection::vec(0_usize..4, 1..40),
        cookies: bool,
    ) {
        let streams: Vec<_> = slots
            .iter()
            .enumerate()
            .map(|(number, slot)| changes_of(number, slot, cookies))
            .collect();
        let sorted = |outputs: Vec<Output>| {
            let mut timelines = timelines(outputs);
            for timeline in &mut timelines {
                // Numbers follow the order in which connections are first seen.
                timeline.conn = ConnId(0);
            }
            timelines.sort_by_key(|timeline| (timeline.tuple, timeline.segments[0].start));
            timelines
        };
        let alone: Vec<Event> = streams.clone().into_iter().flatten().map(Event::StateChange).collect();
        let mixed = interleave(streams, &picks);
        prop_assert_eq!(sorted(run(mixed)), sorted(run(alone)));
    }

    /// Any changes may be lost, on any hook, with addresses reused at will: whatever is then called
    /// known must be true.
    #[test]
    fn loss_never_yields_a_false_duration(
        slots in slots(),
        lost in prop::collection::vec(any::<bool>(), 60),
        runs in 1_usize..6,
        cookies: bool,
    ) {
        let streams = slots.iter().enumerate().map(|(number, slot)| changes_of(number, slot, cookies));
        let changes = by_time(streams.collect());
        // Losses come in runs, as they do when a buffer is full.
        let is_lost = |index: usize| lost[(index / runs) % lost.len()];

        let truth = truth(&changes);
        let mut events: Vec<Event> = Vec::new();
        let mut index = 0;
        while index < changes.len() {
            if !is_lost(index) {
                events.push(Event::StateChange(changes[index].clone()));
                index += 1;
                continue;
            }
            let since = changes[index].at;
            let mut until = since;
            let mut count = 0;
            while index < changes.len() && is_lost(index) {
                until = changes[index].at;
                count += 1;
                index += 1;
            }
            let cause = LossCause::RingFull { cpu: 0 };
            events.push(Event::Loss(Loss { beside: 0, cause, lost: count, since, until }));
        }

        for output in run(events) {
            match output {
                Output::Timeline(timeline) => {
                    for segment in &timeline.segments {
                        if let Span::Known(ns) = segment.span {
                            let start = segment.start.expect("a known time has a start");
                            let told = (segment.state, start, ns);
                            prop_assert!(truth.contains(&told), "{told:?} in {timeline:?}");
                        }
                    }
                }
                Output::Change(Change { at, from: Some(from), in_from: Some(Span::Known(ns)), .. }) => {
                    let start = MonoNs(at.0 - ns);
                    prop_assert!(truth.contains(&(from, start, ns)), "{from} until {at:?}");
                }
                _ => {}
            }
        }
    }
}

/// Every state that was truly held: which, from when, how long.
fn truth(changes: &[StateChange]) -> BTreeSet<(TcpState, MonoNs, u64)> {
    let mut truth = BTreeSet::new();
    for (index, entered) in changes.iter().enumerate() {
        let left = changes[index + 1..]
            .iter()
            .find(|later| later.socket == entered.socket);
        if let Some(left) = left
            && let Some(ns) = left.at.since(entered.at)
            && entered.to != Close
        {
            truth.insert((entered.to, entered.at, ns));
        }
    }
    truth
}
