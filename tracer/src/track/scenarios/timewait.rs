//! Connections that live on in timewait sockets.

use super::*;
use crate::model::{Ticks, Timewait, TimewaitEnd, TimewaitNews};
use crate::track::{Follows, Timewaits};

/// Ticks are this long here, as at 250 Hz.
const TICK_NS: u64 = 4_000_000;
const SECOND: u64 = 1_000_000_000;

fn tracker(timewaits: Timewaits) -> Tracker {
    let mut tracker = Tracker::new(Selection::default(), Limits::default());
    tracker.follow(Follows {
        resets: false,
        timewaits,
        requests: false,
        armings: false,
        since: MonoNs(0),
        tick_ns: Some(TICK_NS),
    });
    tracker.handle(&Event::ExistingComplete);
    tracker
}

fn run(timewaits: Timewaits, events: &[Event]) -> Vec<Output> {
    let mut tracker = tracker(timewaits);
    for event in events {
        tracker.handle(event);
    }
    tracker.finish(MonoNs(1000 * SECOND));
    std::iter::from_fn(|| tracker.poll()).collect()
}

/// Something about the timewait socket that follows the socket numbered so.
fn timewait(socket: u64, at: u64, substate: TcpState, news: TimewaitNews) -> Event {
    let full = change(socket, at, FinWait2, Close);
    Event::Timewait(Timewait {
        at: MonoNs(at),
        error_ns: 0,
        cookie: full.cookie,
        netns: full.netns,
        tuple: full.tuple(),
        substate,
        news,
    })
}

/// Its timer is set for `seconds` from now.
fn armed(socket: u64, at: u64, substate: TcpState, seconds: u64) -> Event {
    let now = at / TICK_NS;
    let expires = now + seconds * SECOND / TICK_NS;
    timewait(
        socket,
        at,
        substate,
        TimewaitNews::Armed(Ticks { now, expires }),
    )
}

fn ended(socket: u64, at: u64, substate: TcpState, end: TimewaitEnd, expires: u64) -> Event {
    let timer = Some(Ticks {
        now: at / TICK_NS,
        expires: expires / TICK_NS,
    });
    timewait(socket, at, substate, TimewaitNews::Ended { end, timer })
}

fn only(outputs: &[Output]) -> &Timeline {
    match timelines(outputs)[..] {
        [timeline] => timeline,
        ref other => panic!("{other:#?}"),
    }
}

/// `FIN_WAIT2 → TIME_WAIT` and so on, those of the tracepoint and of the timewait socket alike.
fn told(outputs: &[Output]) -> Vec<String> {
    let name = |change: &&Change| {
        let from = change.from.map_or("-".to_owned(), |from| from.to_string());
        let by = match change.origin {
            Origin::Timewait { end: Some(end) } => format!(" ({end})"),
            Origin::Timewait { end: None } => " (timewait)".to_owned(),
            _ => String::new(),
        };
        format!("{from} → {}{by}", change.to)
    };
    changes(outputs).iter().map(name).collect()
}

/// Since when a timewait socket holds a connection in FIN_WAIT2, wherever that is told.
fn held(outputs: &[Output]) -> Vec<u64> {
    let at = |output: &Output| match output {
        Output::Held(held) => Some(held.at.0),
        _ => None,
    };
    outputs.iter().filter_map(at).collect()
}

#[test]
fn time_wait_follows_fin_wait2_and_ends_the_connection() {
    let mut events = life(
        1,
        Close,
        &[
            (SynSent, 100),
            (Established, 110),
            (FinWait1, 150),
            (FinWait2, 160),
        ],
    );
    events.push(armed(1, 170, TimeWait, 60));
    events.extend(life(1, FinWait2, &[(Close, 175)]));
    events.push(ended(
        1,
        61 * SECOND,
        TimeWait,
        TimewaitEnd::Expired,
        60 * SECOND,
    ));
    let shown = run(Timewaits::Hooked, &events);
    assert_eq!(
        told(&shown)[4..],
        [
            "FIN_WAIT2 → TIME_WAIT (timewait)",
            "TIME_WAIT → CLOSE (expired)"
        ]
    );
    assert_eq!(held(&shown), [0; 0], "its FIN_WAIT2 was a full socket's");
    let timeline = only(&shown);
    assert_eq!(
        spans(timeline),
        "SYN_SENT 10, ESTABLISHED 40, FIN_WAIT1 10, FIN_WAIT2 10, TIME_WAIT 60999999830"
    );
    assert_eq!(
        timeline.ended,
        Some(Ending::TimeWaitOver(TimewaitEnd::Expired))
    );
    assert_eq!(timeline.timewait_end, Some(TimewaitEnd::Expired));
    assert_eq!(
        (timeline.rearmed, timeline.lifetime),
        (0, Span::Known(61 * SECOND - 100))
    );
}

