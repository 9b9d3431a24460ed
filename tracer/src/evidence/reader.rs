//! A file becomes entries again, up to where it is damaged.
//!
//! **Owns:** what a whole file is: a head first, turns with their records, a seal that agrees.
//! **Never:** more memory than a few payloads take; a panic, whatever the bytes.

use std::collections::VecDeque;
use std::fmt;
use std::io::Read;

use super::chain::Chain;
use super::damage::{Damage, EvidenceError, Good, What};
use super::entry::{Entry, Turn};
use super::frames::{Broken, Frame, Frames};
use super::layout::{KIND_ENTRIES, KIND_SEAL, MAX_PAYLOAD};
use super::lines::{Line, Said};
use super::payload::Payload;
use super::seal::{SealLine, Sealed, Totals};
use super::writer::Previous;

/// Bytes of records after which a turn that goes on is handed out as it is. No trace has such turns.
const LONGEST_TURN: usize = 4 * MAX_PAYLOAD;
/// What a record takes beside its bytes, which may be none.
const PLACE_BYTES: usize = 16;

/// Reads the entries of one file.
pub struct Reader<R> {
    frames: Frames<R>,
    /// Whether it goes on behind a damage.
    walks_on: bool,
    payload: Option<(Payload, u64, u64)>,
    /// A turn whose next line goes on with it, and the bytes of its records.
    part: Option<(Turn, usize)>,
    ready: VecDeque<Result<Entry, Damage>>,
    good: Good,
    totals: Totals,
    unknown: u64,
    seal: Option<Sealed>,
    is_damaged: bool,
    is_over: bool,
}

impl<R> fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { totals, seal, .. } = self;
        write!(f, "Reader {{ totals: {totals:?}, seal: {seal:?} }}")
    }
}

impl<R: Read> Reader<R> {
    /// Reads the header of a file. What is read from `from` comes in pieces of 64 KiB.
    ///
    /// # Errors
    ///
    /// It is no evidence, of a later version, or its header is cut or damaged.
    pub fn open(from: R) -> Result<Self, EvidenceError> {
        Ok(Self {
            frames: Frames::open(from)?,
            walks_on: false,
            payload: None,
            part: None,
            ready: VecDeque::new(),
            good: Good::default(),
            totals: Totals::default(),
            unknown: 0,
            seal: None,
            is_damaged: false,
            is_over: false,
        })
    }

    /// From here on, goes on behind each damage with what is whole.
    pub(super) fn walk_on(&mut self) {
        self.walks_on = true;
    }

