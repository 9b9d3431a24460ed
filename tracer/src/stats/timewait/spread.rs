//! How long timewait sockets stayed in one state: figures, and a histogram.

use crate::stats::durations::Collected;
use crate::track::Span;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// Where the classes begin. The last one has no end.
///
/// They are narrow where the timer wheel lets a TIME_WAIT of 60 s end: up to 2.05 s later with
/// 250 ticks a second, up to 5.12 s later with 100. They are the same on every host, so that two
/// hosts can be compared.
const EDGES: [u64; 22] = [
    0,
    MS,
    10 * MS,
    100 * MS,
    SECOND,
    10 * SECOND,
    59 * SECOND,
    60 * SECOND,
    60 * SECOND + 500 * MS,
    61 * SECOND,
    61 * SECOND + 500 * MS,
    62 * SECOND,
    62 * SECOND + 500 * MS,
    63 * SECOND,
    63 * SECOND + 500 * MS,
    64 * SECOND,
    64 * SECOND + 500 * MS,
    65 * SECOND,
    65 * SECOND + 500 * MS,
    66 * SECOND,
    70 * SECOND,
    120 * SECOND,
];

/// How many lasted from `from_ns` to less than `below_ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// First time of the class.
    pub from_ns: u64,
    /// First time above it; `None` for the last class, which holds all that is longer.
    pub below_ns: Option<u64>,
    /// How many.
    pub count: u64,
}

/// How long they stayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// How many times are known.
    pub count: u64,
    /// How many are not: it began before the trace, or changes were lost.
    pub unknown: u64,
    /// Median, nanoseconds, within 0.1 %; `None` where no time is known, as below.
    pub p50_ns: Option<u64>,
    /// 90th percentile.
    pub p90_ns: Option<u64>,
    /// 99th percentile.
    pub p99_ns: Option<u64>,
    /// Longest, exact.
    pub max_ns: Option<u64>,
    /// By how much the least exact of the known times may be wrong, either way.
    pub error_ns: Option<u64>,
    /// Every class, the empty ones too.
    pub classes: Vec<Class>,
}

/// Collects times.
#[derive(Debug, Default)]
pub(super) struct Times {
    collected: Collected,
    classes: [u64; EDGES.len()],
    error_ns: u64,
}

impl Times {
    pub(super) fn add(&mut self, span: Span) {
        self.collected.add(span);
        let (ns, error_ns) = match span {
            Span::Known(ns) => (ns, 0),
            Span::Within { ns, error_ns } => (ns, error_ns),
            Span::Unknown(_) | Span::Open(_) => return,
        };
        self.error_ns = self.error_ns.max(error_ns);
        // The first edge is zero, so at least one is not above.
        let class = EDGES.partition_point(|&edge| edge <= ns) - 1;
        self.classes[class] += 1;
    }

    pub(super) fn spread(&self) -> Spread {
        let collected = &self.collected;
        let class = |(index, &from_ns)| Class {
            from_ns,
            below_ns: EDGES.get(index + 1).copied(),
            count: self.classes[index],
        };
        Spread {
            count: collected.count(),
            unknown: collected.unknown(),
            p50_ns: collected.quantile(0.5),
            p90_ns: collected.quantile(0.9),
            p99_ns: collected.quantile(0.99),
            max_ns: collected.max_ns(),
            error_ns: (collected.count() > 0).then_some(self.error_ns),
            classes: EDGES.iter().enumerate().map(class).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::track::Unknown;

    #[test]
    fn a_time_falls_into_the_class_that_begins_with_it() {
        let mut times = Times::default();
        for ns in [0, 999_999, MS, 60 * SECOND, 60 * SECOND - 1, u64::MAX] {
            times.add(Span::Known(ns));
        }
        let filled: Vec<_> = times
            .spread()
            .classes
            .iter()
            .filter(|class| class.count > 0)
            .map(|class| (class.from_ns, class.below_ns, class.count))
            .collect();
        assert_eq!(
            filled,
            [
                (0, Some(MS), 2),
                (MS, Some(10 * MS), 1),
                (59 * SECOND, Some(60 * SECOND), 1),
                (60 * SECOND, Some(60 * SECOND + 500 * MS), 1),
                (120 * SECOND, None, 1),
            ]
        );
    }

    #[test]
    fn an_unknown_time_is_in_no_class_and_an_inexact_one_says_so() {
        let mut times = Times::default();
        assert_eq!(times.spread().error_ns, None);
        times.add(Span::Unknown(Unknown::BeforeTrace));
        times.add(Span::Known(SECOND));
        assert_eq!(times.spread().error_ns, Some(0));
        times.add(Span::Within {
            ns: 60 * SECOND,
            error_ns: 7,
        });
        let spread = times.spread();
        assert_eq!((spread.count, spread.unknown), (2, 1));
        assert_eq!(spread.error_ns, Some(7));
        assert_eq!(
            spread.classes.iter().map(|class| class.count).sum::<u64>(),
            2
        );
        assert_eq!(spread.max_ns, Some(60 * SECOND));
    }
}
