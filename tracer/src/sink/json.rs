//! JSON Lines: one object a line, `type` first.
//!
//! **Owns:** the schema `tracer/1`. The fields below stay; more may be added.
//!
//! * Unknown is `null`, never zero or an empty string.
//! * `wall` is RFC 3339 with nanoseconds in UTC; `mono_ns` is the boot-time clock, nanoseconds.
//! * `conn` numbers a connection within the session.
//! * States are named as `--names` says.
//! * A name from outside is what it is; whatever could move a cursor or turn the text around is
//!   written with JSON's own escapes. Bytes that are no UTF-8 become U+FFFD.
//!
//! * What a trace finds wrong, the line `finding`, is described in `tracer/src/sink/findings/json.rs`.
//!
//! # A whole session
//!
//! What a test writes and compares: a refused connect, a connection older than the trace, a loss,
//! timewait sockets, a half-open connection that failed.
//!
//! ```json
#![doc = include_str!("golden/session.jsonl")]
//! ```
//!
//! # Conversations
//!
//! With `--only conversations`, both ends of each connection as one line; what its fields mean stands in
//! `conversation.rs`.
//!
//! ```json
#![doc = include_str!("golden/conversations.jsonl")]
//! ```

mod between;
mod conversation;
mod lines;
mod schema;
mod values;

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Session;
use super::address::Address;
use super::clock::rfc3339;
use super::json_line::{Shown, json_line, push_json_line};
use super::words::{
    closed_first, end, error, family, half_open_end, known, opened, source, timewait_end,
    why_unknown,
};
use crate::model::{
    ClockStep, Loss, LossCause, MonoNs, Naming, ResetReasons, TcpState, TimewaitEnd, WallClock,
};
use crate::stats::{Comparison, Summary};
use crate::track::{Change, Origin, Owner, Timeline};
use between::{CarriedValue, events, opener, owner_of_life};
use schema::{
    ByReason, ChangeLine, ClockLine, ComparisonValue, HalfOpenValue, LossLine, PeerValue,
    PrivilegesValue, SessionLine, States, SummaryLine, TaskValue, TimeWaitValue, TimelineLine,
};
pub(in crate::sink) use values::{EndpointValue, Name, OwnerValue};
use values::{Segments, StateName};

/// Name and version of the schema.
pub const SCHEMA: &str = "tracer/1";

/// Encodes values as lines.
#[derive(Clone, Debug)]
pub struct Json {
    /// How states are named.
    pub names: Naming,
    /// Whether changes show what the tracepoint itself said.
    pub raw: bool,
    /// The session's clock.
    pub wall: WallClock,
    /// What the kernel calls its reasons for a reset.
    pub reset_reasons: ResetReasons,
    /// What network namespaces are called that have a name of their own, by inode number.
    pub netns_names: BTreeMap<u32, String>,
}

impl Json {
    /// The first line: what this session is.
    pub fn session(&self, session: &Session) -> Vec<u8> {
        json_line(&SessionLine {
            r#type: "session",
            schema: SCHEMA,
            tracer: &session.tracer,
            kernel: &session.kernel,
            boot_id: session.boot_id.as_deref(),
            hostname: &session.hostname,
            hook: &session.hook,
            time_wait: &session.time_wait,
            time_wait_bound: session.time_wait_bound.as_deref(),
            half_open: &session.half_open,
            filters: &session.filters,
            wall: rfc3339(&self.wall, session.start),
            mono_ns: session.start.0,
            missing: &session.missing,
            notes: &session.notes,
            privileges: session.privileges.as_ref().map(PrivilegesValue::from),
            existing: session.existing,
            ring_bytes: session.ring_bytes,
            redacted: session.redacted.then_some(true),
        })
    }

    /// Appends a state change.
    pub fn change(&self, change: &Change, out: &mut String) {
        let mut local = EndpointValue::from(change.tuple.local);
        let mut remote = EndpointValue::from(change.tuple.remote);
        let mut task_on_cpu = None;
        if let Origin::Tracepoint {
            shown,
            task,
            task_holds_socket,
        } = change.origin
            && self.raw
        {
            local = EndpointValue {
                addr: Some(Address(shown.local_addr)),
                port: Some(shown.local_port),
            };
            remote = EndpointValue {
                addr: Some(Address(shown.remote_addr)),
                port: Some(shown.remote_port),
            };
            task_on_cpu = Some(TaskValue {
                pid: task.pid,
                tid: task.tid,
                comm: Name(task.comm),
                holds_socket: task_holds_socket,
            });
        }
        let line = ChangeLine {
            r#type: "change",
            wall: rfc3339(&self.wall, change.at),
            mono_ns: change.at.0,
            error_ns: (change.error_ns > 0).then_some(change.error_ns),
            conn: change.conn.0,
            family: family(change.family),
            local,
            remote,
            from: change.from.map(|state| self.name(state)),
            to: self.name(change.to),
            in_from_ns: change.in_from.and_then(known),
            in_from_error_ns: change.in_from.and_then(error),
            in_from_unknown: change.in_from.and_then(why_unknown),
            source: source(&change.origin),
            end: end(&change.origin),
            netns: change.netns,
            cookie: change.cookie,
            owner: owner(&change.owner),
            opened_by: opener(&change.owner, None),
            task_on_cpu,
        };
        line.push(out);
    }

