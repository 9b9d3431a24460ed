//! How often something happens, over the last ten seconds.

/// Seconds that a rate is taken over.
const WINDOW: u64 = 10;
/// Seconds that are kept: the window, the second under way, and some for events that come late.
const KEPT: usize = 16;

/// Counts events by the second, from the beginning of the trace.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    counts: [u32; KEPT],
    /// The newest second that has a count.
    newest: u64,
}

impl Rate {
    /// Counts an event in a second.
    pub(super) fn add(&mut self, second: u64) {
        if second > self.newest {
            let passed = (second - self.newest).min(KEPT as u64);
            for empty in 0..passed {
                self.counts[slot(second - empty)] = 0;
            }
            self.newest = second;
        }
        // Older than anything that is kept: a rate of now does not know it.
        if self.newest - second < KEPT as u64 {
            let count = &mut self.counts[slot(second)];
            *count = count.saturating_add(1);
        }
    }

    /// Returns events per second over the ten whole seconds before second `now`, or over fewer
    /// where the trace is younger; `None` in its first second.
    pub(super) fn per_second(&self, now: u64) -> Option<f64> {
        let seconds = WINDOW.min(now);
        (seconds > 0).then(|| self.sum(now - seconds, now) as f64 / seconds as f64)
    }

    /// Adds up the seconds from `first` to before `end`.
    fn sum(&self, first: u64, end: u64) -> u64 {
        let oldest = self.newest.saturating_sub(KEPT as u64 - 1);
        let counts =
            (first.max(oldest)..end.min(self.newest + 1)).map(|second| self.counts[slot(second)]);
        counts.map(u64::from).sum()
    }
}

fn slot(second: u64) -> usize {
    (second % KEPT as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_under_way_does_not_count_yet() {
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(0), None);
        for _ in 0..6 {
            rate.add(0);
        }
        assert_eq!(rate.per_second(0), None);
        rate.add(1);
        assert_eq!(rate.per_second(1), Some(6.0));
        assert_eq!(rate.per_second(2), Some(3.5));
    }

    #[test]
    fn what_is_older_than_ten_seconds_is_forgotten() {
        let mut rate = Rate::default();
        rate.add(3);
        rate.add(12);
        assert_eq!(rate.per_second(13), Some(0.2));
        assert_eq!(rate.per_second(14), Some(0.1));
        assert_eq!(rate.per_second(1_000), Some(0.0));
        rate.add(1_000);
        assert_eq!(rate.per_second(1_001), Some(0.1));
    }

    #[test]
    fn an_event_that_comes_late_counts_in_its_own_second() {
        let mut rate = Rate::default();
        rate.add(20);
        rate.add(15);
        rate.add(1);
        assert_eq!(rate.per_second(18), Some(0.1));
        assert_eq!(rate.per_second(21), Some(0.2));
    }
}
