//! Local ports, short and plenty.

use super::*;
use crate::model::TwReuse;

/// A namespace with ports of 1001 to 1010, which are those of the sockets 1 to 10.
fn with_ten_ports(reuse: TwReuse) -> Findings {
    let mut findings = Findings::new(&Thresholds::default());
    let settings = TcpSettings {
        local_ports: Some(1001..=1010),
        reserved_ports: Some(Vec::new()),
        tw_reuse: Some(reuse),
        ..TcpSettings::default()
    };
    findings.learn(1, &settings);
    findings.learnt();
    findings
}

fn open(socket: u64, ms: u64) -> Vec<Event> {
    life(socket, Close, &[(SynSent, ms), (Established, ms)])
}

/// One in TIME_WAIT from `ms` on.
fn waiting(socket: u64, ms: u64) -> Vec<Event> {
    let mut events = open(socket, ms);
    events.extend(life(socket, Established, &[(FinWait1, ms), (FinWait2, ms)]));
    events.push(armed(socket, ms, TimeWait));
    events.extend(life(socket, FinWait2, &[(Close, ms)]));
    events
}

fn ended(socket: u64, ms: u64) -> Vec<Event> {
    let mut events = waiting(socket, ms);
    events.push(expired(socket, ms + 60_100, TimeWait));
    events
}

fn short(found: &[Finding]) -> PortsShort {
    match &only(found).detail {
        Detail::Ports { ends, .. } => ends[0],
        other => panic!("{other:?}"),
    }
}

#[test]
fn most_of_the_ports_in_time_wait_are_found_even_if_there_are_enough_at_the_end() {
    let found = judge_with(
        with_ten_ports(TwReuse::Never),
        by_time((1..=8).map(|one| ended(one, one))),
    );
    assert_eq!(only(&found).kind, FindingKind::PortExhaustion);
    assert_eq!(only(&found).count, 1, "towards one end");
    let short = short(&found);
    assert_eq!(
        (short.most, short.time_wait, short.usable),
        (8, 7, Some(10))
    );
    assert_eq!(short.towards.remote.to_string(), "10.0.0.2:80");
    assert_eq!(only(&found).since, Some(MonoNs(START + 8 * MS)));
}

#[test]
fn one_less_or_one_after_another_is_none() {
    let judged = |events| judge_with(with_ten_ports(TwReuse::Never), events);
    assert_eq!(judged(by_time((1..=7).map(|one| ended(one, one)))), []);
    let slow = by_time((1..=10).map(|one| ended(one, one * 61_000)));
    assert_eq!(judged(slow), []);
}

#[test]
fn ports_that_may_be_taken_over_do_not_count() {
    let judged = |events| judge_with(with_ten_ports(TwReuse::Always), events);
    assert_eq!(judged(by_time((1..=10).map(|one| ended(one, one)))), []);
    let held = judged(by_time((1..=8).map(|one| open(one, one))));
    assert_eq!(short(&held).most, 8);
}

#[test]
fn other_ends_have_ports_of_their_own() {
    let elsewhere = |socket: u64| {
        let mut events = open(socket, socket);
        for event in &mut events {
            if let Event::StateChange(change) = event {
                change.shown.remote_port = 81;
            }
        }
        events
    };
    let half = (1..=5).map(|one| open(one, one));
    let other = (6..=10).map(elsewhere);
    let found = judge_with(with_ten_ports(TwReuse::Never), by_time(half.chain(other)));
    assert_eq!(found, []);
}

#[test]
fn ports_that_no_connect_chooses_do_not_count() {
    let found = judge_with(
        with_ten_ports(TwReuse::Never),
        by_time((11..=40).map(|one| open(one, one))),
    );
    assert_eq!(found, []);
}

#[test]
fn what_the_other_end_opened_does_not_count() {
    let theirs = |socket| life(socket, Listen, &[(SynRecv, socket), (Established, socket)]);
    let found = judge_with(
        with_ten_ports(TwReuse::Never),
        by_time((1..=10).map(theirs)),
    );
    assert_eq!(found, []);
}

#[test]
fn a_connect_without_a_port_is_found_whatever_is_known_of_the_rest() {
    let mut events = life(1, Close, &[(SynSent, 1), (Close, 1)]);
    for event in &mut events {
        if let Event::StateChange(change) = event {
            change.shown.local_port = 0;
            change.bound_port = Some(0);
        }
    }
    let found = judge(events);
    let finding = only(&found);
    assert_eq!(
        (finding.kind, finding.count),
        (FindingKind::PortExhaustion, 1)
    );
    assert_eq!((short(&found).no_port, short(&found).usable), (1, None));
}

#[test]
fn what_was_there_counts_and_is_free_when_it_ends() {
    let there = |count: u64| {
        let old = (1..=count).map(|one| existing(one, Established));
        old.chain([Event::ExistingComplete]).collect::<Vec<_>>()
    };
    let mut findings = Findings::new(&Thresholds::default());
    // Settings are told after what was there, as in a trace.
    let found = {
        let mut tracker = Tracker::new(Selection::default(), Limits::default());
        there(7).iter().for_each(|event| tracker.handle(event));
        while let Some(output) = tracker.poll() {
            findings.add(&output);
        }
        let settings = TcpSettings {
            local_ports: Some(1001..=1010),
            reserved_ports: Some(Vec::new()),
            tw_reuse: Some(TwReuse::Never),
            ..TcpSettings::default()
        };
        findings.learn(1, &settings);
        findings.learnt();
        let gone = life_with_error(1, Established, &[(Close, 1)], ECONNRESET);
        let more = by_time([gone, open(8, 2), open(9, 3)]);
        more.iter().for_each(|event| tracker.handle(event));
        while let Some(output) = tracker.poll() {
            findings.add(&output);
        }
        findings.finish(MonoNs(END), 0, &[])
    };
    assert_eq!(short(&found).most, 8, "seven, less one, and two");
}

#[test]
fn after_a_loss_only_what_begins_later_counts() {
    let lost = vec![Event::Loss(loss(START + 100 * MS, START + 200 * MS))];
    let before = by_time((1..=7).map(|one| open(one, one)));
    let after = |count: u64| by_time((8..8 + count).map(|one| open(one, 300 + one)));
    let judged = |count| {
        let events = [before.clone(), lost.clone(), after(count)].concat();
        judge_with(with_ten_ports(TwReuse::Never), events)
    };
    assert_eq!(judged(3), [], "whether the seven are there is not known");
}
