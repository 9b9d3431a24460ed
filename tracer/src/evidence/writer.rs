//! Entries become frames, in memory.
//!
//! **Owns:** what goes into which frame, and the chain while it is written.
//! **Never:** writes: whoever does tells whether it worked, and the chain goes on from what is there.

use std::fmt;

use zstd::bulk::Compressor;

use super::chain::Chain;
use super::entry::{Entry, Head, Turn};
use super::layout::{FRAME_HEADER_SIZE, FileHeader, FrameHeader, KIND_ENTRIES, KIND_SEAL, VERSION};
use super::lines::{Line, TurnLine};
use super::payload::Draft;
use super::seal::{SealLine, Sealed, Totals};
use crate::model::decode::Batch;

/// Of zstd's levels, the one with the best use of a moment.
const LEVEL: i32 = 1;

/// Where a file ended in which a trace went on to the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Its last chain value.
    pub chain: Chain,
    /// Number of its last frame.
    pub sequence: u64,
}

/// How far a file has come.
#[derive(Clone, Copy, Debug)]
struct Tip {
    /// Last chain value.
    chain: Chain,
    /// Number of the next frame.
    next: u64,
    totals: Totals,
    /// Whether the file's header is behind us.
    begun: bool,
}

/// Makes frames of entries.
///
/// # Contract
///
/// [`cut`](Self::cut) or [`seal`](Self::seal) hands out bytes; then [`written`](Self::written) or
/// [`dropped`](Self::dropped) says what became of them, before the next entry.
pub struct Writer {
    header: FileHeader,
    head: Vec<u8>,
    head_entry: Entry,
    draft: Draft,
    /// Of entries that wait in the draft.
    waiting: Totals,
    /// What the file holds.
    written: Tip,
    /// What it will hold with `out`.
    tip: Tip,
    out: Vec<u8>,
    plain: Vec<u8>,
    line: Vec<u8>,
    stored: Vec<u8>,
    compressor: Compressor<'static>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { written, tip, .. } = self;
        write!(f, "Writer {{ written: {written:?}, tip: {tip:?} }}")
    }
}

impl Writer {
    /// Begins a file. Its first entry is the head, which need not be given again.
    pub fn new(head: &Head, previous: Option<Previous>) -> Self {
        let header = FileHeader {
            version: VERSION,
            sequence: previous.map_or(0, |previous| previous.sequence + 1),
            previous: previous.map(|previous| previous.chain),
        };
        let tip = Tip {
            chain: Chain::start(&header.to_bytes()),
            next: header.sequence,
            totals: Totals::default(),
            begun: false,
        };
        let head_entry = Entry::Head(Box::new(head.clone()));
        let mut line = Vec::new();
        Line::of(&head_entry).write_anew(&mut line);
        let mut writer = Self {
            header,
            head: line,
            head_entry,
            draft: Draft::default(),
            waiting: Totals::default(),
            written: tip,
            tip,
            out: Vec::new(),
            plain: Vec::new(),
            line: Vec::new(),
            stored: Vec::new(),
            compressor: Compressor::new(LEVEL)
                .expect("zstd refuses no level, and the level is all that is set"),
        };
        writer.begin();
        writer
    }

    /// Writes the head, which every file has first.
    fn begin(&mut self) {
        self.waiting.entry(&self.head_entry);
        self.draft.line(&self.head);
    }

    /// Takes an entry. A head is passed over: it is in the file already.
    pub fn entry(&mut self, entry: &Entry) {
        match entry {
            Entry::Head(_) => (),
            Entry::Turn(turn) => self.turn(turn),
            entry => {
                self.put(&Line::of(entry));
                self.waiting.entry(entry);
            }
        }
    }

    /// Takes a turn. Its line stands in the frame in which its records are, or the last of them.
    pub fn turn(&mut self, turn: &Turn) {
        // Room for the line of a part.
        const PART: usize = 128;
        let mut line = std::mem::take(&mut self.line);
        Line::turn(turn, turn.batch.len() as u32).write_anew(&mut line);
        if !self.draft.batch(&turn.batch, line.len() + 1) {
            let records = self.one_by_one(&turn.batch, line.len() + 1 + PART);
            Line::turn(turn, records).write_anew(&mut line);
        }
        self.put_bytes(&line);
        self.line = line;
        self.waiting.turn(turn);
    }

