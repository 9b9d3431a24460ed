//! Rings into which a test writes as the kernel side does.

use proptest::prelude::*;

use super::*;
use crate::model::Event;

const CONFIG: RingConfig = RingConfig {
    cpus: 2,
    pages: 2,
    stores_in_order: 1,
    last_pages: 4,
};

fn rings() -> Rings {
    let map = |words| MappedArray::without_map(words);
    Rings::new(
        &CONFIG,
        map(Rings::ends_words(&CONFIG)),
        map(Rings::pages_words(&CONFIG)),
        map(1),
    )
}

impl Rings {
    /// Writes a record of so many bytes, as the kernel side does; returns whether there was room. It is not seen before
    /// [`show`](Self::show).
    fn write(&self, ring: usize, written: &mut u64, at: u64, bytes: u64) -> bool {
        let Ring {
            first_word,
            bytes: room,
            ..
        } = self.rings[ring];
        let word = |position: u64| first_word + ((position % room) / WORD) as usize;
        let within = *written % PAGE;
        let start = match within + bytes <= PAGE {
            true => *written,
            false => *written + PAGE - within,
        };
        let tail = self.ends.load(ring * ENDS_WORDS + TAIL).expect("a ring");
        if start + bytes - tail > room {
            return false;
        }
        if start != *written {
            self.pages.store(word(*written), PAGE_ENDS);
        }
        let [low, high] = (bytes as u16).to_ne_bytes();
        let [ring_low, ring_high] = (ring as u16).to_ne_bytes();
        let first = u64::from_ne_bytes([1, 0, low, high, ring_low, ring_high, 0, 0]);
        self.pages.store(word(start), first);
        self.pages.store(word(start) + 1, at);
        *written = start + bytes;
        true
    }

    /// Shows what was written.
    fn show(&self, ring: usize, written: u64) {
        self.ends.store(ring * ENDS_WORDS + HEAD, written);
    }
}

/// The times of the records and their rings, in order.
fn seen(batch: &Batch) -> Vec<(u64, usize)> {
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0, |all, &byte| all << 8 | u64::from(byte))
    };
    let records = batch.records();
    records
        .map(|record| (number(&record[8..16]), number(&record[4..6]) as usize))
        .collect()
}

fn drained(rings: &mut Rings, now: u64) -> (Vec<(u64, usize)>, bool) {
    let mut batch = Batch::default();
    let is_all = rings.drain(MonoNs(now + CLOCK_MARGIN_NS), &mut batch);
    (seen(&batch), is_all)
}

#[test]
fn records_of_several_rings_come_in_the_order_of_their_times() {
    let mut rings = rings();
    for (ring, times) in [(0, [10, 20, 60]), (1, [30, 40, 50]), (3, [15, 45, 70])] {
        let mut written = 0;
        for at in times {
            assert!(rings.write(ring, &mut written, at, 128));
        }
        rings.show(ring, written);
    }
    let (seen, is_all) = drained(&mut rings, 100);
    let times: Vec<u64> = seen.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [10, 15, 20, 30, 40, 45, 50, 60, 70]);
    assert!(is_all && !rings.has_more());
}

#[test]
fn of_two_of_the_same_moment_the_larger_comes_first() {
    let mut rings = rings();
    let mut written = [0; 2];
    // A process, and behind it the change that showed it, which found room in the first ring.
    assert!(rings.write(1, &mut written[1], 10, 976));
    assert!(rings.write(0, &mut written[0], 10, 128));
    rings.show(0, written[0]);
    rings.show(1, written[1]);
    assert_eq!(drained(&mut rings, 20), (vec![(10, 1), (10, 0)], true));
}

#[test]
fn what_is_younger_than_the_look_waits_for_the_next_one() {
    let mut rings = rings();
    let mut written = [0; 2];
    assert!(rings.write(0, &mut written[0], 10, 128));
    assert!(rings.write(1, &mut written[1], 20, 128));
    // What the second follows from is written, and not seen.
    rings.show(1, written[1]);
    assert_eq!(drained(&mut rings, 20), (vec![], true));
    assert!(rings.has_more());
    rings.show(0, written[0]);
    assert_eq!(drained(&mut rings, 21), (vec![(10, 0), (20, 1)], true));
}

#[test]
fn a_ring_holds_no_more_than_it_has_room_for() {
    let mut rings = rings();
    let mut written = 0;
    let fill = |rings: &Rings, written: &mut u64| {
        let count = (0..)
            .take_while(|_| rings.write(0, written, 1, 240))
            .count();
        rings.show(0, *written);
        count
    };
    // Seventeen of them fit into a page.
    assert_eq!(fill(&rings, &mut written), 2 * 17);
    assert_eq!(drained(&mut rings, 5).0.len(), 2 * 17);
    assert_eq!(fill(&rings, &mut written), 2 * 17);
    assert_eq!(drained(&mut rings, 5).0.len(), 2 * 17);
}

