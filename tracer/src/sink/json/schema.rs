//! The lines of the schema `tracer/1`, field by field.
//!
//! **Never:** how a value is found out.

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::between::{CarriedValue, EventValue, OpenerValue, OwnerOfLife};
use super::values::{EndpointValue, Name, OwnerValue, Segments, StateName};
use crate::model::{Naming, Privileges};
use crate::sink::address::Address;
use crate::sink::clock::Rfc3339;
use crate::sink::json_line::Shown;
use crate::stats::Summary;
use crate::track::Ending;

#[derive(Serialize)]
pub(super) struct SessionLine<'a> {
    pub(super) r#type: &'static str,
    pub(super) schema: &'static str,
    pub(super) tracer: &'a str,
    pub(super) kernel: &'a str,
    pub(super) boot_id: Option<&'a str>,
    pub(super) hostname: &'a str,
    /// `tp_btf` or `tracepoint`.
    pub(super) hook: &'a str,
    /// `fentry`, `timer`, `diag` or `off`.
    pub(super) time_wait: &'a str,
    /// How exact the durations of TIME_WAIT are, as text.
    pub(super) time_wait_bound: Option<&'a str>,
    /// `fentry`, `timer` or `off`.
    pub(super) half_open: &'a str,
    pub(super) filters: &'a [String],
    pub(super) wall: Rfc3339,
    pub(super) mono_ns: u64,
    pub(super) missing: &'a [String],
    /// What could not be looked into when the trace began.
    pub(super) notes: &'a [String],
    /// What the process that traces can still do; `null` where nothing is told.
    pub(super) privileges: Option<PrivilegesValue<'a>>,
    /// Sockets that existed when the trace began, filters aside.
    pub(super) existing: u64,
    pub(super) ring_bytes: u32,
    /// Whether addresses and names are pseudonyms; absent where they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) redacted: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct PrivilegesValue<'a> {
    /// Capabilities that are held; empty for none.
    capabilities: &'a [String],
    /// The uid that it runs as.
    user: u32,
    no_new_privs: bool,
    /// Version of Landlock's interface; `null` where it is not in force.
    landlock: Option<u32>,
    /// Whether system calls are filtered.
    seccomp: bool,
}

impl<'a> From<&'a Privileges> for PrivilegesValue<'a> {
    fn from(privileges: &'a Privileges) -> Self {
        Self {
            capabilities: &privileges.capabilities,
            user: privileges.user,
            no_new_privs: privileges.no_new_privs,
            landlock: privileges.landlock,
            seccomp: privileges.seccomp,
        }
    }
}

#[derive(Serialize)]
pub(super) struct ChangeLine {
    pub(super) r#type: &'static str,
    pub(super) wall: Rfc3339,
    pub(super) mono_ns: u64,
    /// By how much both may be wrong, either way; absent where a hook ran at that moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_ns: Option<u64>,
    pub(super) conn: u64,
    pub(super) family: &'static str,
    pub(super) local: EndpointValue,
    pub(super) remote: EndpointValue,
    /// `null` for a socket that was found.
    pub(super) from: Option<StateName>,
    pub(super) to: StateName,
    /// Time in `from`; `null` where a connection begins, and where it is not known.
    pub(super) in_from_ns: Option<u64>,
    /// By how much `in_from_ns` may be wrong, either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_from_error_ns: Option<u64>,
    /// Why it is not known: `before_trace`, `loss`, `missed`, `not_followed`, `clock`, `no_request`
    /// (a SYN cookie or Fast Open: no request socket held SYN_RECV).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_from_unknown: Option<&'static str>,
    /// `tracepoint`, `timewait`, `request` or `snapshot`.
    pub(super) source: &'static str,
    /// Why the timewait socket is gone (`expired`, `reused`, `new_syn`, `reset`, `killed`,
    /// `netns_gone`, `unknown`) or the request socket failed (`timed_out`, `accept_queue_full`,
    /// `reset`, `listener_closed`, `killed`, `netns_gone`, `unknown`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<&'static str>,
    pub(super) netns: Option<u32>,
    pub(super) cookie: Option<u64>,
    pub(super) owner: Option<OwnerValue>,
    /// Who opened the connection (connected, or listens), where that is another process than the owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) opened_by: Option<OpenerValue<'static>>,
    /// With `--raw` only: the task that was on the CPU, whoever it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) task_on_cpu: Option<TaskValue>,
}

