//! CSV: a row a change, or a row a segment of a timeline, with a heading.
//!
//! Findings and the summary are no rows of such a table: JSON tells them.
//!
//! **Owns:** the columns. An empty field is unknown.
//!
//! | column | holds |
//! | --- | --- |
//! | `type` | `change`, `segment` or `loss` |
//! | `wall`, `mono_ns` | when: a change's moment, a segment's start, a loss's start |
//! | `conn`, `family`, `local_addr`, `local_port`, `remote_addr`, `remote_port` | as in JSON |
//! | `from`, `to` | states; a segment has its state in `from` |
//! | `in_from_ns` | time in `from`, nanoseconds |
//! | `source`, `netns`, `cookie`, `pid`, `comm`, `uid`, `cgroup` | as in JSON |
//! | `lost` | changes lost |
//! | `unknown` | why `in_from_ns` is not known: `before_trace`, `loss`, `missed`, `not_followed`, `clock`, `no_request`, or `open` |
//! | `opened`, `closed_first`, `ended` | a segment has its connection's, as in JSON |
//! | `end` | why a timewait or request socket is gone, as in JSON: in the change that it ended with, and in the last segment |
//! | `error_ns`, `in_from_error_ns` | by how much a change's moment, and `in_from_ns`, may be wrong, either way; empty where they are exact |
//! | `rearmed` | how often TIME_WAIT began anew, in the last segment |

use super::clock::rfc3339;
use super::words::{
    closed_first, end, error, family, half_open_end, known, opened, source, timewait_end,
    why_unknown,
};
use crate::model::{Family, Loss, MonoNs, Naming, TcpState, Tuple, WallClock};
use crate::track::{Change, Ending, Origin, Owner, Segment, Timeline};

const COLUMNS: [&str; 28] = [
    "type",
    "wall",
    "mono_ns",
    "conn",
    "family",
    "local_addr",
    "local_port",
    "remote_addr",
    "remote_port",
    "from",
    "to",
    "in_from_ns",
    "source",
    "netns",
    "cookie",
    "pid",
    "comm",
    "uid",
    "cgroup",
    "lost",
    "unknown",
    "opened",
    "closed_first",
    "ended",
    "end",
    "error_ns",
    "in_from_error_ns",
    "rearmed",
];

/// Encodes values as rows.
#[derive(Clone, Copy, Debug)]
pub struct Csv {
    /// How states are named.
    pub names: Naming,
    /// Whether changes show what the tracepoint itself said.
    pub raw: bool,
    /// The session's clock.
    pub wall: WallClock,
}

/// What a row holds; what is not set stays empty.
#[derive(Default)]
struct Row {
    kind: &'static str,
    at: Option<MonoNs>,
    conn: Option<u64>,
    family: Option<Family>,
    ends: [String; 4],
    from: Option<TcpState>,
    to: Option<TcpState>,
    ns: Option<u64>,
    source: &'static str,
    netns: Option<u32>,
    cookie: Option<u64>,
    owner: Owner,
    lost: Option<u64>,
    unknown: Option<&'static str>,
    opened: Option<&'static str>,
    closed_first: Option<&'static str>,
    ended: Option<Ending>,
    end: Option<&'static str>,
    error_ns: Option<u64>,
    in_from_error_ns: Option<u64>,
    rearmed: Option<u32>,
}

impl Csv {
    /// The heading.
    pub fn heading(&self) -> Vec<u8> {
        encode(COLUMNS)
    }

