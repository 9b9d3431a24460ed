//! Many connections that end by a reset in a short time.
//!
//! A refused connect is none of them, nor a half-open connection: they are findings of their own.

use super::burst::Burst;
use super::example::{Example, Examples};
use super::finding::{Detail, Finding, Judged};
use crate::model::TcpState::{CloseWait, Established};
use crate::model::{FindingKind, MonoNs, Thresholds};
use crate::track::{Ending, Timeline};

/// Judges how many resets there are within a time.
#[derive(Debug)]
pub(super) struct Resets(Option<Counted>);

#[derive(Debug)]
struct Counted {
    within: (u64, u64),
    burst: Burst,
    by_peer: u64,
    by_us: u64,
    /// Of which it is not known when.
    undated: u64,
    examples: Examples,
}

/// Who reset a connection.
enum By {
    Peer,
    Us,
}

/// Returns who reset a connection, if it ended so.
fn reset_by(timeline: &Timeline) -> Option<By> {
    let last = timeline.segments.last()?.state;
    match timeline.ended? {
        Ending::ResetByPeer => Some(By::Peer),
        Ending::Aborted
        | Ending::AbortedUnread(_)
        | Ending::AbortedByLinger
        | Ending::ListenerGone
            if matches!(last, Established | CloseWait) =>
        {
            Some(By::Us)
        }
        _ => None,
    }
}

impl Resets {
    pub(super) fn new(thresholds: &Thresholds) -> Self {
        Self(
            thresholds
                .within(FindingKind::ResetStorm)
                .map(|within| Counted {
                    within,
                    burst: Burst::new(within),
                    by_peer: 0,
                    by_us: 0,
                    undated: 0,
                    examples: Examples::default(),
                }),
        )
    }

    pub(super) fn timeline(&mut self, timeline: &Timeline, ended_at: Option<MonoNs>) {
        let (Some(counted), Some(by)) = (&mut self.0, reset_by(timeline)) else {
            return;
        };
        let Some(at) = ended_at else {
            counted.undated += 1;
            return;
        };
        match by {
            By::Peer => counted.by_peer += 1,
            By::Us => counted.by_us += 1,
        }
        counted.burst.add(at);
        counted
            .burst
            .keep(&mut counted.examples, Example::of_timeline(timeline));
    }

    pub(super) fn judge(self) -> Option<Judged> {
        let counted = self.0?;
        let (count, ns) = counted.within;
        let period = counted.burst.period();
        (counted.burst.count() > 0).then(|| {
            Judged(Finding {
                kind: FindingKind::ResetStorm,
                count: counted.burst.count(),
                is_least: counted.undated > 0,
                since: period.since,
                until: period.until,
                threshold: crate::model::Threshold::Within { count, ns },
                connections: counted.examples.into_vec(),
                detail: Detail::Resets {
                    most: counted.burst.most(),
                    by_peer: counted.by_peer,
                    by_us: counted.by_us,
                },
            })
        })
    }
}
