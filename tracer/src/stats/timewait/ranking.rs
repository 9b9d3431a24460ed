//! Timewait sockets counted by what they have in common, the most first.

use crate::stats::bounded::{Bounded, Figure};

/// Keys that are told apart in each list.
const KEYS: usize = 8192;

/// What was counted of some timewait sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// In TIME_WAIT now.
    pub now: u64,
    /// Found there when the trace began.
    pub found: u64,
    /// Entered it since.
    pub entered: u64,
    /// Ended.
    pub ended: u64,
}

impl Tally {
    /// Returns both together.
    pub fn with(self, other: Self) -> Self {
        Self {
            now: self.now + other.now,
            found: self.found + other.found,
            entered: self.entered + other.entered,
            ended: self.ended + other.ended,
        }
    }

    fn enter(&mut self, found: bool) {
        self.now += 1;
        *(if found {
            &mut self.found
        } else {
            &mut self.entered
        }) += 1;
    }

    fn leave(&mut self) {
        self.now -= 1;
        self.ended += 1;
    }
}

impl Figure for Tally {
    fn is_over(&self) -> bool {
        self.now == 0
    }

    fn weight(&self) -> u64 {
        self.found + self.entered
    }
}

/// A list in order, those with the most first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top<K> {
    /// The first ones.
    pub rows: Vec<(K, Tally)>,
    /// All others together.
    pub rest: Tally,
    /// How many others there are.
    pub rest_keys: u64,
    /// Whether there are more than that: some were no longer, or never, told apart.
    pub rest_is_more: bool,
}

/// Counts by key.
#[derive(Debug)]
pub(super) struct Ranking<K> {
    listed: Bounded<K, Tally>,
    /// Those that are not listed, together.
    others: Tally,
}

impl<K: Ord + Clone> Default for Ranking<K> {
    fn default() -> Self {
        Self::new(KEYS)
    }
}

impl<K: Ord + Clone> Ranking<K> {
    fn new(keys: usize) -> Self {
        Self {
            listed: Bounded::new(keys),
            others: Tally::default(),
        }
    }

    /// Counts a socket; returns whether its key is listed, which [`leave`](Self::leave) must be told.
    pub(super) fn enter(&mut self, key: K, found: bool) -> bool {
        let others = &mut self.others;
        let tally = self
            .listed
            .get_or_add(key, |gone| *others = others.with(gone));
        let is_listed = tally.is_some();
        tally.unwrap_or(&mut self.others).enter(found);
        is_listed
    }

    /// Takes a socket off that was counted.
    pub(super) fn leave(&mut self, key: &K, is_listed: bool) {
        let tally = is_listed.then(|| self.listed.get_mut(key)).flatten();
        tally.unwrap_or(&mut self.others).leave();
    }

    /// Returns the keys with the most sockets over the whole trace, found ones included.
    pub(super) fn top(&self, rows: usize) -> Top<K> {
        let mut all: Vec<(K, Tally)> = self
            .listed
            .iter()
            .map(|(key, &tally)| (key.clone(), tally))
            .collect();
        all.sort_by(|(one, a), (other, b)| {
            let order = |tally: &Tally| (tally.weight(), tally.now);
            order(b).cmp(&order(a)).then_with(|| one.cmp(other))
        });
        let beyond = all.split_off(rows.min(all.len()));
        let rest = beyond
            .iter()
            .fold(self.others, |sum, &(_, tally)| sum.with(tally));
        Top {
            rows: all,
            rest,
            rest_keys: beyond.len() as u64,
            rest_is_more: self.others != Tally::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(now: u64, found: u64, entered: u64, ended: u64) -> Tally {
        Tally {
            now,
            found,
            entered,
            ended,
        }
    }

    #[test]
    fn the_most_come_first_and_the_rest_is_added_up() {
        let mut ranking = Ranking::new(10);
        for (key, times) in [("a", 1), ("b", 3), ("c", 2)] {
            for _ in 0..times {
                assert!(ranking.enter(key, false));
            }
        }
        ranking.enter("c", true);
        ranking.leave(&"b", true);
        let top = ranking.top(1);
        // As many as c, but fewer of them now.
        assert_eq!(top.rows, [("c", tally(3, 1, 2, 0))]);
        assert_eq!(top.rest, tally(3, 0, 4, 1));
        assert_eq!((top.rest_keys, top.rest_is_more), (2, false));
    }

    #[test]
    fn keys_without_room_are_counted_and_said() {
        let mut ranking = Ranking::new(2);
        let listed: Vec<bool> = (0..4).map(|key| ranking.enter(key, false)).collect();
        assert_eq!(listed, [true, true, false, false]);
        ranking.leave(&3, false);
        ranking.leave(&0, true);
        // Room at last: 0 is over, and counts with the others from now on.
        assert!(ranking.enter(4, false));
        ranking.leave(&2, false);
        let top = ranking.top(5);
        assert_eq!(top.rows, [(1, tally(1, 0, 1, 0)), (4, tally(1, 0, 1, 0))]);
        assert_eq!(top.rest, tally(0, 0, 3, 3));
        assert!(top.rest_is_more);
    }
}
