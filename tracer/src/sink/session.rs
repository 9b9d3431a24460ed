//! What a session is: the facts that every sink writes first.

use crate::model::{MonoNs, Privileges, ResetReasons, WallClock};

/// What a person is told where addresses and names are none.
pub(super) const REDACTED: &str = "addresses and names are pseudonyms";

/// The session's first line.
#[derive(Clone, Debug)]
pub struct Session {
    /// Version of the agent.
    pub tracer: String,
    /// Kernel release, as `uname -r` prints it.
    pub kernel: String,
    /// Machine, as `uname -m` prints it.
    pub machine: String,
    /// Identity of this boot; `None` where it cannot be read.
    pub boot_id: Option<String>,
    /// Name of this host.
    pub hostname: String,
    /// How the tracepoint is attached: `tp_btf` or `tracepoint`.
    pub hook: String,
    /// How TIME_WAIT is measured: `fentry`, `timer`, `diag` or `off`.
    pub time_wait: String,
    /// How exact its durations are, in a person's words; `None` where it is not measured.
    pub time_wait_bound: Option<String>,
    /// How the half-open time of a listener's connections is measured: `fentry`, `timer` or `off`.
    pub half_open: String,
    /// The filters, as they were understood, in a person's words.
    pub filters: Vec<String>,
    /// When it began: from here on, every change is seen or counted as lost.
    pub start: MonoNs,
    /// What the boot-time clock is on the wall clock.
    pub wall: WallClock,
    /// What this host does not allow, in a person's words.
    pub missing: Vec<String>,
    /// What could not be looked into when the trace began; changes there are traced all the same.
    pub notes: Vec<String>,
    /// What the process that traces can still do; `None` where nothing is told.
    pub privileges: Option<Privileges>,
    /// Size of the ring buffers of all CPUs together.
    pub ring_bytes: u32,
    /// How many sockets existed when the trace began, filters aside.
    pub existing: u64,
    /// Whether addresses and names are pseudonyms.
    pub redacted: bool,
    /// What the kernel calls its reasons for a reset.
    pub reset_reasons: ResetReasons,
}
