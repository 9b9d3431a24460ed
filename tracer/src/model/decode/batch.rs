//! Records on their way from the ring buffers to the decoder.
//!
//! They are copied out at once, so that the rings are free again before anybody formats or writes.

use std::cmp::Reverse;

use super::{DecodeError, Event, MonoNs, decode};
use crate::model::Loss;

/// Bytes after which a batch is full.
const FULL_BYTES: usize = 4 << 20;

/// Records in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Batch {
    /// Appends a record.
    pub fn push(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
    }

    /// Returns whether it should be worked off before more is read.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= FULL_BYTES
    }

    /// Returns whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns how many records are in it.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Hands each record to `keep`, which may change it, and drops those of which it returns false.
    pub fn retain_mut(&mut self, mut keep: impl FnMut(&mut [u8]) -> bool) {
        let (mut start, mut kept) = (0, 0);
        let bytes = &mut self.bytes;
        self.ends.retain_mut(|end| {
            let record = start..*end;
            start = *end;
            let is_kept = keep(&mut bytes[record.clone()]);
            if is_kept {
                let length = record.len();
                if record.start != kept {
                    bytes.copy_within(record, kept);
                }
                kept += length;
                *end = kept;
            }
            is_kept
        });
        self.bytes.truncate(kept);
    }

    /// Returns when the last record was made.
    pub fn last_at(&self) -> Option<MonoNs> {
        let last = self.records().last()?;
        decode(last).ok()?.at()
    }

    /// Returns the records as they are, in the order in which they came.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, &end)| &self.bytes[start..end])
    }

    /// Hands the records on as events, with each loss before the first record that is not older
    /// than the loss's start. Returns the losses that begin after the last record: where the ring
    /// still holds records, they belong between those.
    ///
    /// # Errors
    ///
    /// The first record that cannot be decoded; the kernel side writes none.
    pub fn events(
        &self,
        mut losses: Vec<Loss>,
        mut take: impl FnMut(&Event),
    ) -> Result<Vec<Loss>, DecodeError> {
        losses.sort_by_key(|loss| Reverse(loss.since));
        for record in self.records() {
            // Looked at where it is: to take it out would be to copy it.
            let decoded = decode(record);
            let event = decoded.as_ref().map_err(|&error| error)?;
            while let Some(loss) =
                losses.pop_if(|loss| event.at().is_some_and(|at| loss.since <= at))
            {
                take(&Event::Loss(loss));
            }
            take(event);
        }
        losses.reverse();
        Ok(losses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LossCause;
    use tracer_ebpf::{KIND_STATE_CHANGE, STATE_CHANGE_SIZE};

    fn record(at: u64) -> Vec<u8> {
        let mut bytes = vec![0; STATE_CHANGE_SIZE];
        bytes[0..2].copy_from_slice(&KIND_STATE_CHANGE.to_ne_bytes());
        bytes[2..4].copy_from_slice(&(STATE_CHANGE_SIZE as u16).to_ne_bytes());
        bytes[8..16].copy_from_slice(&at.to_ne_bytes());
        bytes[68..70].copy_from_slice(&2_u16.to_ne_bytes());
        bytes[70..72].copy_from_slice(&6_u16.to_ne_bytes());
        bytes
    }

    fn loss(since: u64) -> Loss {
        Loss {
            beside: 0,
            cause: LossCause::RingFull { cpu: 0 },
            lost: 1,
            since: MonoNs(since),
            until: MonoNs(since + 5),
        }
    }

    fn order(batch: &Batch, losses: Vec<Loss>) -> Vec<String> {
        let mut seen = Vec::new();
        let left = batch
            .events(losses, |event| {
                seen.push(match event {
                    Event::StateChange(change) => format!("change {}", change.at.0),
                    Event::Loss(loss) => format!("loss {}", loss.since.0),
                    other => format!("{other:?}"),
                });
            })
            .expect("every record is whole");
        seen.extend(left.iter().map(|loss| format!("left {}", loss.since.0)));
        seen
    }

    #[test]
    fn losses_stand_between_the_records_they_lie_between() {
        let mut batch = Batch::default();
        for at in [10, 20, 30] {
            batch.push(&record(at));
        }
        assert_eq!(
            order(&batch, vec![loss(40), loss(20), loss(5)]),
            [
                "loss 5",
                "change 10",
                "loss 20",
                "change 20",
                "change 30",
                "left 40"
            ]
        );
    }

    #[test]
    fn losses_after_the_last_record_are_left_in_order() {
        let losses = vec![loss(9), loss(7)];
        assert_eq!(order(&Batch::default(), losses), ["left 7", "left 9"]);
    }

    #[test]
    fn what_is_dropped_leaves_no_trace_and_moves_nothing_else() {
        let mut batch = Batch::default();
        for record in [&[1][..], &[], &[2, 2], &[3, 3, 3], &[4]] {
            batch.push(record);
        }
        batch.retain_mut(|record| {
            record.iter_mut().for_each(|byte| *byte += 10);
            record.len() != 2
        });
        let mut expected = Batch::default();
        for record in [&[11][..], &[], &[13, 13, 13], &[14]] {
            expected.push(record);
        }
        assert_eq!(batch, expected);
        batch.retain_mut(|_| false);
        assert_eq!(batch, Batch::default());
    }

    #[test]
    fn a_broken_record_is_an_error() {
        let mut batch = Batch::default();
        batch.push(&[0; 3]);
        assert!(batch.events(Vec::new(), |_| ()).is_err());
    }
}
