//! The recorder: takes what a trace takes in, and brings it into files, whatever happens to the disk.
//!
//! **Never:** a failure that ends the trace. What cannot be written waits, and is lost when it is too much: that
//! is said on the spot, and stands in the evidence as soon as it takes something again.

mod ending;
mod gap;
mod outcome;
mod rotation;
mod tally;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::SIGXFSZ;

use super::backlog::{Backlog, Lost};
use super::error::StoreError;
use super::files::{Disk, Files};
use super::owner::Owner;
use crate::cli::record::RecordPlan;
use crate::evidence::{Entry, Head, Namespace, Turn, Writer};
use crate::model::{MonoNs, printable};
use tally::Tally;

pub use outcome::{Outcome, Progress};

/// How long a record waits for its frame to be written, in nanoseconds: with the agent's rest between two
/// turns, less than a second.
const FRAME_AGE_NS: u64 = 900_000_000;
/// Bytes, before they are compressed, that a frame is cut at.
pub const FRAME_BYTES: usize = 1 << 20;
/// Time between two attempts to write what could not be written, in nanoseconds.
const RETRY_NS: u64 = 1_000_000_000;
/// Paths of cgroups that are told again in a later file.
const MOST_CGROUPS: usize = 64 << 10;

/// Brings entries into files.
pub struct Recorder {
    plan: RecordPlan,
    head: Head,
    disk: Box<dyn Disk>,
    writer: Writer,
    state: State,
    backlog: Backlog,
    say: Box<dyn FnMut(&str)>,
    /// What the writer holds, and what the file does.
    pending: Tally,
    file: Tally,
    /// Since when the writer holds something.
    waits_since: Option<MonoNs>,
    /// When rotation is tried again after it failed.
    rotate_at: MonoNs,
    /// Whether it was said that it failed.
    is_put_off: bool,
    /// When the file was begun.
    begun: MonoNs,
    /// What the next file begins with.
    namespaces: Vec<Namespace>,
    cgroups: BTreeMap<u64, String>,
    clock: Option<Entry>,
    /// Entries of the trace's end that the writer holds.
    ending: Vec<Entry>,
    totals: Totals,
}

/// What becomes of an entry.
#[derive(Debug)]
enum State {
    /// It is written.
    Writing,
    /// It waits.
    Gap { retry_at: MonoNs, stuck: Stuck },
    /// It is lost: the files have all the bytes that they may have.
    Full,
}

/// What must be done before anything else can be written.
#[derive(Debug)]
enum Stuck {
    /// The frame that the writer has cut must be written.
    Frame,
    /// A new file must be made. Whether it was said that this failed.
    File { is_said: bool },
}

/// Figures of the whole recording.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    records: u64,
    lost: u64,
    is_damaged: bool,
}

/// A file that was made, and has nothing in it yet: privileges may be given up before it is written to.
pub struct Prepared {
    plan: RecordPlan,
    files: Files,
}

impl Prepared {
    /// Writes the first frame. `say` is given what the user has to know at once, as lines.
    ///
    /// # Errors
    ///
    /// It cannot be written; the file is then removed.
    pub fn begin(
        self,
        head: &Head,
        say: impl FnMut(&str) + 'static,
    ) -> Result<Recorder, StoreError> {
        let Self { plan, mut files } = self;
        let mut writer = Writer::new(head, None);
        if let Err(trouble) = files.append(writer.cut()) {
            files.withdraw();
            let path = plan.path;
            return Err(StoreError::Write { path, trouble });
        }
        writer.written();
        Ok(Recorder::new(
            &plan,
            head,
            Box::new(files),
            writer,
            Box::new(say),
        ))
    }
}

impl Recorder {
    /// Makes the file, for the user who ran the agent: nothing is in it yet.
    ///
    /// # Errors
    ///
    /// The file exists, or may not be made.
    pub fn prepare(plan: &RecordPlan) -> Result<Prepared, StoreError> {
        let owner = Owner::find();
        outlive_limit().map_err(|cause| StoreError::creating(&plan.path, &owner, cause))?;
        Ok(Prepared {
            plan: plan.clone(),
            files: Files::create(&plan.path, owner)?,
        })
    }

    /// Makes the file and writes its first frame; see [`prepare`](Self::prepare) and [`Prepared::begin`].
    ///
    /// # Errors
    ///
    /// The file exists, may not be made, or cannot be written to.
    pub fn create(
        plan: &RecordPlan,
        head: &Head,
        say: impl FnMut(&str) + 'static,
    ) -> Result<Self, StoreError> {
        Self::prepare(plan)?.begin(head, say)
    }

    pub(super) fn new(
        plan: &RecordPlan,
        head: &Head,
        disk: Box<dyn Disk>,
        writer: Writer,
        say: Box<dyn FnMut(&str)>,
    ) -> Self {
        Self {
            plan: plan.clone(),
            head: head.clone(),
            disk,
            writer,
            state: State::Writing,
            backlog: Backlog::default(),
            say,
            pending: Tally::default(),
            file: Tally::default(),
            waits_since: None,
            rotate_at: head.start,
            is_put_off: false,
            begun: head.start,
            namespaces: Vec::new(),
            cgroups: BTreeMap::new(),
            clock: None,
            ending: Vec::new(),
            totals: Totals::default(),
        }
    }

