//! The agent's JSON Lines, declared a second time.
//!
//! A field that the agent renames, drops or writes with another type fails to parse here. Fields
//! that it adds are let through: the contract allows more.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Deserializer};

/// One line.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Line {
    /// The first line: what is traced, and how.
    Session(Session),
    /// A socket changed its state.
    Change(Change),
    /// A connection ended, or is still open at the end.
    Timeline(Timeline),
    /// Both ends of a connection ended, or are still open at the end.
    Conversation(Box<Conversation>),
    /// Changes were lost.
    Loss(Loss),
    /// The wall clock was set, or the host was suspended.
    Clock(ClockStep),
    /// Something that was found wrong.
    Finding(Finding),
    /// The last line.
    Summary(Summary),
}

/// Reads a value that may be null, but not missing.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}

/// Reads a value that may be missing, but not null.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// What is traced, and how.
#[derive(Clone, Debug, Deserialize)]
pub struct Session {
    /// Name and version of this format.
    pub schema: String,
    /// Version of the agent.
    pub tracer: String,
    /// Release of the kernel.
    pub kernel: String,
    /// This boot of the kernel.
    #[serde(deserialize_with = "nullable")]
    pub boot_id: Option<String>,
    /// Name of the host.
    #[serde(deserialize_with = "nullable")]
    pub hostname: Option<String>,
    /// The hook in use.
    pub hook: String,
    /// How TIME_WAIT is measured: `fentry`, `timer`, `diag` or `off`.
    pub time_wait: String,
    /// How exact its durations are; null where it is not measured.
    #[serde(deserialize_with = "nullable")]
    pub time_wait_bound: Option<String>,
    /// How half-open connections are measured: `fentry`, `timer` or `off`.
    pub half_open: String,
    /// The filters in use, in whatever form.
    pub filters: serde_json::Value,
    /// Time of day.
    pub wall: String,
    /// Boot-time clock.
    pub mono_ns: u64,
    /// What this host does not allow.
    pub missing: Vec<String>,
    /// What could not be looked into.
    pub notes: Vec<String>,
    /// What the agent can still do.
    pub privileges: Privileges,
}

/// What a process can still do.
#[derive(Clone, Debug, Deserialize)]
pub struct Privileges {
    /// Capabilities that are held.
    pub capabilities: Vec<String>,
    /// The uid that it runs as.
    pub user: u32,
    /// Whether no program gives it more.
    pub no_new_privs: bool,
    /// Version of Landlock's interface; null where it is not in force.
    #[serde(deserialize_with = "nullable")]
    pub landlock: Option<u32>,
    /// Whether system calls are filtered.
    pub seccomp: bool,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Address.
    #[serde(deserialize_with = "nullable")]
    pub addr: Option<IpAddr>,
    /// Port.
    #[serde(deserialize_with = "nullable")]
    pub port: Option<u16>,
}

impl From<SocketAddr> for Endpoint {
    fn from(addr: SocketAddr) -> Self {
        Self {
            addr: Some(addr.ip()),
            port: Some(addr.port()),
        }
    }
}

impl Endpoint {
    /// Returns the address with its port, where both are known.
    pub fn known(&self) -> Option<SocketAddr> {
        Some((self.addr?, self.port?).into())
    }
}

/// Whose socket it is.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Owner {
    /// Process.
    #[serde(deserialize_with = "nullable")]
    pub pid: Option<u32>,
    /// Its name.
    #[serde(deserialize_with = "nullable")]
    pub comm: Option<String>,
    /// User of the socket.
    #[serde(deserialize_with = "nullable")]
    pub uid: Option<u32>,
    /// cgroup of the socket, in whatever form.
    pub cgroup: serde_json::Value,
    /// What the process is, in a timeline alone; missing where nothing was told of it.
    #[serde(flatten)]
    pub process: Option<Process>,
}

/// A process, as it was when it was first seen using a socket.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Process {
    /// Its parent.
    #[serde(deserialize_with = "nullable")]
    pub ppid: Option<u32>,
    /// When it started, by the boot-time clock.
    #[serde(deserialize_with = "nullable")]
    pub start_mono_ns: Option<u64>,
    /// Path of its executable.
    #[serde(deserialize_with = "nullable")]
    pub exe: Option<String>,
    /// Its arguments, its own name first.
    #[serde(deserialize_with = "nullable")]
    pub args: Option<Vec<String>>,
    /// Whether there are more of them; missing where there are not.
    #[serde(default)]
    pub args_cut: bool,
    /// Path of its cgroup.
    #[serde(deserialize_with = "nullable")]
    pub cgroup_path: Option<String>,
}

