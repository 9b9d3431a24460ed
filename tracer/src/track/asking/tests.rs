//! Askers, and what they make of answers.

mod kernel;
mod lives;

use super::*;
use crate::model::{Endpoint, Found, Ticks, TimewaitEnd};
use crate::track::test_events::change;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
/// When the full socket closes.
const BEGIN: u64 = 1000 * SECOND;
const NETNS: u32 = 1;
const COOKIE: u64 = 7;

fn tuple() -> Tuple {
    let end = |last, port| Endpoint::new(Some([10, 0, 0, last].into()), Some(port));
    Tuple {
        local: end(1, 1000 + COOKIE as u16),
        remote: end(2, 80),
    }
}

fn closed(from: TcpState) -> Event {
    Event::StateChange(change(COOKIE, BEGIN, from, TcpState::Close))
}

fn existing(state: TcpState, at: u64, left_ns: u64) -> Event {
    Event::Existing(Existing {
        at: MonoNs(at),
        cookie: COOKIE,
        state,
        full_socket: false,
        tuple: tuple(),
        netns: NETNS,
        uid: None,
        holder: None,
        left_ns: Some(left_ns),
        age_ns: None,
    })
}

fn look(before: u64, after: u64, answer: Answer) -> Look {
    Look {
        ticked: MonoNs(before),
        before: MonoNs(before),
        after: MonoNs(after),
        answer,
    }
}

fn told(event: Option<Event>) -> Option<Timewait> {
    event.map(|event| match event {
        Event::Timewait(timewait) => timewait,
        other => panic!("not of a timewait socket: {other:?}"),
    })
}

/// Whether `at`, give or take the error, is the moment.
fn is_within(at: MonoNs, error_ns: u64, moment: u64) -> bool {
    at.0.abs_diff(moment) <= error_ns
}

fn found(state: TcpState, left_ns: u64) -> Answer {
    Answer::Found(Found {
        state,
        left_ns: Some(left_ns),
        interface: 3,
    })
}

/// Asks the one question that is due first, as soon as it is, and has it answered at once.
fn ask(asker: &mut Asker, answer: Answer) -> (u64, Option<Timewait>) {
    let due = asker.poll_timeout().expect("a question");
    let questions = asker.questions(due);
    assert_eq!(questions.len(), 1);
    let look = look(due.0, due.0, answer);
    (due.0, told(asker.answer(&questions[0], &look)))
}

#[test]
fn only_what_can_have_a_timewait_socket_is_asked_after() {
    use TcpState::{Close, Closing, Established, FinWait1, FinWait2, LastAck};
    let mut asker = Asker::new(Mode::Diag, Some(250), 10);
    let handled = |from, to, mend: fn(&mut StateChange)| {
        let mut change = change(COOKIE, BEGIN, from, to);
        mend(&mut change);
        asker.handle(&Event::StateChange(change));
        asker.questions(MonoNs(BEGIN)).len()
    };
    let mut handled = handled;
    for from in [Established, FinWait1, LastAck] {
        assert_eq!(handled(from, Close, |_| {}), 0, "{from}");
    }
    assert_eq!(handled(FinWait1, FinWait2, |_| {}), 0);
    assert_eq!(handled(FinWait2, Close, |change| change.cookie = None), 0);
    assert_eq!(handled(FinWait2, Close, |change| change.netns = None), 0);
    assert_eq!(handled(Closing, Close, |_| {}), 1);
    assert_eq!(handled(FinWait2, Close, |_| {}), 1);
}

#[test]
fn the_interface_is_asked_for_once() {
    let mut asker = Asker::new(Mode::Diag, Some(250), 10);
    asker.handle(&closed(TcpState::FinWait2));
    let first = asker.questions(MonoNs(BEGIN));
    assert_eq!(first[0].interface, None);
    let there = look(BEGIN, BEGIN, found(TcpState::TimeWait, 60 * SECOND));
    assert!(asker.answer(&first[0], &there).is_some());
    let due = asker.poll_timeout().expect("a question");
    assert_eq!(asker.questions(due)[0].interface, Some(3));
}

#[test]
fn a_tick_that_is_counted_late_begins_nothing_anew() {
    for (late, begins) in [(60 * MS, false), (SECOND, true)] {
        let mut asker = Asker::new(Mode::Diag, Some(250), 10);
        asker.handle(&closed(TcpState::FinWait2));
        let first = found(TcpState::TimeWait, 60 * SECOND);
        assert!(ask(&mut asker, first).1.is_some());
        let due = asker.poll_timeout().expect("a question").0;
        let left = BEGIN + 60 * SECOND + late - due;
        let (_, told) = ask(&mut asker, found(TcpState::TimeWait, left));
        assert_eq!(told.is_some(), begins, "{told:?}");
    }
}