    /// Takes records that have no room in one frame; returns how many are in the last one.
    fn one_by_one(&mut self, batch: &Batch, spare: usize) -> u32 {
        let mut records = 0;
        for record in batch.records() {
            if !self.draft.record(record, spare) {
                if records > 0 {
                    self.put(&Line::Turn(TurnLine::part(records)));
                    records = 0;
                }
                if !self.draft.is_empty() {
                    self.finish();
                }
                // A record of many MiB, which no ring buffer holds, is left out: it has no room anywhere; nor has one beside a line
                // of that length.
                if !self.draft.record(record, spare) {
                    continue;
                }
            }
            records += 1;
        }
        records
    }

    /// Writes a line into this frame, or, where it has no room, into the next one.
    fn put(&mut self, line: &Line) {
        let mut bytes = std::mem::take(&mut self.line);
        line.write_anew(&mut bytes);
        self.put_bytes(&bytes);
        self.line = bytes;
    }

    fn put_bytes(&mut self, line: &[u8]) {
        if self.draft.line(line) {
            return;
        }
        self.finish();
        if !self.draft.line(line) {
            // Nothing that a host tells is as long as that; that it is missing must not pass unseen.
            self.draft.line(br#"{"type":"left_out"}"#);
        }
    }

    /// Returns whether anything waits to be cut.
    pub fn pending(&self) -> bool {
        !self.draft.is_empty() || !self.out.is_empty()
    }

    /// Returns how many bytes wait to be cut, before they are packed.
    pub fn pending_bytes(&self) -> usize {
        self.draft.bytes() + self.out.len()
    }

    /// Returns what is to be written next: all that waits, in one frame, or more if it is much. The file's
    /// header stands before the first. Empty if nothing waits.
    pub fn cut(&mut self) -> &[u8] {
        if !self.draft.is_empty() {
            self.finish();
        }
        &self.out
    }

    /// Returns what ends the file: all that waits, and the seal.
    pub fn seal(&mut self, end: Sealed) -> &[u8] {
        self.cut();
        let line = SealLine::new(end, self.tip.totals);
        self.plain.clear();
        serde_json::to_writer(&mut self.plain, &line)
            .expect("memory takes any bytes, and every key of a seal is a string");
        self.frame(KIND_SEAL);
        &self.out
    }

    /// What was handed out stands in the file.
    pub fn written(&mut self) {
        self.out.clear();
        self.written = self.tip;
    }

    /// What was handed out could not be written, and no part of it is in the file. Returns how many
    /// records were in it: they are lost to the evidence, and so are its other entries.
    pub fn dropped(&mut self) -> u64 {
        let lost = self.tip.totals.records - self.written.totals.records;
        self.out.clear();
        self.tip = self.written;
        if !self.tip.begun {
            // The head must be in the file before anything else.
            let waiting = self.draft.records();
            self.draft.clear();
            self.waiting = Totals::default();
            self.begin();
            return lost + waiting;
        }
        lost
    }

    /// Returns where the file ends, of what is known to be written.
    pub fn chain(&self) -> Previous {
        Previous {
            chain: self.written.chain,
            sequence: self.written.next.saturating_sub(1),
        }
    }

    /// Returns how much the file holds, of what is known to be written.
    pub fn totals(&self) -> Totals {
        self.written.totals
    }

    /// Ends the frame that is being put together.
    fn finish(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let totals = &mut self.tip.totals;
        totals.frames += 1;
        totals.entries += waiting.entries;
        totals.records += self.draft.records();
        totals.first = totals.first.or(waiting.first);
        totals.last = totals.last.max(waiting.last);
        self.draft.finish(&mut self.plain);
        self.frame(KIND_ENTRIES);
    }

    /// Makes a frame of the plain payload.
    fn frame(&mut self, kind: u16) {
        if !self.tip.begun {
            self.out.extend_from_slice(&self.header.to_bytes());
            self.tip.begun = true;
        }
        self.stored.clear();
        self.stored
            .reserve(zstd::zstd_safe::compress_bound(self.plain.len()));
        self.compressor
            .compress_to_buffer(&self.plain, &mut self.stored)
            .expect("the buffer has as much room as zstd says that it may need");
        let stored = &self.stored;
        let header = FrameHeader {
            kind,
            sequence: self.tip.next,
            stored: stored.len() as u32,
            plain: self.plain.len() as u32,
            payload_check: crc32fast::hash(stored),
        };
        let header: [u8; FRAME_HEADER_SIZE] = header.to_bytes();
        self.tip.chain = self.tip.chain.link(&header, stored);
        self.tip.next += 1;
        self.out.extend_from_slice(&header);
        self.out.extend_from_slice(stored);
        self.out.extend_from_slice(&self.tip.chain.0);
    }
}
