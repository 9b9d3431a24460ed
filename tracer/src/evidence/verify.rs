//! Is a file whole and unaltered? And if not, what of it is good.

use std::io::Read;

use super::chain::Chain;
use super::damage::{Damage, EvidenceError, What};
use super::entry::{Entry, Head};
use super::reader::Reader;
use super::seal::{Sealed, Totals};
use super::writer::Previous;
use crate::model::{Clock, ClockStep};

/// The most damages, and the most steps of the clock, that are told one by one.
const MOST_TOLD: usize = 1000;

/// What is true of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The head, if it could be read.
    pub head: Option<Head>,
    /// What is whole. Of a damaged file it leaves out what is not.
    pub totals: Totals,
    /// Losses that the trace told.
    pub losses: u64,
    /// Records that were lost by them.
    pub lost: u64,
    /// When the wall clock was set, or the host suspended; at most a thousand.
    pub clock_steps: Vec<ClockStep>,
    /// How the file ended; `None` if nothing ends it, as after a kill.
    pub sealed: Option<Sealed>,
    /// Whether the trace's own end is in it.
    pub ended: bool,
    /// Entries and frames that only a later version knows.
    pub unknown_entries: u64,
    /// Number of the file's first frame.
    pub first_frame: u64,
    /// Last chain value of the file before, if the file says that it goes on with another one's trace.
    pub previous: Option<Chain>,
    /// Where the file ends: the chain value that stands for all of it, and what the next file of the same
    /// trace goes on from.
    pub end: Previous,
    /// Bytes that were read.
    pub bytes: u64,
    /// Every damage, in the order of the file; at most a thousand.
    pub damages: Vec<Damage>,
    /// How many damages there are in all.
    pub damage_count: u64,
}

impl Verdict {
    /// Returns whether the file is whole and unaltered, as far as it can tell of itself: no damage, and a
    /// seal.
    pub fn is_whole(&self) -> bool {
        self.damage_count == 0 && self.sealed.is_some()
    }

    fn damage(&mut self, damage: Damage) {
        self.damage_count += 1;
        if self.damages.len() < MOST_TOLD {
            self.damages.push(damage);
        }
    }

    fn step(&mut self, before: Clock, now: Clock) {
        if self.clock_steps.len() < MOST_TOLD {
            self.clock_steps.extend(now.step_since(before));
        }
    }
}

/// Reads a file to its end, whatever is damaged in it. `expected` is where the file before it ended, if it
/// is to go on there.
///
/// # Errors
///
/// It cannot be read as evidence at all.
pub fn verify<R: Read>(from: R, expected: Option<Previous>) -> Result<Verdict, EvidenceError> {
    let mut reader = Reader::open(from)?;
    reader.walk_on();
    let mut verdict = Verdict {
        head: None,
        totals: Totals::default(),
        losses: 0,
        lost: 0,
        clock_steps: Vec::new(),
        sealed: None,
        ended: false,
        unknown_entries: 0,
        first_frame: reader.first_frame(),
        previous: reader.previous(),
        end: reader.end(),
        bytes: 0,
        damages: Vec::new(),
        damage_count: 0,
    };
    if let Some(expected) = expected
        && (reader.previous() != Some(expected.chain)
            || reader.first_frame() != expected.sequence.saturating_add(1))
    {
        verdict.damage(Damage {
            offset: 0,
            frame: reader.first_frame(),
            what: What::Continuation,
            good: Default::default(),
        });
    }
    let mut clock = None;
    while let Some(next) = reader.next() {
        match next {
            Err(damage) => verdict.damage(damage),
            Ok(Entry::Head(head)) => {
                clock = Some(head.clock);
                verdict.head.get_or_insert(*head);
            }
            Ok(Entry::Clock(now)) => {
                if let Some(before) = clock.replace(now) {
                    verdict.step(before, now);
                }
            }
            Ok(Entry::Turn(turn)) => {
                verdict.losses += turn.losses.len() as u64;
                let lost = turn.losses.iter().map(|loss| loss.lost);
                verdict.lost = lost.fold(verdict.lost, u64::saturating_add);
            }
            Ok(Entry::End(_)) => verdict.ended = true,
            Ok(_) => (),
        }
    }
    verdict.totals = reader.totals();
    verdict.sealed = reader.sealed();
    verdict.unknown_entries = reader.unknown_entries();
    verdict.end = reader.end();
    verdict.bytes = reader.offset();
    Ok(verdict)
}
