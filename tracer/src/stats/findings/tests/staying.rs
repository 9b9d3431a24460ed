//! Connections that stay in a state, and those that pass it.

use super::*;

fn stayed(finding: &Finding) -> (u64, u64, u64) {
    match finding.detail {
        Detail::Stayed {
            longest_ns,
            still,
            expired,
        } => (longest_ns / MS, still, expired),
        ref other => panic!("{other:?}"),
    }
}

/// One that the other end has closed, and this one after so many milliseconds.
fn closed_after(socket: u64, ms: u64) -> Vec<Event> {
    let path = [
        (SynSent, 0),
        (Established, 1),
        (CloseWait, 10),
        (LastAck, 10 + ms),
        (Close, 11 + ms),
    ];
    life(socket, Close, &path)
}

#[test]
fn a_program_that_does_not_close_is_found_and_one_that_does_is_not() {
    let never = life(
        3,
        Close,
        &[(SynSent, 2), (Established, 3), (CloseWait, 400_000)],
    );
    let just = life(
        4,
        Close,
        &[(SynSent, 4), (Established, 5), (CloseWait, 940_001)],
    );
    let found = judge(by_time([
        closed_after(1, 59_999),
        closed_after(2, 60_000),
        never,
        just,
    ]));
    let finding = only(&found);
    assert_eq!((finding.kind, finding.count), (FindingKind::CloseWait, 2));
    assert_eq!(stayed(finding), (600_000, 1, 0));
    assert_eq!(finding.since, Some(MonoNs(START + 10 * MS)));
    assert_eq!(finding.until, Some(MonoNs(END)));
    let conns: Vec<(bool, Option<u64>)> = finding
        .connections
        .iter()
        .map(|one| (one.is_open, one.ns))
        .collect();
    let expected = [(true, Some(600 * SECOND)), (false, Some(60 * SECOND))];
    assert_eq!(conns, expected);
}

#[test]
fn what_is_older_than_the_trace_counts_for_the_time_that_was_seen() {
    let found = |leaves_after: u64| {
        let mut events = vec![existing(1, CloseWait), Event::ExistingComplete];
        events.extend(life(1, CloseWait, &[(LastAck, leaves_after)]));
        events.extend(life(1, LastAck, &[(Close, leaves_after + 1)]));
        judge(events)
    };
    assert_eq!(found(59_999), []);
    let found = found(60_000);
    assert_eq!(only(&found).count, 1);
    assert_eq!(stayed(only(&found)), (60_000, 0, 0));

    let never = judge([existing(1, CloseWait), Event::ExistingComplete]);
    assert_eq!(stayed(only(&never)), (1_000_000, 1, 0));
    assert!(only(&never).connections[0].is_open);
    assert_eq!(
        judge([existing(1, Established), Event::ExistingComplete]),
        []
    );
}

#[test]
fn only_so_many_that_were_there_are_followed_and_that_is_said() {
    let there = (0..MOST_FOUND as u64 + 5).map(|one| existing(one + 1, CloseWait));
    let found = judge(there.chain([Event::ExistingComplete]));
    let finding = only(&found);
    assert_eq!(finding.count, MOST_FOUND as u64);
    assert!(finding.is_least);
    assert_eq!(finding.connections.len(), 5);
}

#[test]
fn a_fin_that_nobody_acknowledges_is_found_at_either_end() {
    let last_ack = |socket, ms: u64| {
        let path = [
            (SynSent, 0),
            (Established, 1),
            (CloseWait, 2),
            (LastAck, 3),
            (Close, 3 + ms),
        ];
        life(socket, Close, &path)
    };
    let fin_wait1 = |socket, ms: u64| {
        let path = [
            (SynSent, 0),
            (Established, 1),
            (FinWait1, 2),
            (Close, 2 + ms),
        ];
        life_with_error(socket, Close, &path, ETIMEDOUT)
    };
    let found = judge(by_time([
        last_ack(1, 30_000),
        last_ack(2, 29_999),
        fin_wait1(3, 30_000),
        fin_wait1(4, 29_999),
    ]));
    let told: Vec<(FindingKind, u64)> = found.iter().map(|one| (one.kind, one.count)).collect();
    assert_eq!(
        told,
        [(FindingKind::LastAck, 1), (FindingKind::FinWait1, 1)]
    );
}

/// One that this host closed and let go of, and whose timewait socket waits in FIN_WAIT2.
fn orphan(socket: u64) -> Vec<Event> {
    let path = [(SynSent, 0), (Established, 1), (FinWait1, 2), (FinWait2, 3)];
    let mut events = life(socket, Close, &path);
    events.push(armed(socket, 4, FinWait2));
    events.extend(life(socket, FinWait2, &[(Close, 4)]));
    events
}

#[test]
fn an_orphan_that_expires_is_found_however_short_its_time_was() {
    let mut expires = orphan(1);
    expires.push(expired(1, 5_000, FinWait2));
    let found = judge(by_time([expires]));
    assert_eq!(only(&found).kind, FindingKind::FinWait2);
    assert_eq!(stayed(only(&found)), (4_997, 0, 1));
    assert_eq!(only(&found).count, 1, "told once");

    // Longer than the threshold, and expired: once, too.
    let mut longer = orphan(1);
    longer.push(expired(1, 90_000, FinWait2));
    assert_eq!(only(&judge(by_time([longer]))).count, 1);
}

#[test]
fn an_orphan_whose_other_end_closes_is_none() {
    let mut closes = orphan(1);
    closes.push(armed(1, 5_000, TimeWait));
    closes.push(expired(1, 65_100, TimeWait));
    assert_eq!(judge(by_time([closes])), []);
}

#[test]
fn an_older_orphan_that_expires_is_told_once() {
    let mut there = existing(1, FinWait2);
    if let Event::Existing(existing) = &mut there {
        existing.full_socket = false;
    }
    let found = judge([there, Event::ExistingComplete, expired(1, 20_000, FinWait2)]);
    assert_eq!(only(&found).count, 1);
    assert_eq!(stayed(only(&found)), (20_000, 0, 1));
}

#[test]
fn a_time_across_lost_changes_is_not_believed() {
    let mut events = closed_after(1, 100_000);
    let lost = Event::Loss(loss(START + 50_000 * MS, START + 50_001 * MS));
    events.insert(3, lost);
    assert_eq!(judge(events), []);
}
