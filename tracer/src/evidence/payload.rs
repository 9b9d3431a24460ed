//! The unpacked payload of a frame of entries: lines of JSON, and the records that turns took in.
//!
//! **Owns:** its layout. Length of the text (u32), the text; number of records (u32), and for each of them, in
//! order, the number of its group (u8); number of groups (u8), and of each group the size of its records
//! (u32), how many (u32), and the records as [`super::records`] packs them.
//! **Never:** what a line says.

use std::collections::VecDeque;

use super::layout::MAX_PAYLOAD;
use super::records::{self, Packer, Packing};
use crate::model::decode::{Batch, Rows};

/// Bytes that a payload has beside its text and its records.
const FRAMING: usize = 9;
/// Bytes of a group beside its records.
const GROUP_FRAMING: usize = 8;
/// What is kept free: zstd can make a little longer what cannot be made shorter.
pub(super) const MARGIN: usize = 128 << 10;
/// The most groups of a payload.
const MOST_GROUPS: usize = u8::MAX as usize;

/// A payload that is being put together.
#[derive(Debug, Default)]
pub(super) struct Draft {
    text: Vec<u8>,
    order: Vec<u8>,
    groups: Vec<Rows>,
    /// Memory of groups that were written, for the next ones.
    spare: Vec<Rows>,
    /// It takes no more bytes than that, as things are.
    most: usize,
    packer: Packer,
}

impl Draft {
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.order.is_empty()
    }

    /// How many bytes wait, before they are packed.
    pub(super) fn bytes(&self) -> usize {
        let rows: usize = self.groups.iter().map(|group| group.bytes().len()).sum();
        self.text.len() + self.order.len() + rows
    }

    pub(super) fn records(&self) -> u64 {
        self.order.len() as u64
    }

    /// Appends a line of text; returns whether there was room for it.
    pub(super) fn line(&mut self, line: &[u8]) -> bool {
        if !self.has_room(line.len() + 1) {
            return false;
        }
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
        self.most += line.len() + 1;
        true
    }

    /// Appends all records of a batch; returns whether there was room for them beside another `spare` bytes. If there
    /// is none, none of them is appended.
    pub(super) fn batch(&mut self, batch: &Batch, spare: usize) -> bool {
        let (rows, order) = batch.groups();
        let is_new = |rows: &&Rows| self.group_of(rows.size()).is_none();
        let some = || rows.iter().filter(|rows| rows.count() > 0);
        let new = some().filter(is_new).count();
        let more = |rows: &Rows| rows.count() * most_of(rows.size()) + framing_of(rows.size());
        let more: usize = some().map(more).sum();
        if !self.has_room(more + spare) || self.groups.len() + new > MOST_GROUPS {
            return false;
        }
        let mut numbers = vec![0; rows.len()];
        for (rows, number) in rows.iter().zip(&mut numbers) {
            if rows.count() > 0 {
                let group = self.group(rows.size());
                self.groups[group].append(rows);
                *number = group as u8;
            }
        }
        let numbers = order.iter().map(|&group| numbers[usize::from(group)]);
        self.order.extend(numbers);
        self.most += more;
        true
    }

    /// Appends a record; returns whether there was room for it beside another `spare` bytes.
    pub(super) fn record(&mut self, record: &[u8], spare: usize) -> bool {
        let size = record.len();
        let (more, groups) = match self.group_of(size) {
            Some(_) => (most_of(size), self.groups.len()),
            None => (most_of(size) + framing_of(size), self.groups.len() + 1),
        };
        if !self.has_room(more + spare) || groups > MOST_GROUPS {
            return false;
        }
        let group = self.group(size);
        self.groups[group].push(record);
        self.order.push(group as u8);
        self.most += more;
        true
    }

    /// The group of records of this size, if there is one.
    fn group_of(&self, size: usize) -> Option<usize> {
        self.groups.iter().position(|group| group.size() == size)
    }

    /// The group of records of this size, made if there is none.
    fn group(&mut self, size: usize) -> usize {
        if let Some(group) = self.group_of(size) {
            return group;
        }
        // Those of this size had as many records before, most likely.
        let spare = self.spare.iter().position(|rows| rows.size() == size);
        let mut rows = match spare {
            Some(spare) => self.spare.swap_remove(spare),
            None => self.spare.pop().unwrap_or_default(),
        };
        rows.begin(size);
        self.groups.push(rows);
        self.groups.len() - 1
    }

    fn has_room(&self, more: usize) -> bool {
        FRAMING + self.most + more <= MAX_PAYLOAD - MARGIN
    }

    /// Writes it into `out`, which is emptied before, and begins anew.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&(self.text.len() as u32).to_le_bytes());
        out.append(&mut self.text);
        out.extend_from_slice(&(self.order.len() as u32).to_le_bytes());
        out.append(&mut self.order);
        out.push(self.groups.len() as u8);
        for group in &self.groups {
            out.extend_from_slice(&(group.size() as u32).to_le_bytes());
            out.extend_from_slice(&(group.count() as u32).to_le_bytes());
            self.packer.pack(group, out);
        }
        self.clear();
    }

    /// Forgets what it holds.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.order.clear();
        self.spare.append(&mut self.groups);
        self.most = 0;
    }
}