/// Who opened a connection that another process uses.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Opener {
    /// Process.
    pub pid: u32,
    /// Its name.
    pub comm: String,
    /// Path of its executable; missing where it is not known, and in a change.
    #[serde(default, deserialize_with = "present")]
    pub exe: Option<String>,
}

/// What a connection carried until its full socket closed.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Carried {
    /// Bytes of data sent, each once.
    #[serde(deserialize_with = "nullable")]
    pub bytes_sent: Option<u64>,
    /// Bytes of data sent again.
    #[serde(deserialize_with = "nullable")]
    pub bytes_retransmitted: Option<u64>,
    /// Bytes of data received.
    #[serde(deserialize_with = "nullable")]
    pub bytes_received: Option<u64>,
    /// Segments sent.
    #[serde(deserialize_with = "nullable")]
    pub segments_sent: Option<u32>,
    /// Segments received.
    #[serde(deserialize_with = "nullable")]
    pub segments_received: Option<u32>,
    /// Segments sent again.
    #[serde(deserialize_with = "nullable")]
    pub retransmits: Option<u32>,
    /// Smoothed round-trip time.
    #[serde(deserialize_with = "nullable")]
    pub rtt_ns: Option<u64>,
    /// Congestion window.
    #[serde(deserialize_with = "nullable")]
    pub congestion_window: Option<u32>,
}

/// Something that happened to a connection between its changes.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Event {
    /// Boot-time clock.
    pub mono_ns: u64,
    /// `retransmitted`, `reset_sent`, `reset_received` or `error`.
    pub what: String,
    /// State of the socket then.
    pub state: String,
    /// The kernel's reason for a reset; missing where it tells none.
    #[serde(default, deserialize_with = "present")]
    pub reason: Option<String>,
    /// The errno of an error.
    #[serde(default, deserialize_with = "present")]
    pub errno: Option<u32>,
}

/// One change of state.
#[derive(Clone, Debug, Deserialize)]
pub struct Change {
    /// Time of day.
    pub wall: String,
    /// Boot-time clock.
    pub mono_ns: u64,
    /// By how much that may be wrong, either way; missing where it is not.
    #[serde(default, deserialize_with = "present")]
    pub error_ns: Option<u64>,
    /// The connection, within this trace.
    pub conn: u64,
    /// `ipv4` or `ipv6`; null where nothing tells.
    #[serde(deserialize_with = "nullable")]
    pub family: Option<String>,
    /// This end.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
    /// State that was left; null for a socket that was found.
    #[serde(deserialize_with = "nullable")]
    pub from: Option<String>,
    /// State that was entered.
    pub to: String,
    /// How long `from` lasted.
    #[serde(deserialize_with = "nullable")]
    pub in_from_ns: Option<u64>,
    /// By how much that may be wrong, either way; missing where it is not.
    #[serde(default, deserialize_with = "present")]
    pub in_from_error_ns: Option<u64>,
    /// Why it is not known, where it is not.
    #[serde(default, deserialize_with = "present")]
    pub in_from_unknown: Option<String>,
    /// Who told: `tracepoint`, `timewait`, `request` or `snapshot`.
    pub source: String,
    /// Why the timewait or request socket is gone that told it; missing while it is there.
    #[serde(default, deserialize_with = "present")]
    pub end: Option<String>,
    /// Network namespace.
    #[serde(deserialize_with = "nullable")]
    pub netns: Option<u64>,
    /// The socket's cookie.
    #[serde(deserialize_with = "nullable")]
    pub cookie: Option<u64>,
    /// Whose socket it is.
    #[serde(deserialize_with = "nullable")]
    pub owner: Option<Owner>,
    /// Who opened the connection, where that is another process.
    #[serde(default, deserialize_with = "present")]
    pub opened_by: Option<Opener>,
}

