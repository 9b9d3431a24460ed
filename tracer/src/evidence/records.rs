//! Records of one size, packed: each as what it differs in from an earlier one, word by word.
//!
//! **Owns:** the packing, which keeps every byte of every record.
//! **Never:** what a record means. That the eight bytes at 8 tend to grow from record to record, and that
//! those at 16 tend to come again, makes it small; records that are otherwise come back all the same.
//!
//! A record is cut into words of eight bytes, little endian, the last one filled up with zeros. Of `n`
//! records of `w` words there are, behind each other:
//!
//! * `back`: for each record, how many records before it its reference stands, zero for a record of
//!   zeros; all low bytes, then all high bytes;
//! * `mask`: for each record, a bit for each word that is stored, word 0 in bit 0 of the first byte; first
//!   the first byte of every record's mask, then the second one of each, and so on;
//! * for each word, from 0: a byte whose bit `i` is set if byte `i` of its stored values follows, 0 the lowest; then, for each
//!   set bit from the lowest, that byte of every stored value, in the order of the records. The others are zero.
//!
//! A stored value has the bits in which a word and the reference's differ; a word that is not stored is the reference's.
//! Word 1 has the record just before as its reference, whatever `back` says, and its stored value is a
//! signed difference with the sign in the lowest bit.
//!
//! That is [`Packing::Bits`]. The first files have [`Packing::Differences`], which is read, and not written.

use crate::model::decode::Rows;

/// The word that is told by the record just before.
const TIME: usize = 1;
/// The word by which a record's reference is looked for.
const KEY: usize = 2;
/// Slots in which references are kept: a power of two.
const SLOTS: usize = 1 << 14;

/// What the stored values of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Differences from the reference's word, modulo 2⁶⁴, with all eight bytes of each.
    Differences,
    /// The bits that are others, and no byte that is zero in all of them.
    Bits,
}

impl Packing {
    /// What it is in a file of this version of the format; `None` where there is no such version yet.
    pub(super) fn of(version: u16) -> Option<Self> {
        match version {
            1 => Some(Self::Differences),
            2 => Some(Self::Bits),
            _ => None,
        }
    }
}

/// How many words a record has.
pub(super) fn words(size: usize) -> usize {
    size.div_ceil(8)
}

/// The most bytes that records of this size take beside what each of them takes.
pub(super) fn most_beside(size: usize) -> usize {
    words(size)
}

/// The most bytes that a record takes, packed.
pub(super) fn most(size: usize) -> usize {
    2 + words(size).div_ceil(8) + 8 * words(size)
}

/// Packs records.
#[derive(Debug, Default)]
pub(super) struct Packer {
    /// Row number + 1 of the newest record with such a key.
    newest: Vec<u32>,
    columns: Vec<Vec<u64>>,
}

impl Packer {
    /// Appends the records to `out`.
    pub(super) fn pack(&mut self, records: &Rows, out: &mut Vec<u8>) {
        let (width, count) = (words(records.size()), records.count());
        let (rows, _) = records.bytes().as_chunks::<{ Rows::FILL }>();
        self.newest.clear();
        self.newest.resize(SLOTS, 0);
        self.columns
            .resize_with(self.columns.len().max(width), Vec::new);
        self.columns.iter_mut().for_each(Vec::clear);

        let start = out.len();
        let masks = start + 2 * count;
        out.resize(masks + width.div_ceil(8) * count, 0);
        let zeros = vec![[0; 8]; width];
        let mut before = &zeros[..];
        for (index, row) in rows.chunks_exact(width.max(1)).enumerate() {
            let back = self.reference(row, index);
            out[start + index] = back as u8;
            out[start + count + index] = (back >> 8) as u8;
            let reference = match back {
                0 => &zeros[..],
                back => &rows[(index - back) * width..][..width],
            };
            let columns = self.columns.iter_mut();
            for (word, ((new, old), column)) in row.iter().zip(reference).zip(columns).enumerate() {
                let new = u64::from_le_bytes(*new);
                let stored = if word == TIME {
                    sign_low(new.wrapping_sub(u64::from_le_bytes(before[TIME])))
                } else {
                    new ^ u64::from_le_bytes(*old)
                };
                if stored != 0 {
                    out[masks + (word / 8) * count + index] |= 1 << (word % 8);
                    column.push(stored);
                }
            }
            before = row;
        }
        for column in &self.columns[..width] {
            let any = column.iter().fold(0, |any, value| any | value);
            let is_there = |byte: &u32| byte_of(any, *byte) != 0;
            let there = (0..8)
                .filter(is_there)
                .fold(0, |there, byte| there | 1 << byte);
            out.push(there);
            for byte in (0..8).filter(is_there) {
                out.extend(column.iter().map(|&value| byte_of(value, byte)));
            }
        }
    }

