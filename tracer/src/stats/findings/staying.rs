//! Connections that stay in a state that an orderly close passes at once.
//!
//! A connection that was in its state before the trace counts for the time that was seen of it. One whose
//! time is not known otherwise does not count.

use std::collections::BTreeMap;

use super::MOST_FOUND;
use super::example::{Example, Examples};
use super::finding::{Detail, Finding, Judged, Period};
use crate::model::TcpState::{self, CloseWait, FinWait1, FinWait2, LastAck};
use crate::model::{FindingKind, MonoNs, Threshold, Thresholds, TimewaitEnd};
use crate::track::{Change, ConnId, Ending, Origin, Segment, Span, Timeline};

/// The states, and what it is to stay there.
const STATES: [(TcpState, FindingKind); 4] = [
    (CloseWait, FindingKind::CloseWait),
    (LastAck, FindingKind::LastAck),
    (FinWait1, FindingKind::FinWait1),
    (FinWait2, FindingKind::FinWait2),
];

/// Judges how long connections stay.
#[derive(Debug)]
pub(super) struct Staying {
    stays: BTreeMap<TcpState, Stay>,
    /// Those that were in such a state as the trace began, and have not left it.
    found: BTreeMap<ConnId, Found>,
    /// Whether there was no room for another one.
    is_full: bool,
}

#[derive(Clone, Copy, Debug)]
struct Found {
    at: MonoNs,
    state: TcpState,
    example: Example,
}

#[derive(Debug)]
struct Stay {
    kind: FindingKind,
    least_ns: u64,
    count: u64,
    still: u64,
    expired: u64,
    longest_ns: u64,
    period: Period,
    examples: Examples,
}

/// One connection's time in a state.
#[derive(Clone, Copy, Debug)]
struct Time {
    /// Since when it was seen there; `None` where that is not known.
    since: Option<MonoNs>,
    ns: u64,
    is_open: bool,
    /// Whether the kernel let it expire.
    is_expired: bool,
}

impl Stay {
    fn add(&mut self, time: Time, example: Example) {
        if time.ns < self.least_ns && !time.is_expired {
            return;
        }
        self.count += 1;
        self.still += u64::from(time.is_open);
        self.expired += u64::from(time.is_expired);
        self.longest_ns = self.longest_ns.max(time.ns);
        if let Some(since) = time.since {
            self.period.include(since);
            self.period.include(since.plus(time.ns));
        }
        self.examples
            .keep_longest(example.lasting(time.ns, time.is_open));
    }
}

impl Staying {
    pub(super) fn new(thresholds: &Thresholds) -> Self {
        let stay = |(state, kind)| {
            let stay = Stay {
                kind,
                least_ns: thresholds.lasts(kind)?,
                count: 0,
                still: 0,
                expired: 0,
                longest_ns: 0,
                period: Period::default(),
                examples: Examples::default(),
            };
            Some((state, stay))
        };
        Self {
            stays: STATES.into_iter().filter_map(stay).collect(),
            found: BTreeMap::new(),
            is_full: false,
        }
    }

    pub(super) fn change(&mut self, change: &Change) {
        if change.origin == Origin::Snapshot {
            return self.find(change);
        }
        let found = self.found.remove(&change.conn);
        let Some(stay) = change.from.and_then(|from| self.stays.get_mut(&from)) else {
            return;
        };
        let expired = Origin::Timewait {
            end: Some(TimewaitEnd::Expired),
        };
        let is_expired = change.origin == expired;
        let example = Example::of_change(change);
        let since_found = found.filter(|found| Some(found.state) == change.from);
        if let Some(found) = since_found {
            let time = Time {
                since: Some(found.at),
                ns: change.at.since(found.at).unwrap_or_default(),
                is_open: false,
                is_expired,
            };
            stay.add(time, example);
        } else if is_expired {
            // Its life tells the time, but not that no end of the other one's came, where it is too short.
            let ns = change.in_from.and_then(seen).unwrap_or_default();
            let since = change.at.0.checked_sub(ns).map(MonoNs);
            let time = Time {
                since,
                ns,
                is_open: false,
                is_expired,
            };
            stay.add(time, example);
        }
    }

    fn find(&mut self, change: &Change) {
        if !self.stays.contains_key(&change.to) {
            return;
        }
        if self.found.len() == MOST_FOUND {
            self.is_full = true;
            return;
        }
        let found = Found {
            at: change.at,
            state: change.to,
            example: Example::of_change(change),
        };
        self.found.insert(change.conn, found);
    }

    pub(super) fn timeline(&mut self, timeline: &Timeline) {
        self.found.remove(&timeline.conn);
        let expired = matches!(
            timeline.ended,
            Some(Ending::FinWait2Over(TimewaitEnd::Expired))
        );
        for &Segment { state, start, span } in &timeline.segments {
            if expired && state == FinWait2 {
                // The change that ended it told.
                continue;
            }
            let Some(stay) = self.stays.get_mut(&state) else {
                continue;
            };
            if let Some(ns) = seen(span) {
                let time = Time {
                    since: start,
                    ns,
                    is_open: matches!(span, Span::Open(_)),
                    is_expired: false,
                };
                stay.add(time, Example::of_timeline(timeline));
            }
        }
    }

    pub(super) fn judge(mut self, end: MonoNs) -> Vec<Judged> {
        for found in std::mem::take(&mut self.found).into_values() {
            let ns = end.since(found.at).unwrap_or_default();
            let time = Time {
                since: Some(found.at),
                ns,
                is_open: true,
                is_expired: false,
            };
            if let Some(stay) = self.stays.get_mut(&found.state) {
                stay.add(time, found.example);
            }
        }
        let is_least = self.is_full;
        let stays = self.stays.into_values().filter(|stay| stay.count > 0);
        let judge = |stay: Stay| {
            Judged(Finding {
                kind: stay.kind,
                count: stay.count,
                is_least,
                since: stay.period.since,
                until: stay.period.until,
                threshold: Threshold::Lasts { ns: stay.least_ns },
                connections: stay.examples.into_vec(),
                detail: Detail::Stayed {
                    longest_ns: stay.longest_ns,
                    still: stay.still,
                    expired: stay.expired,
                },
            })
        };
        stays.map(judge).collect()
    }
}

/// How long it was seen, as far as that is sure.
pub(super) fn seen(span: Span) -> Option<u64> {
    match span {
        Span::Known(ns) | Span::Open(ns) => Some(ns),
        Span::Within { ns, error_ns } => Some(ns.saturating_sub(error_ns)),
        Span::Unknown(_) => None,
    }
}
