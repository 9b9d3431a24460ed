//! The frame that ends a file: that it is whole, and how much it holds.

use serde::{Deserialize, Serialize};

use super::entry::{Entry, Turn};
use crate::model::MonoNs;

/// Why a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sealed {
    /// The trace ended.
    Ended,
    /// The trace goes on in another file.
    Rotated,
}

/// How much a file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Frames of entries.
    pub frames: u64,
    /// Entries.
    pub entries: u64,
    /// Records of the kernel side.
    pub records: u64,
    /// When its trace began.
    pub first: Option<MonoNs>,
    /// Latest moment that an entry tells of, of a turn's records the last one's.
    pub last: Option<MonoNs>,
}

impl Totals {
    /// Adds an entry; its records are counted apart.
    pub(super) fn entry(&mut self, entry: &Entry) {
        self.entries += 1;
        if let Entry::Head(head) = entry {
            self.first = self.first.or(Some(head.start));
        }
        let last = match entry {
            Entry::Head(head) => Some(head.start),
            Entry::Turn(turn) => last_of(turn),
            Entry::Clock(clock) => Some(clock.mono),
            Entry::Closing(closing) => Some(closing.at),
            Entry::End(at) => Some(*at),
            Entry::Existing(existing) => Some(existing.at),
            _ => None,
        };
        self.last = self.last.max(last);
    }

    /// Adds a turn, as an entry.
    pub(super) fn turn(&mut self, turn: &Turn) {
        self.entries += 1;
        self.last = self.last.max(last_of(turn));
    }
}

/// The latest moment that a turn tells of.
fn last_of(turn: &Turn) -> Option<MonoNs> {
    turn.batch.last_at().max(turn.timeout)
}

/// The line in the frame that ends a file.
#[derive(Serialize, Deserialize)]
pub(super) struct SealLine {
    end: Sealed,
    frames: u64,
    entries: u64,
    records: u64,
    first: Option<u64>,
    last: Option<u64>,
}

impl SealLine {
    pub(super) fn new(end: Sealed, totals: Totals) -> Self {
        Self {
            end,
            frames: totals.frames,
            entries: totals.entries,
            records: totals.records,
            first: totals.first.map(|at| at.0),
            last: totals.last.map(|at| at.0),
        }
    }

    pub(super) fn read(payload: &[u8]) -> Result<(Sealed, Totals), String> {
        let line: Self = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        let totals = Totals {
            frames: line.frames,
            entries: line.entries,
            records: line.records,
            first: line.first.map(MonoNs),
            last: line.last.map(MonoNs),
        };
        Ok((line.end, totals))
    }
}
