//! What waits for a disk that takes nothing at the moment, and what had to be let go meanwhile.

use std::collections::VecDeque;

use crate::evidence::{Entry, Turn};
use crate::model::{Batch, Loss, LossCause, MonoNs, decode, is_beside};

/// Bytes of turns that wait. On a quiet host that is minutes, on the busiest a fraction of a second.
const MOST_BYTES: usize = 8 << 20;
/// Bytes that wait beyond that of what in a turn is no record.
const MOST_BESIDE: usize = 8 << 20;
/// Entries that wait, records or not.
const MOST_ENTRIES: usize = 64 << 10;

/// Entries that could not be written yet, in their order, and what was lost behind them.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    entries: VecDeque<Entry>,
    bytes: usize,
    lost: Lost,
    /// Whether nothing but the end of the trace is taken any more.
    is_closed: bool,
}

/// Records that will never be in the evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) records: u64,
    /// How many of these told of no change.
    beside: u64,
    span: Option<(MonoNs, MonoNs)>,
}

impl Backlog {
    /// Takes an entry that is no turn.
    pub(super) fn entry(&mut self, entry: &Entry) {
        match entry {
            Entry::Turn(turn) => self.turn(turn),
            // They come when the trace ends, and without them a reader cannot know how.
            Entry::Closing(_) | Entry::End(_) => self.entries.push_back(entry.clone()),
            _ if !self.is_closed && self.entries.len() < MOST_ENTRIES => {
                self.entries.push_back(entry.clone());
            }
            _ => {}
        }
    }

    /// Takes a turn; of one that comes when the room is used up, what is no record.
    pub(super) fn turn(&mut self, turn: &Turn) {
        let bytes = turn.batch.bytes() + beside(turn);
        let has_room = !self.is_closed
            && self.bytes + bytes <= MOST_BYTES
            && self.entries.len() < MOST_ENTRIES;
        // Once something was lost, all records behind it are: the loss is one gap, at one place.
        if has_room && self.lost.records == 0 {
            self.bytes += bytes;
            self.entries.push_back(Entry::Turn(turn.clone()));
            return;
        }
        self.lost.add_batch(&turn.batch);
        if self.is_closed {
            return self.lost.add_losses(&turn.losses);
        }
        let rest = Turn {
            batch: Batch::default(),
            ..turn.clone()
        };
        let tells = !rest.losses.is_empty() || rest.asked.is_some();
        let bytes = beside(&rest);
        let has_room = self.entries.len() < MOST_ENTRIES;
        if !has_room || self.bytes + bytes > MOST_BYTES + MOST_BESIDE {
            self.lost.add_losses(&rest.losses);
            return self.lost.add_answers(&rest);
        }
        if tells {
            self.bytes += bytes;
            self.entries.push_back(Entry::Turn(rest));
        }
    }

    /// Counts records that were let go elsewhere.
    pub(super) fn add_lost(&mut self, lost: Lost) {
        self.lost.add(lost);
    }

    /// Lets everything go but the end of the trace, and takes nothing else from now on.
    pub(super) fn close(&mut self) {
        for entry in std::mem::take(&mut self.entries) {
            match entry {
                Entry::Turn(turn) => {
                    self.lost.add_batch(&turn.batch);
                    self.lost.add_losses(&turn.losses);
                }
                Entry::Closing(_) | Entry::End(_) => self.entries.push_back(entry),
                _ => {}
            }
        }
        self.is_closed = true;
    }

    /// Hands out the oldest entry; behind the last one, what was lost, as the kernel's losses are told.
    pub(super) fn pop(&mut self, now: MonoNs) -> Option<Entry> {
        let tells_end = matches!(
            self.entries.front(),
            Some(Entry::Closing(_) | Entry::End(_))
        );
        let entry = match tells_end {
            // What was lost came before the end.
            true => None,
            false => self.entries.pop_front(),
        };
        if let Some(Entry::Turn(turn)) = &entry {
            let bytes = turn.batch.bytes() + beside(turn);
            self.bytes = self.bytes.saturating_sub(bytes);
        }
        entry
            .or_else(|| std::mem::take(&mut self.lost).entry(now))
            .or_else(|| self.entries.pop_front())
    }

