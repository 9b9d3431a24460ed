//! A map of bounded size that lets go of what matters least, and says so.

use std::collections::BTreeMap;

/// What can be let go.
pub(super) trait Figure: Default {
    /// Returns whether nothing is under way that will be told of it again.
    fn is_over(&self) -> bool;
    /// How much it would be missed.
    fn weight(&self) -> u64;
}

/// Figures by key, at most a number of them.
///
/// Only what is over is let go, so that whatever was added to a figure can be taken off it.
#[derive(Debug)]
pub(super) struct Bounded<K, F> {
    figures: BTreeMap<K, F>,
    limit: usize,
    /// How many keys found no room since it was last looked for some.
    refused: usize,
}

impl<K: Ord + Clone, F: Figure> Bounded<K, F> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            figures: BTreeMap::new(),
            limit: limit.max(1),
            refused: 0,
        }
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut F> {
        self.figures.get_mut(key)
    }

    /// Returns the figure of a key, a new one if need be; `None` if there is no room for it. What is
    /// let go for it goes to `gone`.
    pub(super) fn get_or_add(&mut self, key: K, gone: impl FnMut(F)) -> Option<&mut F> {
        if !self.figures.contains_key(&key) && self.figures.len() >= self.limit {
            self.make_room(gone);
            if self.figures.len() >= self.limit {
                return None;
            }
        }
        Some(self.figures.entry(key).or_default())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &F)> {
        self.figures.iter()
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut F> {
        self.figures.values_mut()
    }

    pub(super) fn into_figures(self) -> BTreeMap<K, F> {
        self.figures
    }

    /// Lets go the lesser half of what is over. Looking through all of it pays off only now and
    /// then.
    fn make_room(&mut self, mut gone: impl FnMut(F)) {
        let often = self.limit / 4;
        if self.refused > 0 && self.refused < often {
            self.refused += 1;
            return;
        }
        let mut over: Vec<(u64, K)> = self
            .figures
            .iter()
            .filter(|(_, figure)| figure.is_over())
            .map(|(key, figure)| (figure.weight(), key.clone()))
            .collect();
        over.sort();
        over.truncate(over.len().div_ceil(2));
        self.refused = usize::from(over.is_empty());
        for (_, key) in over {
            self.figures.remove(&key).into_iter().for_each(&mut gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Eq)]
    struct Two {
        open: bool,
        weight: u64,
    }

    impl Figure for Two {
        fn is_over(&self) -> bool {
            !self.open
        }
        fn weight(&self) -> u64 {
            self.weight
        }
    }

    fn filled(figures: &[(u8, bool, u64)]) -> Bounded<u8, Two> {
        let mut bounded = Bounded::new(figures.len());
        for &(key, open, weight) in figures {
            let figure: &mut Two = bounded.get_or_add(key, drop).expect("there is room");
            *figure = Two { open, weight };
        }
        bounded
    }

    #[test]
    fn the_least_of_what_is_over_makes_room() {
        let mut bounded = filled(&[(1, true, 0), (2, false, 9), (3, false, 2), (4, true, 1)]);
        let mut gone = Vec::new();
        let added = bounded.get_or_add(5, |figure: Two| gone.push(figure.weight));
        assert_eq!(added, Some(&mut Two::default()));
        assert_eq!(gone, [2]);
        let left: Vec<u8> = bounded.iter().map(|(&key, _)| key).collect();
        assert_eq!(left, [1, 2, 4, 5]);
    }

    #[test]
    fn what_is_under_way_is_never_let_go() {
        let mut bounded = filled(&[(1, true, 0), (2, true, 0)]);
        for key in 3..100 {
            assert_eq!(bounded.get_or_add(key, drop), None);
        }
        assert!(bounded.get_or_add(1, drop).is_some());
        assert_eq!(bounded.iter().count(), 2);
    }

    #[test]
    fn room_is_found_again_when_something_is_over() {
        let mut bounded = filled(&[(1, true, 0), (2, true, 0), (3, true, 0), (4, true, 0)]);
        assert_eq!(bounded.get_or_add(5, drop), None);
        bounded.get_mut(&2).expect("it is there").open = false;
        assert!((0..4).any(|_| bounded.get_or_add(5, drop).is_some()));
        assert!(bounded.get_mut(&2).is_none());
    }
}