#[derive(Serialize)]
pub(super) struct TimelineLine<'a> {
    pub(super) r#type: &'static str,
    pub(super) conn: u64,
    pub(super) family: &'static str,
    pub(super) local: EndpointValue,
    pub(super) remote: EndpointValue,
    /// `active`, `passive`, `before_trace`, `listen`, or `null` where its beginning
    /// was not seen.
    pub(super) opened: Option<&'static str>,
    pub(super) closed_first: Option<&'static str>,
    /// `null` while it is open.
    pub(super) ended: Option<Shown<Ending>>,
    /// Why its timewait socket is gone, as a change's `end`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time_wait_end: Option<&'static str>,
    /// How often its TIME_WAIT began anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rearmed: Option<u32>,
    /// Why its request socket failed, as a change's `end`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) half_open_end: Option<&'static str>,
    pub(super) lifetime_ns: Option<u64>,
    pub(super) segments: Segments<'a>,
    pub(super) owner: Option<OwnerOfLife<'a>>,
    /// As of a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) opened_by: Option<OpenerValue<'a>>,
    /// What it carried until its full socket closed; `null` where it has not, or nothing was told.
    pub(super) carried: Option<CarriedValue>,
    /// Retransmissions, resets and errors; the first 32 of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) events: Vec<EventValue<'a>>,
    /// How many more there were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) events_left_out: Option<u64>,
    pub(super) netns: Option<u32>,
    /// Its name below `/run/netns`; absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) netns_name: Option<&'a str>,
    pub(super) cookie: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct TaskValue {
    pub(super) pid: u32,
    pub(super) tid: u32,
    pub(super) comm: Name,
    pub(super) holds_socket: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct LossLine {
    pub(super) r#type: &'static str,
    pub(super) lost: u64,
    /// Records that told of no change: of a process, a use, a segment, or what was carried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) beside: Option<u64>,
    pub(super) since_mono_ns: u64,
    pub(super) until_mono_ns: u64,
    /// `ring_full`, `recursion` or `not_recorded`.
    pub(super) cause: &'static str,
    pub(super) cpu: Option<u32>,
}

/// The wall clock was set, or the host was suspended, between two moments.
#[derive(Serialize)]
pub(super) struct ClockLine {
    pub(super) r#type: &'static str,
    pub(super) since_mono_ns: u64,
    pub(super) until_mono_ns: u64,
    /// By how much the wall clock was moved against the boot-time clock; zero if it was not, `null` if that is
    /// more than the number holds.
    pub(super) wall_step_ns: Option<i64>,
    pub(super) suspended_ns: u64,
}

#[derive(Serialize)]
pub(super) struct SummaryLine<'a> {
    pub(super) r#type: &'static str,
    pub(super) changes: u64,
    pub(super) lost: u64,
    /// Records that told of no change: of a process, a use, a segment, or what was carried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lost_beside: Option<u64>,
    pub(super) connections: u64,
    pub(super) evicted: u64,
    /// Processes that were to be followed and were not, where there were some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) not_followed: Option<u64>,
    pub(super) duration_ns: u64,
    pub(super) wall: Rfc3339,
    pub(super) states: States<'a>,
    pub(super) time_wait: TimeWaitValue,
    pub(super) half_open: HalfOpenValue,
    pub(super) kernel: Vec<ComparisonValue>,
    /// Why the kernel's counters were not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kernel_not_compared: Option<&'a str>,
}

/// Figures by state, in the order in which a connection can pass them.
pub(super) struct States<'a>(pub(super) &'a Summary, pub(super) Naming);

impl Serialize for States<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(summary, names) = self;
        let mut map = serializer.serialize_map(Some(summary.states.len()))?;
        for (state, figures) in &summary.states {
            let value = FiguresValue {
                count: figures.count,
                unknown: figures.unknown,
                total_ns: (figures.count > 0).then_some(figures.total_ns),
                p50_ns: figures.p50_ns,
                p99_ns: figures.p99_ns,
                max_ns: figures.max_ns,
            };
            map.serialize_entry(&state.named(*names).to_string(), &value)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
pub(super) struct FiguresValue {
    /// Times that are known.
    pub(super) count: u64,
    /// Times that are not.
    pub(super) unknown: u64,
    pub(super) total_ns: Option<u64>,
    pub(super) p50_ns: Option<u64>,
    pub(super) p99_ns: Option<u64>,
    pub(super) max_ns: Option<u64>,
}

/// Over the connections shown; every figure is `null` where timewait sockets are not followed.
#[derive(Serialize)]
pub(super) struct TimeWaitValue {
    /// As the session's `time_wait`.
    pub(super) method: &'static str,
    /// How often TIME_WAIT was entered.
    pub(super) entered: Option<u64>,
    /// How often it ended, by a change's `end`; reasons that did not occur are left out.
    pub(super) ended: Option<ByReason>,
    /// How often a timewait socket ended in FIN_WAIT2, likewise.
    pub(super) fin_wait2_ended: Option<ByReason>,
    /// Timewait sockets that were there when the trace began, in either state.
    pub(super) found: Option<u64>,
    /// Those that were there when it ended.
    pub(super) open: Option<u64>,
    /// How often TIME_WAIT began anew.
    pub(super) rearmed: Option<u64>,
    /// How often it was left out: `tcp_max_tw_buckets` was reached.
    pub(super) refused: Option<u64>,
}

/// Over the connections shown; every figure is `null` where request sockets are not followed.
#[derive(Serialize)]
pub(super) struct HalfOpenValue {
    /// As the session's `half_open`.
    pub(super) method: &'static str,
    /// How many connections a SYN began.
    pub(super) started: Option<u64>,
    /// How many of them were established.
    pub(super) established: Option<u64>,
    /// How many failed, by a change's `end`; reasons that did not occur are left out.
    pub(super) failed: Option<ByReason>,
    /// Peers of most failures, at most ten, most failed first.
    pub(super) peers: Option<Vec<PeerValue>>,
    /// Failures of all other peers.
    pub(super) others: Option<u64>,
}

/// Numbers, by the words of a change's `end`.
pub(super) type ByReason = BTreeMap<&'static str, u64>;

#[derive(Serialize)]
pub(super) struct PeerValue {
    pub(super) addr: Address,
    pub(super) failed: u64,
}

#[derive(Serialize)]
pub(super) struct ComparisonValue {
    pub(super) counter: &'static str,
    pub(super) kernel: Option<i64>,
    /// `null` where nothing that is traced tells: the kernel's own figure, told because it moved.
    pub(super) traced: Option<i64>,
    pub(super) agree: Option<bool>,
    pub(super) uncertain: u64,
    /// Why they may differ, or cannot be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<&'static str>,
}
