//! A connection a request, and all that only looks like it.

use super::*;
use crate::model::event::Comm;

fn comm() -> Comm {
    let mut name = [0; 16];
    name[..6].copy_from_slice(b"client");
    Comm(name)
}

/// A process's connection, from when to when; the other end is always the same.
fn used(socket: u64, pid: u32, from_ms: u64, to_ms: u64, last: TcpState) -> Vec<Event> {
    let rest: &[TcpState] = match last {
        FinWait1 => &[FinWait1, Close],
        CloseWait => &[CloseWait, LastAck, Close],
        _ => &[Close],
    };
    let mut path = vec![(SynSent, from_ms), (Established, from_ms)];
    path.extend(rest.iter().map(|&state| (state, to_ms)));
    let mut events = life(socket, Close, &path);
    for event in &mut events {
        if let Event::StateChange(change) = event {
            change.task.pid = pid;
            change.task.comm = comm();
            change.task_holds_socket = Some(true);
        }
    }
    events
}

/// So many of them, one every so many milliseconds, open for a part of that.
fn one_by_one(count: u64, every_ms: u64, open_ms: u64) -> Vec<Event> {
    let one = |one: u64| used(one, 7, one * every_ms, one * every_ms + open_ms, FinWait1);
    by_time((1..=count).map(one))
}

#[test]
fn one_after_another_is_found_with_its_process_and_its_service() {
    let found = judge(one_by_one(60, 100, 40));
    let finding = only(&found);
    assert_eq!(finding.kind, FindingKind::ConnectionPerRequest);
    // The first one could not be done without.
    assert_eq!(finding.count, 59);
    let Detail::PerRequest { services } = &finding.detail else {
        panic!("{finding:#?}");
    };
    let service = services[0];
    assert_eq!(service.process, (7, comm()));
    assert_eq!(service.remote.to_string(), "10.0.0.2:80");
    assert_eq!((service.count, service.most), (59, 59));
    assert_eq!(finding.connections.len(), 5);
}

#[test]
fn it_does_not_matter_which_end_closes() {
    let one = |one: u64| used(one, 7, one * 100, one * 100 + 40, CloseWait);
    let found = judge(by_time((1..=60).map(one)));
    assert_eq!(only(&found).count, 59);
}

/// As many, but within a time that nothing here is longer than.
fn judge_slowly(events: Vec<Event>) -> Vec<Finding> {
    let mut thresholds = Thresholds::default();
    let within = crate::model::Threshold::Within {
        count: 50,
        ns: 1_000 * SECOND,
    };
    thresholds.set(FindingKind::ConnectionPerRequest, Some(within));
    judge_with(Findings::new(&thresholds), events)
}

#[test]
fn a_few_or_slow_ones_are_none() {
    assert_eq!(judge(one_by_one(50, 100, 40)), []);
    assert_eq!(judge(one_by_one(60, 1_000, 40)), [], "one a second");
}

#[test]
fn what_was_closed_long_ago_could_not_have_been_kept() {
    assert_eq!(judge_slowly(one_by_one(60, 5_041, 40)), []);
    assert_eq!(judge_slowly(one_by_one(60, 5_040, 40)).len(), 1);
}

#[test]
fn long_ones_are_none() {
    assert_eq!(judge_slowly(one_by_one(60, 1_100, 1_000)), []);
    assert_eq!(judge_slowly(one_by_one(60, 1_100, 999)).len(), 1);
}

#[test]
fn a_pool_that_is_opened_at_once_is_none() {
    let one = |one: u64| used(one, 7, one, 900 + one, FinWait1);
    assert_eq!(judge(by_time((1..=200).map(one))), []);
}

#[test]
fn one_that_was_closed_could_have_served_one_of_a_pool_and_not_all() {
    let closed = used(1, 7, 1, 41, FinWait1);
    let pool = (2..=101).map(|one| used(one, 7, 100 + one, 2_000 + one, FinWait1));
    assert_eq!(judge(by_time([closed].into_iter().chain(pool))), []);
}

#[test]
fn processes_that_each_make_one_are_none() {
    let one = |one: u64| used(one, one as u32, one * 100, one * 100 + 40, FinWait1);
    assert_eq!(judge(by_time((1..=60).map(one))), []);
}

#[test]
fn what_is_broken_off_is_none() {
    let one = |one: u64| {
        let mut events = used(one, 7, one * 200, one * 200 + 40, Close);
        if let Some(Event::StateChange(last)) = events.last_mut() {
            last.error = Some(CloseError(ECONNRESET));
        }
        events
    };
    assert_eq!(judge(by_time((1..=60).map(one))), []);
}

#[test]
fn whose_process_is_not_known_is_none() {
    let mut events = one_by_one(60, 100, 40);
    for event in &mut events {
        if let Event::StateChange(change) = event {
            change.task_holds_socket = Some(false);
        }
    }
    assert_eq!(judge(events), []);
}
