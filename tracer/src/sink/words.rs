//! The words that programs read, the same in JSON and in CSV.
//!
//! **Never:** a word for what is not known.

use crate::model::{Family, RequestEnd, SegmentNews, TimewaitEnd};
use crate::track::conversation::{Alone, By, End};
use crate::track::{Closer, Opened, Origin, Span, Unknown};

pub(super) fn family(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    }
}

/// Nanoseconds from start to end, where both were seen.
pub(super) fn known(span: Span) -> Option<u64> {
    match span {
        Span::Known(ns) | Span::Within { ns, .. } => Some(ns),
        Span::Unknown(_) | Span::Open(_) => None,
    }
}

/// By how much a time that is known may be wrong, either way; `None` where it is exact.
pub(super) fn error(span: Span) -> Option<u64> {
    match span {
        Span::Within { error_ns, .. } => (error_ns > 0).then_some(error_ns),
        Span::Known(_) | Span::Unknown(_) | Span::Open(_) => None,
    }
}

pub(super) fn why_unknown(span: Span) -> Option<&'static str> {
    match span {
        Span::Known(_) | Span::Within { .. } => None,
        Span::Open(_) => Some("open"),
        Span::Unknown(why) => Some(match why {
            Unknown::BeforeTrace => "before_trace",
            Unknown::Loss => "loss",
            Unknown::Missed => "missed",
            Unknown::NotFollowed => "not_followed",
            Unknown::Clock => "clock",
            Unknown::NoRequest => "no_request",
        }),
    }
}

pub(super) fn segment(what: SegmentNews) -> &'static str {
    match what {
        SegmentNews::Retransmitted => "retransmitted",
        SegmentNews::ResetSent { .. } => "reset_sent",
        SegmentNews::ResetReceived => "reset_received",
        SegmentNews::Error(_) => "error",
    }
}

pub(super) fn opened(opened: Opened) -> Option<&'static str> {
    match opened {
        Opened::Active => Some("active"),
        Opened::Passive => Some("passive"),
        Opened::BeforeTrace => Some("before_trace"),
        Opened::Listen => Some("listen"),
        Opened::NotSeen => None,
    }
}

pub(super) fn closed_first(closer: Closer) -> &'static str {
    match closer {
        Closer::Local => "local",
        Closer::Remote => "remote",
        Closer::Both => "both",
    }
}

/// Who did something, of both ends of a conversation.
pub(super) fn by(by: By) -> &'static str {
    match by {
        By::One(end) => one_of_both(end),
        By::Both => "both",
    }
}

/// One of both ends of a conversation.
pub(super) fn one_of_both(end: End) -> &'static str {
    match end {
        End::A => "a",
        End::B => "b",
    }
}

/// Why the other end of a conversation is not told.
pub(super) fn alone(why: Alone) -> &'static str {
    match why {
        Alone::NotSeen => "not_seen",
        Alone::Several => "several",
        Alone::Itself => "itself",
        Alone::Unchanged => "unchanged",
        Alone::EndsUnknown => "ends_unknown",
        Alone::LetGo => "let_go",
    }
}

/// Who told a change.
pub(super) fn source(origin: &Origin) -> &'static str {
    match origin {
        Origin::Tracepoint { .. } => "tracepoint",
        Origin::Snapshot => "snapshot",
        Origin::Timewait { .. } => "timewait",
        Origin::Request { .. } => "request",
    }
}

/// Why the socket ended that told a change, if it did.
pub(super) fn end(origin: &Origin) -> Option<&'static str> {
    match *origin {
        Origin::Tracepoint { .. } | Origin::Snapshot => None,
        Origin::Timewait { end } => end.map(timewait_end),
        Origin::Request { end } => end.and_then(half_open_end),
    }
}

pub(super) fn timewait_end(end: TimewaitEnd) -> &'static str {
    match end {
        TimewaitEnd::Expired => "expired",
        TimewaitEnd::Reused => "reused",
        TimewaitEnd::NewSyn => "new_syn",
        TimewaitEnd::Reset => "reset",
        TimewaitEnd::Killed => "killed",
        TimewaitEnd::NetnsGone => "netns_gone",
        TimewaitEnd::Unknown => "unknown",
    }
}

/// Why a connection was never established; `None` where it was.
pub(super) fn half_open_end(end: RequestEnd) -> Option<&'static str> {
    match end {
        RequestEnd::Completed => None,
        RequestEnd::TimedOut => Some("timed_out"),
        RequestEnd::AcceptQueueFull => Some("accept_queue_full"),
        RequestEnd::Reset => Some("reset"),
        RequestEnd::ListenerClosed => Some("listener_closed"),
        RequestEnd::Killed => Some("killed"),
        RequestEnd::NetnsGone => Some("netns_gone"),
        RequestEnd::Unknown => Some("unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_for_ends_are_those_that_programs_know() {
        assert_eq!(
            TimewaitEnd::ALL.map(timewait_end),
            [
                "expired",
                "reused",
                "new_syn",
                "reset",
                "killed",
                "netns_gone",
                "unknown"
            ]
        );
        assert_eq!(
            RequestEnd::FAILURES.map(half_open_end),
            [
                "timed_out",
                "accept_queue_full",
                "reset",
                "listener_closed",
                "killed",
                "netns_gone",
                "unknown"
            ]
            .map(Some)
        );
        assert_eq!(half_open_end(RequestEnd::Completed), None);
    }
}
