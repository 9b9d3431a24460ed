//! What all scenes add up to: nothing is told that nobody caused, the sums are right, the kernel counted
//! the same, and the methods agree with each other.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tests::life::Life;
use tests::matcher::Story;
use tests::method::Method;
use tests::schema::{Segment, Timeline};
use tests::truth::Truth;

use super::minute::{self, Minute};

/// How far apart two hooks may see the same: they stand at different places of the kernel's way, and a
/// machine that emulates another one takes its time between them.
const APART_NS: u64 = 50_000_000;

/// Makes the tests of one method, for the scenes and for the crowd.
macro_rules! of_all_scenes {
    ($($module:ident $method:ident)+) => {
        $(
            mod $module {
                use tests::method::Method::$method;

                #[test]
                fn nothing_else_is_told() {
                    super::of_both($method, super::nothing_else_is_told);
                }

                #[test]
                fn the_sums_are_right() {
                    super::of_both($method, super::the_sums_are_right);
                }

                #[test]
                fn methods_agree() {
                    super::of_both($method, super::agrees_with_the_others);
                }
            }
        )+
    };
}

of_all_scenes!(fentry Fentry timer Timer diag Diag);

fn of_both(method: Method, judge: fn(&Minute, Method)) {
    for scene in ["active_close", "a_thousand_time_waits"] {
        minute::with(method, scene, |minute| judge(minute, method));
    }
}

/// Claims all that a method should tell, each beside what is true.
fn claim<'m>(minute: &'m Minute, method: Method) -> (Story<'m>, Vec<(&'m Truth, Life<'m>)>) {
    let mut story = Story::of(minute.trace(method));
    let told = minute.all_truths().filter(|truth| truth.is_told_by(method));
    let lives = told
        .map(|truth| (truth, story.conn(truth.local, truth.remote)))
        .collect();
    (story, lives)
}

fn nothing_else_is_told(minute: &Minute, method: Method) {
    let (story, _) = claim(minute, method);
    story.no_other_lines();
    let trace = minute.trace(method);
    for counter in &trace.summary().kernel {
        assert_ne!(counter.agree, Some(false), "{counter:?}\n{trace}");
    }
}

fn the_sums_are_right(minute: &Minute, method: Method) {
    let trace = minute.trace(method);
    let summary = trace.summary();
    let truths: Vec<&Truth> = minute.all_truths().collect();
    let count = |counts: &dyn Fn(&Truth) -> bool| {
        let those = truths.iter().filter(|truth| counts(truth));
        Some(those.count() as u64)
    };

    let time_wait = &summary.time_wait;
    let entered: usize = truths.iter().map(|truth| truth.times_entered()).sum();
    let rearmed: u32 = truths.iter().map(|truth| truth.times_rearmed()).sum();
    assert_eq!(time_wait.method, method.name(), "method\n{trace}");
    assert_eq!(time_wait.entered, Some(entered as u64), "entered\n{trace}");
    assert_eq!(time_wait.rearmed, Some(rearmed.into()), "rearmed\n{trace}");
    assert_eq!(
        time_wait.found,
        count(&Truth::found_timewait),
        "found\n{trace}"
    );
    assert_eq!(time_wait.open, Some(0), "open\n{trace}");
    if method.is_hook() {
        let refused = count(&Truth::was_refused);
        assert_eq!(time_wait.refused, refused, "refused\n{trace}");
    }
    for (ended, in_fin_wait2) in [
        (&time_wait.ended, false),
        (&time_wait.fin_wait2_ended, true),
    ] {
        let those = truths
            .iter()
            .filter(|truth| truth.ended_in_fin_wait2() == in_fin_wait2);
        let wanted = by_reason(those.filter_map(|truth| truth.timewait_end()), method);
        let ended = ended.as_ref().expect("ends by reason");
        let got = by_reason(
            ended
                .iter()
                .flat_map(|(reason, &often)| std::iter::repeat_n(reason.as_str(), often as usize)),
            method,
        );
        assert_eq!(
            got, wanted,
            "ended, in FIN_WAIT2 or not: {in_fin_wait2}\n{trace}"
        );
    }

    let half_open = &summary.half_open;
    if !method.is_hook() {
        assert_eq!(
            (half_open.method.as_str(), half_open.started),
            ("off", None),
            "{trace}"
        );
        return;
    }
    let failed = |truth: &&&Truth| truth.half_open_end().is_some();
    let failures = truths.iter().filter(failed).count() as u64;
    let started = count(&Truth::was_half_open);
    assert_eq!(half_open.method, method.name(), "method\n{trace}");
    assert_eq!(half_open.started, started, "started\n{trace}");
    let established = started.map(|started| started - failures);
    assert_eq!(half_open.established, established, "established\n{trace}");
    let wanted = by_reason(
        truths.iter().filter_map(|truth| truth.half_open_end()),
        method,
    );
    let got = half_open.failed.as_ref().expect("failures by reason");
    let got: BTreeMap<&str, u64> = got
        .iter()
        .map(|(reason, &often)| (reason.as_str(), often))
        .collect();
    assert_eq!(got, wanted, "failed\n{trace}");

    let mut by_peer = BTreeMap::<IpAddr, u64>::new();
    for truth in truths.iter().filter(failed) {
        *by_peer.entry(truth.remote.ip()).or_default() += 1;
    }
    let mut wanted: Vec<(IpAddr, u64)> = by_peer.into_iter().collect();
    wanted.sort_by_key(|&(_, failed)| std::cmp::Reverse(failed));
    let peers = half_open.peers.as_ref().expect("peers");
    let got: Vec<(IpAddr, u64)> = peers.iter().map(|peer| (peer.addr, peer.failed)).collect();
    assert_eq!(got, wanted, "peers of the failures\n{trace}");
}