#[test]
fn both_ends_closing_at_once_lead_there_too() {
    let mut events = life(
        1,
        Close,
        &[
            (SynSent, 100),
            (Established, 110),
            (FinWait1, 150),
            (Closing, 160),
        ],
    );
    events.push(armed(1, 170, TimeWait, 60));
    events.extend(life(1, Closing, &[(Close, 175)]));
    let shown = run(Timewaits::Hooked, &events);
    assert_eq!(told(&shown)[4], "CLOSING → TIME_WAIT (timewait)");
    assert_eq!(only(&shown).ended, None, "it lives on");
}

#[test]
fn an_orphan_waits_in_fin_wait2_until_the_peer_closes() {
    let mut events = life(1, Established, &[(FinWait1, 150), (FinWait2, 160)]);
    events.push(armed(1, 161, FinWait2, 60));
    events.extend(life(1, FinWait2, &[(Close, 162)]));
    events.push(armed(1, 3 * SECOND, TimeWait, 60));
    events.push(armed(1, 9 * SECOND, TimeWait, 60));
    events.push(ended(
        1,
        70 * SECOND,
        TimeWait,
        TimewaitEnd::Expired,
        69 * SECOND,
    ));
    let shown = run(Timewaits::Hooked, &events);
    assert_eq!(
        told(&shown)[1..],
        [
            "FIN_WAIT1 → FIN_WAIT2",
            "FIN_WAIT2 → TIME_WAIT (timewait)",
            "TIME_WAIT → CLOSE (expired)"
        ]
    );
    assert_eq!(held(&shown), [161]);
    let timeline = only(&shown);
    assert_eq!(
        spans(timeline),
        "ESTABLISHED ?BeforeTrace, FIN_WAIT1 10, FIN_WAIT2 2999999840, TIME_WAIT 67000000000"
    );
    assert_eq!(timeline.rearmed, 1, "it began anew at 9 s");
}

#[test]
fn an_orphan_whose_peer_never_closes_was_never_in_time_wait() {
    let mut events = life(1, Established, &[(FinWait1, 150), (FinWait2, 160)]);
    events.push(armed(1, 161, FinWait2, 60));
    events.extend(life(1, FinWait2, &[(Close, 162)]));
    events.push(ended(
        1,
        60 * SECOND,
        FinWait2,
        TimewaitEnd::Expired,
        60 * SECOND,
    ));
    let shown = run(Timewaits::Hooked, &events);
    assert_eq!(
        told(&shown).last().map(String::as_str),
        Some("FIN_WAIT2 → CLOSE (expired)")
    );
    let ending = only(&shown).ended;
    assert_eq!(ending, Some(Ending::FinWait2Over(TimewaitEnd::Expired)));
}

#[test]
fn a_change_that_no_timer_showed_is_told_from_what_the_timer_is_set_for() {
    let mut events = life(1, Established, &[(FinWait1, 150), (FinWait2, 160)]);
    events.push(armed(1, 4 * SECOND, FinWait2, 60));
    events.extend(life(1, FinWait2, &[(Close, 4 * SECOND + 5)]));
    // The FIN came at 5 s; the timer stayed in its slot.
    events.push(ended(
        1,
        66 * SECOND,
        TimeWait,
        TimewaitEnd::Expired,
        65 * SECOND,
    ));
    let shown = run(Timewaits::Hooked, &events);
    assert_eq!(
        spans(only(&shown)),
        "ESTABLISHED ?BeforeTrace, FIN_WAIT1 10, FIN_WAIT2 4999999840±12000000, \
         TIME_WAIT 61000000000±12000000"
    );
}

#[test]
fn a_change_that_was_found_by_asking_is_not_found_again_at_the_end() {
    let mut events = life(1, Established, &[(FinWait1, 150), (FinWait2, 160)]);
    events.push(armed(1, 161, FinWait2, 60));
    events.extend(life(1, FinWait2, &[(Close, 162)]));
    let left_ns = 58 * SECOND;
    let error_ns = TICK_NS;
    let seen = TimewaitNews::Seen { left_ns, error_ns };
    events.push(timewait(1, SECOND, TimeWait, seen));
    events.push(ended(
        1,
        62 * SECOND,
        TimeWait,
        TimewaitEnd::Expired,
        61 * SECOND,
    ));
    let shown = run(Timewaits::Hooked, &events);
    assert_eq!(
        spans(only(&shown)),
        "ESTABLISHED ?BeforeTrace, FIN_WAIT1 10, FIN_WAIT2 999999840, TIME_WAIT 61000000000"
    );
    assert_eq!(only(&shown).rearmed, 0);
}

