//! Connections that stand for a finding, a few of however many.

use std::cmp::Reverse;

use crate::model::{Family, Tuple};
use crate::track::{Change, ConnId, Owner, Timeline};

/// Most that one finding has.
pub(super) const EXAMPLES: usize = 5;

/// A connection that stands for a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// Which.
    pub conn: ConnId,
    /// Family, after folding.
    pub family: Family,
    /// Its ends.
    pub tuple: Tuple,
    /// Whose it is.
    pub owner: Owner,
    /// Inode number of the network namespace.
    pub netns: Option<u32>,
    /// For how long it was seen in the state that the finding is about, nanoseconds.
    pub ns: Option<u64>,
    /// Whether it was in it still.
    pub is_open: bool,
}

impl Example {
    pub(super) fn of_change(change: &Change) -> Self {
        Self {
            conn: change.conn,
            family: change.family,
            tuple: change.tuple,
            owner: change.owner,
            netns: change.netns,
            ns: None,
            is_open: false,
        }
    }

    pub(super) fn of_timeline(timeline: &Timeline) -> Self {
        Self {
            conn: timeline.conn,
            family: timeline.family,
            tuple: timeline.tuple,
            owner: timeline.owner,
            netns: timeline.netns,
            ns: None,
            is_open: false,
        }
    }

    /// The same, seen for so long.
    pub(super) fn lasting(self, ns: u64, is_open: bool) -> Self {
        Self {
            ns: Some(ns),
            is_open,
            ..self
        }
    }
}

/// The first ones, or the longest.
#[derive(Debug, Default)]
pub(super) struct Examples(Vec<Example>);

impl Examples {
    /// Keeps the first ones that come.
    pub(super) fn keep_first(&mut self, example: Example) {
        if self.0.len() < EXAMPLES {
            self.0.push(example);
        }
    }

    /// Keeps the latest ones.
    pub(super) fn keep_latest(&mut self, example: Example) {
        if self.0.len() == EXAMPLES {
            self.0.remove(0);
        }
        self.0.push(example);
    }

    /// Keeps those that lasted longest, the longest first; of two that lasted as long, the older one.
    pub(super) fn keep_longest(&mut self, example: Example) {
        let rank = |one: &Example| (Reverse(one.ns), one.conn);
        let at = self.0.partition_point(|one| rank(one) <= rank(&example));
        self.0.insert(at, example);
        self.0.truncate(EXAMPLES);
    }

    pub(super) fn into_vec(self) -> Vec<Example> {
        self.0
    }
}