    /// Takes an entry, in the order of the trace.
    pub fn entry(&mut self, entry: &Entry) {
        self.remember(entry);
        match self.state {
            State::Writing => self.write(entry),
            State::Gap { .. } | State::Full => self.backlog.entry(entry),
        }
    }

    /// Takes a turn, in the order of the trace.
    pub fn turn(&mut self, turn: &Turn) {
        match self.state {
            State::Writing => self.write_turn(turn),
            State::Gap { .. } | State::Full => self.backlog.turn(turn),
        }
    }

    /// Writes what is due at `now`. To be called after each turn, and at [`next_deadline`](Self::next_deadline).
    pub fn tick(&mut self, now: MonoNs) {
        if self.writer.pending() {
            self.waits_since.get_or_insert(now);
        }
        let is_old = self.frame_deadline().is_some_and(|due| due <= now);
        if matches!(self.state, State::Writing) && (is_old || self.is_big()) {
            self.cut(now);
        }
        if matches!(self.state, State::Gap { retry_at, .. } if retry_at <= now) {
            self.retry(now);
        }
    }

    /// Returns when [`tick`](Self::tick) has something to do, if nothing comes before.
    pub fn next_deadline(&self) -> Option<MonoNs> {
        match self.state {
            State::Writing => self.frame_deadline(),
            State::Gap { retry_at, .. } => Some(retry_at),
            State::Full => None,
        }
    }

    /// Returns how far the recording is.
    pub fn progress(&self) -> Progress {
        Progress {
            records: self.totals.records,
            bytes: self.disk.total(),
            lost: self.totals.lost + self.pending.not_recorded + self.backlog.lost(),
            is_writing: matches!(self.state, State::Writing),
        }
    }

    fn frame_deadline(&self) -> Option<MonoNs> {
        self.waits_since.map(|since| since.plus(FRAME_AGE_NS))
    }

    fn is_big(&self) -> bool {
        self.writer.pending_bytes() >= FRAME_BYTES
    }

    /// Keeps what a later file must tell again, to be understood alone.
    fn remember(&mut self, entry: &Entry) {
        match entry {
            Entry::Namespaces(namespaces) => self.namespaces.clone_from(namespaces),
            Entry::Cgroups(cgroups) => {
                for (id, path) in cgroups {
                    if self.cgroups.len() < MOST_CGROUPS || self.cgroups.contains_key(id) {
                        self.cgroups.insert(*id, path.clone());
                    }
                }
            }
            Entry::Clock(_) => self.clock = Some(entry.clone()),
            _ => {}
        }
    }

    fn write(&mut self, entry: &Entry) {
        match entry {
            Entry::Turn(turn) => return self.write_turn(turn),
            Entry::Closing(_) | Entry::End(_) => self.ending.push(entry.clone()),
            _ => {}
        }
        self.writer.entry(entry);
    }

    fn write_turn(&mut self, turn: &Turn) {
        self.pending.add_turn(turn);
        self.writer.turn(turn);
    }

    /// Writes what the writer holds.
    fn cut(&mut self, now: MonoNs) {
        self.waits_since = None;
        let frame = self.writer.cut();
        if frame.is_empty() {
            return;
        }
        let total = self.disk.total() + frame.len() as u64 + ending::RESERVED_BYTES;
        if self.plan.max_size.is_some_and(|most| total > most) {
            return self.fill(now);
        }
        match self.disk.append(frame) {
            Ok(()) => {
                self.written();
                self.rotate(now);
            }
            Err(trouble) => self.open_gap(&trouble, now),
        }
    }

    /// Counts what the writer held as written.
    fn written(&mut self) {
        self.writer.written();
        let pending = std::mem::take(&mut self.pending);
        self.totals.records += pending.records;
        self.totals.lost += pending.not_recorded;
        self.file.add(pending);
        self.ending.clear();
    }

    /// Lets go what the writer holds, and returns it as lost.
    fn drop_pending(&mut self, now: MonoNs) -> Lost {
        self.writer.dropped();
        self.waits_since = None;
        std::mem::take(&mut self.pending).lost(now)
    }

    fn say(&mut self, line: &str) {
        (self.say)(line);
    }

    /// The file that is written to, as it may be printed.
    fn name(&self) -> String {
        printable(self.disk.path())
    }
}

/// Makes a write beyond the limit of file sizes an error, as others are: left alone, its signal would end the
/// agent.
fn outlive_limit() -> io::Result<()> {
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    Ok(())
}

impl Drop for Recorder {
    /// Brings what waits to the disk where a trace ends by an error, or because nobody reads it any more. It is not
    /// sealed: its end is not in it.
    fn drop(&mut self) {
        if matches!(self.state, State::Writing) && self.writer.pending() {
            let now = self.waits_since.unwrap_or(self.begun);
            self.cut(now);
        }
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder")
            .field("plan", &self.plan)
            .field("state", &self.state)
            .field("totals", &self.totals)
            .finish_non_exhaustive()
    }
}
