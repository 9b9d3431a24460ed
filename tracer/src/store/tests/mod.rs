//! The recorder, before a disk that does as it is told and before real files.

mod gaps;
mod real;
mod rotated;
mod shelf;

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use crate::cli::record::RecordPlan;
use crate::evidence::{
    Clock, Closing, Entry, Head, Namespace, Reader, Sealed, TimeZoneOf, Turn, User, Writer,
};
use crate::model::{Batch, Loss, LossCause, MonoNs, Reading, ResetReasons};
use crate::store::recorder::{Outcome, Recorder};
use shelf::Shelf;

/// When the trace began.
const START: MonoNs = MonoNs(10_000_000_000);
/// Size of a record.
const SIZE: usize = 128;

/// A record of a state change, made at `at`.
pub(super) fn record(at: u64) -> Vec<u8> {
    // The kernel side's first fields: kind 1, its size; when; AF_INET and IPPROTO_TCP.
    let mut bytes = vec![0; SIZE];
    bytes[0..2].copy_from_slice(&1_u16.to_ne_bytes());
    bytes[2..4].copy_from_slice(&(SIZE as u16).to_ne_bytes());
    bytes[8..16].copy_from_slice(&at.to_ne_bytes());
    bytes[68..70].copy_from_slice(&2_u16.to_ne_bytes());
    bytes[70..72].copy_from_slice(&6_u16.to_ne_bytes());
    bytes
}

/// A turn with records made at these moments.
pub(super) fn turn(at: &[u64]) -> Turn {
    let mut batch = Batch::default();
    for &at in at {
        batch.push(&record(at));
    }
    Turn {
        batch,
        emptied: true,
        ..Turn::default()
    }
}

/// A turn with so many records, which do not pack well.
fn many(count: usize, at: u64) -> Turn {
    let mut state = at | 1;
    let mut batch = Batch::default();
    for _ in 0..count {
        let mut bytes = record(at);
        // Socket, cookie and cgroup may be anything.
        for byte in &mut bytes[16..40] {
            // Any generator does: Marsaglia's xorshift.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state as u8;
        }
        batch.push(&bytes);
    }
    Turn {
        batch,
        emptied: true,
        ..Turn::default()
    }
}

fn head() -> Head {
    Head {
        tracer: "0.1.0".to_owned(),
        abi: 1,
        kernel: "6.12.0".to_owned(),
        machine: "x86_64".to_owned(),
        boot_id: None,
        hostname: "host".to_owned(),
        build_id: None,
        hook: "tp_btf".to_owned(),
        time_wait: "fentry".to_owned(),
        half_open: "fentry".to_owned(),
        sees_silent_rearms: true,
        tells_resets: false,
        reset_reasons: ResetReasons::default(),
        hz: None,
        missing: Vec::new(),
        notes: Vec::new(),
        privileges: None,
        filters: Vec::new(),
        netns: Vec::new(),
        command: Vec::new(),
        redacted: false,
        secret: Some("5ec2e7".to_owned()),
        user: User { uid: 0, name: None },
        start: START,
        clock: clock(START),
        zone: TimeZoneOf {
            iana: None,
            offset_s: 0,
        },
        ring_bytes: 8 << 20,
        max_connections: 1,
        hold_ns: 0,
    }
}

fn clock(mono: MonoNs) -> Clock {
    Clock {
        mono,
        wall_ns: i128::from(mono.0),
        suspended_ns: 0,
    }
}

fn namespaces() -> Entry {
    Entry::Namespaces(vec![Namespace {
        inode: 7,
        name: Some("blue".to_owned()),
        settings: None,
    }])
}

fn plan() -> RecordPlan {
    RecordPlan {
        path: PathBuf::from("a.tev"),
        rotate: None,
        keep: None,
        max_size: None,
    }
}

/// A moment so many milliseconds after the begin.
fn ms(ms: u64) -> MonoNs {
    START.plus(ms * 1_000_000)
}

/// A recorder before a shelf, and what it said.
struct Scene {
    recorder: Recorder,
    shelf: Shelf,
    said: Rc<RefCell<Vec<String>>>,
}

impl Scene {
    fn new(plan: &RecordPlan) -> Self {
        let shelf = Shelf::default();
        let said = Rc::<RefCell<Vec<String>>>::default();
        let mut writer = Writer::new(&head(), None);
        shelf.put(writer.cut());
        writer.written();
        let recorder = Recorder::new(
            plan,
            &head(),
            Box::new(shelf.clone()),
            writer,
            Box::new({
                let said = Rc::clone(&said);
                move |line: &str| said.borrow_mut().push(line.to_owned())
            }),
        );
        Self {
            recorder,
            shelf,
            said,
        }
    }

    /// Takes a turn, and writes it.
    fn turn_at(&mut self, turn: &Turn, at: MonoNs) {
        self.recorder.turn(turn);
        self.recorder.tick(at);
        if let Some(due) = self.recorder.next_deadline() {
            self.recorder.tick(due);
        }
    }

    fn said(&self) -> Vec<String> {
        self.said.borrow().clone()
    }

    fn finish(mut self, at: MonoNs) -> (Outcome, Shelf, Vec<String>) {
        self.recorder.entry(&Entry::End(at));
        let said = Rc::clone(&self.said);
        let outcome = self.recorder.finish(at);
        let said = said.borrow().clone();
        (outcome, self.shelf, said)
    }
}

/// All entries of files in their order. They must be undamaged, sealed but the last, and follow one another.
fn read(files: &[Vec<u8>]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut end = None;
    for (index, file) in files.iter().enumerate() {
        let mut reader = Reader::open(&file[..]).expect("evidence");
        if let Some(end) = end {
            assert_eq!(
                reader.previous(),
                Some(end),
                "file {index} follows none of these"
            );
        }
        while let Some(entry) = reader.next() {
            entries.push(entry.expect("an undamaged entry"));
        }
        let is_last = index + 1 == files.len();
        assert!(is_last || reader.sealed() == Some(Sealed::Rotated));
        end = Some(reader.end().chain);
    }
    entries
}

/// How many records are in turns, and the losses that no disk took.
fn tell(entries: &[Entry]) -> (u64, Vec<Loss>) {
    let turns = entries.iter().filter_map(|entry| match entry {
        Entry::Turn(turn) => Some(turn),
        _ => None,
    });
    let records = turns
        .clone()
        .map(|turn| turn.batch.records().count() as u64);
    let losses = turns.flat_map(|turn| turn.losses.clone());
    (
        records.sum(),
        losses
            .filter(|loss| loss.cause == LossCause::NotRecorded)
            .collect(),
    )
}