/// Counts ends by reason; who only asks may know only whether it was the end of its time.
fn by_reason<'t>(ends: impl Iterator<Item = &'t str>, method: Method) -> BTreeMap<&'t str, u64> {
    let mut counts = BTreeMap::new();
    for end in ends {
        let end = match method.is_hook() || end == "expired" {
            true => end,
            false => "early",
        };
        *counts.entry(end).or_default() += 1;
    }
    counts
}

/// Demands that the methods tell the same of the same traffic, each within its own bounds.
fn agrees_with_the_others(minute: &Minute, method: Method) {
    let (_, ours) = claim(minute, method);
    for other in minute.methods().filter(|&other| other != method) {
        let (_, theirs) = claim(minute, other);
        let by_truth: BTreeMap<*const Truth, &Life<'_>> = theirs
            .iter()
            .map(|(truth, life)| (std::ptr::from_ref::<Truth>(truth), life))
            .collect();
        for (truth, life) in &ours {
            if let Some(their) = by_truth.get(&std::ptr::from_ref::<Truth>(truth)) {
                let both_hook = method.is_hook() && other.is_hook();
                agree(life, their, both_hook, minute.ticks_late_ns());
            }
        }
    }
}

fn agree(one: &Life<'_>, two: &Life<'_>, both_hook: bool, ticks_late_ns: u64) {
    let told = || format!("{}\n{}", one.told(), two.told());
    let segments = [one, two].map(|life| -> Vec<&Segment> {
        let all = life.timeline().segments.iter();
        // Only a hook knows the time before the child was made.
        all.filter(|segment| both_hook || segment.state != "SYN_RECV")
            .collect()
    });
    let states = segments
        .each_ref()
        .map(|all| -> Vec<&str> { all.iter().map(|segment| segment.state.as_str()).collect() });
    assert_eq!(states[0], states[1], "states\n{}", told());
    for (one, two) in segments[0].iter().zip(&segments[1]) {
        let (Some(lasted), Some(also)) = (one.ns, two.ns) else {
            continue;
        };
        let bound = match one.error_ns.unwrap_or(0) + two.error_ns.unwrap_or(0) {
            0 => APART_NS,
            error_ns => error_ns + ticks_late_ns + APART_NS,
        };
        assert!(
            lasted.abs_diff(also) <= bound,
            "{}: {lasted} and {also}, more than {bound} apart\n{}",
            one.state,
            told()
        );
    }
    let ends = [one, two].map(|life| known_ends(life.timeline()));
    for (one, two) in ends[0].into_iter().zip(ends[1]) {
        assert!(
            one.is_none() || two.is_none() || one == two,
            "{one:?} and {two:?}\n{}",
            told()
        );
    }
}

/// Why its timewait and its request socket ended, where that is known.
fn known_ends(timeline: &Timeline) -> [Option<&str>; 2] {
    [&timeline.time_wait_end, &timeline.half_open_end]
        .map(|end| end.as_deref().filter(|end| *end != "unknown"))
}