/// What a timer has left is reckoned from the last tick that was counted.
#[test]
fn a_tick_that_is_known_to_be_late_is_reckoned_with() {
    let mut asker = Asker::new(Mode::Diag, Some(250), 10);
    asker.handle(&closed(TcpState::FinWait2));
    assert!(
        ask(&mut asker, found(TcpState::TimeWait, 60 * SECOND))
            .1
            .is_some()
    );
    let due = asker.poll_timeout().expect("a question");
    let question = asker.questions(due)[0];
    let ticked = due.0 - 900 * MS;
    let left = BEGIN + 60 * SECOND - ticked;
    let late = Look {
        ticked: MonoNs(ticked),
        ..look(due.0, due.0, found(TcpState::TimeWait, left))
    };
    assert_eq!(told(asker.answer(&question, &late)), None);
}

#[test]
fn absence_is_believed_only_soon_after_the_close() {
    for (later, believed) in [(10 * MS, true), (2 * SECOND, false)] {
        let mut asker = Asker::new(Mode::Diag, Some(250), 10);
        asker.handle(&closed(TcpState::FinWait2));
        let now = BEGIN + later;
        let questions = asker.questions(MonoNs(now));
        let told = told(asker.answer(&questions[0], &look(now, now, Answer::Absent)));
        assert_eq!(told.is_some(), believed);
        assert_eq!(asker.poll_given_up().is_some(), !believed);
        assert_eq!(asker.poll_timeout(), None);
        if let Some(told) = told {
            assert_eq!(told.news, TimewaitNews::Absent);
            assert_eq!((told.at.0, told.error_ns), (BEGIN + 5 * MS, 5 * MS));
        }
    }
}

#[test]
fn what_cannot_be_asked_is_asked_again_and_given_up_at_last() {
    let mut asker = Asker::new(Mode::Diag, Some(250), 10);
    asker.handle(&closed(TcpState::FinWait2));
    let failed = || Answer::Failed("no".to_owned());
    ask(&mut asker, failed());
    ask(&mut asker, found(TcpState::TimeWait, 59 * SECOND));
    for _ in 0..4 {
        assert_eq!(asker.poll_given_up(), None);
        assert_eq!(ask(&mut asker, failed()).1, None);
    }
    assert_eq!(asker.poll_timeout(), None);
    assert_eq!(asker.poll_given_up().map(|one| one.cookie), Some(COOKIE));
}

#[test]
fn a_namespace_that_is_gone_ends_what_was_seen_in_it() {
    let mut asker = Asker::new(Mode::Diag, Some(250), 10);
    asker.handle(&closed(TcpState::FinWait2));
    let (seen, _) = ask(&mut asker, found(TcpState::TimeWait, 60 * SECOND));
    let (gone, told) = ask(&mut asker, Answer::NetnsGone);
    let told = told.expect("an end");
    let end = TimewaitEnd::NetnsGone;
    assert_eq!(told.news, TimewaitNews::Ended { end, timer: None });
    assert!(is_within(told.at, told.error_ns, seen) && is_within(told.at, told.error_ns, gone));

    asker.handle(&closed(TcpState::FinWait2));
    assert_eq!(ask(&mut asker, Answer::NetnsGone).1, None);
    assert!(asker.poll_given_up().is_some());
}

#[test]
fn no_more_are_followed_than_allowed_and_the_others_are_named() {
    let mut asker = Asker::new(Mode::Diag, Some(250), 2);
    for socket in 1..=5 {
        let change = change(socket, BEGIN, TcpState::FinWait2, TcpState::Close);
        asker.handle(&Event::StateChange(change));
    }
    let followed = asker.questions(MonoNs(BEGIN));
    let cookies: Vec<u64> = followed.iter().map(|one| one.cookie).collect();
    assert_eq!(cookies, [1, 2]);
    let given_up = std::iter::from_fn(|| asker.poll_given_up());
    assert_eq!(
        given_up.map(|one| one.cookie).collect::<Vec<_>>(),
        [3, 4, 5]
    );
}

#[test]
fn a_burst_is_asked_after_in_parts() {
    let mut asker = Asker::new(Mode::Diag, Some(250), 5000);
    for socket in 1..=1500 {
        let change = change(socket, BEGIN, TcpState::FinWait2, TcpState::Close);
        asker.handle(&Event::StateChange(change));
    }
    assert_eq!(asker.questions(MonoNs(BEGIN)).len(), AT_ONCE);
    assert_eq!(asker.poll_timeout(), Some(MonoNs(BEGIN)));
    assert_eq!(asker.questions(MonoNs(BEGIN)).len(), 1500 - AT_ONCE);
    assert_eq!(asker.poll_timeout(), None);
}

