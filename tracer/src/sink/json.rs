//! JSON Lines: one object a line, `type` first.
//!
//! **Owns:** the schema `tracer/1`. The fields below stay; more may be added.
//!
//! * Unknown is `null`, never zero or an empty string.
//! * `wall` is RFC 3339 with nanoseconds in UTC; `mono_ns` is the boot-time clock, nanoseconds.
//! * `conn` numbers a connection within the session.
//! * States are named as `--names` says.
//! * A name from outside is what it is, with JSON's own escapes; bytes that are no UTF-8 become U+FFFD.
//!
//! # A whole session
//!
//! What a test writes and compares: a refused connect, a connection older than the trace, a loss.
//!
//! ```json
#![doc = include_str!("golden/session.jsonl")]
//! ```

use std::net::IpAddr;

use serde::Serialize;
use serde::ser::SerializeMap;

use super::Session;
use super::clock::rfc3339;
use crate::model::event::Comm;
use crate::model::{Endpoint, Family, Loss, LossCause, MonoNs, Naming, TcpState, WallClock};
use crate::stats::{Comparison, Summary};
use crate::track::{Change, Closer, Opened, Origin, Owner, Segment, Span, Timeline, Unknown};

/// Name and version of the schema.
pub const SCHEMA: &str = "tracer/1";

/// Encodes values as lines.
#[derive(Clone, Copy, Debug)]
pub struct Json {
    /// How states are named.
    pub names: Naming,
    /// Whether changes show what the tracepoint itself said.
    pub raw: bool,
    /// The session's clock.
    pub wall: WallClock,
}

impl Json {
    /// The first line: what this session is.
    pub fn session(&self, session: &Session) -> Vec<u8> {
        line(&SessionLine {
            r#type: "session",
            schema: SCHEMA,
            tracer: session.tracer,
            kernel: &session.kernel,
            boot_id: session.boot_id.as_deref(),
            hostname: &session.hostname,
            hook: session.hook,
            time_wait: session.time_wait,
            filters: &session.filters,
            wall: rfc3339(&self.wall, session.start),
            mono_ns: session.start.0,
            missing: &session.missing,
            notes: &session.notes,
            existing: session.existing,
            ring_bytes: session.ring_bytes,
        })
    }

    /// A state change.
    pub fn change(&self, change: &Change) -> Vec<u8> {
        let mut local = EndpointValue::from(change.tuple.local);
        let mut remote = EndpointValue::from(change.tuple.remote);
        let mut task_on_cpu = None;
        let source = match change.origin {
            Origin::Snapshot => "snapshot",
            Origin::Tracepoint {
                shown,
                task,
                task_holds_socket,
            } => {
                if self.raw {
                    local = EndpointValue {
                        addr: Some(shown.local_addr),
                        port: Some(shown.local_port),
                    };
                    remote = EndpointValue {
                        addr: Some(shown.remote_addr),
                        port: Some(shown.remote_port),
                    };
                    task_on_cpu = Some(TaskValue {
                        pid: task.pid,
                        tid: task.tid,
                        comm: name(task.comm),
                        holds_socket: task_holds_socket,
                    });
                }
                "tracepoint"
            }
        };
        line(&ChangeLine {
            r#type: "change",
            wall: rfc3339(&self.wall, change.at),
            mono_ns: change.at.0,
            conn: change.conn.0,
            family: family(change.family),
            local,
            remote,
            from: change.from.map(|state| self.name(state)),
            to: self.name(change.to),
            in_from_ns: change.in_from.and_then(known),
            in_from_unknown: change.in_from.and_then(why_unknown),
            source,
            netns: change.netns,
            cookie: change.cookie,
            owner: owner(&change.owner),
            task_on_cpu,
        })
    }

    /// The life of a connection.
    pub fn timeline(&self, timeline: &Timeline) -> Vec<u8> {
        line(&TimelineLine {
            r#type: "timeline",
            conn: timeline.conn.0,
            family: family(timeline.family),
            local: timeline.tuple.local.into(),
            remote: timeline.tuple.remote.into(),
            opened: opened(timeline.opened),
            closed_first: timeline.closed_first.map(closer),
            ended: timeline.ended.map(|ending| ending.to_string()),
            lifetime_ns: known(timeline.lifetime),
            segments: timeline
                .segments
                .iter()
                .map(|segment| self.segment(segment))
                .collect(),
            owner: owner(&timeline.owner),
            netns: timeline.netns,
            cookie: timeline.cookie,
        })
    }

