//! A stretch of time that something happened in.

use crate::model::{MonoNs, TimewaitNews};

/// From one moment to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: MonoNs,
    pub(super) to: MonoNs,
}

impl Window {
    pub(super) fn exactly(at: MonoNs) -> Self {
        Self { from: at, to: at }
    }

    /// Returns what both have in common, if they have.
    pub(super) fn common(self, other: Self) -> Option<Self> {
        let from = self.from.max(other.from);
        let to = self.to.min(other.to);
        (from <= to).then_some(Self { from, to })
    }

    /// Returns the middle, and how far it is to either end at most.
    pub(super) fn middle(self) -> (MonoNs, u64) {
        let width = self.to.since(self.from).unwrap_or(0);
        (self.from.plus(width / 2), width.div_ceil(2))
    }

    /// Tells of a timer that is set for this time, of which the other is when it was set.
    pub(super) fn seen_from(self, armed: Self) -> TimewaitNews {
        let (set, error_ns) = self.middle();
        let left_ns = set.since(armed.middle().0).unwrap_or(0);
        TimewaitNews::Seen { left_ns, error_ns }
    }

    /// Returns it earlier at its begin and later at its end.
    pub(super) fn widened(self, earlier_ns: u64, later_ns: u64) -> Self {
        Self {
            from: MonoNs(self.from.0.saturating_sub(earlier_ns)),
            to: self.to.plus(later_ns),
        }
    }

    /// Returns it so much later.
    pub(super) fn later(self, ns: u64) -> Self {
        Self {
            from: self.from.plus(ns),
            to: self.to.plus(ns),
        }
    }

    /// Returns it so much earlier.
    pub(super) fn earlier(self, ns: u64) -> Self {
        let earlier = |at: MonoNs| MonoNs(at.0.saturating_sub(ns));
        Self {
            from: earlier(self.from),
            to: earlier(self.to),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: u64, to: u64) -> Window {
        Window {
            from: MonoNs(from),
            to: MonoNs(to),
        }
    }

    #[test]
    fn the_middle_reaches_both_ends() {
        assert_eq!(window(10, 20).middle(), (MonoNs(15), 5));
        assert_eq!(window(10, 21).middle(), (MonoNs(15), 6));
        assert_eq!(window(10, 10).middle(), (MonoNs(10), 0));
    }

    #[test]
    fn two_that_do_not_meet_have_nothing_in_common() {
        assert_eq!(window(10, 20).common(window(15, 30)), Some(window(15, 20)));
        assert_eq!(window(10, 20).common(window(20, 30)), Some(window(20, 20)));
        assert_eq!(window(10, 20).common(window(21, 30)), None);
    }

    #[test]
    fn time_does_not_begin_before_the_boot() {
        assert_eq!(window(10, 20).earlier(15), window(0, 5));
        assert_eq!(window(10, 20).widened(15, 1), window(0, 21));
    }
}
