//! What stands where in a file of evidence: the file's header, and the header of a frame.
//!
//! **Owns:** the numbers that `tracer/docs/evidence.md` gives. All integers are little endian.
//! **Never:** what is in a frame's payload.

use super::chain::Chain;

/// First bytes of a file. As with PNG, the first is no text, and a transfer that changes line ends
/// breaks the rest.
pub(super) const FILE_MAGIC: [u8; 8] = *b"\x89TEV\r\n\x1a\n";

/// Version of the format that is written; greater ones are refused, and those before it read.
pub(super) const VERSION: u16 = 2;

/// Size of a file's header in bytes.
pub(super) const FILE_HEADER_SIZE: usize = 56;

/// First bytes of each frame.
pub(super) const FRAME_MAGIC: [u8; 4] = *b"\xf5TEF";

/// Size of a frame's header in bytes.
pub(super) const FRAME_HEADER_SIZE: usize = 32;

/// Size of the chain value that ends each frame, in bytes.
pub(super) const CHAIN_SIZE: usize = 32;

/// The most bytes that a payload has: as it is stored, unpacked, and its records in all.
pub(super) const MAX_PAYLOAD: usize = 16 << 20;

/// Kind of a frame of entries.
pub(super) const KIND_ENTRIES: u16 = 1;

/// Kind of the frame that ends a file.
pub(super) const KIND_SEAL: u16 = 2;

/// [`FileHeader`]'s flag: the file goes on where another one ended.
const CONTINUES: u16 = 1;

/// A file's header: magic, version (u16), flags (u16), CRC-32 of all others of its bytes (u32), number
/// of its first frame (u64), and the last chain value of the file before, or zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub(super) version: u16,
    /// Number of the first frame.
    pub(super) sequence: u64,
    /// Last chain value of the file before.
    pub(super) previous: Option<Chain>,
}

impl FileHeader {
    pub(super) fn to_bytes(self) -> [u8; FILE_HEADER_SIZE] {
        let mut bytes = [0; FILE_HEADER_SIZE];
        let flags = if self.previous.is_some() {
            CONTINUES
        } else {
            0
        };
        bytes[..8].copy_from_slice(&FILE_MAGIC);
        bytes[8..10].copy_from_slice(&self.version.to_le_bytes());
        bytes[10..12].copy_from_slice(&flags.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        if let Some(previous) = self.previous {
            bytes[24..].copy_from_slice(&previous.0);
        }
        let check = file_check(&bytes);
        bytes[12..16].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// Reads a header whose magic was looked at; `None` if its checksum is wrong.
    pub(super) fn from_bytes(bytes: &[u8; FILE_HEADER_SIZE]) -> Option<Self> {
        let mut previous = [0; CHAIN_SIZE];
        previous.copy_from_slice(&bytes[24..]);
        let continues = u16_at(bytes, 10) & CONTINUES != 0;
        (file_check(bytes) == u32_at(bytes, 12)).then(|| Self {
            version: u16_at(bytes, 8),
            sequence: u64_at(bytes, 16),
            previous: continues.then_some(Chain(previous)),
        })
    }
}

fn file_check(bytes: &[u8; FILE_HEADER_SIZE]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[..12]);
    crc.update(&bytes[16..]);
    crc.finalize()
}

/// A frame's header: magic, kind (u16), zero (u16), number (u64), bytes of the payload as it is stored
/// (u32) and unpacked (u32), CRC-32 of the stored payload (u32), and CRC-32 of the 28 bytes before (u32).
///
/// The header has a checksum of its own, so that how long a damaged frame is can still be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) kind: u16,
    pub(super) sequence: u64,
    pub(super) stored: u32,
    pub(super) plain: u32,
    pub(super) payload_check: u32,
}

impl FrameHeader {
    pub(super) fn to_bytes(self) -> [u8; FRAME_HEADER_SIZE] {
        let mut bytes = [0; FRAME_HEADER_SIZE];
        bytes[..4].copy_from_slice(&FRAME_MAGIC);
        bytes[4..6].copy_from_slice(&self.kind.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.stored.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.plain.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.payload_check.to_le_bytes());
        let check = crc32fast::hash(&bytes[..28]);
        bytes[28..].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// Reads a header; `None` if it is none, or claims more than a payload may have.
    pub(super) fn from_bytes(bytes: &[u8; FRAME_HEADER_SIZE]) -> Option<Self> {
        if bytes[..4] != FRAME_MAGIC || crc32fast::hash(&bytes[..28]) != u32_at(bytes, 28) {
            return None;
        }
        let header = Self {
            kind: u16_at(bytes, 4),
            sequence: u64_at(bytes, 8),
            stored: u32_at(bytes, 16),
            plain: u32_at(bytes, 20),
            payload_check: u32_at(bytes, 24),
        };
        let longest = header.stored.max(header.plain) as usize;
        (longest <= MAX_PAYLOAD).then_some(header)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut raw = [0; 4];
    raw.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(raw)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut raw = [0; 8];
    raw.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(raw)
}
