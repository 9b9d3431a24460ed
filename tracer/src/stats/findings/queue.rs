//! Connections that a listener's accept queue had no room for.
//!
//! The half-open connections that failed of it are one side, the kernel's counters the other: a SYN or an
//! ACK that is dropped leaves no socket behind. The counters are those of the namespaces that are traced; where
//! filters leave connections out, they say nothing about what is shown.

use super::example::{Example, Examples};
use super::finding::{Detail, Finding, Judged, Period};
use crate::model::{FindingKind, MonoNs, RequestEnd, Threshold, Thresholds};
use crate::stats::Comparison;
use crate::track::Timeline;

/// The counters that tell of it.
const COUNTERS: [&str; 2] = ["ListenOverflows", "TCPReqQFullDrop"];

/// Judges what a full queue cost.
#[derive(Debug)]
pub(super) struct AcceptQueue(Option<Counted>);

#[derive(Debug)]
struct Counted {
    least: u64,
    failed: u64,
    period: Period,
    examples: Examples,
}

impl AcceptQueue {
    pub(super) fn new(thresholds: &Thresholds) -> Self {
        let least = thresholds.count(FindingKind::AcceptQueueOverflow);
        Self(least.map(|least| Counted {
            least,
            failed: 0,
            period: Period::default(),
            examples: Examples::default(),
        }))
    }

    pub(super) fn timeline(&mut self, timeline: &Timeline, ended_at: Option<MonoNs>) {
        let Some(counted) = &mut self.0 else {
            return;
        };
        if timeline.half_open_end != Some(RequestEnd::AcceptQueueFull) {
            return;
        }
        counted.failed += 1;
        let begun = timeline.segments.last().and_then(|last| last.start);
        for at in [begun, ended_at].into_iter().flatten() {
            counted.period.include(at);
        }
        counted.examples.keep_first(Example::of_timeline(timeline));
    }

    pub(super) fn judge(self, kernel: &[Comparison]) -> Option<Judged> {
        let counted = self.0?;
        let moved = |name: &'static str| {
            let one = kernel.iter().find(|one| one.counter == name)?;
            let moved = u64::try_from(one.kernel?).ok()?;
            (moved > 0).then_some((name, moved))
        };
        let kernel: Vec<(&'static str, u64)> = COUNTERS.into_iter().filter_map(moved).collect();
        // Each connection that failed is among those that were dropped, perhaps more than once.
        let dropped: u64 = kernel.iter().map(|(_, moved)| moved).sum();
        let count = dropped.max(counted.failed);
        let finding = Finding {
            kind: FindingKind::AcceptQueueOverflow,
            count,
            is_least: kernel.is_empty(),
            since: counted.period.since,
            until: counted.period.until,
            threshold: Threshold::Count(counted.least),
            connections: counted.examples.into_vec(),
            detail: Detail::Queue {
                failed: counted.failed,
                kernel,
            },
        };
        (count >= counted.least.max(1)).then_some(Judged(finding))
    }
}
