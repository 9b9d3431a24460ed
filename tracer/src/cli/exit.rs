//! Exit codes.

use std::process::ExitCode;

/// How the agent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done. A closed pipe is done too.
    Done,
    /// Done, but incomplete: changes were lost.
    Incomplete,
    /// What was typed cannot be done.
    Usage,
    /// This host or user does not allow it.
    NotAllowed,
    /// An internal or I/O error.
    Failed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Incomplete => 1,
            Exit::Usage => 2,
            Exit::NotAllowed => 3,
            Exit::Failed => 4,
        })
    }
}
