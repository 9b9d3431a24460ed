//! The words that programs read, the same in JSON and in CSV.
//!
//! **Never:** a word for what is not known.

use crate::model::Family;
use crate::track::{Closer, Opened, Span, Unknown};

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
