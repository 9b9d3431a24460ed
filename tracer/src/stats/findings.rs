//! What a trace shows to be wrong or suspicious, apart from the facts that it shows it by.
//!
//! Everything is judged from what the tracker lets out, so that it is about the connections shown, and a
//! replay finds the same. It is told at the end, since most of it is about how long, or how many.
//!
//! What is kept is bounded, however many connections a host has: figures, a few examples of each finding,
//! and as many as `MOST_FOUND` connections that were in a state from the beginning.
//!
//! **Owns:** what makes each finding, beside its threshold.
//! **Never:** a clock; a time or a number that the trace does not know. Where changes were lost, a finding
//! says "at least".

mod burst;
mod connects;
mod example;
mod finding;
mod half_open;
mod per_request;
mod ports;
mod queue;
mod resets;
mod staying;

#[cfg(test)]
mod tests;

use crate::model::{MonoNs, TcpSettings, Thresholds};
use crate::track::{Change, Output, Timeline};

pub use example::Example;
pub use finding::{Detail, Finding, PortsShort, Service};

use super::Comparison;
use connects::Connects;
use finding::Judged;
use half_open::HalfOpen;
use per_request::PerRequest;
use ports::PortExhaustion;
use queue::AcceptQueue;
use resets::Resets;
use staying::Staying;

/// Connections followed that stood in a state as the trace began.
const MOST_FOUND: usize = 8192;

/// Judges a trace.
#[derive(Debug)]
pub struct Findings {
    staying: Staying,
    connects: Connects,
    ports: PortExhaustion,
    per_request: PerRequest,
    resets: Resets,
    half_open: HalfOpen,
    queue: AcceptQueue,
    lost: u64,
}

impl Findings {
    /// Begins with nothing found.
    pub fn new(thresholds: &Thresholds) -> Self {
        Self {
            staying: Staying::new(thresholds),
            connects: Connects::new(thresholds),
            ports: PortExhaustion::new(thresholds),
            per_request: PerRequest::new(thresholds),
            resets: Resets::new(thresholds),
            half_open: HalfOpen::new(thresholds),
            queue: AcceptQueue::new(thresholds),
            lost: 0,
        }
    }

    /// Takes in what a network namespace allowed as the trace began.
    pub fn learn(&mut self, netns: u32, settings: &TcpSettings) {
        self.ports.learn(netns, settings);
    }

    /// Says that there are no more namespaces to learn of.
    pub fn learnt(&mut self) {
        self.ports.learnt();
    }

    /// Takes in an output.
    pub fn add(&mut self, output: &Output) {
        match output {
            Output::Change(change) if !change.is_listener() => self.change(change),
            Output::Timeline(timeline) if !timeline.is_listener() => self.timeline(timeline),
            Output::Loss(loss) => {
                self.lost = self.lost.saturating_add(loss.changes());
                self.ports.lose(loss.until);
            }
            _ => {}
        }
    }

    fn change(&mut self, change: &Change) {
        self.staying.change(change);
        self.ports.change(change);
        self.per_request.change(change);
    }

    fn timeline(&mut self, timeline: &Timeline) {
        let ended_at = timeline.ended_at;
        self.staying.timeline(timeline);
        self.connects.timeline(timeline);
        self.ports.timeline(timeline, ended_at);
        self.resets.timeline(timeline, ended_at);
        self.half_open.timeline(timeline, ended_at);
        self.queue.timeline(timeline, ended_at);
    }

    /// Returns what was found by the end of the trace, in the order of [`FindingKind::ALL`].
    ///
    /// So many connections were let go because too many were alive; `kernel` are its own counters, where
    /// they tell of these connections.
    ///
    /// [`FindingKind::ALL`]: crate::model::FindingKind::ALL
    pub fn finish(self, end: MonoNs, evicted: u64, kernel: &[Comparison]) -> Vec<Finding> {
        let is_least = self.lost > 0 || evicted > 0;
        let mut judged: Vec<Judged> = self.staying.judge(end);
        judged.extend(self.connects.judge());
        judged.extend(self.ports.judge());
        judged.extend(self.per_request.judge());
        judged.extend(self.resets.judge());
        judged.extend(self.half_open.judge());
        judged.extend(self.queue.judge(kernel));
        judged.sort_by_key(|one| one.0.kind);
        let tell = |Judged(finding)| Finding {
            is_least: finding.is_least || is_least,
            ..finding
        };
        judged.into_iter().map(tell).collect()
    }
}
