//! Scenarios that are tried again where the kernel itself left the agent out.
//!
//! # Kernel
//!
//! No tracepoint calls a program on a CPU where that program is running already
//! (`__bpf_trace_run`); a classic one calls none where any is running, nor while a system call there
//! works on a map (`trace_call_bpf`, `bpf_prog_active`). A softirq that comes in between is missed,
//! with all the packets that it takes in. The agent says so, as it should, and there is nothing to
//! judge it by. With many tracers on few CPUs that does happen.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// How often a scenario is tried. Even three in a row without a conclusion have not been seen.
const ATTEMPTS: usize = 5;

/// Leaves a scenario that cannot be judged, and why.
struct Inconclusive(String);

/// Runs a scenario until it comes to a conclusion.
///
/// # Panics
///
/// Panics with what the scenario panics with, or when it comes to none.
pub fn until_conclusive(scenario: impl Fn()) {
    for attempt in 1..=ATTEMPTS {
        let Err(panic) = catch_unwind(AssertUnwindSafe(&scenario)) else {
            return;
        };
        match panic.downcast::<Inconclusive>() {
            Ok(inconclusive) if attempt < ATTEMPTS => {
                eprintln!("attempt {attempt}: {}", inconclusive.0);
            }
            Ok(inconclusive) => panic!("no conclusion: {}", inconclusive.0),
            Err(panic) => resume_unwind(panic),
        }
    }
}

/// Leaves the scenario without a conclusion.
pub fn inconclusive(why: String) -> ! {
    // Unlike a panic, this prints nothing: nothing is wrong.
    resume_unwind(Box::new(Inconclusive(why)))
}
