//! A wall clock that is set while the agent traces.

use std::env;

use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use tests::schema::Line;
use tests::tracer::{Hook, Tracer};

const SECOND: i64 = 1_000_000_000;

/// By how much the clock is slewed meanwhile, and later than it is set.
const SLACK_NS: i64 = 100_000_000;

/// Sets the wall clock by so many seconds.
fn set_by(seconds: i64) {
    let now = clock_gettime(ClockId::Realtime);
    let then = Timespec {
        tv_sec: now.tv_sec + seconds,
        ..now
    };
    clock_settime(ClockId::Realtime, then).expect("set the wall clock");
}

/// Waits until the agent says that the clock was set, and returns by how much.
fn wait_step(tracer: &mut Tracer) -> i64 {
    let mut step = None;
    let told = tracer.wait_for(|line| match line {
        Line::Clock(clock) => {
            assert_eq!(clock.suspended_ns, 0);
            assert!(clock.since_mono_ns < clock.until_mono_ns);
            step = clock.wall_step_ns;
            true
        }
        _ => false,
    });
    assert!(told, "the agent said nothing");
    step.expect("a step that the number holds")
}

/// It is said, with how far, in either direction; the evidence says the same, as of every trace.
#[test]
fn a_clock_that_is_set_is_told() {
    if env::var_os("TRACER_OWN_MACHINE").is_none() {
        eprintln!(
            "skipped: it sets the clock of a whole machine, and this one is not the test's alone"
        );
        return;
    }
    tests::require_live!(Hook::Btf);
    let mut tracer = Tracer::start(Hook::Btf, &["--port", "1"]);
    for seconds in [3, -3] {
        set_by(seconds);
        let step = wait_step(&mut tracer);
        assert!((step - seconds * SECOND).abs() < SLACK_NS, "{step}");
    }
    tracer.stop();
}