    /// A state change.
    pub fn change(&self, change: &Change) -> Vec<u8> {
        let ends = match change.origin {
            Origin::Tracepoint { shown, .. } if self.raw => [
                shown.local_addr.to_string(),
                shown.local_port.to_string(),
                shown.remote_addr.to_string(),
                shown.remote_port.to_string(),
            ],
            _ => ends(&change.tuple),
        };
        self.row(Row {
            kind: "change",
            at: Some(change.at),
            conn: Some(change.conn.0),
            family: Some(change.family),
            ends,
            from: change.from,
            to: Some(change.to),
            ns: change.in_from.and_then(known),
            source: source(&change.origin),
            netns: change.netns,
            cookie: change.cookie,
            owner: change.owner,
            unknown: change.in_from.and_then(why_unknown),
            end: end(&change.origin),
            error_ns: (change.error_ns > 0).then_some(change.error_ns),
            in_from_error_ns: change.in_from.and_then(error),
            ..Row::default()
        })
    }

    /// The life of a connection, a row a segment.
    pub fn timeline(&self, timeline: &Timeline) -> Vec<u8> {
        let timewait_end = timeline.timewait_end.map(timewait_end);
        let end = timewait_end.or(timeline.half_open_end.and_then(half_open_end));
        let last = timeline.segments.len().saturating_sub(1);
        let segment = |(index, segment): (usize, &Segment)| {
            self.row(Row {
                kind: "segment",
                at: segment.start,
                conn: Some(timeline.conn.0),
                family: Some(timeline.family),
                ends: ends(&timeline.tuple),
                from: Some(segment.state),
                ns: known(segment.span),
                netns: timeline.netns,
                cookie: timeline.cookie,
                owner: timeline.owner,
                unknown: why_unknown(segment.span),
                opened: opened(timeline.opened),
                closed_first: timeline.closed_first.map(closed_first),
                ended: timeline.ended,
                end: end.filter(|_| index == last),
                in_from_error_ns: error(segment.span),
                rearmed: (index == last && timeline.rearmed > 0).then_some(timeline.rearmed),
                ..Row::default()
            })
        };
        timeline
            .segments
            .iter()
            .enumerate()
            .flat_map(segment)
            .collect()
    }

    /// Lost changes.
    pub fn loss(&self, loss: &Loss) -> Vec<u8> {
        self.row(Row {
            kind: "loss",
            at: Some(loss.since),
            lost: Some(loss.changes()),
            ..Row::default()
        })
    }

    fn row(&self, row: Row) -> Vec<u8> {
        fn text<T: ToString>(value: Option<T>) -> String {
            value.map(|value| value.to_string()).unwrap_or_default()
        }
        let (pid, comm) = row.owner.process.unzip();
        let [local_addr, local_port, remote_addr, remote_port] = row.ends;
        encode([
            row.kind.to_owned(),
            row.at.map(|at| rfc3339(&self.wall, at)).unwrap_or_default(),
            text(row.at.map(|at| at.0)),
            text(row.conn),
            text(row.family.map(family)),
            local_addr,
            local_port,
            remote_addr,
            remote_port,
            text(row.from.map(|state| state.named(self.names))),
            text(row.to.map(|state| state.named(self.names))),
            text(row.ns),
            row.source.to_owned(),
            text(row.netns),
            text(row.cookie),
            text(pid),
            text(comm),
            text(row.owner.uid),
            text(row.owner.cgroup),
            text(row.lost),
            text(row.unknown),
            text(row.opened),
            text(row.closed_first),
            text(row.ended),
            text(row.end),
            text(row.error_ns),
            text(row.in_from_error_ns),
            text(row.rearmed),
        ])
    }
}

fn ends(tuple: &Tuple) -> [String; 4] {
    let addr =
        |addr: Option<std::net::IpAddr>| addr.map(|addr| addr.to_string()).unwrap_or_default();
    let port = |port: Option<u16>| port.map(|port| port.to_string()).unwrap_or_default();
    [
        addr(tuple.local.addr),
        port(tuple.local.port),
        addr(tuple.remote.addr),
        port(tuple.remote.port),
    ]
}

/// Quotes what must be quoted. Writing to memory cannot fail.
fn encode<T: AsRef<[u8]>>(fields: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer.write_record(fields);
    debug_assert!(written.is_ok(), "memory takes every row");
    writer.into_inner().unwrap_or_default()
}