/// The most bytes that a record of this size takes.
fn most_of(size: usize) -> usize {
    1 + records::most(size)
}

/// The most bytes that a group of such records takes beside them.
fn framing_of(size: usize) -> usize {
    GROUP_FRAMING + records::most_beside(size)
}

/// A payload that was read.
#[derive(Debug, Default)]
pub(super) struct Payload {
    text: Vec<u8>,
    at: usize,
    order: VecDeque<u8>,
    /// Size of the records, the records, and where the next one is.
    groups: Vec<(usize, Vec<u8>, usize)>,
}

impl Payload {
    /// Reads a payload; the error says what in it is not as it should be.
    pub(super) fn read(mut bytes: &[u8], packing: Packing) -> Result<Self, &'static str> {
        let text = counted(&mut bytes).ok_or("its text ends early")?;
        let order = counted(&mut bytes).ok_or("the order of its records ends early")?;
        let (&groups, mut bytes) = bytes.split_first().ok_or("it has no groups of records")?;
        let mut payload = Self {
            text: text.to_vec(),
            at: 0,
            order: order.iter().copied().collect(),
            groups: Vec::new(),
        };
        let mut left = MAX_PAYLOAD;
        let mut counts = [0; 1 << u8::BITS];
        for &group in order {
            counts[usize::from(group)] += 1;
        }
        for index in 0..groups {
            let sizes = number(&mut bytes).zip(number(&mut bytes));
            let (size, count) = sizes.ok_or("a group of records ends early")?;
            if count == 0 {
                // Its records could be of any size, and nothing bounds what they would take.
                return Err("a group has no records");
            }
            if count != counts[usize::from(index)] {
                return Err("the order of its records names others than there are");
            }
            left = size
                .checked_mul(count)
                .and_then(|bytes| left.checked_sub(bytes))
                .ok_or("its records are more than a frame may have")?;
            let unpacked = records::unpack(bytes, size, count, packing);
            let (rows, rest) = unpacked.ok_or("a group of records cannot be read")?;
            payload.groups.push((size, rows, 0));
            bytes = rest;
        }
        if order.iter().any(|&group| group >= groups) {
            return Err("the order of its records names a group that there is not");
        }
        match bytes {
            [] => Ok(payload),
            _ => Err("more follows its records"),
        }
    }

    /// The next line, without its end.
    pub(super) fn line(&mut self) -> Option<&[u8]> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        let end = rest.iter().position(|&byte| byte == b'\n');
        let line = &rest[..end.unwrap_or(rest.len())];
        self.at += line.len() + usize::from(end.is_some());
        Some(line)
    }

    /// The next record.
    pub(super) fn record(&mut self) -> Option<&[u8]> {
        let group = usize::from(self.order.pop_front()?);
        let (size, rows, next) = self.groups.get_mut(group)?;
        let record = rows.get(*next..*next + *size)?;
        *next += *size;
        Some(record)
    }

    /// How many records no line has taken.
    pub(super) fn records_left(&self) -> usize {
        self.order.len()
    }
}

/// Takes a number off the front.
fn number(bytes: &mut &[u8]) -> Option<usize> {
    let (&number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_le_bytes(number) as usize)
}

/// Takes a number, and as many bytes, off the front.
fn counted<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = number(bytes)?;
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A payload without text, of one group that claims this.
    fn claiming(size: u32, count: u32, order: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&(order.len() as u32).to_le_bytes());
        bytes.extend_from_slice(order);
        bytes.push(1);
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes
    }

    #[test]
    fn no_claim_takes_memory_that_nothing_pays_for() {
        let read = |size, count, order: &[u8]| {
            Payload::read(&claiming(size, count, order), Packing::Bits).err()
        };
        let none = "a group has no records";
        assert_eq!(read(u32::MAX, 0, &[]), Some(none));
        let more = "its records are more than a frame may have";
        assert_eq!(read(u32::MAX, 1, &[0]), Some(more));
        let others = "the order of its records names others than there are";
        assert_eq!(read(128, u32::MAX, &[0]), Some(others));
        assert_eq!(read(128, 1, &[1]), Some(others));
    }
}
