//! Many half-open connections that fail in a short time: a SYN flood, or a scan.
//!
//! The kernel waits for the last ACK of a handshake for a minute, and a flood may be shorter, and so may the
//! trace: those that have been waiting for a while at its end count too, by when they began. Those that
//! failed of something else than the other end, such as a full queue, do not.

use super::burst::Burst;
use super::example::{Example, Examples};
use super::finding::{Detail, Finding, Judged};
use super::staying::seen;
use crate::model::TcpState::SynRecv;
use crate::model::{FindingKind, MonoNs, RequestEnd, Threshold, Thresholds};
use crate::track::{Span, Timeline};

/// The SYN-ACK was sent a third time by then: after one second, and after two more.
const WAITED_NS: u64 = 3_000_000_000;

/// Judges how many half-open connections fail within a time.
#[derive(Debug)]
pub(super) struct HalfOpen(Option<Counted>);

#[derive(Debug)]
struct Counted {
    within: (u64, u64),
    /// Those that failed, by when they did.
    failed: Burst,
    /// Those that did not, by when they began. They are all told at the end, the oldest first.
    waiting: Burst,
    timed_out: u64,
    reset: u64,
    still: u64,
    undated: u64,
    examples: Examples,
}

impl HalfOpen {
    pub(super) fn new(thresholds: &Thresholds) -> Self {
        Self(
            thresholds
                .within(FindingKind::HalfOpenFlood)
                .map(|within| Counted {
                    within,
                    failed: Burst::new(within),
                    waiting: Burst::new(within),
                    timed_out: 0,
                    reset: 0,
                    still: 0,
                    undated: 0,
                    examples: Examples::default(),
                }),
        )
    }

    pub(super) fn timeline(&mut self, timeline: &Timeline, ended_at: Option<MonoNs>) {
        let Some(counted) = &mut self.0 else {
            return;
        };
        match timeline.half_open_end {
            Some(RequestEnd::TimedOut) => {
                counted.timed_out += 1;
                counted.fail(timeline, ended_at);
            }
            Some(RequestEnd::Reset) => {
                counted.reset += 1;
                counted.fail(timeline, ended_at);
            }
            None if timeline.ended.is_none() => counted.wait(timeline),
            _ => {}
        }
    }

    pub(super) fn judge(self) -> Option<Judged> {
        let counted = self.0?;
        let (count, ns) = counted.within;
        let in_bursts = counted.failed.count() + counted.waiting.count();
        let mut period = counted.failed.period();
        let waiting = counted.waiting.period();
        for at in [waiting.since, waiting.until].into_iter().flatten() {
            period.include(at);
        }
        (in_bursts > 0).then(|| {
            Judged(Finding {
                kind: FindingKind::HalfOpenFlood,
                count: in_bursts,
                is_least: counted.undated > 0,
                since: period.since,
                until: period.until,
                threshold: Threshold::Within { count, ns },
                connections: counted.examples.into_vec(),
                detail: Detail::HalfOpen {
                    most: counted.failed.most().max(counted.waiting.most()),
                    timed_out: counted.timed_out,
                    reset: counted.reset,
                    still: counted.still,
                },
            })
        })
    }
}

impl Counted {
    fn fail(&mut self, timeline: &Timeline, ended_at: Option<MonoNs>) {
        let Some(at) = ended_at else {
            self.undated += 1;
            return;
        };
        self.failed.add(at);
        self.failed
            .keep(&mut self.examples, Example::of_timeline(timeline));
    }

    fn wait(&mut self, timeline: &Timeline) {
        let Some(last) = timeline.segments.last() else {
            return;
        };
        let waits = |span: Span| seen(span).filter(|&ns| ns >= WAITED_NS);
        let (SynRecv, Some(start), Some(ns)) = (last.state, last.start, waits(last.span)) else {
            return;
        };
        self.still += 1;
        self.waiting.add(start);
        if self.failed.count() == 0 {
            let example = Example::of_timeline(timeline).lasting(ns, true);
            self.waiting.keep(&mut self.examples, example);
        }
    }
}
