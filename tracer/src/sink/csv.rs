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

use std::fmt::{self, Write as _};

use super::address::push_address;
use super::clock::rfc3339;
use super::words::{
    closed_first, end, error, family, half_open_end, known, opened, source, timewait_end,
    why_unknown,
};
use crate::model::{Endpoint, Family, Loss, MonoNs, Naming, TcpState, Tuple, WallClock};
use crate::track::{Change, Ending, Origin, Owner, Timeline};

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
    ends: Tuple,
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
    pub fn heading(&self) -> String {
        COLUMNS.join(",") + "\n"
    }

    /// Appends a state change.
    pub fn change(&self, change: &Change, out: &mut String) {
        let ends = match change.origin {
            Origin::Tracepoint { shown, .. } if self.raw => Tuple {
                local: Endpoint {
                    addr: Some(shown.local_addr),
                    port: Some(shown.local_port),
                },
                remote: Endpoint {
                    addr: Some(shown.remote_addr),
                    port: Some(shown.remote_port),
                },
            },
            _ => change.tuple,
        };
        let row = Row {
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
        };
        self.row(&row, out);
    }

    /// Appends the life of a connection, a row a segment.
    pub fn timeline(&self, timeline: &Timeline, out: &mut String) {
        let timewait_end = timeline.timewait_end.map(timewait_end);
        let end = timewait_end.or(timeline.half_open_end.and_then(half_open_end));
        let last = timeline.segments.len().saturating_sub(1);
        for (index, segment) in timeline.segments.iter().enumerate() {
            let row = Row {
                kind: "segment",
                at: segment.start,
                conn: Some(timeline.conn.0),
                family: Some(timeline.family),
                ends: timeline.tuple,
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
            };
            self.row(&row, out);
        }
    }

    /// Appends lost changes.
    pub fn loss(&self, loss: &Loss, out: &mut String) {
        let row = Row {
            kind: "loss",
            at: Some(loss.since),
            lost: Some(loss.changes()),
            ..Row::default()
        };
        self.row(&row, out);
    }

    fn row(&self, row: &Row, out: &mut String) {
        let mut fields = Fields { out };
        let (pid, comm) = row.owner.process.unzip();
        fields.out.push_str(row.kind);
        fields.field(row.at, |out, at| rfc3339(&self.wall, at).push(out));
        fields.number(row.at.map(|at| at.0));
        fields.number(row.conn);
        fields.word(row.family.map(family));
        for end in [row.ends.local, row.ends.remote] {
            fields.field(end.addr, push_address);
            fields.number(end.port);
        }
        fields.state(row.from, self.names);
        fields.state(row.to, self.names);
        fields.number(row.ns);
        fields.word(Some(row.source));
        fields.number(row.netns);
        fields.number(row.cookie);
        fields.number(pid);
        fields.field(comm, |out, comm| push_quoted(out, &comm.printable()));
        fields.number(row.owner.uid);
        fields.number(row.owner.cgroup);
        fields.number(row.lost);
        fields.word(row.unknown);
        fields.word(row.opened);
        fields.word(row.closed_first);
        fields.field(row.ended, push_shown);
        fields.word(row.end);
        fields.number(row.error_ns);
        fields.number(row.in_from_error_ns);
        fields.number(row.rearmed);
        out.push('\n');
    }
}

/// The fields of a row, behind its first.
struct Fields<'a> {
    out: &'a mut String,
}

impl Fields<'_> {
    fn field<T>(&mut self, value: Option<T>, push: impl FnOnce(&mut String, T)) {
        self.out.push(',');
        if let Some(value) = value {
            push(self.out, value);
        }
    }

    fn number(&mut self, number: Option<impl itoa::Integer>) {
        self.field(number, |out, number| {
            out.push_str(itoa::Buffer::new().format(number));
        });
    }

    /// One of ours, in which nothing needs quotes.
    fn word(&mut self, word: Option<&str>) {
        self.field(word, String::push_str);
    }

    fn state(&mut self, state: Option<TcpState>, names: Naming) {
        self.field(state, |out, state| match state.known_name(names) {
            Some(name) => out.push_str(name),
            None => push_shown(out, state.named(names)),
        });
    }
}

/// Appends what prints itself.
fn push_shown(out: &mut String, value: impl fmt::Display) {
    let start = out.len();
    let written = write!(out, "{value}");
    debug_assert!(written.is_ok(), "memory takes every text");
    if needs_quotes(&out[start..]) {
        let text = out.split_off(start);
        push_quoted(out, &text);
    }
}

/// Appends text, in quotes where it needs them (RFC 4180).
fn push_quoted(out: &mut String, text: &str) {
    if !needs_quotes(text) {
        return out.push_str(text);
    }
    out.push('"');
    for (index, part) in text.split('"').enumerate() {
        if index > 0 {
            out.push_str("\"\"");
        }
        out.push_str(part);
    }
    out.push('"');
}

fn needs_quotes(text: &str) -> bool {
    text.bytes()
        .any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn texts_are_quoted_as_the_csv_crate_quotes_them(text in "[a-c,\"\r\n é]{0,8}") {
            let mut theirs = csv::Writer::from_writer(Vec::new());
            theirs.write_record(["a", &text]).expect("memory takes every row");
            let theirs = theirs.into_inner().expect("memory takes every row");
            let mut ours = "a,".to_owned();
            push_quoted(&mut ours, &text);
            prop_assert_eq!(ours + "\n", String::from_utf8(theirs).expect("text"));
        }
    }
}
