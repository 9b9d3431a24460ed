//! Comparisons with the kernel's counters, by example.

mod hidden;

use super::*;
use crate::model::KernelCounters;
use crate::track::test_events::{change, in_netns};
use TcpState::*;

fn reading(netns: u32, at: u64, active: u64, estab: u64) -> Reading {
    let text = format!(
        "Tcp: ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab\nTcp: {active} 0 0 0 {estab}\n"
    );
    Reading {
        netns,
        before: MonoNs(at),
        after: MonoNs(at + 10),
        counters: KernelCounters::parse(&text),
    }
}

fn of<'a>(comparisons: &'a [Comparison], counter: &str) -> &'a Comparison {
    comparisons
        .iter()
        .find(|one| one.counter == counter)
        .expect("it is compared")
}

#[test]
fn what_happened_between_the_readings_agrees() {
    let mut reconciler = Reconciler::new(vec![reading(1, 100, 5, 0)], &[], Tells::default());
    reconciler.count(&in_netns(1, change(1, 50, Close, SynSent)));
    reconciler.count(&in_netns(1, change(2, 200, Close, SynSent)));
    reconciler.count(&in_netns(1, change(2, 210, SynSent, Established)));
    reconciler.close(vec![reading(1, 300, 6, 1)]);
    reconciler.count(&in_netns(1, change(3, 400, Close, SynSent)));
    let compared = reconciler.compare();
    let opens = of(&compared, "ActiveOpens");
    assert_eq!(
        (opens.kernel, opens.traced, opens.agree),
        (Some(1), Some(1), Some(true))
    );
    assert_eq!(of(&compared, "CurrEstab").agree, Some(true));
}

#[test]
fn a_difference_is_told_and_a_change_during_a_reading_explains_one() {
    let mut reconciler = Reconciler::new(vec![reading(1, 100, 5, 0)], &[], Tells::default());
    reconciler.close(vec![reading(1, 300, 7, 0)]);
    reconciler.count(&in_netns(1, change(1, 305, Close, SynSent)));
    let opens = of(&reconciler.compare(), "ActiveOpens").clone();
    assert_eq!(
        (opens.kernel, opens.traced, opens.uncertain),
        (Some(2), Some(0), 1)
    );
    assert_eq!(opens.agree, Some(false));
}

#[test]
fn a_namespace_that_has_gone_is_left_out_and_a_new_one_begins_at_zero() {
    let mut reconciler = Reconciler::new(
        vec![reading(1, 100, 5, 0), reading(2, 100, 5, 0)],
        &[],
        Tells::default(),
    );
    reconciler.count(&in_netns(2, change(1, 200, Close, SynSent)));
    reconciler.count(&in_netns(3, change(2, 200, Close, SynSent)));
    reconciler.close(vec![reading(1, 300, 5, 0), reading(3, 300, 1, 0)]);
    let opens = of(&reconciler.compare(), "ActiveOpens").clone();
    assert_eq!(
        (opens.kernel, opens.traced, opens.agree),
        (Some(1), Some(1), Some(true))
    );
}

#[test]
fn nothing_read_is_not_compared() {
    let mut reconciler = Reconciler::new(Vec::new(), &[], Tells::default());
    reconciler.count(&change(1, 200, Close, SynSent));
    let opens = of(&reconciler.compare(), "ActiveOpens").clone();
    assert_eq!((opens.kernel, opens.agree), (None, None));
}

#[test]
fn neither_meaning_of_curr_estab_is_taken_for_granted() {
    let judged = |estab: u64, to: TcpState| {
        let mut reconciler = Reconciler::new(vec![reading(1, 100, 0, 1)], &[], Tells::default());
        reconciler.count(&in_netns(1, change(1, 200, Established, to)));
        reconciler.close(vec![reading(1, 300, 0, estab)]);
        of(&reconciler.compare(), "CurrEstab").agree
    };
    assert_eq!(judged(0, FinWait1), Some(true), "by both");
    assert_eq!(judged(1, FinWait1), Some(false), "by neither");
    assert_eq!(judged(0, CloseWait), None, "by one of them");
    assert_eq!(judged(1, CloseWait), None, "by the other");
}

#[test]
fn the_meaning_of_curr_estab_is_learnt_where_it_shows() {
    let waiting = Existing {
        at: MonoNs(100),
        cookie: 5,
        state: CloseWait,
        full_socket: true,
        tuple: change(5, 0, Close, SynSent).tuple(),
        netns: 1,
        uid: None,
        holder: None,
        left_ns: None,
        age_ns: None,
    };
    let judged = |counted: u64| {
        let starts = vec![reading(1, 100, 0, counted)];
        let mut reconciler =
            Reconciler::new(starts, std::slice::from_ref(&waiting), Tells::default());
        reconciler.count(&in_netns(1, change(5, 200, CloseWait, LastAck)));
        reconciler.close(vec![reading(1, 300, 0, 0)]);
        of(&reconciler.compare(), "CurrEstab").agree
    };
    assert_eq!(judged(1), Some(true), "CLOSE_WAIT counts, and has gone");
    assert_eq!(judged(0), Some(true), "it does not count");
}

#[test]
fn a_number_that_is_used_again_is_not_compared() {
    let mut reconciler = Reconciler::new(vec![reading(1, 100, 9, 0)], &[], Tells::default());
    reconciler.count(&in_netns(1, change(1, 200, Close, SynSent)));
    reconciler.close(vec![reading(1, 300, 1, 0)]);
    let opens = of(&reconciler.compare(), "ActiveOpens").clone();
    assert_eq!((opens.kernel, opens.agree), (None, None));
    assert_eq!(opens.note, Some(note::REUSED));
}

#[test]
fn a_hook_that_does_not_tell_namespaces_apart_accuses_nobody() {
    let mut reconciler = Reconciler::new(vec![reading(1, 100, 0, 0)], &[], Tells::default());
    for socket in 1..=3 {
        let mut one = change(socket, 200, Close, SynSent);
        one.netns = None;
        reconciler.count(&one);
    }
    reconciler.close(vec![reading(1, 300, 1, 0)]);
    let opens = of(&reconciler.compare(), "ActiveOpens").clone();
    assert_eq!((opens.agree, opens.note), (None, Some(note::NAMESPACES)));
}

#[test]
fn half_open_connections_that_fail_are_counted_by_the_kernel_alone() {
    let fails = |at, count| {
        let text = format!("Tcp: AttemptFails\nTcp: {count}\n");
        Reading {
            netns: 1,
            before: MonoNs(at),
            after: MonoNs(at + 10),
            counters: KernelCounters::parse(&text),
        }
    };
    let mut reconciler = Reconciler::new(vec![fails(100, 0)], &[], Tells::default());
    reconciler.close(vec![fails(300, 3)]);
    let found = of(&reconciler.compare(), "AttemptFails").clone();
    assert_eq!((found.kernel, found.agree), (Some(3), None));
    assert_eq!(found.note, Some(note::HALF_OPEN));
}

#[test]
fn an_end_that_the_hook_cannot_judge_is_not_counted_against_the_kernel() {
    let mut reconciler = Reconciler::new(vec![reading(1, 100, 0, 0)], &[], Tells::default());
    let mut given_up = in_netns(1, change(1, 200, SynSent, Close));
    (given_up.error, given_up.task_holds_socket) = (None, None);
    reconciler.count(&given_up);
    reconciler.close(vec![reading(1, 300, 0, 0)]);
    assert_eq!(of(&reconciler.compare(), "AttemptFails").agree, Some(true));
}