fn timewait(at: u64, substate: TcpState, news: TimewaitNews) -> Event {
    Event::Timewait(Timewait {
        at: MonoNs(at),
        error_ns: 0,
        cookie: Some(COOKIE),
        netns: Some(NETNS),
        tuple: tuple(),
        substate,
        news,
    })
}

fn armed(at: u64, substate: TcpState, now: u64, expires: u64) -> Event {
    timewait(at, substate, TimewaitNews::Armed(Ticks { now, expires }))
}

/// Ticks of a FIN_WAIT2 of sixty seconds at 250 a second, set 2 s before the end of its slot.
const NOW: u64 = EXPIRES - 15_000;
const EXPIRES: u64 = 999_948;
/// When a time that begins is seen to begin, but for the margin.
const SEEN_FROM: u64 = BEGIN + 500 * 4 * MS;

#[test]
fn a_change_that_passes_no_tracepoint_is_found_as_soon_as_no_other_can_follow() {
    for hz in [Some(250), None] {
        let mut asker = Asker::new(Mode::Timer, hz, 10);
        asker.handle(&armed(BEGIN, TcpState::FinWait2, NOW, EXPIRES));
        let due = asker.poll_timeout().expect("a question").0;
        match hz {
            Some(_) => assert!((SEEN_FROM..SEEN_FROM + 10 * MS).contains(&due)),
            None => assert!((BEGIN + 5120 * MS..BEGIN + 5200 * MS).contains(&due)),
        }
        let entered = BEGIN + 700 * MS;
        let left = entered + 60 * SECOND - due;
        let (_, told) = ask(&mut asker, found(TcpState::TimeWait, left));
        let told = told.expect("a change");
        assert!(is_within(told.at, told.error_ns, entered), "{told:?}");
        assert!(told.error_ns < 25 * MS);
        assert_eq!(told.substate, TcpState::TimeWait);
        let TimewaitNews::Seen { left_ns, error_ns } = told.news else {
            panic!("{told:?}");
        };
        let set = entered + 60 * SECOND;
        assert!(is_within(told.at.plus(left_ns), error_ns, set));
        assert_eq!(asker.poll_timeout(), None);
    }
}

#[test]
fn what_the_tracepoints_tell_is_not_told_again() {
    let mut asker = Asker::new(Mode::Timer, Some(250), 10);
    let begin = armed(BEGIN, TcpState::FinWait2, NOW, EXPIRES);
    // It is still FIN_WAIT2, or gone: either will be seen, or was.
    for answer in [found(TcpState::FinWait2, 57 * SECOND), Answer::Absent] {
        asker.handle(&begin);
        assert_eq!(ask(&mut asker, answer).1, None);
        assert_eq!(asker.poll_timeout(), None);
    }
    // It changed, or ended, and the tracepoint said so.
    asker.handle(&begin);
    asker.handle(&armed(
        BEGIN + SECOND,
        TcpState::TimeWait,
        NOW + 250,
        EXPIRES + 250,
    ));
    assert_eq!(asker.poll_timeout(), None);
    asker.handle(&begin);
    let end = TimewaitEnd::Killed;
    let ended = TimewaitNews::Ended { end, timer: None };
    asker.handle(&timewait(BEGIN + SECOND, TcpState::FinWait2, ended));
    assert_eq!(asker.poll_timeout(), None);
    // It changed so late that the tracepoint's event is on its way.
    asker.handle(&begin);
    let due = asker.poll_timeout().expect("a question");
    let question = asker.questions(due)[0];
    let late = due.plus(SECOND);
    let look = look(late.0, late.0, found(TcpState::TimeWait, 60 * SECOND));
    assert_eq!(asker.answer(&question, &look), None);
    // A FIN_WAIT2 of ten seconds has slots of another width.
    asker.handle(&armed(BEGIN, TcpState::FinWait2, NOW, NOW + 2500));
    assert_eq!(asker.poll_timeout(), None);
}

#[test]
fn one_found_in_fin_wait2_is_asked_after_only_while_a_change_may_be_hidden() {
    let mut asker = Asker::new(Mode::Timer, Some(250), 10);
    asker.handle(&existing(TcpState::TimeWait, BEGIN, 30 * SECOND));
    asker.handle(&existing(TcpState::FinWait2, BEGIN, 30 * SECOND));
    assert_eq!(asker.poll_timeout(), None);
    asker.handle(&existing(TcpState::FinWait2, BEGIN, 59 * SECOND));
    let due = asker.poll_timeout().expect("a question").0;
    assert!(due > BEGIN + SECOND && due < BEGIN + 3 * SECOND);
}