    /// How far before this row its reference stands: the newest one of the same key, else the one before.
    fn reference(&mut self, row: &[[u8; 8]], index: usize) -> usize {
        let before = usize::from(index > 0);
        let Some(&key) = row.get(KEY) else {
            return before;
        };
        let key = u64::from_le_bytes(key);
        let slot = (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 50) as usize % SLOTS;
        let found = self.newest[slot] as usize;
        self.newest[slot] = index as u32 + 1;
        match found {
            0 => before,
            found => Some(index + 1 - found)
                .filter(|&back| back <= usize::from(u16::MAX))
                .unwrap_or(before),
        }
    }
}

/// Unpacks `count` records of `size` bytes from the front of `packed`, and returns them with what is left.
/// `None` where `packed` is not what a packer writes.
///
/// The caller has seen to it that `count * size` is no more than memory is to be had for.
pub(super) fn unpack(
    packed: &[u8],
    size: usize,
    count: usize,
    packing: Packing,
) -> Option<(Vec<u8>, &[u8])> {
    let width = words(size);
    let (lows, packed) = packed.split_at_checked(count)?;
    let (highs, packed) = packed.split_at_checked(count)?;
    let (masks, mut packed) = packed.split_at_checked(count.checked_mul(width.div_ceil(8))?)?;
    let is_stored =
        |row: usize, word: usize| masks[(word / 8) * count + row] & (1 << (word % 8)) != 0;

    let back = |row: usize| usize::from(lows[row]) | usize::from(highs[row]) << 8;
    if (0..count).any(|row| back(row) > row) {
        return None;
    }
    let mut rows = vec![0; count * size];
    for word in 0..width {
        let stored = (0..count).filter(|&row| is_stored(row, word)).count();
        let (mut column, rest) = Column::read(packed, stored, packing)?;
        packed = rest;
        for row in 0..count {
            let back = if word == TIME { row.min(1) } else { back(row) };
            let old = match back {
                0 => 0,
                back => word_at(&rows[(row - back) * size..][..size], word),
            };
            let value = match is_stored(row, word) {
                false => old,
                true => match (column.next(), packing) {
                    (passed, _) if word == TIME => old.wrapping_add(sign_back(passed)),
                    (difference, Packing::Differences) => old.wrapping_add(difference),
                    (bits, Packing::Bits) => old ^ bits,
                },
            };
            let end = size.min(8 * word + 8);
            let bytes = value.to_le_bytes();
            rows[row * size + 8 * word..row * size + end].copy_from_slice(&bytes[..end - 8 * word]);
        }
    }
    Some((rows, packed))
}

/// The stored values of a word, while they are read.
struct Column<'p> {
    /// The bytes that are there, from the lowest: of each those of all values.
    bytes: &'p [u8],
    /// Which these are, as bits.
    there: u8,
    count: usize,
    next: usize,
}

impl<'p> Column<'p> {
    /// Takes so many values off the front.
    fn read(packed: &'p [u8], count: usize, packing: Packing) -> Option<(Self, &'p [u8])> {
        let (there, packed) = match packing {
            Packing::Differences => (u8::MAX, packed),
            Packing::Bits => packed.split_first().map(|(&there, rest)| (there, rest))?,
        };
        let bytes = count.checked_mul(there.count_ones() as usize)?;
        let (bytes, rest) = packed.split_at_checked(bytes)?;
        let column = Self {
            bytes,
            there,
            count,
            next: 0,
        };
        Some((column, rest))
    }

    /// The next value. There is one for each record whose mask says so.
    fn next(&mut self) -> u64 {
        let mut value = [0; 8];
        let mut at = self.next;
        for (byte, value) in value.iter_mut().enumerate() {
            if self.there & 1 << byte != 0 {
                *value = self.bytes[at];
                at += self.count;
            }
        }
        self.next += 1;
        u64::from_le_bytes(value)
    }
}

/// A word of a record, filled up with zeros.
fn word_at(record: &[u8], word: usize) -> u64 {
    let rest = &record[8 * word..];
    match rest.first_chunk() {
        Some(&bytes) => u64::from_le_bytes(bytes),
        None => {
            let mut bytes = [0; 8];
            bytes[..rest.len()].copy_from_slice(rest);
            u64::from_le_bytes(bytes)
        }
    }
}

