//! How many there are within a time, in memory that does not grow.

use super::example::{Example, Examples};
use super::finding::Period;
use crate::model::MonoNs;

/// Parts of the time that are counted apart.
const PARTS: usize = 10;

/// Counts what happens within a time that moves on.
///
/// The time is counted in ten parts, so that what is counted together lies within it for sure, though it may
/// be a tenth shorter: no burst is told that is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Burst {
    /// How many within the time make one.
    least: u64,
    part_ns: u64,
    parts: [Part; PARTS],
    /// The newest part, numbered from the begin of the clock.
    newest: u64,
    counted: u64,
    most: u64,
    period: Period,
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    /// How many.
    all: u64,
    /// How many of them are counted as a burst.
    counted: u64,
    first: Option<MonoNs>,
}

impl Burst {
    /// Begins; so many within so many nanoseconds make one.
    pub(super) fn new((least, ns): (u64, u64)) -> Self {
        Self {
            least: least.max(1),
            part_ns: (ns / PARTS as u64).max(1),
            parts: [Part::default(); PARTS],
            newest: 0,
            counted: 0,
            most: 0,
            period: Period::default(),
        }
    }

    /// Counts one; returns whether there are enough of them now. One that is told later than the time is
    /// long is none.
    pub(super) fn add(&mut self, at: MonoNs) -> bool {
        let number = at.0 / self.part_ns;
        let parts = PARTS as u64;
        if number + parts <= self.newest {
            return false;
        }
        while self.newest < number {
            // Those in between hold nothing.
            self.newest = (self.newest + 1).max(number.saturating_sub(parts));
            self.parts[(self.newest % parts) as usize] = Part::default();
        }
        let part = &mut self.parts[(number % parts) as usize];
        part.all += 1;
        part.first = Some(part.first.map_or(at, |first| first.min(at)));
        let now: u64 = self.parts.iter().map(|part| part.all).sum();
        self.most = self.most.max(now);
        if now < self.least {
            return false;
        }
        for part in self.parts.iter_mut().filter(|part| part.counted < part.all) {
            self.counted += part.all - part.counted;
            part.counted = part.all;
            if let Some(first) = part.first {
                self.period.include(first);
            }
        }
        self.period.include(at);
        true
    }

    /// How many were in a burst.
    pub(super) fn count(&self) -> u64 {
        self.counted
    }

    /// The most within the time.
    pub(super) fn most(&self) -> u64 {
        self.most
    }

    /// From the first to the last one in a burst.
    pub(super) fn period(&self) -> Period {
        self.period
    }

    /// Keeps an example: the latest until there are enough, and then those.
    pub(super) fn keep(&self, examples: &mut Examples, example: Example) {
        if self.counted <= self.least {
            examples.keep_latest(example);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn filled(least: u64, moments_ms: impl IntoIterator<Item = u64>) -> Burst {
        let mut burst = Burst::new((least, 10 * SECOND));
        for ms in moments_ms {
            burst.add(MonoNs(7 * SECOND + ms * 1_000_000));
        }
        burst
    }

    #[test]
    fn as_many_within_the_time_are_a_burst_and_one_less_is_none() {
        let five = filled(5, (0..5).map(|one| one * 2_000));
        assert_eq!((five.count(), five.most()), (5, 5));
        let period = five.period();
        assert_eq!(period.since, Some(MonoNs(7 * SECOND)));
        assert_eq!(period.until, Some(MonoNs(15 * SECOND)));
        let four = filled(5, (0..4).map(|one| one * 2_000));
        assert_eq!((four.count(), four.most()), (0, 4));
        assert_eq!(four.period(), Period::default());
    }

    #[test]
    fn as_many_over_a_longer_time_are_none() {
        let slow = filled(5, (0..100).map(|one| one * 2_500));
        assert_eq!((slow.count(), slow.most()), (0, 4));
    }

    #[test]
    fn what_comes_before_and_after_a_burst_does_not_count() {
        let before = [0, 60_000];
        let burst = (0..20).map(|one| 100_000 + one * 10);
        let after = [200_000, 300_000];
        let counted = filled(20, before.into_iter().chain(burst).chain(after));
        assert_eq!((counted.count(), counted.most()), (20, 20));
        assert_eq!(counted.period().since, Some(MonoNs(107 * SECOND)));
        assert_eq!(
            counted.period().until,
            Some(MonoNs(107 * SECOND + 190_000_000))
        );
    }

    #[test]
    fn two_bursts_are_counted_together_and_nothing_twice() {
        let first = (0..10).map(|one| one * 100);
        let second = (0..10).map(|one| 60_000 + one * 100);
        assert_eq!(filled(10, first.chain(second)).count(), 20);
        let one = (0..30).map(|one| one * 900);
        assert_eq!(filled(10, one).count(), 30);
    }

    #[test]
    fn what_is_told_a_little_late_has_its_place_and_what_is_told_much_later_has_none() {
        assert_eq!(filled(3, [1_000, 5_000, 4_000]).count(), 3);
        assert_eq!(filled(3, [1_000, 60_000, 1_100, 1_200]).count(), 0);
    }
}