    /// Returns the next entry; or the first damage, and nothing after it.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would offer to go on behind a damage"
    )]
    pub fn next(&mut self) -> Option<Result<Entry, Damage>> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                if ready.is_err() && !self.walks_on {
                    self.is_over = true;
                    self.ready.clear();
                }
                return Some(ready);
            }
            if self.is_over {
                return None;
            }
            if self.payload.is_some() {
                self.line();
            } else {
                self.frame();
            }
        }
    }

    /// Returns how the file ended; `None` while it goes on, and where it was cut.
    pub fn sealed(&self) -> Option<Sealed> {
        self.seal
    }

    /// Returns what was read so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Returns how many entries were passed over, because only a later version knows them.
    pub fn unknown_entries(&self) -> u64 {
        self.unknown
    }

    /// Returns the last chain value of the file before, if this one goes on with another one's trace.
    pub fn previous(&self) -> Option<Chain> {
        self.frames.header.previous
    }

    /// Returns the number of the file's first frame.
    pub fn first_frame(&self) -> u64 {
        self.frames.header.sequence
    }

    /// Returns where the file ends, of what was read so far: what the next file of the same trace goes on
    /// from.
    pub fn end(&self) -> Previous {
        Previous {
            chain: self.frames.tip().0,
            sequence: self.frames.next_number().saturating_sub(1),
        }
    }

    /// Returns how many bytes of the file were worked off, its header included.
    pub fn offset(&self) -> u64 {
        self.frames.tip().1
    }

    /// Takes the next frame.
    fn frame(&mut self) {
        match self.frames.next() {
            None => {
                self.hand_out_part();
                self.is_over = true;
            }
            Some(Err(Broken {
                offset,
                frame,
                what,
            })) => {
                // Whatever it was to be, nothing belongs there.
                let is_behind = self.seal.is_some() && !matches!(what, What::Read(_));
                let what = if is_behind { What::BehindEnd } else { what };
                self.damage(offset, frame, what);
            }
            Some(Ok(frame)) => self.whole(frame),
        }
    }

    fn whole(&mut self, frame: Frame) {
        let (offset, sequence) = (frame.offset, frame.sequence);
        let misplaced = match self.seal {
            // Whatever it is, and wherever it belongs.
            Some(_) => Some(What::BehindEnd),
            None => frame.misplaced,
        };
        if let Some(what) = misplaced {
            self.damage(offset, frame.expected, what);
            if sequence < frame.expected {
                // It was read before, or is not of this file.
                return;
            }
        }
        let payload = match frame.payload {
            Ok(payload) => payload,
            Err(what) => return self.damage(offset, sequence, what),
        };
        match frame.kind {
            KIND_ENTRIES => match Payload::read(&payload, self.frames.packing) {
                Ok(payload) => self.payload = Some((payload, offset, sequence)),
                Err(what) => self.damage(offset, sequence, What::Content(what.to_owned())),
            },
            KIND_SEAL => match SealLine::read(&payload) {
                Ok((end, told)) => self.close(end, told, offset, sequence),
                Err(what) => self.damage(offset, sequence, What::Content(what)),
            },
            // Of a later version.
            _ => {
                self.unknown += 1;
                self.good.frames += 1;
            }
        }
    }

    fn close(&mut self, end: Sealed, told: Totals, offset: u64, sequence: u64) {
        self.hand_out_part();
        self.seal = Some(end);
        let read = self.totals;
        let differs = [
            ("frames", told.frames, read.frames),
            ("entries", told.entries, read.entries),
            ("records", told.records, read.records),
        ]
        .into_iter()
        .find(|(_, told, read)| told != read);
        match differs {
            None => self.good.frames += 1,
            // What is missing has been told.
            Some(_) if self.is_damaged => (),
            Some((name, told, read)) => {
                let what = What::Totals(format!("{told} {name} where there are {read}"));
                self.damage(offset, sequence, what);
            }
        }
    }

    /// Takes the next line of the frame at hand.
    fn line(&mut self) {
        let Some((mut payload, offset, sequence)) = self.payload.take() else {
            return;
        };
        let Some(line) = payload.line() else {
            if payload.records_left() > 0 {
                let what = "it has records that no turn takes".to_owned();
                return self.damage(offset, sequence, What::Content(what));
            }
            self.totals.frames += 1;
            self.good.frames += 1;
            return;
        };
        let said = match Line::read(line) {
            Ok(said) => said,
            Err(what) => return self.damage(offset, sequence, What::Content(what)),
        };
        let taken = match said {
            Said::Unknown => {
                self.hand_out_part();
                self.unknown += 1;
                self.totals.entries += 1;
                Ok(())
            }
            Said::Entry(Entry::Turn(turn), records, goes_on) => {
                self.turn(turn, &mut payload, records, goes_on)
            }
            Said::Entry(entry, ..) => {
                self.hand_out_part();
                self.hand_out(entry)
            }
        };
        match taken {
            Ok(()) => self.payload = Some((payload, offset, sequence)),
            Err(what) => self.damage(offset, sequence, What::Content(what.to_owned())),
        }
    }

    fn turn(
        &mut self,
        mut turn: Turn,
        payload: &mut Payload,
        records: u32,
        goes_on: bool,
    ) -> Result<(), &'static str> {
        let (mut batch, mut bytes) = match self.part.take() {
            Some((part, bytes)) => (part.batch, bytes),
            None => Default::default(),
        };
        let mut taken = Ok(());
        for _ in 0..records {
            let Some(record) = payload.record() else {
                taken = Err("a turn takes more records than there are");
                break;
            };
            batch.push(record);
            bytes += record.len() + PLACE_BYTES;
            self.totals.records += 1;
            self.good.records += 1;
        }
        turn.batch = batch;
        if goes_on && taken.is_ok() && bytes <= LONGEST_TURN {
            self.part = Some((turn, bytes));
            return Ok(());
        }
        self.hand_out(Entry::Turn(turn)).and(taken)
    }

    /// Hands out a turn of which no more comes.
    fn hand_out_part(&mut self) {
        if let Some((turn, _)) = self.part.take() {
            // A turn is never refused.
            let _ = self.hand_out(Entry::Turn(turn));
        }
    }

    fn hand_out(&mut self, entry: Entry) -> Result<(), &'static str> {
        let is_head = matches!(entry, Entry::Head(_));
        if !self.is_damaged && is_head != (self.totals.entries == 0) {
            return Err("a file has one head, as its first entry");
        }
        self.totals.entry(&entry);
        self.good.last = self.totals.last;
        self.ready.push_back(Ok(entry));
        Ok(())
    }

    fn damage(&mut self, offset: u64, frame: u64, what: What) {
        self.hand_out_part();
        self.is_damaged = true;
        self.ready.push_back(Err(Damage {
            offset,
            frame,
            what,
            good: self.good,
        }));
    }
}
