//! What is tried with any bytes, and what must hold then. The targets in `fuzz_targets` call these
//! functions, and so does a test of the agent's, for a few seconds each time.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};
use tracer::evidence::{Reader, verify};
use tracer::model::{Event, Loss, LossCause, MonoNs, decode};
use tracer::track::{Follows, Limits, Output, Selection, Timewaits, Tracker};

/// Reads a file of evidence in both ways, which must agree.
pub fn reader(bytes: &[u8]) {
    let verdict = verify(bytes, None);
    let Ok(mut reader) = Reader::open(bytes) else {
        assert!(
            verdict.is_err(),
            "one way opens it, and the other one does not"
        );
        return;
    };
    let verdict = verdict.expect("both ways open it");
    let mut damaged = None;
    while let Some(next) = reader.next() {
        damaged = next.err();
    }
    match &damaged {
        Some(damage) => assert!(damage.offset <= bytes.len() as u64, "{damage}"),
        None => assert_eq!(reader.totals(), verdict.totals),
    }
    if verdict.is_whole() {
        assert_eq!(reader.sealed(), verdict.sealed);
    }
}

/// Reads bytes as the payload of the one frame of a file that is whole but for it. The first byte is the
/// frame's kind.
pub fn frame(bytes: &[u8]) {
    let Some((&kind, plain)) = bytes.split_first() else {
        return;
    };
    let stored = zstd::bulk::compress(plain, 1).expect("any bytes can be packed");
    for version in [1, 2] {
        reader(&file_of(version, kind, plain.len(), &stored));
    }
}

/// A file of this version of the format, of one frame.
fn file_of(version: u8, kind: u8, plain: usize, stored: &[u8]) -> Vec<u8> {
    let mut file = Vec::from(*b"\x89TEV\r\n\x1a\n");
    file.resize(56, 0);
    file[8] = version;
    let rest = [&file[..12], &file[16..]].concat();
    file[12..16].copy_from_slice(&crc32fast::hash(&rest).to_le_bytes());
    let start: [u8; 32] = Sha256::digest(&file).into();

    let mut header = Vec::from(*b"\xf5TEF");
    header.extend_from_slice(&u16::from(kind).to_le_bytes());
    header.resize(16, 0);
    header.extend_from_slice(&(stored.len() as u32).to_le_bytes());
    header.extend_from_slice(&(plain as u32).to_le_bytes());
    header.extend_from_slice(&crc32fast::hash(stored).to_le_bytes());
    header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
    let frame = [&header, stored].concat();
    file.extend_from_slice(&frame);
    file.extend_from_slice(&Sha256::digest([&start[..], &frame].concat()));
    file
}

/// Decodes a record.
pub fn decoder(bytes: &[u8]) {
    match decode(bytes) {
        Ok(event) => {
            let _ = format!("{event:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Follows a stream. The first byte is what is followed; then, each with a byte before it that says which it
/// is, records, losses, and time that passes. No connection may be told of twice.
pub fn tracker(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let [options] = bytes.take();
    let mut tracker = Tracker::new(
        Selection::default(),
        Limits {
            connections: 16,
            ..Limits::default()
        },
    );
    tracker.follow(Follows {
        timewaits: [Timewaits::Unseen, Timewaits::Hooked, Timewaits::Asked]
            [usize::from(options) % 3],
        requests: options & 4 != 0,
        armings: options & 8 != 0,
        tick_ns: (options & 16 != 0).then_some(4_000_000),
        ..Follows::default()
    });
    tracker.handle(&Event::ExistingComplete);
    let mut told = BTreeSet::new();
    let mut now = MonoNs(0);
    while !bytes.0.is_empty() {
        let [which] = bytes.take();
        let event = match which % 8 {
            0..4 => record(bytes.take::<128>(), 1),
            4 => record(bytes.take::<112>(), 2),
            5 => record(bytes.take::<112>(), 3),
            6 => {
                let since = MonoNs(u64::from_le_bytes(bytes.take()));
                Some(Event::Loss(Loss {
                    beside: 0,
                    cause: LossCause::RingFull { cpu: 0 },
                    lost: 1,
                    since,
                    until: since.plus(u64::from(which)),
                }))
            }
            _ => {
                now = now.plus(u64::from(u32::from_le_bytes(bytes.take())) * 1000);
                tracker.handle_timeout(now);
                None
            }
        };
        if let Some(event) = event {
            now = now.max(event.at().unwrap_or_default());
            tracker.handle(&event);
        }
        let _ = tracker.poll_timeout();
        drain(&mut tracker, &mut told);
    }
    tracker.finish(now);
    drain(&mut tracker, &mut told);
}

/// Takes what the tracker tells.
fn drain(tracker: &mut Tracker, told: &mut BTreeSet<String>) {
    while let Some(output) = tracker.poll() {
        if let Output::Timeline(timeline) = output {
            let conn = format!("{:?}", timeline.conn);
            assert!(told.insert(conn), "told twice: {timeline:?}");
        }
    }
}

/// Makes a record of bytes: what says what it is, is made right, and the rest stays.
fn record<const SIZE: usize>(mut bytes: [u8; SIZE], kind: u16) -> Option<Event> {
    bytes[..2].copy_from_slice(&kind.to_ne_bytes());
    bytes[2..4].copy_from_slice(&(SIZE as u16).to_ne_bytes());
    if kind == 1 {
        bytes[68..70].copy_from_slice(&2_u16.to_ne_bytes());
        bytes[70..72].copy_from_slice(&6_u16.to_ne_bytes());
        bytes[78..80].fill(0);
    }
    decode(&bytes).ok()
}

/// Bytes that are taken from the front; zeros once there are no more.
struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn take<const SIZE: usize>(&mut self) -> [u8; SIZE] {
        let mut taken = [0; SIZE];
        let (some, rest) = self.0.split_at(SIZE.min(self.0.len()));
        taken[..some.len()].copy_from_slice(some);
        self.0 = rest;
        taken
    }
}
