//! What a frame or a file holds, so that it can be told what goes with it.

use crate::evidence::Turn;
use crate::model::{LATE_NS, LossCause, MonoNs, decode, is_beside};
use crate::store::backlog::Lost;

/// Records, and losses that stand between them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Records.
    pub(super) records: u64,
    /// How many of these tell of no change.
    beside: u64,
    /// Of the losses, what the disk did not take.
    pub(super) not_recorded: u64,
    /// No record is older.
    since: Option<MonoNs>,
    /// All losses.
    losses: Lost,
}

impl Tally {
    /// Adds a turn.
    pub(super) fn add_turn(&mut self, turn: &Turn) {
        let records = turn.batch.len() as u64;
        if records > 0 && self.since.is_none() {
            let mut records = turn.batch.records();
            let at = records.find_map(|record| decode(record).ok()?.at());
            self.since = at.map(|at| MonoNs(at.0.saturating_sub(LATE_NS)));
        }
        self.records += records;
        let beside = turn.batch.records().filter(|record| is_beside(record));
        self.beside += beside.count() as u64;
        for loss in &turn.losses {
            self.losses.add_loss(loss);
            if loss.cause == LossCause::NotRecorded {
                self.not_recorded += loss.lost;
            }
        }
    }

    /// Adds what came later.
    pub(super) fn add(&mut self, later: Self) {
        self.records += later.records;
        self.beside += later.beside;
        self.not_recorded += later.not_recorded;
        self.since = self.since.or(later.since);
        self.losses.add(later.losses);
    }

    /// All of it as lost by `now`: what stood for a loss is lost as well.
    pub(super) fn lost(self, now: MonoNs) -> Lost {
        let mut lost = Lost::between(self.records, self.beside, self.since.unwrap_or(now), now);
        lost.add(self.losses);
        lost
    }
}