/// The life of one connection.
#[derive(Clone, Debug, Deserialize)]
pub struct Timeline {
    /// The connection, within this trace.
    pub conn: u64,
    /// `ipv4` or `ipv6`; null where nothing tells.
    #[serde(deserialize_with = "nullable")]
    pub family: Option<String>,
    /// This end.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
    /// `active`, `passive`, `before_trace` or `listen`; null where its beginning was lost.
    #[serde(deserialize_with = "nullable")]
    pub opened: Option<String>,
    /// `local`, `remote`, `both`.
    #[serde(deserialize_with = "nullable")]
    pub closed_first: Option<String>,
    /// How it ended; null while it has not.
    #[serde(deserialize_with = "nullable")]
    pub ended: Option<String>,
    /// Why its timewait socket is gone; missing where there is none that is.
    #[serde(default, deserialize_with = "present")]
    pub time_wait_end: Option<String>,
    /// How often its TIME_WAIT began anew; missing where it did not.
    #[serde(default, deserialize_with = "present")]
    pub rearmed: Option<u32>,
    /// Why it was never established; missing where it was.
    #[serde(default, deserialize_with = "present")]
    pub half_open_end: Option<String>,
    /// One after the other.
    pub segments: Vec<Segment>,
    /// Whose socket it was.
    #[serde(deserialize_with = "nullable")]
    pub owner: Option<Owner>,
    /// Who opened the connection, where that is another process.
    #[serde(default, deserialize_with = "present")]
    pub opened_by: Option<Opener>,
    /// What it carried until its full socket closed.
    #[serde(deserialize_with = "nullable")]
    pub carried: Option<Carried>,
    /// What happened between its changes; missing where nothing did.
    #[serde(default)]
    pub events: Vec<Event>,
    /// How much more there was.
    #[serde(default, deserialize_with = "present")]
    pub events_left_out: Option<u64>,
    /// Network namespace.
    #[serde(deserialize_with = "nullable")]
    pub netns: Option<u64>,
    /// The socket's cookie.
    #[serde(deserialize_with = "nullable")]
    pub cookie: Option<u64>,
}

/// The time in one state.
#[derive(Clone, Debug, Deserialize)]
pub struct Segment {
    /// The state.
    pub state: String,
    /// When it was entered.
    #[serde(deserialize_with = "nullable")]
    pub start_mono_ns: Option<u64>,
    /// How long it lasted.
    #[serde(deserialize_with = "nullable")]
    pub ns: Option<u64>,
    /// By how much that may be wrong, either way; missing where it is not.
    #[serde(default, deserialize_with = "present")]
    pub error_ns: Option<u64>,
    /// Whether that is known.
    pub known: bool,
    /// Why it is not, where it is not.
    #[serde(default, deserialize_with = "present")]
    pub unknown: Option<String>,
}

/// Both ends of a connection.
#[derive(Clone, Debug, Deserialize)]
pub struct Conversation {
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// The end that opened it, where that is known.
    pub a: ConversationEnd,
    /// The other end; null where it is not known which that is.
    #[serde(deserialize_with = "nullable")]
    pub b: Option<ConversationEnd>,
    /// Why it is not; missing where it is.
    #[serde(default, deserialize_with = "present")]
    pub b_unknown: Option<String>,
    /// `a`, `b` or `both`.
    #[serde(deserialize_with = "nullable")]
    pub opened_by: Option<String>,
    /// `a`, `b` or `both`.
    #[serde(deserialize_with = "nullable")]
    pub closed_first: Option<String>,
    /// Time of day of its begin.
    #[serde(deserialize_with = "nullable")]
    pub wall: Option<String>,
    /// Boot-time clock, likewise.
    #[serde(deserialize_with = "nullable")]
    pub start_mono_ns: Option<u64>,
    /// How long it lasted; null while it is open.
    #[serde(deserialize_with = "nullable")]
    pub lifetime_ns: Option<u64>,
    /// What each end entered, in the order of time.
    pub steps: Vec<Step>,
}

/// One end of a conversation.
#[derive(Clone, Debug, Deserialize)]
pub struct ConversationEnd {
    /// The connection, within this trace.
    pub conn: u64,
    /// This end.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
    /// As a timeline's, like those that follow.
    #[serde(deserialize_with = "nullable")]
    pub opened: Option<String>,
    /// `local`, `remote`, `both`.
    #[serde(deserialize_with = "nullable")]
    pub closed_first: Option<String>,
    /// How it ended; null while it has not.
    #[serde(deserialize_with = "nullable")]
    pub ended: Option<String>,
    /// Whose socket it was.
    #[serde(deserialize_with = "nullable")]
    pub owner: Option<Owner>,
    /// Network namespace.
    #[serde(deserialize_with = "nullable")]
    pub netns: Option<u64>,
    /// The socket's cookie.
    #[serde(deserialize_with = "nullable")]
    pub cookie: Option<u64>,
}

