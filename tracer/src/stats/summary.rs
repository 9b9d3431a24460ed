//! The figures of a whole session.

use std::collections::BTreeMap;

use crate::model::TcpState;
use crate::track::{Origin, Output};

use super::{Comparison, Durations, StateFigures};

/// What a session amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// State changes shown.
    pub changes: u64,
    /// State changes known to be lost, of any connection.
    pub lost: u64,
    /// Connections that changed and were shown.
    pub connections: u64,
    /// Connections that were let go because too many were alive.
    pub evicted: u64,
    /// From the first moment at which every change is seen to the end, nanoseconds.
    pub duration_ns: u64,
    /// Times spent in each state, over the connections shown.
    pub states: BTreeMap<TcpState, StateFigures>,
    /// The kernel's own counters, or why they were not compared.
    pub kernel: Result<Vec<Comparison>, String>,
}

/// Adds up what is shown.
#[derive(Debug, Default)]
pub struct SummaryBuilder {
    changes: u64,
    lost: u64,
    connections: u64,
    durations: Durations,
}

impl SummaryBuilder {
    /// Takes in an output.
    pub fn add(&mut self, output: &Output) {
        match output {
            Output::Change(change) => {
                if matches!(change.origin, Origin::Tracepoint { .. }) {
                    self.changes += 1;
                }
            }
            Output::Loss(loss) => self.lost += loss.lost,
            // Each connection that changed is told exactly once.
            Output::Timeline(timeline) => {
                self.connections += 1;
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
        kernel: Result<Vec<Comparison>, String>,
    ) -> Summary {
        Summary {
            changes: self.changes,
            lost: self.lost,
            connections: self.connections,
            evicted,
            duration_ns,
            states: self.durations.figures(),
            kernel,
        }
    }
}