#[test]
fn the_same_arming_told_twice_is_one() {
    let mut events = life(1, FinWait1, &[(FinWait2, 160)]);
    events.push(armed(1, 161, TimeWait, 60));
    events.extend(life(1, FinWait2, &[(Close, 162)]));
    let again = armed(1, 2 * SECOND, TimeWait, 60);
    events.extend([again.clone(), again]);
    events.push(ended(
        1,
        66 * SECOND,
        TimeWait,
        TimewaitEnd::Reset,
        62 * SECOND,
    ));
    let shown = run(Timewaits::Hooked, &events);
    assert_eq!(only(&shown).rearmed, 1);
    assert_eq!(only(&shown).timewait_end, Some(TimewaitEnd::Reset));
}

#[test]
fn without_a_timewait_socket_it_is_said_why() {
    let close = |refused| {
        let mut events = life(1, FinWait1, &[(FinWait2, 160)]);
        let mut last = change(1, 170, FinWait2, Close);
        last.timewait_refused = refused;
        events.push(Event::StateChange(last));
        let shown = run(Timewaits::Hooked, &events);
        only(&shown).ended
    };
    assert_eq!(close(Some(true)), Some(Ending::TimeWaitRefused));
    assert_eq!(close(Some(false)), Some(Ending::Aborted));
    assert_eq!(close(None), Some(Ending::TimeWaitOrClosed));
}

#[test]
fn a_loss_may_have_taken_the_timewait_socket_s_beginning() {
    let mut events = life(1, FinWait1, &[(FinWait2, 160)]);
    events.push(Event::Loss(loss(161, 165)));
    events.extend(life(1, FinWait2, &[(Close, 170)]));
    let shown = run(Timewaits::Hooked, &events);
    assert_eq!(only(&shown).ended, Some(Ending::TimeWaitOrClosed));
}

#[test]
fn a_lost_end_does_not_keep_a_connection_for_ever() {
    let mut tracker = tracker(Timewaits::Hooked);
    let mut events = life(1, FinWait1, &[(FinWait2, 160)]);
    events.push(armed(1, 161, TimeWait, 60));
    events.extend(life(1, FinWait2, &[(Close, 162)]));
    events.push(Event::Loss(loss(60 * SECOND, 61 * SECOND)));
    for event in &events {
        tracker.handle(event);
    }
    tracker.handle_timeout(MonoNs(100 * SECOND));
    assert_eq!(tracker.followed(), 1);
    tracker.handle_timeout(MonoNs(200 * SECOND));
    assert_eq!(tracker.followed(), 0);
    let shown: Vec<Output> = std::iter::from_fn(|| tracker.poll()).collect();
    assert_eq!(only(&shown).ended, Some(Ending::NotSeen));
}

#[test]
fn an_end_before_the_full_socket_s_close_is_not_forgotten() {
    let mut events = life(1, FinWait1, &[(FinWait2, 160)]);
    events.push(armed(1, 161, TimeWait, 60));
    events.push(ended(1, 162, TimeWait, TimewaitEnd::NewSyn, 60 * SECOND));
    events.extend(life(1, FinWait2, &[(Close, 163)]));
    let shown = run(Timewaits::Hooked, &events);
    assert_eq!(only(&shown).timewait_end, Some(TimewaitEnd::NewSyn));
}