    fn segment(&self, segment: &Segment) -> SegmentValue {
        SegmentValue {
            state: self.name(segment.state),
            start_mono_ns: segment.start.map(|start| start.0),
            ns: known(segment.span),
            known: matches!(segment.span, Span::Known(_)),
            unknown: why_unknown(segment.span),
            open_for_ns: match segment.span {
                Span::Open(ns) => Some(ns),
                _ => None,
            },
        }
    }

    /// Lost changes.
    pub fn loss(&self, loss: &Loss) -> Vec<u8> {
        let (cause, cpu) = match loss.cause {
            LossCause::RingFull { cpu } => ("ring_full", Some(cpu)),
            LossCause::Recursion => ("recursion", None),
        };
        line(&LossLine {
            r#type: "loss",
            lost: loss.lost,
            since_mono_ns: loss.since.0,
            until_mono_ns: loss.until.0,
            cause,
            cpu,
        })
    }

    /// The last line.
    pub fn summary(&self, summary: &Summary, end: MonoNs) -> Vec<u8> {
        let (kernel, not_compared) = match &summary.kernel {
            Ok(comparisons) => (comparisons.iter().map(comparison).collect(), None),
            Err(why) => (Vec::new(), Some(why.as_str())),
        };
        line(&SummaryLine {
            r#type: "summary",
            changes: summary.changes,
            lost: summary.lost,
            connections: summary.connections,
            evicted: summary.evicted,
            duration_ns: summary.duration_ns,
            wall: rfc3339(&self.wall, end),
            states: States(summary, self.names),
            time_wait: TimeWaitValue {
                entered: None,
                ended: None,
                method: "off",
            },
            kernel,
            kernel_not_compared: not_compared,
        })
    }

    fn name(&self, state: TcpState) -> String {
        state.named(self.names).to_string()
    }
}

/// Encodes one line. Integers, strings and lists of them cannot fail to encode, and an address
/// prints as text.
fn line(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn known(span: Span) -> Option<u64> {
    match span {
        Span::Known(ns) => Some(ns),
        Span::Unknown(_) | Span::Open(_) => None,
    }
}

fn why_unknown(span: Span) -> Option<&'static str> {
    match span {
        Span::Known(_) => None,
        Span::Open(_) => Some("open"),
        Span::Unknown(Unknown::BeforeTrace) => Some("before_trace"),
        Span::Unknown(Unknown::Loss) => Some("loss"),
        Span::Unknown(Unknown::Missed) => Some("missed"),
        Span::Unknown(Unknown::Clock) => Some("clock"),
    }
}

fn family(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    }
}

fn opened(opened: Opened) -> Option<&'static str> {
    Some(match opened {
        Opened::Active => "active",
        Opened::Passive => "passive",
        Opened::BeforeTrace => "before_trace",
        Opened::Listen => "listen",
        Opened::NotSeen => return None,
    })
}

fn closer(closer: Closer) -> &'static str {
    match closer {
        Closer::Local => "local",
        Closer::Remote => "remote",
        Closer::Both => "both",
    }
}

fn owner(owner: &Owner) -> Option<OwnerValue> {
    let (pid, comm) = owner.process.unzip();
    (!owner.is_unknown()).then(|| OwnerValue {
        pid,
        comm: comm.map(name),
        uid: owner.uid,
        cgroup: owner.cgroup,
    })
}

/// A task's name as text. JSON escapes control characters itself.
fn name(comm: Comm) -> String {
    String::from_utf8_lossy(comm.bytes()).into_owned()
}

fn comparison(one: &Comparison) -> ComparisonValue {
    ComparisonValue {
        counter: one.counter,
        kernel: one.kernel,
        traced: one.traced,
        agree: one.agree,
        uncertain: one.uncertain,
    }
}