    /// Returns how many records are lost.
    pub(super) fn lost(&self) -> u64 {
        self.lost.records
    }

    /// Returns how many records wait.
    pub(super) fn waiting(&self) -> u64 {
        let waiting = self.entries.iter().map(|entry| match entry {
            Entry::Turn(turn) => turn.batch.len() as u64,
            _ => 0,
        });
        waiting.sum()
    }
}

/// How many bytes of memory a turn takes beside its records.
fn beside(turn: &Turn) -> usize {
    let answers = turn.asked.as_ref().map_or(&[][..], |asked| &asked.answers);
    size_of::<Entry>() + size_of_val(turn.losses.as_slice()) + size_of_val(answers)
}

impl Lost {
    /// Records that were made between two moments.
    pub(super) fn between(records: u64, beside: u64, since: MonoNs, until: MonoNs) -> Self {
        Self {
            records,
            beside,
            span: Some((since, until)),
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        if other.records == 0 {
            return;
        }
        self.records += other.records;
        self.beside += other.beside;
        self.span = match (self.span, other.span) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
    }

    fn add_batch(&mut self, batch: &Batch) {
        for record in batch.records() {
            let at = decode(record).ok().and_then(|event| event.at());
            self.add(Self {
                records: 1,
                beside: u64::from(is_beside(record)),
                span: at.map(|at| (at, at)),
            });
        }
    }

    /// What the kernel lost has its place in the evidence no longer, and is missing there all the same.
    fn add_losses(&mut self, losses: &[Loss]) {
        for loss in losses {
            self.add_loss(loss);
        }
    }

    /// Nobody will know what was answered, though it tells of no change.
    fn add_answers(&mut self, turn: &Turn) {
        if let Some(asked) = &turn.asked {
            let answers = asked.answers.len() as u64;
            self.add(Self::between(answers, answers, asked.now, asked.now));
        }
    }

    pub(super) fn add_loss(&mut self, loss: &Loss) {
        self.add(Self::between(
            loss.lost,
            loss.beside,
            loss.since,
            loss.until,
        ));
    }

    /// As it stands in the stream; `None` where nothing was lost.
    fn entry(self, now: MonoNs) -> Option<Entry> {
        let (since, until) = self.span.unwrap_or((now, now));
        let loss = Loss {
            beside: self.beside,
            cause: LossCause::NotRecorded,
            lost: self.records,
            since,
            until,
        };
        (self.records > 0).then(|| {
            Entry::Turn(Turn {
                losses: vec![loss],
                // No record that was read before comes after it.
                emptied: true,
                ..Turn::default()
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Asked;
    use crate::model::{Answer, Look, Question, Tuple};
    use crate::store::tests::{record, turn};

    fn drain(backlog: &mut Backlog) -> Vec<Entry> {
        std::iter::from_fn(|| backlog.pop(MonoNs(99))).collect()
    }

    /// How many records of one turn have room.
    fn fitting() -> usize {
        (MOST_BYTES - size_of::<Entry>()) / record(0).len()
    }

    #[test]
    fn what_fits_is_handed_out_as_it_came() {
        let mut backlog = Backlog::default();
        backlog.entry(&Entry::ExistingComplete);
        backlog.turn(&turn(&[1, 2]));
        backlog.entry(&Entry::End(MonoNs(3)));
        assert_eq!((backlog.lost(), backlog.waiting()), (0, 2));
        let expected = [
            Entry::ExistingComplete,
            Entry::Turn(turn(&[1, 2])),
            Entry::End(MonoNs(3)),
        ];
        assert_eq!(drain(&mut backlog), expected);
        assert_eq!(backlog.pop(MonoNs(99)), None);
    }

    #[test]
    fn what_does_not_fit_is_one_loss_behind_what_does_and_before_the_end() {
        let mut backlog = Backlog::default();
        let fits = fitting();
        let many: Vec<u64> = (0..fits as u64).collect();
        backlog.turn(&turn(&many));
        backlog.turn(&turn(&[7000, 7005, 6999]));
        let told = Turn {
            losses: vec![Loss {
                beside: 0,
                cause: LossCause::Recursion,
                lost: 4,
                since: MonoNs(1),
                until: MonoNs(2),
            }],
            ..turn(&[8000])
        };
        backlog.turn(&told);
        backlog.entry(&Entry::End(MonoNs(9000)));
        assert_eq!((backlog.lost(), backlog.waiting()), (4, fits as u64));

        let entries = drain(&mut backlog);
        assert_eq!(entries.len(), 4, "{:?}", &entries[1..]);
        assert_eq!(entries[0], Entry::Turn(turn(&many)));
        let rest = Turn {
            batch: Batch::default(),
            ..told
        };
        assert_eq!(entries[1], Entry::Turn(rest));
        let Entry::Turn(gap) = &entries[2] else {
            panic!("no gap: {:?}", entries[2]);
        };
        let loss = Loss {
            beside: 0,
            cause: LossCause::NotRecorded,
            lost: 4,
            since: MonoNs(6999),
            until: MonoNs(8000),
        };
        assert_eq!((&gap.losses, gap.emptied), (&vec![loss], true));
        assert_eq!(entries[3], Entry::End(MonoNs(9000)));
        assert_eq!(backlog.pop(MonoNs(99)), None);
    }

    #[test]
    fn what_would_fit_behind_a_gap_belongs_to_it() {
        let mut backlog = Backlog::default();
        let all_but_one = fitting() - 1;
        backlog.turn(&turn(&vec![1; all_but_one]));
        backlog.turn(&turn(&[2, 3]));
        backlog.turn(&turn(&[4]));
        assert_eq!((backlog.lost(), backlog.waiting()), (3, all_but_one as u64));
    }

    #[test]
    fn losses_for_which_there_is_no_room_count_with_what_is_lost() {
        let mut backlog = Backlog::default();
        backlog.turn(&turn(&vec![5; fitting() + 1]));
        let loss = |lost| Loss {
            beside: 0,
            cause: LossCause::RingFull { cpu: 0 },
            lost,
            since: MonoNs(1),
            until: MonoNs(2),
        };
        let telling = Turn {
            losses: vec![loss(1)],
            ..turn(&[])
        };
        let turns = 2 * (MOST_BYTES + MOST_BESIDE) / beside(&telling);
        for _ in 0..turns {
            backlog.turn(&telling);
        }
        assert!(backlog.entries.len() < turns, "there is room for all");
        let told = drain(&mut backlog).into_iter().map(|entry| match entry {
            Entry::Turn(turn) => turn.losses.iter().map(|loss| loss.lost).sum::<u64>(),
            _ => 0,
        });
        assert_eq!(told.sum::<u64>(), (fitting() + 1 + turns) as u64);
    }

    #[test]
    fn answers_for_which_there_is_no_room_are_lost_records_of_no_change() {
        let answer = (
            Question {
                netns: 1,
                tuple: Tuple::default(),
                cookie: 2,
                interface: None,
            },
            Look {
                ticked: MonoNs(5),
                before: MonoNs(6),
                after: MonoNs(7),
                answer: Answer::Absent,
            },
        );
        let mut lost = Lost::default();
        lost.add_answers(&Turn {
            asked: Some(Asked {
                now: MonoNs(6),
                answers: vec![answer; 3],
            }),
            ..turn(&[])
        });
        assert_eq!(lost, Lost::between(3, 3, MonoNs(6), MonoNs(6)));
    }

    #[test]
    fn what_is_let_go_counts() {
        let mut backlog = Backlog::default();
        backlog.turn(&turn(&[1, 2]));
        backlog.entry(&Entry::End(MonoNs(3)));
        backlog.close();
        backlog.turn(&turn(&[4]));
        backlog.turn(&turn(&[]));
        backlog.entry(&Entry::ExistingComplete);
        assert_eq!((backlog.lost(), backlog.waiting()), (3, 0));
        let entries = drain(&mut backlog);
        assert!(
            matches!(&entries[..], [Entry::Turn(gap), Entry::End(_)] if gap.losses[0].lost == 3)
        );
    }
}
