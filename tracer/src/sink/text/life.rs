//! A connection's life as a picture: a bar a state, as long as its share of the whole.

mod segments;

use super::between;
use super::duration::push_duration;
use super::fold::push_block;
use super::palette::Paint;
use super::{SEPARATOR, Text, push_ends, push_state, put, within};
use crate::model::{TcpState, printable};
use crate::track::{Closer, Ending, Opened, Span, Timeline};

pub(super) fn life(text: &Text, timeline: &Timeline, out: &mut String) {
    push_block(out, ("┌ ", "│ "), text.width, Paint::NONE, |out| {
        head(text, timeline, out);
    });
    segments::segments(text, timeline, out);
    between::between(text, timeline, out);
    end(text, timeline, out);
}

fn head(text: &Text, timeline: &Timeline, out: &mut String) {
    push_ends(out, &timeline.tuple, timeline.is_listener());
    between::whose(timeline, out);
    between::workload(timeline, out);
    let name = |inode| text.netns_names.get(&inode);
    if let Some(name) = timeline.netns.and_then(name) {
        put(out, format_args!("{SEPARATOR}netns {}", printable(name)));
    }
    let closed_first = timeline.closed_first.map(closed_first);
    for said in [opened(timeline), closed_first].into_iter().flatten() {
        out.push_str(SEPARATOR);
        out.push_str(said);
    }
    if !matches!(timeline.lifetime, Span::Unknown(_)) {
        out.push_str(SEPARATOR);
        push_lifetime(out, timeline.lifetime);
    }
}

fn end(text: &Text, timeline: &Timeline, out: &mut String) {
    let palette = text.palette();
    let paint = match timeline.ended {
        None => palette.dimmed(),
        // The connection may live on.
        Some(Ending::TimeWaitOrClosed | Ending::NotSeen | Ending::NotFollowed) => palette.warning(),
        Some(_) => Paint::NONE,
    };
    push_block(
        out,
        ("└ ", "  "),
        text.width,
        paint,
        |out| match timeline.ended {
            None => push_still(text, timeline, out),
            Some(ending @ (Ending::TimeWaitOrClosed | Ending::NotSeen | Ending::NotFollowed)) => {
                put(out, ending);
            }
            Some(ending) => {
                push_state(out, TcpState::Close, text.names);
                push_why(ending, timeline, out);
            }
        },
    );
}

fn push_still(text: &Text, timeline: &Timeline, out: &mut String) {
    out.push_str("still ");
    let last = timeline.segments.last().map(|segment| segment.state);
    match last {
        Some(state @ TcpState::TimeWait) => {
            out.push_str("in ");
            push_state(out, state, text.names);
        }
        _ => out.push_str("open"),
    }
    out.push_str(" when the trace ended");
}

/// Appends what is said of an ending; of one that is told behind the last state, only what that does not
/// tell.
fn push_why(ending: Ending, timeline: &Timeline, out: &mut String) {
    let said = match ending {
        Ending::TimeWaitOver(_) if timeline.timewait_end.is_some() => return,
        Ending::FinWait2Over(_) if timeline.timewait_end.is_some() => "the peer did not close",
        Ending::NotEstablished(_) if timeline.half_open_end.is_some() => "never established",
        ending => return put(out, format_args!("{SEPARATOR}{ending}")),
    };
    out.push_str(SEPARATOR);
    out.push_str(said);
}

fn opened(timeline: &Timeline) -> Option<&'static str> {
    match timeline.opened {
        Opened::Active => Some("opened by us"),
        Opened::Passive if timeline.half_open_end.is_some() => Some("asked for by the peer"),
        Opened::Passive => Some("opened by the peer"),
        Opened::BeforeTrace => Some("older than the trace"),
        Opened::NotSeen => Some("its beginning was not seen"),
        Opened::Listen => None,
    }
}

fn closed_first(closer: Closer) -> &'static str {
    match closer {
        Closer::Local => "we closed first",
        Closer::Remote => "the peer closed first",
        Closer::Both => "both closed at once",
    }
}

/// Appends how long it lived; nothing where that is not known: the head says that it is older than the trace, or a
/// segment says what is not known.
pub(super) fn push_lifetime(out: &mut String, span: Span) {
    match span {
        Span::Known(ns) => {
            push_duration(out, ns);
        }
        Span::Within { ns, error_ns } => out.push_str(&within(ns, error_ns)),
        Span::Open(ns) => {
            push_duration(out, ns);
            out.push_str(" so far");
        }
        Span::Unknown(_) => {}
    }
}
