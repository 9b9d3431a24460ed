//! How long connections stayed in each state.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::model::TcpState;
use crate::track::Span;

/// Figures of one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateFigures {
    /// How often the state was left after a known time.
    pub count: u64,
    /// How often it was left, or is still held, after a time that is not known.
    pub unknown: u64,
    /// Sum of the known times, nanoseconds.
    pub total_ns: u64,
    /// Median of the known times, nanoseconds, within 0.1 %; `None` where there is none.
    pub p50_ns: Option<u64>,
    /// 99th percentile, as above.
    pub p99_ns: Option<u64>,
    /// Longest known time, nanoseconds, exact.
    pub max_ns: Option<u64>,
}

/// Collects the times that segments lasted.
#[derive(Debug, Default)]
pub struct Durations {
    by_state: BTreeMap<TcpState, Collected>,
}

/// Times, and how they spread.
#[derive(Debug)]
pub(super) struct Collected {
    /// Grows by itself; three significant digits keep it within some ten kilobytes.
    histogram: Histogram<u64>,
    total_ns: u64,
    max_ns: u64,
    unknown: u64,
}

impl Default for Collected {
    fn default() -> Self {
        Self {
            // Three digits are among those the crate takes, so this cannot fail.
            histogram: Histogram::new(3).expect("three significant digits are allowed"),
            total_ns: 0,
            max_ns: 0,
            unknown: 0,
        }
    }
}

impl Collected {
    /// Adds one time. One that is not over counts as unknown.
    pub(super) fn add(&mut self, span: Span) {
        match span {
            Span::Known(ns) | Span::Within { ns, .. } => {
                self.total_ns = self.total_ns.saturating_add(ns);
                self.max_ns = self.max_ns.max(ns);
                // The histogram grows as it must, up to what a pointer can count.
                if self.histogram.record(ns).is_err() {
                    self.histogram.saturating_record(ns);
                }
            }
            Span::Unknown(_) | Span::Open(_) => self.unknown += 1,
        }
    }

    /// How many times are known.
    pub(super) fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// How many are not.
    pub(super) fn unknown(&self) -> u64 {
        self.unknown
    }

    /// The longest; `None` where none is known.
    pub(super) fn max_ns(&self) -> Option<u64> {
        (self.count() > 0).then_some(self.max_ns)
    }

    /// The time that this share of them does not exceed, within 0.1 %.
    pub(super) fn quantile(&self, share: f64) -> Option<u64> {
        // The histogram rounds up within its digits; nothing lasted longer than the longest.
        let ns = self.histogram.value_at_quantile(share).min(self.max_ns);
        (self.count() > 0).then_some(ns)
    }
}

impl Durations {
    /// Adds one time. One that is not over counts as unknown.
    pub fn add(&mut self, state: TcpState, span: Span) {
        self.by_state.entry(state).or_default().add(span);
    }

    /// Returns the figures of each state that was met.
    pub fn figures(&self) -> BTreeMap<TcpState, StateFigures> {
        let figures = |collected: &Collected| StateFigures {
            count: collected.count(),
            unknown: collected.unknown(),
            total_ns: collected.total_ns,
            p50_ns: collected.quantile(0.5),
            p99_ns: collected.quantile(0.99),
            max_ns: collected.max_ns(),
        };
        self.by_state
            .iter()
            .map(|(&state, collected)| (state, figures(collected)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::track::Unknown;

    #[test]
    fn an_unknown_time_counts_but_does_not_weigh() {
        let mut durations = Durations::default();
        for span in [
            Span::Known(100),
            Span::Known(300),
            Span::Unknown(Unknown::Loss),
            Span::Open(9),
        ] {
            durations.add(TcpState::Established, span);
        }
        let figures = durations.figures()[&TcpState::Established];
        assert_eq!(
            figures,
            StateFigures {
                count: 2,
                unknown: 2,
                total_ns: 400,
                p50_ns: Some(100),
                p99_ns: Some(300),
                max_ns: Some(300),
            }
        );
    }

    #[test]
    fn without_a_known_time_there_is_no_figure() {
        let mut durations = Durations::default();
        durations.add(TcpState::Closing, Span::Unknown(Unknown::BeforeTrace));
        let figures = durations.figures()[&TcpState::Closing];
        assert_eq!(
            (figures.count, figures.max_ns, figures.p50_ns),
            (0, None, None)
        );
    }

    #[test]
    fn a_minute_and_a_microsecond_keep_three_digits() {
        let mut durations = Durations::default();
        durations.add(TcpState::TimeWait, Span::Known(60_130_000_123));
        durations.add(TcpState::TimeWait, Span::Known(1_003));
        let figures = durations.figures()[&TcpState::TimeWait];
        assert_eq!(figures.max_ns, Some(60_130_000_123));
        let p50 = figures.p50_ns.expect("two times");
        assert!((1_002..=1_004).contains(&p50), "{p50}");
    }
}
