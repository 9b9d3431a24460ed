//! Whole lives of timewait sockets: what is told of them, held against the truth.

use proptest::prelude::*;

use super::kernel::{Fate, Truth, any_delays, any_fate};
use super::{BEGIN, COOKIE, MS, NETNS, SECOND, closed, existing, is_within, look, told, tuple};
use crate::model::minisock::TIMEWAIT_NS;
use crate::model::{Answer, MonoNs, Timewait, TimewaitEnd, TimewaitNews, Wheel};
use crate::track::asking::life::TICKS_LATE_NS;
use crate::track::asking::{Asker, Mode};

/// Everything that was asked and told, from the first question on.
struct Course {
    /// Moments of the questions, and what each brought.
    looks: Vec<(u64, Option<Timewait>)>,
}

/// Asks from a moment on until there is nothing more to ask. Each wake-up is as many microseconds late, and each
/// answer takes as many, as the numbers say, in turn.
fn run(asker: &mut Asker, truth: &Truth, fate: &Fate, delays: &[(u64, u64)], begin: u64) -> Course {
    let mut looks = Vec::new();
    let mut now = begin;
    while let Some(due) = asker.poll_timeout() {
        let (late, takes) = delays[looks.len() % delays.len()];
        now = now.max(due.0) + late * 1000;
        let questions = asker.questions(MonoNs(now));
        assert_eq!(questions.len(), 1);
        let after = now + takes * 1000;
        let moment = now + takes * 1000 / 3;
        let look = look(now, after, truth.answer(fate, moment));
        looks.push((moment, told(asker.answer(&questions[0], &look))));
        now = after;
        assert!(looks.len() < 1000, "it never ends");
    }
    assert_eq!(asker.poll_given_up(), None);
    assert_eq!(asker.followed.len(), 0);
    Course { looks }
}

/// Holds all that was told against the truth.
fn judge(truth: &Truth, course: &Course, knows_tick: bool) {
    let last_look = course.looks.last().expect("a look");
    let mut seen: Option<(Timewait, u64, u64)> = None;
    for (at, told) in &course.looks {
        let Some(timewait) = told else { continue };
        assert_eq!(timewait.cookie, Some(COOKIE));
        assert_eq!((timewait.netns, timewait.tuple), (Some(NETNS), tuple()));
        if let TimewaitNews::Seen { left_ns, error_ns } = timewait.news {
            let arming = truth.arming(*at).expect("it is there");
            assert_eq!(timewait.substate, arming.substate);
            assert!(
                is_within(timewait.at, timewait.error_ns, arming.at),
                "{timewait:?} {arming:?}"
            );
            assert!(
                is_within(timewait.at.plus(left_ns), error_ns, arming.set),
                "{timewait:?} {arming:?}"
            );
            if knows_tick {
                assert!(timewait.error_ns <= 2 * truth.wheel.ns(1) + 2 * MS);
            }
            seen = Some((timewait.clone(), timewait.at.0 + left_ns, error_ns));
        }
    }
    // Nothing that a look showed stayed untold, but what cannot be told from ticks that were counted late.
    let shown = course
        .looks
        .iter()
        .rev()
        .find_map(|(at, _)| truth.arming(*at));
    if let (Some(shown), Some((timewait, set, error_ns))) = (shown, &seen) {
        assert_eq!(timewait.substate, shown.substate);
        assert!(set.abs_diff(shown.set) <= TICKS_LATE_NS + 3 * error_ns);
    }

    let Some(end) = &last_look.1 else {
        panic!("it did not end");
    };
    if let TimewaitNews::Ended { end: why, .. } = end.news {
        assert!(is_within(end.at, end.error_ns, truth.gone), "{end:?}");
        let set = truth.arming(truth.gone - 1).expect("it was there").set;
        if !truth.is_killed && shown.is_some_and(|shown| shown.set == set) {
            assert_eq!(why, TimewaitEnd::Expired);
            let slot = Wheel::usual().map(|wheel| wheel.slot_ns(TIMEWAIT_NS)).max();
            let slot = if knows_tick {
                truth.wheel.slot_ns(TIMEWAIT_NS)
            } else {
                slot.expect("one")
            };
            assert!(end.error_ns <= slot / 32 + 20 * MS, "{end:?}");
        }
        if truth.is_killed && shown.is_some_and(|shown| truth.gone + SECOND < shown.set) {
            assert_eq!(why, TimewaitEnd::Unknown, "{end:?}");
        }
    } else {
        assert_eq!(end.news, TimewaitNews::Absent);
        assert!(truth.gone < last_look.0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_told_of_a_life_is_true_within_its_bounds(
        fate in any_fate(),
        delays in any_delays(),
        knows_tick: bool,
    ) {
        let truth = Truth::new(&fate);
        let hz = knows_tick.then_some(fate.hz);
        let mut asker = Asker::new(Mode::Diag, hz, 10);
        asker.handle(&closed(fate.from));
        let course = run(&mut asker, &truth, &fate, &delays, BEGIN);
        judge(&truth, &course, knows_tick);
        if let Some((_, Some(end))) = course.looks.last() {
            // The last half a second before its time is not halved any more.
            let age = (truth.gone - BEGIN).max(500 * MS);
            prop_assert!(end.error_ns <= age / 2 + 20 * MS, "{end:?}");
        }
        prop_assert!(
            course.looks.len() <= 40 * truth.armings.len(),
            "{} questions", course.looks.len()
        );
    }

    #[test]
    fn one_that_was_found_is_followed_likewise(
        fate in any_fate(),
        delays in any_delays(),
        after in 0_u64..60_000,
        listed_after in 0_u64..3_000,
    ) {
        let truth = Truth::new(&fate);
        let listed = BEGIN + (after + listed_after) * MS;
        if let Answer::Found(found) = truth.answer(&fate, listed) {
            let left_ns = found.left_ns.expect("of a timewait socket");
            let mut asker = Asker::new(Mode::Diag, Some(fate.hz), 10);
            asker.handle(&existing(found.state, listed - listed_after * MS, left_ns));
            let course = run(&mut asker, &truth, &fate, &delays, listed);
            judge(&truth, &course, true);
            prop_assert!(course.looks.len() <= 40 * truth.armings.len());
        }
    }
}