#[test]
fn one_that_was_there_before_has_its_age_where_the_kernel_tells_it() {
    let found = |age_s: Option<u64>, left_s: u64| {
        let mut tracker = Tracker::new(Selection::default(), Limits::default());
        tracker.follow(Follows {
            resets: false,
            timewaits: Timewaits::Hooked,
            ..Follows::default()
        });
        tracker.handle(&Event::Existing(Existing {
            at: MonoNs(100 * SECOND),
            cookie: 1,
            state: TimeWait,
            full_socket: false,
            tuple: change(1, 1, FinWait2, Close).tuple(),
            netns: 1,
            uid: None,
            holder: None,
            left_ns: Some(left_s * SECOND),
            age_ns: age_s.map(|age| age * SECOND),
        }));
        tracker.handle(&Event::ExistingComplete);
        tracker.handle(&ended(
            1,
            140 * SECOND,
            TimeWait,
            TimewaitEnd::Expired,
            139 * SECOND,
        ));
        tracker.finish(MonoNs(200 * SECOND));
        let shown: Vec<Output> = std::iter::from_fn(|| tracker.poll()).collect();
        spans(only(&shown))
    };
    assert_eq!(found(Some(21), 39), "TIME_WAIT 61000000000±1000000");
    assert_eq!(found(None, 39), "TIME_WAIT ?BeforeTrace");
    // The stamp and the timer disagree: TIME_WAIT began later than the socket, or began anew.
    assert_eq!(found(Some(30), 39), "TIME_WAIT ?BeforeTrace");
}

#[test]
fn one_that_was_there_before_in_fin_wait2_is_said_to_be_a_timewait_socket() {
    for (full_socket, expected) in [(false, vec![100]), (true, vec![])] {
        let mut tracker = Tracker::new(Selection::default(), Limits::default());
        tracker.follow(Follows {
            resets: false,
            timewaits: Timewaits::Hooked,
            ..Follows::default()
        });
        tracker.handle(&Event::Existing(Existing {
            at: MonoNs(100),
            cookie: 1,
            state: FinWait2,
            full_socket,
            tuple: change(1, 1, FinWait2, Close).tuple(),
            netns: 1,
            uid: None,
            holder: None,
            left_ns: None,
            age_ns: None,
        }));
        let shown: Vec<Output> = std::iter::from_fn(|| tracker.poll()).collect();
        assert_eq!(held(&shown), expected);
    }
}

#[test]
fn a_socket_that_is_asked_for_in_fin_wait2_is_told_when_it_is_known() {
    let mut events = life(1, FinWait1, &[(FinWait2, 160)]);
    events.extend(life(1, FinWait2, &[(Close, 170)]));
    let seen = TimewaitNews::Seen {
        left_ns: 60 * SECOND,
        error_ns: TICK_NS,
    };
    events.push(timewait(1, 171, FinWait2, seen));
    assert_eq!(held(&run(Timewaits::Asked, &events)), [170]);
}

#[test]
fn a_socket_that_is_asked_for_waits_for_the_answer() {
    let mut events = life(1, FinWait1, &[(FinWait2, 160)]);
    events.extend(life(1, FinWait2, &[(Close, 170)]));
    let mut tracker = tracker(Timewaits::Asked);
    events.iter().for_each(|event| tracker.handle(event));
    let before: Vec<Output> = std::iter::from_fn(|| tracker.poll()).collect();
    assert_eq!(told(&before), ["FIN_WAIT1 → FIN_WAIT2"], "nobody knows yet");

    let seen = TimewaitNews::Seen {
        left_ns: 60 * SECOND,
        error_ns: TICK_NS,
    };
    tracker.handle(&timewait(1, 171, TimeWait, seen));
    let mut last = ended(1, 61 * SECOND, TimeWait, TimewaitEnd::Expired, 60 * SECOND);
    if let Event::Timewait(last) = &mut last {
        last.error_ns = 64_000_000;
    }
    tracker.handle(&last);
    let shown: Vec<Output> = std::iter::from_fn(|| tracker.poll()).collect();
    assert_eq!(
        told(&shown),
        [
            "FIN_WAIT2 → TIME_WAIT (timewait)",
            "TIME_WAIT → CLOSE (expired)"
        ]
    );
    assert!(
        spans(only(&shown)).ends_with("TIME_WAIT 60999999829±64000000"),
        "{}",
        spans(only(&shown))
    );
}

/// The answer leaves a time to choose from; it may all be true, whichever is told.
#[test]
fn a_beginning_that_is_moved_to_the_close_may_still_be_as_late_as_the_answer_says() {
    let mut events = life(1, FinWait1, &[(FinWait2, 160)]);
    events.extend(life(1, FinWait2, &[(Close, 170)]));
    let (left_ns, error_ns) = (60 * SECOND, TICK_NS);
    let seen = TimewaitNews::Seen { left_ns, error_ns };
    let mut answer = timewait(1, 170 + TICK_NS, TimeWait, seen);
    if let Event::Timewait(answer) = &mut answer {
        answer.error_ns = TICK_NS;
    }
    events.push(answer);
    let shown = run(Timewaits::Asked, &events);
    let last = changes(&shown)[1];
    assert_eq!((last.at, last.error_ns), (MonoNs(170), 2 * TICK_NS));
    assert!(
        spans(only(&shown)).contains("FIN_WAIT2 10±8000000"),
        "{}",
        spans(only(&shown))
    );
}

