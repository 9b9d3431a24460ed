//! What a host allows: checks, verdicts, and the conclusion that they lead to.
//!
//! **Never:** the looking itself, or how it is written.

/// What was found on a host, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostReport {
    /// The checks, in the order in which a person should read them.
    pub checks: Vec<Check>,
    /// What they come to.
    pub conclusion: Conclusion,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Short name, the same on every host.
    pub name: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found there.
    pub found: String,
    /// What that means for a trace on this host.
    pub means: String,
    /// What a person can do about it: a command or a sentence; `None` where nothing needs doing.
    pub advice: Option<String>,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// A trace is possible and tells less, or costs more.
    Limited,
    /// Not there.
    Missing,
    /// It could not be told.
    Unknown,
}

/// Whether a host can be traced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// It can.
    Traceable {
        /// Name of the hook that would be taken, as the session's first line has it.
        hook: &'static str,
    },
    /// It cannot, now and by this user.
    NotTraceable {
        /// Why not; never empty.
        reasons: Vec<String>,
    },
}

impl HostReport {
    /// Returns whether a trace would start.
    pub fn is_traceable(&self) -> bool {
        matches!(self.conclusion, Conclusion::Traceable { .. })
    }
}
