//! The figures of a whole session.

mod hidden;

use std::collections::BTreeMap;

use crate::model::TcpState;
use crate::track::{Origin, Output};

use super::{Comparison, Durations, StateFigures};
use hidden::Hidden;
pub use hidden::{HalfOpenFigures, Methods, TimeWaitFigures, TimewaitSockets};

/// What a session amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// State changes shown, whoever told them; sockets that were found are none.
    pub changes: u64,
    /// State changes known to be lost, of any connection.
    pub lost: u64,
    /// Records known to be lost that told of no change: of a process, a use, a segment, or what was carried.
    pub lost_beside: u64,
    /// Connections that changed and were shown.
    pub connections: u64,
    /// Connections that were let go because too many were alive.
    pub evicted: u64,
    /// Processes whose connections were to be shown and are not: too many were followed at once.
    pub not_followed: u64,
    /// From the first moment at which every change is seen to the end, nanoseconds.
    pub duration_ns: u64,
    /// Times spent in each state, over the connections shown.
    pub states: BTreeMap<TcpState, StateFigures>,
    /// How the hidden states were followed.
    pub methods: Methods,
    /// What became of TIME_WAIT; `None` where it was not followed.
    pub time_wait: Option<TimeWaitFigures>,
    /// What became of half-open connections; `None` where they were not followed.
    pub half_open: Option<HalfOpenFigures>,
    /// The kernel's own counters, or why they were not compared.
    pub kernel: Result<Vec<Comparison>, String>,
}

/// Adds up what is shown.
#[derive(Debug, Default)]
pub struct SummaryBuilder {
    changes: u64,
    lost: u64,
    lost_beside: u64,
    connections: u64,
    durations: Durations,
    methods: Methods,
    hidden: Hidden,
}

impl SummaryBuilder {
    /// Begins with nothing but how the hidden states are followed.
    pub fn new(methods: Methods) -> Self {
        Self {
            methods,
            ..Self::default()
        }
    }

    /// Takes in an output.
    pub fn add(&mut self, output: &Output) {
        match output {
            Output::Change(change) => {
                self.changes += u64::from(change.origin != Origin::Snapshot);
                self.hidden.add_change(change);
            }
            Output::Loss(loss) => {
                self.lost = self.lost.saturating_add(loss.changes());
                self.lost_beside = self.lost_beside.saturating_add(loss.beside);
            }
            Output::Held(_) => {}
            // Each connection that changed is told exactly once.
            Output::Timeline(timeline) => {
                self.connections += 1;
                self.hidden.add_timeline(timeline);
                for segment in &timeline.segments {
                    self.durations.add(segment.state, segment.span);
                }
            }
        }
    }

    /// Makes the summary.
    pub fn finish(
        &self,
        duration_ns: u64,
        evicted: u64,
        timewait: TimewaitSockets,
        kernel: Result<Vec<Comparison>, String>,
    ) -> Summary {
        let Methods {
            time_wait,
            half_open,
        } = self.methods;
        Summary {
            changes: self.changes,
            lost: self.lost,
            lost_beside: self.lost_beside,
            connections: self.connections,
            evicted,
            not_followed: 0,
            duration_ns,
            states: self.durations.figures(),
            methods: self.methods,
            time_wait: time_wait.map(|_| self.hidden.time_wait(timewait)),
            half_open: half_open.map(|_| self.hidden.half_open()),
            kernel,
        }
    }
}

#[cfg(test)]
mod tests;
