//! A file's bytes become frames that are whole, or damages.
//!
//! **Owns:** every check that needs no look into a payload: checksums, order, chain; and where to go on
//! behind a damage.
//! **Never:** holds more than two payloads, whatever the bytes; never looks at a byte of a payload often.

use std::io::{ErrorKind, Read};

use zstd::bulk::Decompressor;

use super::chain::Chain;
use super::damage::{EvidenceError, What};
use super::layout::{
    CHAIN_SIZE, FILE_HEADER_SIZE, FILE_MAGIC, FRAME_HEADER_SIZE, FRAME_MAGIC, FileHeader,
    FrameHeader,
};
use super::records::Packing;

/// How often, in a file, a search goes into the content of a frame whose content is damaged, rather than
/// to its end. A file may be made so that each such search finds another such frame.
const SEARCHES_INSIDE: u32 = 64;

/// A frame.
pub(super) struct Frame {
    /// Where it begins.
    pub(super) offset: u64,
    pub(super) kind: u16,
    pub(super) sequence: u64,
    /// Number of the frame that belongs here.
    pub(super) expected: u64,
    /// What is wrong with its place in the file, though it is whole in itself.
    pub(super) misplaced: Option<What>,
    /// Its payload, unpacked, or what is wrong with it.
    pub(super) payload: Result<Vec<u8>, What>,
}

/// Where something is wrong, and what.
pub(super) struct Broken {
    pub(super) offset: u64,
    pub(super) frame: u64,
    pub(super) what: What,
}

/// Reads frames.
pub(super) struct Frames<R> {
    from: R,
    pub(super) header: FileHeader,
    /// How its records are packed.
    pub(super) packing: Packing,
    /// Bytes that were read and not yet used, from `at`.
    buffer: Vec<u8>,
    at: usize,
    /// Where `buffer[at]` stands in the file.
    offset: u64,
    /// Number of the next frame.
    next: u64,
    /// The value before the next frame: as it was stored, and as it should have been.
    stored_chain: Chain,
    chain: Option<Chain>,
    /// Whether the frame before was damaged or missing: that has been said, and what follows need not
    /// link to it.
    is_behind_damage: bool,
    searches_left: u32,
    failed: bool,
    zstd: Decompressor<'static>,
}

impl<R: Read> Frames<R> {
    /// Reads the file's header.
    pub(super) fn open(mut from: R) -> Result<Self, EvidenceError> {
        let mut bytes = [0; FILE_HEADER_SIZE];
        let mut got = 0;
        while got < bytes.len() {
            match from.read(&mut bytes[got..]) {
                Ok(0) => break,
                Ok(more) => got += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => return Err(error.into()),
            }
        }
        let magic = FILE_MAGIC.len().min(got);
        if got == 0 || bytes[..magic] != FILE_MAGIC[..magic] {
            return Err(EvidenceError::NotEvidence);
        }
        if got < bytes.len() {
            return Err(EvidenceError::Cut(got));
        }
        let header = FileHeader::from_bytes(&bytes).ok_or(EvidenceError::Header)?;
        let packing = Packing::of(header.version);
        let packing = packing.ok_or(EvidenceError::Version(header.version))?;
        let start = Chain::start(&bytes);
        Ok(Self {
            from,
            header,
            packing,
            buffer: Vec::new(),
            at: 0,
            offset: FILE_HEADER_SIZE as u64,
            next: header.sequence,
            stored_chain: start,
            chain: Some(start),
            is_behind_damage: false,
            searches_left: SEARCHES_INSIDE,
            failed: false,
            zstd: Decompressor::default(),
        })
    }

    /// The last chain value, and where the next frame begins.
    pub(super) fn tip(&self) -> (Chain, u64) {
        (self.stored_chain, self.offset)
    }

    /// Number of the next frame.
    pub(super) fn next_number(&self) -> u64 {
        self.next
    }

    /// The next frame, or what stands in its place; behind a damage, the frame after it.
    pub(super) fn next(&mut self) -> Option<Result<Frame, Broken>> {
        if self.failed {
            return None;
        }
        match self.take() {
            Ok(frame) => frame.map(Ok),
            Err(what) => {
                let broken = Broken {
                    offset: self.offset,
                    frame: self.next,
                    what,
                };
                self.step_over(&broken.what);
                Some(Err(broken))
            }
        }
    }

