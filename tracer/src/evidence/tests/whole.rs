//! A whole file: what was written comes back.

use super::samples::{batch, entries, file, head, record};
use crate::evidence::layout::MAX_PAYLOAD;
use crate::evidence::payload::MARGIN;
use crate::evidence::{Damage, Entry, Reader, Sealed, Turn, Writer, verify};
use crate::model::{Loss, LossCause, MonoNs};

pub(super) fn read(file: &[u8]) -> (Vec<Entry>, Option<Damage>, Option<Sealed>) {
    let mut reader = Reader::open(file).expect("the header is whole");
    let mut entries = Vec::new();
    while let Some(next) = reader.next() {
        match next {
            Ok(entry) => entries.push(entry),
            Err(damage) => return (entries, Some(damage), reader.sealed()),
        }
    }
    (entries, None, reader.sealed())
}

#[test]
fn every_kind_of_entry_comes_back() {
    for per_frame in [1, 3, 100] {
        let file = file(&entries(), per_frame);
        assert_eq!(read(&file), (entries(), None, Some(Sealed::Ended)));
        let verdict = verify(&*file, None).expect("evidence");
        assert!(verdict.is_whole(), "{verdict:?}");
        assert!(verdict.ended);
        assert_eq!(verdict.totals.records, 9);
        assert_eq!(verdict.totals.entries, 13);
        assert_eq!((verdict.losses, verdict.lost), (2, 5));
        assert_eq!(verdict.bytes, file.len() as u64);
    }
}

#[test]
fn a_turn_longer_than_a_frame_comes_back_in_one() {
    let records: Vec<Vec<u8>> = (0..150_000).map(|at| record(at, at % 5000)).collect();
    let turn = Turn {
        batch: batch(records.iter().map(Vec::as_slice)),
        emptied: true,
        ..Turn::default()
    };
    let entries = [Entry::Head(Box::new(head())), Entry::Turn(turn)];
    let file = file(&entries, 2);
    let (back, damage, sealed) = read(&file);
    assert!(back == entries, "{} entries", back.len());
    assert_eq!((damage, sealed), (None, Some(Sealed::Ended)));
    let verdict = verify(&*file, None).expect("evidence");
    assert!(verdict.totals.frames > 1);
}

#[test]
fn a_turn_stands_where_its_records_are_however_long_its_line_is() {
    let loss = |cpu| Loss {
        cause: LossCause::RingFull { cpu },
        lost: 1,
        beside: 0,
        since: MonoNs(1),
        until: MonoNs(2),
    };
    let records: Vec<Vec<u8>> = (0..9).map(|at| record(at, at)).collect();
    let turn = Turn {
        batch: batch(records.iter().map(Vec::as_slice)),
        losses: (0..200).map(loss).collect(),
        ..Turn::default()
    };
    // Room for nothing of it, for the records alone, for all of it.
    for room in [100, 2_000, 8_000, 16_000, 40_000] {
        let mut writer = Writer::new(&head(), None);
        let long = MAX_PAYLOAD - MARGIN - writer.pending_bytes() - room;
        let filling = Entry::Cgroups(vec![(1, "x".repeat(long))]);
        writer.entry(&filling);
        assert!(writer.pending_bytes() > long, "it waits in the frame");
        writer.turn(&turn);
        let file = writer.seal(Sealed::Ended).to_vec();
        let (entries, damage, _) = read(&file);
        assert_eq!(damage, None, "room for {room}");
        assert!(entries[1..] == [filling, Entry::Turn(turn.clone())]);
    }
}

#[test]
fn what_could_not_be_written_is_not_missed() {
    let turns: Vec<Turn> = (0..4)
        .map(|at| Turn {
            batch: batch([record(at, at).as_slice()]),
            ..Turn::default()
        })
        .collect();
    let mut writer = Writer::new(&head(), None);
    let mut bytes = Vec::new();
    for (turn, is_full) in turns.iter().zip([true, false, true, false]) {
        writer.turn(turn);
        let cut = writer.cut();
        assert!(!cut.is_empty());
        if is_full {
            assert_eq!(writer.dropped(), 1);
            continue;
        }
        bytes.extend_from_slice(cut);
        writer.written();
    }
    bytes.extend_from_slice(writer.seal(Sealed::Rotated));
    writer.written();
    let end = writer.chain();
    let expected: Vec<Entry> = std::iter::once(Entry::Head(Box::new(head())))
        .chain([1, 3].map(|kept: usize| Entry::Turn(turns[kept].clone())))
        .collect();
    assert_eq!(read(&bytes), (expected, None, Some(Sealed::Rotated)));

    let mut next = Writer::new(&head(), Some(end));
    let mut more = next.seal(Sealed::Ended).to_vec();
    let verdict = verify(&*more, Some(end)).expect("evidence");
    assert!(verdict.is_whole(), "{verdict:?}");
    assert_eq!(verify(&*bytes, None).expect("evidence").end, end);
    more = Writer::new(&head(), None).seal(Sealed::Ended).to_vec();
    assert!(!verify(&*more, Some(end)).expect("evidence").is_whole());
}