#[derive(Serialize)]
struct SessionLine<'a> {
    r#type: &'static str,
    schema: &'static str,
    tracer: &'static str,
    kernel: &'a str,
    boot_id: Option<&'a str>,
    hostname: &'a str,
    /// `tp_btf` or `tracepoint`.
    hook: &'static str,
    time_wait: &'static str,
    filters: &'a [String],
    wall: String,
    mono_ns: u64,
    missing: &'a [String],
    /// What could not be looked into when the trace began.
    notes: &'a [String],
    /// Sockets that existed when the trace began, filters aside.
    existing: u64,
    ring_bytes: u32,
}

#[derive(Serialize)]
struct ChangeLine {
    r#type: &'static str,
    wall: String,
    mono_ns: u64,
    conn: u64,
    family: &'static str,
    local: EndpointValue,
    remote: EndpointValue,
    /// `null` for a socket that was found.
    from: Option<String>,
    to: String,
    /// Time in `from`; `null` where a connection begins, and where it is not known.
    in_from_ns: Option<u64>,
    /// Why it is not known: `before_trace`, `loss`, `missed`, `clock`.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_from_unknown: Option<&'static str>,
    /// `tracepoint` or `snapshot`.
    source: &'static str,
    netns: Option<u32>,
    cookie: Option<u64>,
    owner: Option<OwnerValue>,
    /// With `--raw` only: the task that was on the CPU, whoever it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_on_cpu: Option<TaskValue>,
}

#[derive(Serialize)]
struct TimelineLine {
    r#type: &'static str,
    conn: u64,
    family: &'static str,
    local: EndpointValue,
    remote: EndpointValue,
    /// `active`, `passive`, `before_trace`, `listen`, or `null` where changes before the first one
    /// that was seen were lost.
    opened: Option<&'static str>,
    closed_first: Option<&'static str>,
    /// `null` while it is open.
    ended: Option<String>,
    lifetime_ns: Option<u64>,
    segments: Vec<SegmentValue>,
    owner: Option<OwnerValue>,
    netns: Option<u32>,
    cookie: Option<u64>,
}

#[derive(Serialize)]
struct SegmentValue {
    state: String,
    start_mono_ns: Option<u64>,
    ns: Option<u64>,
    known: bool,
    /// Why it is not known: as `in_from_unknown`, or `open`.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<&'static str>,
    /// How long it lasted until the trace ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_for_ns: Option<u64>,
}

#[derive(Serialize)]
struct EndpointValue {
    addr: Option<IpAddr>,
    port: Option<u16>,
}

impl From<Endpoint> for EndpointValue {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            addr: endpoint.addr,
            port: endpoint.port,
        }
    }
}

#[derive(Serialize)]
struct OwnerValue {
    pid: Option<u32>,
    comm: Option<String>,
    uid: Option<u32>,
    cgroup: Option<u64>,
}

#[derive(Serialize)]
struct TaskValue {
    pid: u32,
    tid: u32,
    comm: String,
    holds_socket: Option<bool>,
}

#[derive(Serialize)]
struct LossLine {
    r#type: &'static str,
    lost: u64,
    since_mono_ns: u64,
    until_mono_ns: u64,
    /// `ring_full` or `recursion`.
    cause: &'static str,
    cpu: Option<u32>,
}

#[derive(Serialize)]
struct SummaryLine<'a> {
    r#type: &'static str,
    changes: u64,
    lost: u64,
    connections: u64,
    evicted: u64,
    duration_ns: u64,
    wall: String,
    states: States<'a>,
    time_wait: TimeWaitValue,
    kernel: Vec<ComparisonValue>,
    /// Why the kernel's counters were not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel_not_compared: Option<&'a str>,
}

/// Figures by state, in the order in which a connection can pass them.
struct States<'a>(&'a Summary, Naming);

impl Serialize for States<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
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
struct FiguresValue {
    /// Times that are known.
    count: u64,
    /// Times that are not.
    unknown: u64,
    total_ns: Option<u64>,
    p50_ns: Option<u64>,
    p99_ns: Option<u64>,
    max_ns: Option<u64>,
}

#[derive(Serialize)]
struct TimeWaitValue {
    entered: Option<u64>,
    ended: Option<u64>,
    method: &'static str,
}

#[derive(Serialize)]
struct ComparisonValue {
    counter: &'static str,
    kernel: Option<i64>,
    traced: i64,
    agree: Option<bool>,
    uncertain: u64,
}
