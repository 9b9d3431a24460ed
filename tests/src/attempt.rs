//! Scenarios that are tried again where the kernel itself left the agent out.
//!
//! # Kernel
//!
//! A classic tracepoint calls no program on a CPU where one is running already, whichever it is,
//! nor while a system call there works on a map (`trace_call_bpf`, `bpf_prog_active`): a change in
//! a softirq that comes just then is missed by every tracer. The agent says so, as it should, and
//! there is nothing to judge it by. With many tracers on few CPUs that does happen.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::tracer::Hook;

/// How often a scenario is tried. Even three in a row without a conclusion have not been seen.
const ATTEMPTS: usize = 5;

/// Leaves a scenario that cannot be judged, and why.
struct Inconclusive(String);

/// Runs a scenario until it comes to a conclusion.
///
/// # Panics
///
/// Panics with what the scenario panics with, or when it comes to none.
pub fn until_conclusive(hook: Hook, scenario: impl Fn(Hook)) {
    for attempt in 1..=ATTEMPTS {
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| scenario(hook))) else {
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
