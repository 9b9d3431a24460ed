//! The timewait sockets in one state: how many, how often, how long, why they ended.

use std::collections::BTreeMap;

use super::rate::Rate;
use super::spread::{Spread, Times};
use crate::model::TimewaitEnd;
use crate::track::Span;

/// Figures of one state of timewait sockets.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldFigures {
    /// How many there are now.
    pub now: u64,
    /// How many there were at most at once.
    pub most: u64,
    /// How many were found when the trace began.
    pub found: u64,
    /// How many entered it since.
    pub entered: u64,
    /// How many left it, for whatever reason.
    pub left: u64,
    /// How many entered it in a second, over the last ten; `None` in the first second.
    pub entered_per_s: Option<f64>,
    /// How many left it in a second, likewise.
    pub left_per_s: Option<f64>,
    /// How long those stayed that left it.
    pub spread: Spread,
    /// Why the sockets ended in it, each reason that was met.
    pub ends: BTreeMap<TimewaitEnd, u64>,
    /// How many went on to TIME_WAIT; none of those in TIME_WAIT.
    pub went_on: u64,
    /// How many were no longer followed, or ended unseen: too many at once, or changes were lost.
    pub unseen: u64,
}

/// How a timewait socket left a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It ended.
    Ended(TimewaitEnd),
    /// It went on from FIN_WAIT2 to TIME_WAIT.
    WentOn,
    /// Nobody saw it leave.
    Unseen,
}

/// Counts the timewait sockets in one state.
#[derive(Debug, Default)]
pub(super) struct Held {
    now: u64,
    most: u64,
    found: u64,
    entered: u64,
    left: u64,
    went_on: u64,
    unseen: u64,
    entering: Rate,
    leaving: Rate,
    times: Times,
    ends: BTreeMap<TimewaitEnd, u64>,
}

impl Held {
    pub(super) fn find(&mut self) {
        self.found += 1;
        self.hold();
    }

    pub(super) fn enter(&mut self, second: u64) {
        self.entered += 1;
        self.entering.add(second);
        self.hold();
    }

    fn hold(&mut self) {
        self.now += 1;
        self.most = self.most.max(self.now);
    }

    /// Takes one off that was found or entered before.
    pub(super) fn leave(&mut self, second: u64, span: Span, how: Left) {
        self.now -= 1;
        self.left += 1;
        match how {
            Left::Ended(end) => *self.ends.entry(end).or_default() += 1,
            Left::WentOn => self.went_on += 1,
            Left::Unseen => self.unseen += 1,
        }
        if how != Left::Unseen {
            self.leaving.add(second);
        }
        self.times.add(span);
    }

    /// Counts one that is known only as it leaves.
    pub(super) fn pass(&mut self, second: u64, span: Span, how: Left) {
        self.entered += 1;
        self.hold();
        self.leave(second, span, how);
    }

    pub(super) fn figures(&self, second: u64) -> HeldFigures {
        HeldFigures {
            now: self.now,
            most: self.most,
            found: self.found,
            entered: self.entered,
            left: self.left,
            entered_per_s: self.entering.per_second(second),
            left_per_s: self.leaving.per_second(second),
            spread: self.times.spread(),
            ends: self.ends.clone(),
            went_on: self.went_on,
            unseen: self.unseen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::track::Unknown;

    #[test]
    fn found_ones_are_there_but_never_entered() {
        let mut held = Held::default();
        held.find();
        held.enter(0);
        held.leave(
            1,
            Span::Unknown(Unknown::BeforeTrace),
            Left::Ended(TimewaitEnd::Expired),
        );
        held.enter(1);
        let figures = held.figures(2);
        assert_eq!((figures.now, figures.most), (2, 2));
        assert_eq!((figures.found, figures.entered, figures.left), (1, 2, 1));
        assert_eq!(figures.entered_per_s, Some(1.0));
        assert_eq!(figures.left_per_s, Some(0.5));
        assert_eq!(figures.spread.unknown, 1);
        assert_eq!(figures.ends[&TimewaitEnd::Expired], 1);
    }

    #[test]
    fn what_nobody_saw_leave_is_no_rate_and_no_reason() {
        let mut held = Held::default();
        held.enter(0);
        held.leave(0, Span::Unknown(Unknown::NotFollowed), Left::Unseen);
        let figures = held.figures(1);
        assert_eq!((figures.now, figures.left, figures.unseen), (0, 1, 1));
        assert_eq!(figures.left_per_s, Some(0.0));
        assert!(figures.ends.is_empty());
    }
}
