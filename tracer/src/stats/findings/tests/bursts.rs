//! Resets and half-open connections, many and few.

use super::*;

fn reset(socket: u64, ms: u64) -> Vec<Event> {
    let path = [(SynRecv, ms), (Established, ms + 1), (Close, ms + 2)];
    life_with_error(socket, Listen, &path, ECONNRESET)
}

fn thresholds(kind: FindingKind, count: u64, ms: u64) -> Findings {
    let mut thresholds = Thresholds::default();
    let within = crate::model::Threshold::Within { count, ns: ms * MS };
    thresholds.set(kind, Some(within));
    Findings::new(&thresholds)
}

#[test]
fn many_resets_at_once_are_a_storm_and_as_many_over_a_while_are_none() {
    let storm = by_time((1..=100).map(|one| reset(one, one * 50)));
    let found = judge(storm.clone());
    let finding = only(&found);
    assert_eq!(finding.kind, FindingKind::ResetStorm);
    assert_eq!(finding.count, 100);
    let detail = Detail::Resets {
        most: 100,
        by_peer: 100,
        by_us: 0,
    };
    assert_eq!(finding.detail, detail);
    assert_eq!(finding.connections.len(), 5);
    assert_eq!(finding.since, Some(MonoNs(START + 52 * MS)));
    assert_eq!(finding.until, Some(MonoNs(START + 5_002 * MS)));

    let rain = by_time((1..=100).map(|one| reset(one, one * 500)));
    assert_eq!(judge(rain), []);
    assert_eq!(judge(storm.into_iter().take(3 * 99)), []);
}

#[test]
fn what_this_host_breaks_off_is_a_reset_too_and_a_close_is_none() {
    let kind = FindingKind::ResetStorm;
    let aborted = |socket| {
        life(
            socket,
            Listen,
            &[(SynRecv, 1), (Established, 2), (Close, 3)],
        )
    };
    let closed = |socket| {
        let path = [
            (SynRecv, 1),
            (Established, 2),
            (CloseWait, 3),
            (LastAck, 4),
            (Close, 5),
        ];
        life(socket, Listen, &path)
    };
    let refused =
        |socket| life_with_error(socket, Close, &[(SynSent, 1), (Close, 2)], ECONNREFUSED);
    let found = judge_with(thresholds(kind, 3, 1000), by_time((1..=3).map(aborted)));
    let by_us = |finding: &Finding| match finding.detail {
        Detail::Resets { by_peer, by_us, .. } => (by_peer, by_us),
        ref other => panic!("{other:?}"),
    };
    assert_eq!(by_us(only(&found)), (0, 3));
    let found = judge_with(thresholds(kind, 3, 1000), by_time((1..=9).map(closed)));
    assert_eq!(found, []);
    let found = judge_with(thresholds(kind, 3, 1000), by_time((1..=9).map(refused)));
    assert_eq!(kinds(&found), [FindingKind::ConnectRefused]);
}

#[test]
fn handshakes_that_fail_at_once_are_a_flood_and_those_that_succeed_are_none() {
    let kind = FindingKind::HalfOpenFlood;
    let fails = |end| {
        let one = move |one: u64| half_open(one, one, Some((3_000 + one, end)));
        by_time((1..=10).map(one))
    };
    let judged = |events| judge_with(thresholds(kind, 10, 1000), events);
    let found = judged(fails(RequestEnd::TimedOut));
    assert_eq!((only(&found).kind, only(&found).count), (kind, 10));
    let reset = judged(fails(RequestEnd::Reset));
    let detail = Detail::HalfOpen {
        most: 10,
        timed_out: 0,
        reset: 10,
        still: 0,
    };
    assert_eq!(only(&reset).detail, detail);

    // The listener's own doing, and a finding of its own.
    assert_eq!(judged(fails(RequestEnd::ListenerClosed)), []);
    let full = judged(fails(RequestEnd::AcceptQueueFull));
    assert_eq!(kinds(&full), [FindingKind::AcceptQueueOverflow]);
    let completes = |one: u64| {
        let mut events = half_open(one, one, None);
        events.extend(life(one, Listen, &[(SynRecv, one + 1)]));
        events.extend(life(one, SynRecv, &[(Established, one + 2)]));
        events
    };
    assert_eq!(judged(by_time((1..=10).map(completes))), []);
}

#[test]
fn handshakes_that_have_waited_long_at_the_end_are_a_flood_and_young_ones_are_none() {
    let waiting = |since_ms: u64| {
        let one = move |one: u64| half_open(one, since_ms + one, None);
        let events = by_time((1..=10).map(one));
        judge_with(thresholds(FindingKind::HalfOpenFlood, 10, 1000), events)
    };
    let found = waiting(996_000);
    assert_eq!(only(&found).count, 10);
    assert!(only(&found).connections[0].is_open);
    assert_eq!(waiting(998_000), []);
}
