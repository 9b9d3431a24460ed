//! Records on their way from the ring buffers to the decoder.
//!
//! They are copied out at once, so that the rings are free again before anybody formats or writes.

use std::cmp::Reverse;

use super::rows::Rows;
use super::{DecodeError, Event, MonoNs, Socket, decode, socket_of};
use crate::model::Loss;

/// Bytes after which a batch is full.
const FULL_BYTES: usize = 4 << 20;
/// How many records ahead it is said which sockets they are of: enough that what is far away has come by then, and few enough that it is not
/// gone again.
const AHEAD: usize = 64;
/// Of how many sizes memory is kept: more than there are kinds of records.
const KEPT_SIZES: usize = 16;

/// Records in the order in which they came, those of each size together: so evidence takes them over without a look at each.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Of each record, the number of its group.
    order: Vec<u16>,
    groups: Vec<Rows>,
    /// The sizes that there are groups of, in order, with these.
    sizes: Vec<(usize, u16)>,
    bytes: usize,
}

impl Batch {
    /// Appends a record.
    pub fn push(&mut self, record: &[u8]) {
        let size = record.len();
        // Many are like the one before.
        let last = self.order.last().copied();
        let group = last
            .filter(|&last| self.groups[usize::from(last)].size() == size)
            .unwrap_or_else(|| self.group_of(size));
        self.groups[usize::from(group)].push(record);
        self.order.push(group);
        self.bytes += size;
    }

    fn group_of(&mut self, size: usize) -> u16 {
        match self.sizes.binary_search_by_key(&size, |&(size, _)| size) {
            Ok(index) => self.sizes[index].1,
            Err(index) => {
                let group = u16::try_from(self.groups.len());
                let group = group.expect("nobody has memory for records of so many sizes");
                self.groups.push(Rows::new(size));
                self.sizes.insert(index, (size, group));
                group
            }
        }
    }

    /// Returns whether it should be worked off before more is read.
    pub fn is_full(&self) -> bool {
        self.bytes >= FULL_BYTES
    }

    /// Returns whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns how many records are in it.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Returns how many bytes its records have.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.order.clear();
        self.bytes = 0;
        if self.groups.len() > KEPT_SIZES {
            self.groups.clear();
            self.sizes.clear();
        }
        for group in &mut self.groups {
            group.truncate(0);
        }
    }

    /// Hands each record to `keep`, which may change it, and drops those of which it returns false.
    pub fn retain_mut(&mut self, mut keep: impl FnMut(&mut [u8]) -> bool) {
        let groups = &mut self.groups;
        let bytes = &mut self.bytes;
        // Of each group, how many were looked at, and how many of these are kept.
        let mut done = vec![(0, 0); groups.len()];
        self.order.retain(|&group| {
            let rows = &mut groups[usize::from(group)];
            let (seen, kept) = &mut done[usize::from(group)];
            let is_kept = keep(rows.get_mut(*seen));
            match is_kept {
                true if seen == kept => *kept += 1,
                true => {
                    rows.move_back(*seen, *kept);
                    *kept += 1;
                }
                false => *bytes -= rows.size(),
            }
            *seen += 1;
            is_kept
        });
        for (rows, (_, kept)) in self.groups.iter_mut().zip(done) {
            rows.truncate(kept);
        }
    }

    /// Returns the last record.
    pub fn last(&self) -> Option<&[u8]> {
        let rows = &self.groups[usize::from(*self.order.last()?)];
        Some(rows.get(rows.count() - 1))
    }

    /// Returns when the last record was made.
    pub fn last_at(&self) -> Option<MonoNs> {
        decode(self.last()?).ok()?.at()
    }

    /// Returns the records as they are, in the order in which they came.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        let mut seen = vec![0; self.groups.len()];
        self.order.iter().map(move |&group| {
            let group = usize::from(group);
            let index = seen[group];
            seen[group] += 1;
            self.groups[group].get(index)
        })
    }

    /// Returns the records of each size, and of each record in order the number of the group in which it is the next.
    pub(crate) fn groups(&self) -> (&[Rows], &[u16]) {
        (&self.groups, &self.order)
    }

    /// Hands the records on as events, with each loss before the first record that is not older
    /// than the loss's start. Returns the losses that begin after the last record: where the ring
    /// still holds records, they belong between those.
    ///
    /// Before some are handed on, it is said of which sockets they are, to who wants to know.
    ///
    /// # Errors
    ///
    /// The first record that cannot be decoded; the kernel side writes none.
    pub fn events(
        &self,
        mut losses: Vec<Loss>,
        taker: &mut impl Taker,
    ) -> Result<Vec<Loss>, DecodeError> {
        losses.sort_by_key(|loss| Reverse(loss.since));
        let mut ahead = taker.looks_ahead().then(|| self.records());
        let mut records = self.records();
        for _ in 0..self.len().div_ceil(AHEAD) {
            if let Some(ahead) = &mut ahead {
                tell_sockets(ahead.take(AHEAD), taker);
            }
            for record in records.by_ref().take(AHEAD) {
                // Looked at where it is: to take it out would be to copy it.
                let decoded = decode(record);
                let event = decoded.as_ref().map_err(|&error| error)?;
                while let Some(loss) =
                    losses.pop_if(|loss| event.at().is_some_and(|at| loss.since <= at))
                {
                    taker.take(&Event::Loss(loss));
                }
                taker.take(event);
            }
        }
        losses.reverse();
        Ok(losses)
    }
}

