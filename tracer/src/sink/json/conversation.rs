//! Both ends of a connection as one line.

use serde::Serialize;

use super::values::{EndpointValue, OwnerValue, StateName};
use super::{Json, owner};
use crate::sink::clock::{Rfc3339, rfc3339};
use crate::sink::json_line::{Shown, json_line};
use crate::sink::words;
use crate::track::conversation::{Conversation, Other, Step};
use crate::track::{Ending, Span, Timeline};

#[derive(Serialize)]
struct ConversationLine {
    r#type: &'static str,
    family: &'static str,
    /// The end that opened it, where that is known; else, and where `b` is not known, the one that is.
    a: EndValue,
    /// `null` where it is not known which connection that is.
    b: Option<EndValue>,
    /// Why it is not: `not_seen` (it is not on this host, is behind a NAT, or is not shown), `several` (more
    /// than one connection may be it), `itself` (one socket is both ends), `unchanged` (it was there before
    /// the trace, and did not change), `ends_unknown`, `let_go` (too many were kept).
    #[serde(skip_serializing_if = "Option::is_none")]
    b_unknown: Option<&'static str>,
    /// `a`, `b` or `both`; `null` where that was not seen.
    opened_by: Option<&'static str>,
    /// `a`, `b` or `both`; `null` where nobody did, or nobody saw.
    closed_first: Option<&'static str>,
    /// When it began; `null` where that was not seen.
    wall: Option<Rfc3339>,
    start_mono_ns: Option<u64>,
    /// Until the last end had ended; `null` where one is open, and where that is not known.
    lifetime_ns: Option<u64>,
    /// By how much that may be wrong, either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime_error_ns: Option<u64>,
    /// How long it lasted until the trace ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_for_ns: Option<u64>,
    /// What each end entered, in the order of time.
    steps: Vec<StepValue>,
}

/// An end: who it is, and what its timeline tells beyond its states.
#[derive(Serialize)]
struct EndValue {
    conn: u64,
    local: EndpointValue,
    remote: EndpointValue,
    /// As in a timeline, and so are those below.
    opened: Option<&'static str>,
    closed_first: Option<&'static str>,
    ended: Option<Shown<Ending>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_wait_end: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    half_open_end: Option<&'static str>,
    owner: Option<OwnerValue>,
    netns: Option<u32>,
    cookie: Option<u64>,
}

#[derive(Serialize)]
struct StepValue {
    /// `null` where it was not seen; the step then comes before the next one of the same end.
    mono_ns: Option<u64>,
    /// By how much that may be wrong, either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_ns: Option<u64>,
    /// `a` or `b`.
    end: &'static str,
    /// `null` where the end was seen first in `state`.
    from: Option<StateName>,
    state: StateName,
}

impl Json {
    /// Both ends of a connection.
    pub fn conversation(&self, conversation: &Conversation) -> Vec<u8> {
        let lifetime = conversation.lifetime();
        let start = conversation.start();
        json_line(&ConversationLine {
            r#type: "conversation",
            family: words::family(conversation.a.family),
            a: end(&conversation.a),
            b: conversation.b().map(end),
            b_unknown: match conversation.b {
                Other::Known(_) => None,
                Other::Alone(why) => Some(words::alone(why)),
            },
            opened_by: conversation.opened_by().map(words::by),
            closed_first: conversation.closed_first().map(words::by),
            wall: start.map(|start| rfc3339(&self.wall, start)),
            start_mono_ns: start.map(|start| start.0),
            lifetime_ns: words::known(lifetime),
            lifetime_error_ns: words::error(lifetime),
            open_for_ns: match lifetime {
                Span::Open(ns) => Some(ns),
                _ => None,
            },
            steps: conversation
                .steps()
                .iter()
                .map(|step| self.step(step))
                .collect(),
        })
    }

    fn step(&self, step: &Step) -> StepValue {
        StepValue {
            mono_ns: step.at.map(|at| at.0),
            error_ns: (step.error_ns > 0).then_some(step.error_ns),
            end: words::one_of_both(step.end),
            from: step.from.map(|state| self.name(state)),
            state: self.name(step.to),
        }
    }
}

fn end(timeline: &Timeline) -> EndValue {
    EndValue {
        conn: timeline.conn.0,
        local: timeline.tuple.local.into(),
        remote: timeline.tuple.remote.into(),
        opened: words::opened(timeline.opened),
        closed_first: timeline.closed_first.map(words::closed_first),
        ended: timeline.ended.map(Shown),
        time_wait_end: timeline.timewait_end.map(words::timewait_end),
        half_open_end: timeline.half_open_end.and_then(words::half_open_end),
        owner: owner(&timeline.owner),
        netns: timeline.netns,
        cookie: timeline.cookie,
    }
}