#[test]
fn a_broken_record_is_handed_on_and_nothing_is_read_twice() {
    for size in [8_u64, 20, 4096, 65528] {
        let mut rings = rings();
        let mut written = 0;
        assert!(rings.write(0, &mut written, 1, 128));
        let [low, high] = (size as u16).to_ne_bytes();
        let first = u64::from_ne_bytes([1, 0, low, high, 0, 0, 0, 0]);
        rings.pages.store((written / WORD) as usize, first);
        rings.pages.store((written / WORD) as usize + 1, u64::MAX);
        rings.show(0, written + 64);
        let mut batch = Batch::default();
        rings.drain(MonoNs(9 + CLOCK_MARGIN_NS), &mut batch);
        let lengths: Vec<usize> = batch.records().map(<[u8]>::len).collect();
        assert_eq!(lengths, [128, 64], "{size}");
        assert!(!rings.has_more(), "{size}");
        assert!(batch.events(Vec::new(), &mut |_: &Event| ()).is_err());
    }
}

#[test]
fn sizes_are_no_larger_than_was_asked_for() {
    let sizes = |bytes, cpus| {
        let config = config_for(bytes, cpus);
        (config.pages, config.all_pages())
    };
    assert_eq!(sizes(None, 2), (1024, 2 * (1024 + 4 + 256)));
    assert_eq!(sizes(None, 3), (512, 3 * (512 + 4 + 128)));
    assert_eq!(sizes(None, 64), (128, 64 * (128 + 4 + 32)));
    assert_eq!(sizes(Some(64 << 20), 4), (4096, 4 * (4096 + 4 + 1024)));
    assert_eq!(sizes(Some(4096), 4), (1, 4 * (1 + 4 + 4)));
    assert_eq!(
        sizes(Some(1 << 30), 1),
        (1 << 18, (1 << 18) + 4 + (1 << 16))
    );
}

#[test]
fn no_two_rings_share_a_page() {
    let mut pages: Vec<u32> = (0..CONFIG.rings())
        .flat_map(|ring| {
            let place = CONFIG.place(ring);
            assert_eq!(place.ring, ring);
            place.first..place.first + place.pages
        })
        .collect();
    pages.sort_unstable();
    assert_eq!(pages, (0..CONFIG.all_pages()).collect::<Vec<_>>());
}

/// What happens next: a record of so many bytes is written into a ring, by a program that looked at the clock so long ago, what a ring holds is shown, or all are drained.
#[derive(Clone, Debug)]
enum Step {
    Write(usize, u64, u64),
    Show(usize),
    Drain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..6_usize, 2..130_u64, 0..3_u64)
            .prop_map(|(ring, words, ago)| Step::Write(ring, words * WORD, ago)),
        4 => (0..6_usize).prop_map(Step::Show),
        1 => Just(Step::Drain),
    ];
    prop::collection::vec(step, 0..400)
}

proptest! {
    /// Each record comes once, and those of a ring in their order.
    #[test]
    fn every_record_comes_once_and_in_order(steps in steps()) {
        let mut rings = rings();
        let (mut written, mut shown) = ([0; 6], [0; 6]);
        let mut expected: Vec<Vec<(u64, u64)>> = vec![Vec::new(); 6];
        let mut taken: Vec<(u64, usize)> = Vec::new();
        let mut clock = 0;
        let ends = (0..6).map(Step::Show).chain([Step::Drain]);
        for step in steps.into_iter().chain(ends) {
            clock += 1;
            match step {
                Step::Write(ring, bytes, ago) => {
                    let at = clock - ago.min(clock);
                    if rings.write(ring, &mut written[ring], at, bytes) {
                        expected[ring].push((at, written[ring]));
                    }
                }
                Step::Show(ring) => {
                    shown[ring] = written[ring];
                    rings.show(ring, shown[ring]);
                }
                Step::Drain => {
                    let (seen, is_all) = drained(&mut rings, clock);
                    prop_assert!(is_all);
                    taken.extend(seen);
                    for ring in 0..6 {
                        let told = taken.iter().filter(|(_, of)| *of == ring).map(|(at, _)| *at);
                        let visible = expected[ring].iter().filter(|(_, end)| *end <= shown[ring]);
                        prop_assert!(told.eq(visible.map(|(at, _)| *at)));
                    }
                }
            }
        }
    }
}
