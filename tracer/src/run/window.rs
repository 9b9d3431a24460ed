//! A part of a trace's time, and what of the trace is told in it.

use crate::model::MonoNs;
use crate::track::conversation::Conversation;
use crate::track::{Output, Span, Timeline};

/// A part of a trace's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// From this moment on.
    pub(super) since: MonoNs,
    /// Until this moment.
    pub(super) until: MonoNs,
}

impl Window {
    /// Returns whether something is told of that lies in it, or a part of which does.
    pub(super) fn shows(self, output: &Output) -> bool {
        match output {
            Output::Change(change) => self.has(change.at),
            Output::Held(held) => self.has(held.at),
            Output::Loss(loss) => loss.since <= self.until && loss.until >= self.since,
            Output::Timeline(timeline) => self.has_part_of(timeline),
        }
    }

    /// Returns whether a conversation is told: one of its ends lies in it, or a part of which does.
    pub(super) fn shows_conversation(self, conversation: &Conversation) -> bool {
        let mut ends = [Some(&conversation.a), conversation.b()]
            .into_iter()
            .flatten();
        ends.any(|end| self.has_part_of(end))
    }

    fn has_part_of(self, timeline: &Timeline) -> bool {
        let starts = || timeline.segments.iter().filter_map(|segment| segment.start);
        let is_begun = starts().next().is_none_or(|start| start <= self.until);
        is_begun && end_of(timeline).is_none_or(|end| end >= self.since)
    }

    fn has(self, at: MonoNs) -> bool {
        (self.since..=self.until).contains(&at)
    }
}

/// When a connection ended, or until when it is known to be open; `None` where that is not known.
fn end_of(timeline: &Timeline) -> Option<MonoNs> {
    let last = timeline.segments.last()?;
    match last.span {
        Span::Known(ns) | Span::Open(ns) | Span::Within { ns, .. } => Some(last.start?.plus(ns)),
        Span::Unknown(_) => None,
    }
}