/// Takes in what [`Batch::events`] hands on.
pub trait Taker {
    /// Returns whether it is of use to know before of which sockets the next events are.
    fn looks_ahead(&self) -> bool {
        false
    }

    /// Events of this socket are among the next.
    fn announce(&self, _socket: Socket) {}

    /// Takes an event in.
    fn take(&mut self, event: &Event);
}

impl<F: FnMut(&Event)> Taker for F {
    fn take(&mut self, event: &Event) {
        self(event);
    }
}

/// Says of which sockets these records are; those that tell of none say something else there, which is nobody's.
fn tell_sockets<'r>(records: impl Iterator<Item = &'r [u8]>, taker: &impl Taker) {
    let mut before = None;
    for record in records {
        let socket = socket_of(record);
        if let Some(socket) = socket.filter(|_| socket != before) {
            taker.announce(socket);
        }
        before = socket;
    }
}

/// Two are the same if their records are.
impl PartialEq for Batch {
    fn eq(&self, other: &Self) -> bool {
        self.records().eq(other.records())
    }
}

impl Eq for Batch {}

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
            .events(losses, &mut |event: &Event| {
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

    /// What a batch says of its records, which are these.
    fn assert_holds(batch: &Batch, records: &[Vec<u8>]) {
        assert!(batch.records().eq(records.iter()));
        assert_eq!(batch.len(), records.len());
        assert_eq!(batch.bytes(), records.iter().map(Vec::len).sum::<usize>());
        assert_eq!(batch.last(), records.last().map(Vec::as_slice));
        assert_eq!(batch.is_empty(), records.is_empty());
    }

    #[test]
    fn what_is_dropped_leaves_no_trace_and_moves_nothing_else() {
        let mut batch = Batch::default();
        for record in [&[1][..], &[], &[2, 2], &[3, 3, 3], &[4], &[5, 5], &[6]] {
            batch.push(record);
        }
        batch.retain_mut(|record| {
            record.iter_mut().for_each(|byte| *byte += 10);
            record.len() != 2 && record != [14]
        });
        let mut left = vec![vec![11], vec![], vec![13; 3], vec![16]];
        assert_holds(&batch, &left);
        batch.push(&[7]);
        batch.push(&[8, 8]);
        left.extend([vec![7], vec![8; 2]]);
        assert_holds(&batch, &left);
        batch.retain_mut(|_| false);
        assert_holds(&batch, &[]);
        batch.push(&[9]);
        assert_holds(&batch, &[vec![9]]);
    }

    #[test]
    fn records_of_any_sizes_come_back_in_order_and_a_batch_is_used_again() {
        let mut batch = Batch::default();
        // Few sizes, of which the memory is kept, and many.
        for sizes in [5, 5, 3, 40, 40, 5] {
            let records: Vec<Vec<u8>> = (0..60_u8)
                .map(|number| vec![number ^ sizes as u8; usize::from(number) * 7 % sizes])
                .collect();
            records.iter().for_each(|record| batch.push(record));
            assert_holds(&batch, &records);
            batch.clear();
            assert_holds(&batch, &[]);
        }
    }

    /// Who notes which sockets are announced, and which events come.
    struct Ahead {
        looks_ahead: bool,
        said: std::cell::RefCell<Vec<(&'static str, u64)>>,
    }

    impl Taker for Ahead {
        fn looks_ahead(&self) -> bool {
            self.looks_ahead
        }

        fn announce(&self, socket: Socket) {
            self.said.borrow_mut().push(("announced", socket.0));
        }

        fn take(&mut self, event: &Event) {
            if let Event::StateChange(change) = event {
                self.said.get_mut().push(("taken", change.socket.0));
            }
        }
    }

    fn said(looks_ahead: bool) -> Vec<(&'static str, u64)> {
        let mut batch = Batch::default();
        // Two in a row are of the same socket.
        for number in 0..200 {
            let mut bytes = record(number);
            bytes[16..24].copy_from_slice(&(number / 2).to_ne_bytes());
            batch.push(&bytes);
        }
        let mut ahead = Ahead {
            looks_ahead,
            said: Vec::new().into(),
        };
        let events = batch.events(Vec::new(), &mut ahead);
        events.expect("every record is whole");
        ahead.said.into_inner()
    }

    #[test]
    fn who_looks_ahead_is_told_first_which_sockets_come() {
        let said = said(true);
        let far = AHEAD / 2;
        assert!(said[..far].iter().all(|&(what, _)| what == "announced"));
        assert_eq!(said[far], ("taken", 0));
        let of = |wanted| said.iter().filter(move |&&(what, _)| what == wanted);
        assert!(of("announced").map(|&(_, socket)| socket).eq(0..100));
        let taken = of("taken").map(|&(_, socket)| socket);
        assert!(taken.eq((0..200).map(|number| number / 2)));
    }

    #[test]
    fn who_does_not_is_not() {
        assert!(said(false).iter().all(|&(what, _)| what == "taken"));
    }

    #[test]
    fn a_broken_record_is_an_error() {
        let mut batch = Batch::default();
        batch.push(&[0; 3]);
        assert!(batch.events(Vec::new(), &mut |_: &Event| ()).is_err());
    }
}
