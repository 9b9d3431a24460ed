//! Scenarios that are tried again where the kernel itself left the agent out.
//!
//! # Kernel
//!
//! No tracepoint calls a program on a CPU where that program is running already
//! (`__bpf_trace_run`); a classic one calls none where any is running, nor while a system call there
//! works on a map (`trace_call_bpf`, `bpf_prog_active`). A softirq that comes in between is missed,
//! with all the packets that it takes in. The agent says so, as it should, and there is nothing to
//! judge it by. With many tracers on few CPUs that does happen.
//!
//! What a kernel keeps from all programs, and says nothing of, is [`crate::unseen`]'s matter.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::host::is_ours;
use crate::unseen::Unseen;

/// How often a scenario is tried. Even three in a row without a conclusion have not been seen.
const ATTEMPTS: usize = 5;

/// The first Linux that counts what it keeps from a classic tracepoint's program.
const COUNTS_FROM: (u32, u32) = (6, 7);

/// Leaves a scenario that cannot be judged, and why.
struct Inconclusive(String);

/// Runs a scenario until it comes to a conclusion.
///
/// # Panics
///
/// Panics with what the scenario panics with, or when it comes to none.
pub fn until_conclusive(scenario: impl Fn()) {
    attempts(scenario, false);
}

/// The same for the classic hook. Before Linux 6.7 the kernel does not count what it keeps from that
/// one, so the agent cannot say so, and a failure is no conclusion until it is repeated.
///
/// # Panics
///
/// Panics with what the last attempt panics with, or when it comes to no conclusion.
pub fn until_conclusive_classic(scenario: impl Fn()) {
    attempts(scenario, kernel() < COUNTS_FROM);
}

fn attempts(scenario: impl Fn(), doubt_failures: bool) {
    for attempt in 1..=ATTEMPTS {
        let unseen = Unseen::watch();
        let Err(panic) = catch_unwind(AssertUnwindSafe(&scenario)) else {
            return;
        };
        match panic.downcast::<Inconclusive>() {
            Ok(inconclusive) if attempt < ATTEMPTS => {
                eprintln!("attempt {attempt}: {}", inconclusive.0);
            }
            Ok(inconclusive) => panic!("no conclusion: {}", inconclusive.0),
            Err(_) if doubt_failures && attempt < ATTEMPTS => {
                eprintln!("attempt {attempt}: failed, perhaps for what this kernel does not count");
            }
            Err(panic) => match unseen.events().iter().find(|event| is_ours(event)) {
                Some(event) if attempt < ATTEMPTS => {
                    eprintln!(
                        "attempt {attempt}: failed, while no program was shown this: {event}"
                    );
                }
                _ => resume_unwind(panic),
            },
        }
    }
}

/// Returns the first two numbers of the running kernel's version.
///
/// # Panics
///
/// Panics where it has none.
pub fn kernel() -> (u32, u32) {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release.split('.').map_while(|number| number.parse().ok());
    let version = numbers.next().zip(numbers.next());
    version.unwrap_or_else(|| panic!("no version: {release}"))
}

/// Leaves the scenario without a conclusion.
pub fn inconclusive(why: String) -> ! {
    // Unlike a panic, this prints nothing: nothing is wrong.
    resume_unwind(Box::new(Inconclusive(why)))
}
