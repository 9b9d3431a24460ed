//! The ways to measure what happens in timewait and request sockets.

use std::fs::File;
use std::path::Path;

use crate::tracefs::with_tracefs;

/// A way to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Programs at the entry of kernel functions.
    Fentry,
    /// Programs at the timer tracepoints.
    Timer,
    /// Asking through sock_diag.
    Diag,
}

impl Method {
    /// Every one, the most exact first.
    pub const ALL: [Self; 3] = [Self::Fentry, Self::Timer, Self::Diag];

    /// Returns the method as `--time-wait` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fentry => "fentry",
            Self::Timer => "timer",
            Self::Diag => "diag",
        }
    }

    /// Returns whether it hooks the kernel, so that it knows moments exactly, and request sockets.
    pub fn is_hook(self) -> bool {
        self != Self::Diag
    }

    /// Returns why this kernel does not allow it, judged without the agent.
    ///
    /// # Kernel
    ///
    /// A program is put at a function's entry through ftrace. Whoever may not even list the functions
    /// that ftrace could stop at, because there are none or the kernel is locked down, cannot.
    pub fn missing(self) -> Option<String> {
        if self != Self::Fentry {
            return None;
        }
        let list = Path::new("/sys/kernel/tracing/available_filter_functions");
        let error = with_tracefs(|| File::open(list)).err()?;
        Some(format!(
            "the kernel lets no function be hooked: open {}: {error}",
            list.display()
        ))
    }
}