/// A state that one end of a conversation entered.
#[derive(Clone, Debug, Deserialize)]
pub struct Step {
    /// When.
    #[serde(deserialize_with = "nullable")]
    pub mono_ns: Option<u64>,
    /// By how much that may be wrong, either way; missing where it is not.
    #[serde(default, deserialize_with = "present")]
    pub error_ns: Option<u64>,
    /// `a` or `b`.
    pub end: String,
    /// State that was left; null where the end was seen first in `state`.
    #[serde(deserialize_with = "nullable")]
    pub from: Option<String>,
    /// State that was entered.
    pub state: String,
}

/// Changes that were lost.
#[derive(Clone, Debug, Deserialize)]
pub struct Loss {
    /// How many changes.
    pub lost: u64,
    /// How many records that told of no change.
    #[serde(default)]
    pub beside: u64,
    /// None before.
    pub since_mono_ns: u64,
    /// None after.
    pub until_mono_ns: u64,
    /// Why: the agent's ring buffer was full, or the kernel left the hook out.
    pub cause: String,
}

/// The wall clock was set, or the host was suspended.
#[derive(Clone, Debug, Deserialize)]
pub struct ClockStep {
    /// After this.
    pub since_mono_ns: u64,
    /// And before this.
    pub until_mono_ns: u64,
    /// By how much the wall clock was set.
    #[serde(deserialize_with = "nullable")]
    pub wall_step_ns: Option<i64>,
    /// For how long the host was suspended.
    pub suspended_ns: u64,
}

/// Something that was found wrong or suspicious.
#[derive(Clone, Debug, Deserialize)]
pub struct Finding {
    /// What.
    pub name: String,
    /// Of how many.
    pub count: u64,
    /// Whether there may be more.
    pub at_least: bool,
    /// From when on.
    #[serde(deserialize_with = "nullable")]
    pub since_mono_ns: Option<u64>,
    /// Until when.
    #[serde(deserialize_with = "nullable")]
    pub until_mono_ns: Option<u64>,
    /// What had to be reached.
    pub threshold: BTreeMap<String, u64>,
    /// What else was counted.
    pub figures: BTreeMap<String, u64>,
    /// Towards which ends local ports ran short.
    #[serde(default, deserialize_with = "present")]
    pub ends: Option<Vec<ShortEnd>>,
    /// Who opens a connection a request, and towards what.
    #[serde(default, deserialize_with = "present")]
    pub services: Option<Vec<Service>>,
    /// Some of the connections.
    pub connections: Vec<Example>,
    /// What it means.
    pub means: String,
    /// What to look at.
    pub look_at: String,
}

/// A connection that stands for a finding.
#[derive(Clone, Debug, Deserialize)]
pub struct Example {
    /// The connection, within this trace.
    pub conn: u64,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// This end.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
    /// Whose socket it was.
    #[serde(deserialize_with = "nullable")]
    pub owner: Option<Owner>,
    /// Network namespace.
    #[serde(deserialize_with = "nullable")]
    pub netns: Option<u64>,
    /// How long it was seen in the state that the finding is about.
    #[serde(deserialize_with = "nullable")]
    pub ns: Option<u64>,
    /// Whether it was in it still.
    pub open: bool,
}

/// An end that local ports ran short towards.
#[derive(Clone, Debug, Deserialize)]
pub struct ShortEnd {
    /// Network namespace.
    #[serde(deserialize_with = "nullable")]
    pub netns: Option<u64>,
    /// Local address.
    pub local: IpAddr,
    /// Remote end.
    pub remote: Endpoint,
    /// The most in use at once.
    pub in_use: u64,
    /// How many of them in TIME_WAIT.
    pub time_wait: u64,
    /// How many there are.
    #[serde(deserialize_with = "nullable")]
    pub usable: Option<u64>,
    /// Connects that found none.
    pub no_port: u64,
}

/// A process that opens a connection a request.
#[derive(Clone, Debug, Deserialize)]
pub struct Service {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub comm: String,
    /// What it connects to.
    pub remote: Endpoint,
    /// How many connections it could have done without.
    pub count: u64,
    /// The most within the time.
    pub most: u64,
}

