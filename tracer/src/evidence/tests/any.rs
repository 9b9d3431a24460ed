//! Any entries come back, and any bytes are read to an end.

use proptest::prelude::*;

use super::samples::{batch, clock, entries, file, head};
use super::whole::read;
use crate::evidence::{Entry, Reader, Sealed, Turn, verify};
use crate::model::{Loss, LossCause, MonoNs};

fn any_turn() -> impl Strategy<Value = Entry> {
    let record = prop_oneof![
        prop::collection::vec(any::<u8>(), 128),
        prop::collection::vec(0_u8..2, 112),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    let loss = (any::<u32>(), any::<u64>(), any::<u64>(), any::<u64>()).prop_map(
        |(cpu, lost, since, until)| Loss {
            beside: 0,
            cause: LossCause::RingFull { cpu },
            lost,
            since: MonoNs(since),
            until: MonoNs(until),
        },
    );
    let parts = (
        prop::collection::vec(record, 0..20),
        prop::collection::vec(loss, 0..3),
        any::<bool>(),
        any::<Option<u64>>(),
    );
    parts.prop_map(|(records, losses, emptied, timeout)| {
        Entry::Turn(Turn {
            batch: batch(records.iter().map(Vec::as_slice)),
            losses,
            emptied,
            asked: None,
            timeout: timeout.map(MonoNs),
        })
    })
}

fn any_entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        3 => any_turn(),
        2 => prop::sample::select(entries()[1..].to_vec()),
        1 => prop::collection::vec((any::<u64>(), any::<String>()), 0..4).prop_map(Entry::Cgroups),
        1 => (any::<u64>(), any::<i128>()).prop_map(|(mono, wall_ns)| {
            let mut clock = clock(mono, 0);
            clock.wall_ns = wall_ns;
            Entry::Clock(clock)
        }),
    ]
}

/// Reads bytes in both ways.
fn read_to_the_end(bytes: &[u8]) {
    let Ok(mut reader) = Reader::open(bytes) else {
        return;
    };
    while reader.next().is_some() {}
    let _ = verify(bytes, None);
}

proptest! {
    #[test]
    fn any_entries_come_back(some in prop::collection::vec(any_entry(), 0..12), per_frame in 1_usize..5) {
        let mut entries = vec![Entry::Head(Box::new(head()))];
        entries.extend(some);
        let file = file(&entries, per_frame);
        prop_assert_eq!(read(&file), (entries, None, Some(Sealed::Ended)));
        prop_assert!(verify(&*file, None).expect("evidence").is_whole());
    }

    #[test]
    fn any_bytes_behind_a_header_are_read_to_the_end(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let mut file = file(&entries(), 3)[..crate::evidence::layout::FILE_HEADER_SIZE].to_vec();
        file.extend(bytes);
        read_to_the_end(&file);
    }
}