fn byte_of(value: u64, byte: u32) -> u8 {
    (value >> (8 * byte)) as u8
}

/// Moves the sign into the lowest bit, so that small differences of either sign are small numbers.
fn sign_low(difference: u64) -> u64 {
    (difference << 1) ^ ((difference as i64 >> 63) as u64)
}

/// Undoes [`sign_low`].
fn sign_back(stored: u64) -> u64 {
    (stored >> 1) ^ (stored & 1).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::layout::VERSION;
    use proptest::prelude::*;

    fn packed(rows: &[u8], size: usize) -> Vec<u8> {
        let (mut records, mut out) = (Rows::new(size), Vec::new());
        rows.chunks_exact(size).for_each(|row| records.push(row));
        Packer::default().pack(&records, &mut out);
        out
    }

    /// As files of version 1 have them: with any references, and all bytes of each value.
    fn packed_as_in_version_1(rows: &[u8], size: usize) -> Vec<u8> {
        let width = words(size);
        let rows: Vec<Vec<u64>> = rows
            .chunks_exact(size)
            .map(|row| (0..width).map(|word| word_at(row, word)).collect())
            .collect();
        let back = |row: usize| row.min(1 + row * 7 % 300);
        let value = |row: usize, word: usize| {
            let back = if word == TIME { row.min(1) } else { back(row) };
            let old = if back == 0 { 0 } else { rows[row - back][word] };
            let difference = rows[row][word].wrapping_sub(old);
            match word {
                TIME => sign_low(difference),
                _ => difference,
            }
        };
        let mut out: Vec<u8> = (0..rows.len()).map(|row| back(row) as u8).collect();
        out.extend((0..rows.len()).map(|row| (back(row) >> 8) as u8));
        for masked in (0..width).step_by(8) {
            let mask = |row: usize| {
                let words = masked..width.min(masked + 8);
                words
                    .filter(|&word| value(row, word) != 0)
                    .fold(0, |mask, word| mask | 1 << (word - masked))
            };
            out.extend((0..rows.len()).map(mask));
        }
        for word in 0..width {
            let values = (0..rows.len()).map(|row| value(row, word));
            let stored: Vec<u64> = values.filter(|&value| value != 0).collect();
            for byte in 0..8 {
                out.extend(stored.iter().map(|&value| byte_of(value, byte)));
            }
        }
        out
    }

    #[test]
    fn each_version_has_a_packing_and_none_is_known_before_its_time() {
        for version in 1..=VERSION {
            assert!(Packing::of(version).is_some(), "version {version}");
        }
        assert_eq!(Packing::of(0), None);
        assert_eq!(Packing::of(VERSION + 1), None);
    }

    proptest! {
        #[test]
        fn any_records_come_back(size in 1_usize..140, seed in prop::collection::vec(0_u8..4, 0..3000)) {
            let rows = &seed[..seed.len() / size * size];
            let count = rows.len() / size;
            let packed = packed(rows, size);
            prop_assert!(packed.len() <= count * most(size) + most_beside(size));
            let unpacked = unpack(&packed, size, count, Packing::Bits);
            let (unpacked, rest) = unpacked.expect("what was packed");
            prop_assert_eq!(unpacked, rows);
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn records_of_the_first_files_come_back(size in 1_usize..200, seed in prop::collection::vec(any::<u8>(), 0..9000)) {
            let rows = &seed[..seed.len() / size * size];
            let packed = packed_as_in_version_1(rows, size);
            let unpacked = unpack(&packed, size, rows.len() / size, Packing::Differences);
            let (unpacked, rest) = unpacked.expect("what was packed");
            prop_assert_eq!(unpacked, rows);
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn any_bytes_are_unpacked_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000),
            size in 0_usize..200, count in 0_usize..100) {
            for packing in [Packing::Differences, Packing::Bits] {
                if let Some((rows, _)) = unpack(&bytes, size, count, packing) {
                    prop_assert_eq!(rows.len(), size * count);
                }
            }
        }
    }

    #[test]
    fn a_record_like_one_before_takes_little() {
        let mut rows = Vec::new();
        for at in 0..100_u64 {
            let mut row = [7; 128];
            row[8..16].copy_from_slice(&(at * 1000).to_le_bytes());
            row[16..24].copy_from_slice(&(at % 3).to_le_bytes());
            rows.extend_from_slice(&row);
        }
        // Back and mask, and two bytes of time; three records begin, and sixteen words.
        assert!(packed(&rows, 128).len() < 100 * (2 + 2 + 2) + 3 * 128 + 16);
    }
}