    /// Appends the life of a connection.
    pub fn timeline(&self, timeline: &Timeline, out: &mut String) {
        let line = TimelineLine {
            r#type: "timeline",
            conn: timeline.conn.0,
            family: family(timeline.family),
            local: timeline.tuple.local.into(),
            remote: timeline.tuple.remote.into(),
            opened: opened(timeline.opened),
            closed_first: timeline.closed_first.map(closed_first),
            ended: timeline.ended.map(Shown),
            time_wait_end: timeline.timewait_end.map(timewait_end),
            rearmed: (timeline.rearmed > 0).then_some(timeline.rearmed),
            half_open_end: timeline.half_open_end.and_then(half_open_end),
            lifetime_ns: known(timeline.lifetime),
            segments: Segments(&timeline.segments, self.names),
            owner: owner_of_life(&timeline.owner, &timeline.people),
            opened_by: opener(&timeline.owner, Some(&timeline.people)),
            carried: timeline.figures.as_ref().map(CarriedValue::from),
            events: events(&timeline.marks, &self.reset_reasons, self.names),
            events_left_out: (timeline.marks.more > 0).then_some(timeline.marks.more),
            netns: timeline.netns,
            netns_name: timeline
                .netns
                .and_then(|inode| self.netns_names.get(&inode))
                .map(String::as_str),
            cookie: timeline.cookie,
        };
        line.push(out);
    }

    /// Appends lost changes.
    pub fn loss(&self, loss: &Loss, out: &mut String) {
        let (cause, cpu) = match loss.cause {
            LossCause::RingFull { cpu } => ("ring_full", Some(cpu)),
            LossCause::Recursion => ("recursion", None),
            LossCause::NotRecorded => ("not_recorded", None),
        };
        let line = LossLine {
            r#type: "loss",
            lost: loss.changes(),
            beside: (loss.beside > 0).then_some(loss.beside),
            since_mono_ns: loss.since.0,
            until_mono_ns: loss.until.0,
            cause,
            cpu,
        };
        push_json_line(out, &line);
    }

    /// A clock was set, or the host was suspended.
    pub fn clock_step(&self, step: &ClockStep) -> Vec<u8> {
        json_line(&ClockLine {
            r#type: "clock",
            since_mono_ns: step.since.0,
            until_mono_ns: step.until.0,
            // The years of an i64 of nanoseconds are as many as a clock can be set by.
            wall_step_ns: i64::try_from(step.wall_ns).ok(),
            suspended_ns: step.suspended_ns,
        })
    }

    /// The last line.
    pub fn summary(&self, summary: &Summary, end: MonoNs) -> Vec<u8> {
        let (kernel, not_compared) = match &summary.kernel {
            Ok(comparisons) => (comparisons.iter().map(comparison).collect(), None),
            Err(why) => (Vec::new(), Some(why.as_str())),
        };
        json_line(&SummaryLine {
            r#type: "summary",
            changes: summary.changes,
            lost: summary.lost,
            lost_beside: (summary.lost_beside > 0).then_some(summary.lost_beside),
            connections: summary.connections,
            evicted: summary.evicted,
            not_followed: (summary.not_followed > 0).then_some(summary.not_followed),
            duration_ns: summary.duration_ns,
            wall: rfc3339(&self.wall, end),
            states: States(summary, self.names),
            time_wait: time_wait(summary),
            half_open: half_open(summary),
            kernel,
            kernel_not_compared: not_compared,
        })
    }

    fn name(&self, state: TcpState) -> StateName {
        StateName(state, self.names)
    }
}

pub(in crate::sink) fn owner(owner: &Owner) -> Option<OwnerValue> {
    let (pid, comm) = owner.process.unzip();
    (!owner.is_unknown()).then(|| OwnerValue {
        pid,
        comm: comm.map(Name),
        uid: owner.uid,
        cgroup: owner.cgroup,
    })
}

fn time_wait(summary: &Summary) -> TimeWaitValue {
    let figures = summary.time_wait.as_ref();
    let by_reason = |ended: &BTreeMap<TimewaitEnd, u64>| -> ByReason {
        let named = |(&end, &number): (&TimewaitEnd, &u64)| (timewait_end(end), number);
        ended.iter().map(named).collect()
    };
    TimeWaitValue {
        method: summary.methods.time_wait.unwrap_or("off"),
        entered: figures.map(|figures| figures.entered),
        ended: figures.map(|figures| by_reason(&figures.ended)),
        fin_wait2_ended: figures.map(|figures| by_reason(&figures.fin_wait2_ended)),
        found: figures.map(|figures| figures.sockets.found),
        open: figures.map(|figures| figures.sockets.open),
        rearmed: figures.map(|figures| figures.rearmed),
        refused: figures.map(|figures| figures.refused),
    }
}

fn half_open(summary: &Summary) -> HalfOpenValue {
    let figures = summary.half_open.as_ref();
    let peer = |&(addr, failed): &(IpAddr, u64)| PeerValue {
        addr: Address(addr),
        failed,
    };
    HalfOpenValue {
        method: summary.methods.half_open.unwrap_or("off"),
        started: figures.map(|figures| figures.started),
        established: figures.map(|figures| figures.established),
        failed: figures.map(|figures| {
            let named = |(&end, &number)| half_open_end(end).map(|end| (end, number));
            figures.failed.iter().filter_map(named).collect()
        }),
        peers: figures.map(|figures| figures.peers.iter().map(peer).collect()),
        others: figures.map(|figures| figures.others),
    }
}

fn comparison(one: &Comparison) -> ComparisonValue {
    ComparisonValue {
        counter: one.counter,
        kernel: one.kernel,
        traced: one.traced,
        agree: one.agree,
        uncertain: one.uncertain,
        note: one.note,
    }
}