#[test]
fn a_socket_that_is_not_there_had_none_to_go_on_in() {
    let mut events = life(1, FinWait1, &[(FinWait2, 160)]);
    events.extend(life(1, FinWait2, &[(Close, 170)]));
    events.push(timewait(1, 180, TimeWait, TimewaitNews::Absent));
    let shown = run(Timewaits::Asked, &events);
    assert_eq!(only(&shown).ended, Some(Ending::NoTimeWait));
}

#[test]
fn a_question_that_nobody_answers_leaves_it_unknown() {
    let mut events = life(1, FinWait1, &[(FinWait2, 160)]);
    events.extend(life(1, FinWait2, &[(Close, 170)]));
    let shown = run(Timewaits::Asked, &events);
    assert_eq!(only(&shown).ended, Some(Ending::TimeWaitOrClosed));
}

#[test]
fn a_socket_that_connects_again_leaves_several_with_one_cookie() {
    let again = |event: Event| match event {
        Event::StateChange(mut change) => {
            change.shown.local_port = 2000;
            change.bound_port = Some(2000);
            Event::StateChange(change)
        }
        Event::Timewait(mut timewait) => {
            timewait.tuple.local.port = Some(2000);
            Event::Timewait(timewait)
        }
        other => other,
    };
    let once = |from: u64| {
        let mut events = life(
            1,
            Close,
            &[
                (SynSent, from),
                (Established, from + 10),
                (FinWait1, from + 20),
                (FinWait2, from + 30),
            ],
        );
        events.push(armed(1, from + 40, TimeWait, 60));
        events.extend(life(1, FinWait2, &[(Close, from + 41)]));
        events
    };
    let mut events = once(100);
    events.extend(once(SECOND).into_iter().map(again));
    let expired = |at, expires| ended(1, at, TimeWait, TimewaitEnd::Expired, expires);
    events.push(expired(61 * SECOND, 60 * SECOND));
    events.push(again(expired(62 * SECOND, 61 * SECOND)));
    let shown = run(Timewaits::Hooked, &events);
    let timelines = timelines(&shown);
    assert_eq!(timelines.len(), 2);
    for timeline in timelines {
        assert_eq!(timeline.timewait_end, Some(TimewaitEnd::Expired));
        assert_eq!(timeline.rearmed, 0, "{}", spans(timeline));
    }
}

#[test]
fn an_arming_that_nobody_told_shows_in_what_the_timer_is_set_for() {
    let rearmed = |armings| {
        let mut tracker = Tracker::new(Selection::default(), Limits::default());
        tracker.follow(Follows {
            resets: false,
            timewaits: Timewaits::Hooked,
            armings,
            ..Follows::default()
        });
        tracker.handle(&Event::ExistingComplete);
        let mut events = life(1, FinWait1, &[(FinWait2, 160)]);
        events.push(armed(1, 161, TimeWait, 60));
        events.extend(life(1, FinWait2, &[(Close, 162)]));
        // One tick later than told, as where the hook runs before the timer is set.
        events.push(ended(
            1,
            61 * SECOND,
            TimeWait,
            TimewaitEnd::Expired,
            60 * SECOND + TICK_NS,
        ));
        events.iter().for_each(|event| tracker.handle(event));
        let shown: Vec<Output> = std::iter::from_fn(|| tracker.poll()).collect();
        only(&shown).rearmed
    };
    assert_eq!((rearmed(false), rearmed(true)), (1, 0));
}

#[test]
fn what_the_kernel_side_saw_made_is_never_called_an_abort() {
    let close = |made, error| {
        let mut last = change(1, 170, FinWait2, Close);
        last.timewait_refused = Some(false);
        last.timewait_made = made;
        last.error = Some(CloseError(error));
        let shown = run(Timewaits::Hooked, &[Event::StateChange(last)]);
        only(&shown).ended
    };
    assert_eq!(
        close(true, 0),
        Some(Ending::TimeWaitOrClosed),
        "its record was lost"
    );
    assert_eq!(close(false, 0), Some(Ending::Aborted));
    assert_eq!(
        close(false, 104),
        Some(Ending::ResetByPeer),
        "though nobody looked before"
    );
}
