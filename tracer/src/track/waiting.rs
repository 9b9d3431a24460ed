//! What waits for its moment, in the order of time.
//!
//! **Owns:** that what need not wait any longer is forgotten: nearly everything is settled long before its moment, and
//! to look at it then again would be to look at memory that no cache holds any more.

use std::collections::VecDeque;
use std::num::NonZeroU64;

use crate::model::MonoNs;

/// What waits, the first first.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    /// What is settled is `None`, and never the first.
    queue: VecDeque<(MonoNs, Option<T>)>,
    /// The ticket of the first.
    first: NonZeroU64,
    /// When the newest is due.
    newest: MonoNs,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(NonZeroU64);

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            first: NonZeroU64::MIN,
            newest: MonoNs(0),
        }
    }
}

impl<T> Waiting<T> {
    /// Lets one more wait. It is due when it says, and not before any that waits longer.
    pub(super) fn push(&mut self, due: MonoNs, what: T) -> Ticket {
        let ticket = self.first.saturating_add(self.queue.len() as u64);
        self.newest = self.newest.max(due);
        self.queue.push_back((self.newest, Some(what)));
        Ticket(ticket)
    }

    /// Returns when the next one is due.
    pub(super) fn next_due(&self) -> Option<MonoNs> {
        self.queue.front().map(|&(due, _)| due)
    }

    /// Takes the next one that is due by `now`.
    pub(super) fn pop_due(&mut self, now: MonoNs) -> Option<T> {
        if self.next_due()? > now {
            return None;
        }
        let what = self.pop();
        self.drop_settled();
        what
    }

    /// Forgets one that is settled; one that has been taken already is.
    pub(super) fn settle(&mut self, ticket: Ticket) {
        let Some(index) = ticket.0.get().checked_sub(self.first.get()) else {
            return;
        };
        if let Some((_, what)) = self.queue.get_mut(index as usize) {
            *what = None;
            self.drop_settled();
        }
    }

    fn drop_settled(&mut self) {
        while let Some((_, None)) = self.queue.front() {
            self.pop();
        }
    }

    fn pop(&mut self) -> Option<T> {
        let (_, what) = self.queue.pop_front()?;
        self.first = self.first.saturating_add(1);
        what
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(waiting: &mut Waiting<char>, now: u64) -> String {
        std::iter::from_fn(|| waiting.pop_due(MonoNs(now))).collect()
    }

    #[test]
    fn what_is_due_comes_out_in_order() {
        let mut waiting = Waiting::default();
        for (at, what) in [(10, 'a'), (20, 'b'), (20, 'c'), (30, 'd')] {
            waiting.push(MonoNs(at), what);
        }
        assert_eq!(due(&mut waiting, 9), "");
        assert_eq!(due(&mut waiting, 20), "abc");
        assert_eq!(waiting.next_due(), Some(MonoNs(30)));
        assert_eq!(due(&mut waiting, 99), "d");
        assert_eq!(waiting.next_due(), None);
    }

    #[test]
    fn what_is_settled_is_not_waited_for() {
        let mut waiting = Waiting::default();
        let [a, b, c] = [10, 20, 30].map(|at| waiting.push(MonoNs(at), 'x'));
        waiting.settle(b);
        assert_eq!(waiting.next_due(), Some(MonoNs(10)));
        waiting.settle(a);
        assert_eq!(waiting.next_due(), Some(MonoNs(30)));
        assert_eq!(due(&mut waiting, 30), "x");
        // It has been taken; the next one has another ticket.
        waiting.push(MonoNs(40), 'y');
        waiting.settle(c);
        assert_eq!(due(&mut waiting, 40), "y");
    }

    #[test]
    fn nobody_overtakes_one_that_waits_longer_or_did() {
        let mut waiting = Waiting::default();
        let first = waiting.push(MonoNs(20), 'a');
        waiting.push(MonoNs(10), 'b');
        waiting.settle(first);
        assert_eq!(due(&mut waiting, 19), "");
        assert_eq!(due(&mut waiting, 20), "b");
    }
}