    fn take(&mut self) -> Result<Option<Frame>, What> {
        let got = self.fill(FRAME_HEADER_SIZE)?;
        if got == 0 {
            return Ok(None);
        }
        let Some(&bytes) = self.rest().first_chunk() else {
            let missing = (FRAME_HEADER_SIZE - got) as u64;
            let is_begun = FRAME_MAGIC.starts_with(&self.rest()[..got.min(4)]);
            return Err(if is_begun {
                What::Cut { missing }
            } else {
                What::Header
            });
        };
        let header = FrameHeader::from_bytes(&bytes).ok_or(What::Header)?;
        let length = FRAME_HEADER_SIZE + header.stored as usize + CHAIN_SIZE;
        let got = self.fill(length)?;
        if got < length {
            let missing = (length - got) as u64;
            return Err(What::Cut { missing });
        }
        let frame = &self.buffer[self.at..][..length];
        let (payload, stored) = frame[FRAME_HEADER_SIZE..].split_at(header.stored as usize);
        if crc32fast::hash(payload) != header.payload_check {
            return Err(What::Checksum);
        }
        let mut stored_chain = Chain([0; CHAIN_SIZE]);
        stored_chain.0.copy_from_slice(stored);

        let by_stored = self.stored_chain.link(&bytes, payload);
        let by_computed = self.chain.map(|chain| match chain == self.stored_chain {
            true => by_stored,
            false => chain.link(&bytes, payload),
        });
        let follows = by_stored == stored_chain || by_computed == Some(stored_chain);
        let misplaced = if header.sequence != self.next {
            let found = header.sequence;
            Some(What::Order { found })
        } else if !follows && !self.is_behind_damage {
            Some(What::Chain)
        } else {
            None
        };
        let payload = unpack(&mut self.zstd, payload, header.plain as usize);
        let frame = Frame {
            offset: self.offset,
            kind: header.kind,
            sequence: header.sequence,
            expected: self.next,
            misplaced,
            payload,
        };
        self.next = header.sequence.saturating_add(1);
        self.is_behind_damage = false;
        self.chain = by_computed;
        self.stored_chain = stored_chain;
        self.skip(length);
        Ok(Some(frame))
    }

    /// Goes to where the next frame may begin.
    fn step_over(&mut self, what: &What) {
        self.chain = None;
        self.is_behind_damage = true;
        match what {
            What::Read(_) => {
                self.failed = true;
                return;
            }
            What::Cut { .. } if self.searches_left == 0 => {
                self.skip(self.rest().len());
                return;
            }
            What::Checksum | What::Cut { .. } if self.searches_left > 0 => {
                self.searches_left -= 1;
                self.skip(1);
            }
            What::Checksum => {
                // Its header is whole, and says how long it is.
                let stored = self.rest().first_chunk().and_then(FrameHeader::from_bytes);
                let stored = stored.map_or(0, |header| header.stored as usize);
                self.skip(FRAME_HEADER_SIZE + stored + CHAIN_SIZE);
            }
            _ => self.skip(1),
        }
        self.search();
    }

    /// Goes to the next header of a frame, or to the file's end.
    fn search(&mut self) {
        while let Ok(got) = self.fill(FRAME_HEADER_SIZE) {
            if got < FRAME_HEADER_SIZE {
                self.skip(got);
                return;
            }
            let rest = self.rest();
            let last = rest.len() - FRAME_HEADER_SIZE;
            let found = (0..=last).find(|&at| {
                rest[at] == FRAME_MAGIC[0]
                    && rest[at..]
                        .first_chunk()
                        .and_then(FrameHeader::from_bytes)
                        .is_some()
            });
            match found {
                Some(at) => {
                    self.skip(at);
                    self.go_on_here();
                    return;
                }
                None => self.skip(last + 1),
            }
        }
        self.failed = true;
    }

    /// Takes what the header at hand, and the chain value just before it, say for true.
    fn go_on_here(&mut self) {
        if let Some(header) = self.rest().first_chunk().and_then(FrameHeader::from_bytes) {
            self.next = header.sequence;
        }
        let before = self.at.checked_sub(CHAIN_SIZE);
        if let Some(&chain) = before.and_then(|at| self.buffer[at..].first_chunk()) {
            self.stored_chain = Chain(chain);
        }
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    fn skip(&mut self, bytes: usize) {
        self.at += bytes;
        self.offset += bytes as u64;
    }

    /// Sees to it that `wanted` bytes are at hand, if there are so many; returns how many there are.
    fn fill(&mut self, wanted: usize) -> Result<usize, What> {
        const STEP: usize = 64 << 10;
        while self.rest().len() < wanted {
            if self.at > STEP {
                // The last chain value is kept: it may be wanted by the next frame.
                self.buffer.drain(..self.at - CHAIN_SIZE);
                self.at = CHAIN_SIZE;
            }
            // As the bytes come, and not as a header claims that they will.
            let mut piece = self.from.by_ref().take(STEP as u64);
            match piece.read_to_end(&mut self.buffer) {
                Ok(0) => break,
                Ok(_) => (),
                Err(error) => return Err(What::Read(error.to_string())),
            }
        }
        Ok(self.rest().len().min(wanted))
    }
}

/// Unpacks a payload.
fn unpack(zstd: &mut Decompressor<'_>, stored: &[u8], plain: usize) -> Result<Vec<u8>, What> {
    let unpacked = zstd.decompress(stored, plain);
    let unpacked = unpacked.map_err(|error| What::Content(format!("zstd: {error}")))?;
    if unpacked.len() != plain {
        let length = unpacked.len();
        let what = format!("it has {length} bytes, and its header says {plain}");
        return Err(What::Content(what));
    }
    Ok(unpacked)
}
