//! Harness of the tests that judge the agent from outside.
//!
//! **Owns:** network namespaces and sockets with exact control, the running agent as a child
//! process, its JSON Lines re-declared, and the comparison of a trace with a script.
//!
//! **Never:** a type of the agent's own crates. What the agent prints is a contract, and a contract
//! that is read with the writer's own types cannot be broken.
//!
//! Nothing here runs an external command: the same binary must work in an initramfs that holds only
//! the agent and itself. A failing step of a test is a panic that names the step, so the harness
//! returns values, not `Result`s, wherever a test could do nothing but fail.

pub mod attempt;
pub mod cgroup;
pub mod clock;
pub mod counters;
mod evidence;
pub mod figures;
pub mod ghost;
pub mod host;
pub mod latch;
pub mod life;
pub mod matcher;
pub mod method;
pub mod namespace;
pub mod netlink;
pub mod peer;
pub mod recording;
pub mod require;
pub mod schema;
pub mod segment;
pub mod sock_diag;
pub mod socket_table;
pub mod trace;
pub mod tracefs;
pub mod tracer;
pub mod traffic;
pub mod truth;
pub mod unseen;
pub mod witness;

use std::time::{Duration, Instant};

/// How long any single wait may take before the test gives up. Far above what is needed, because
/// the machine may be busy with something else; no test passes by waiting this long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until the answer is there; `None` after [`PATIENCE`].
///
/// For conditions of the kernel that no event announces, such as a socket's state.
pub fn ask_until<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