/// What the trace adds up to.
#[derive(Clone, Debug, Deserialize)]
pub struct Summary {
    /// Changes seen.
    pub changes: u64,
    /// Changes lost.
    pub lost: u64,
    /// Connections seen.
    pub connections: u64,
    /// Length of the trace.
    pub duration_ns: u64,
    /// Time in each state.
    pub states: BTreeMap<String, StateStats>,
    /// What became of TIME_WAIT.
    pub time_wait: TimeWait,
    /// What became of half-open connections.
    pub half_open: HalfOpen,
    /// The kernel's own counters.
    pub kernel: Vec<Counter>,
}

/// What became of TIME_WAIT; without a method, all figures are null.
#[derive(Clone, Debug, Deserialize)]
pub struct TimeWait {
    /// As the session's `time_wait`.
    pub method: String,
    /// How often it was entered.
    #[serde(deserialize_with = "nullable")]
    pub entered: Option<u64>,
    /// How often it ended, by reason.
    #[serde(deserialize_with = "nullable")]
    pub ended: Option<BTreeMap<String, u64>>,
    /// How often a timewait socket ended in FIN_WAIT2, by reason.
    #[serde(deserialize_with = "nullable")]
    pub fin_wait2_ended: Option<BTreeMap<String, u64>>,
    /// Timewait sockets older than the trace.
    #[serde(deserialize_with = "nullable")]
    pub found: Option<u64>,
    /// Those that were there when it ended.
    #[serde(deserialize_with = "nullable")]
    pub open: Option<u64>,
    /// How often it began anew.
    #[serde(deserialize_with = "nullable")]
    pub rearmed: Option<u64>,
    /// How often it was left out, because too many were there.
    #[serde(deserialize_with = "nullable")]
    pub refused: Option<u64>,
}

/// What became of half-open connections; without a method, all figures are null.
#[derive(Clone, Debug, Deserialize)]
pub struct HalfOpen {
    /// As the session's `half_open`.
    pub method: String,
    /// How many began.
    #[serde(deserialize_with = "nullable")]
    pub started: Option<u64>,
    /// How many of them were established.
    #[serde(deserialize_with = "nullable")]
    pub established: Option<u64>,
    /// How many failed, by reason.
    #[serde(deserialize_with = "nullable")]
    pub failed: Option<BTreeMap<String, u64>>,
    /// The peers of most failures.
    #[serde(deserialize_with = "nullable")]
    pub peers: Option<Vec<Peer>>,
    /// Failures of all other peers.
    #[serde(deserialize_with = "nullable")]
    pub others: Option<u64>,
}

/// A peer whose half-open connections failed.
#[derive(Clone, Debug, Deserialize)]
pub struct Peer {
    /// Its address.
    pub addr: IpAddr,
    /// How many.
    pub failed: u64,
}

/// Time in one state.
#[derive(Clone, Debug, Deserialize)]
pub struct StateStats {
    /// How often.
    pub count: u64,
    /// In sum.
    #[serde(deserialize_with = "nullable")]
    pub total_ns: Option<u64>,
    /// Half were not longer.
    #[serde(deserialize_with = "nullable")]
    pub p50_ns: Option<u64>,
    /// All but one in a hundred were not longer.
    #[serde(deserialize_with = "nullable")]
    pub p99_ns: Option<u64>,
    /// The longest.
    #[serde(deserialize_with = "nullable")]
    pub max_ns: Option<u64>,
}

/// One of the kernel's counters beside what was traced.
#[derive(Clone, Debug, Deserialize)]
pub struct Counter {
    /// Its name.
    pub counter: String,
    /// By how much the kernel moved it.
    #[serde(deserialize_with = "nullable")]
    pub kernel: Option<i64>,
    /// By how much the trace says it should have.
    #[serde(deserialize_with = "nullable")]
    pub traced: Option<i64>,
    /// Whether both are the same.
    #[serde(deserialize_with = "nullable")]
    pub agree: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the agent's own tests hold its JSON against.
    const SESSION: &str = include_str!("../../tracer/src/sink/golden/session.jsonl");
    const CONVERSATIONS: &str = include_str!("../../tracer/src/sink/golden/conversations.jsonl");

    #[test]
    fn the_agents_example_is_read() {
        for line in SESSION.lines().chain(CONVERSATIONS.lines()) {
            let read: Result<Line, _> = serde_json::from_str(line);
            if let Err(error) = read {
                panic!("{error}: {line}");
            }
        }
    }
}
