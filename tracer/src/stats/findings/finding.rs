//! A finding: what was seen, of what, and when.
//!
//! **Never:** what it means: that is a sink's text.

use std::net::SocketAddr;

use super::Example;
use crate::model::event::Comm;
use crate::model::{FindingKind, MonoNs, Threshold};
use crate::stats::timewait::Towards;

/// Something that a trace shows to be wrong or suspicious.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// Of how many connections; for local ports, towards how many ends; for a full accept queue, how
    /// often.
    pub count: u64,
    /// Whether there may be more of which the trace does not know.
    pub is_least: bool,
    /// From when on; `None` where no moment is known.
    pub since: Option<MonoNs>,
    /// Until when.
    pub until: Option<MonoNs>,
    /// What had to be reached.
    pub threshold: Threshold,
    /// Some of the connections.
    pub connections: Vec<Example>,
    /// What else is known of it.
    pub detail: Detail,
}

/// What is known of one sort of finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Connections that stay in a state.
    Stayed {
        /// The longest time that was seen, nanoseconds.
        longest_ns: u64,
        /// How many were in it still.
        still: u64,
        /// Of how many the kernel let it expire.
        expired: u64,
    },
    /// Connects that nobody answered.
    Unanswered {
        /// How many the kernel gave up.
        timed_out: u64,
        /// How many their program gave up.
        given_up: u64,
        /// How many were waiting still.
        still: u64,
    },
    /// Connects that were refused.
    Refused,
    /// Local ports.
    Ports {
        /// Towards which ends they ran short, the worst first.
        ends: Vec<PortsShort>,
        /// How many connects found none, towards whatever.
        no_port: u64,
    },
    /// Connections that could have been kept.
    PerRequest {
        /// Whose, and towards which service, the most first.
        services: Vec<Service>,
    },
    /// Resets.
    Resets {
        /// The most within the time.
        most: u64,
        /// How many came from the other end.
        by_peer: u64,
        /// How many this host sent, or how many its program aborted.
        by_us: u64,
    },
    /// Half-open connections that failed.
    HalfOpen {
        /// The most within the time.
        most: u64,
        /// How many were never answered.
        timed_out: u64,
        /// How many were reset.
        reset: u64,
        /// How many were waiting still.
        still: u64,
    },
    /// An accept queue without room.
    Queue {
        /// Half-open connections that failed of it.
        failed: u64,
        /// The kernel's own counters that moved, and by how much.
        kernel: Vec<(&'static str, u64)>,
    },
}

/// Local ports that ran short towards one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortsShort {
    /// Towards what.
    pub towards: Towards,
    /// The most that were in use at once, those that a connect may take over aside.
    pub most: u64,
    /// How many of them were in TIME_WAIT.
    pub time_wait: u64,
    /// How many there are; `None` where that is not known.
    pub usable: Option<u64>,
    /// How many connects found none.
    pub no_port: u64,
}

/// A process that opens a connection a request, and towards what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// The process.
    pub process: (u32, Comm),
    /// The end that it connects to.
    pub remote: SocketAddr,
    /// How many connections it could have done without.
    pub count: u64,
    /// The most within the time.
    pub most: u64,
}

/// A finding of one family, before what the whole trace lacks is added.
#[derive(Debug)]
pub(super) struct Judged(pub(super) Finding);

/// From when on until when something was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) since: Option<MonoNs>,
    pub(super) until: Option<MonoNs>,
}

impl Period {
    /// Takes a moment in.
    pub(super) fn include(&mut self, at: MonoNs) {
        self.since = Some(self.since.map_or(at, |since| since.min(at)));
        self.until = self.until.max(Some(at));
    }
}
