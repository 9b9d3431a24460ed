//! What a round gave, and what rounds give together. Pure.

use super::generator::Took;
use super::running::{End, Reading};

/// The rounds of a contender, or why there are none.
pub(super) type Measured = Result<Vec<Round>, String>;

/// One contender in one round.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Round {
    pub(super) connections_per_s: f64,
    /// What the load's own process takes of the CPUs; hooks run in it.
    pub(super) load_cpu_ns_per_connection: f64,
    /// Both, compared to nothing attached in the same round; `None` for that itself.
    pub(super) rate_of_nothing: Option<f64>,
    pub(super) load_cpu_of_nothing: Option<f64>,
    /// Runs of its program under load, each a state change of this machine.
    pub(super) changes: Option<u64>,
    /// In its program, as the kernel measures it.
    pub(super) kernel_ns_per_change: Option<f64>,
    /// In its process, user and system, until it has ended, for each change that it did not lose.
    pub(super) process_ns_per_change: Option<f64>,
    pub(super) lost: Option<u64>,
    pub(super) peak_rss_bytes: Option<u64>,
}

impl Round {
    pub(super) fn of_nothing(connections: u32, took: Took) -> Self {
        Self {
            connections_per_s: f64::from(connections) / took.time.as_secs_f64(),
            load_cpu_ns_per_connection: took.cpu.as_nanos() as f64 / f64::from(connections),
            ..Self::default()
        }
    }

    pub(super) fn new(
        connections: u32,
        took: Took,
        nothing: Option<&Self>,
        before: &Reading,
        after: &Reading,
        end: &End,
    ) -> Self {
        let changes = after.programs.runs - before.programs.runs;
        let kernel_ns = after.programs.time_ns - before.programs.time_ns;
        let per = |ns: u64, count: u64| (count > 0).then(|| ns as f64 / count as f64);
        let received = changes.saturating_sub(end.lost);
        let load = Self::of_nothing(connections, took);
        Self {
            rate_of_nothing: nothing
                .map(|nothing| load.connections_per_s / nothing.connections_per_s),
            load_cpu_of_nothing: nothing.map(|nothing| {
                load.load_cpu_ns_per_connection / nothing.load_cpu_ns_per_connection
            }),
            changes: Some(changes),
            kernel_ns_per_change: per(kernel_ns, changes),
            process_ns_per_change: per(end.cpu_ns.saturating_sub(before.cpu_ns), received),
            lost: Some(end.lost),
            peak_rss_bytes: Some(after.peak_rss_bytes),
            ..load
        }
    }
}

/// A figure over all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    /// `None` where no round has the figure.
    pub(super) fn of(rounds: &[Round], figure: impl Fn(&Round) -> Option<f64>) -> Option<Self> {
        let mut figures: Vec<f64> = rounds.iter().filter_map(figure).collect();
        figures.sort_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let half = figures.len() / 2;
        let median = match figures.len() % 2 {
            0 => f64::midpoint(figures[half - 1], figures[half]),
            _ => figures[half],
        };
        Some(Self { median, min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::bench::process::Programs;

    const TOOK: Took = Took {
        time: Duration::from_millis(1),
        cpu: Duration::from_micros(600),
    };

    fn reading(runs: u64, time_ns: u64, cpu_ns: u64) -> Reading {
        Reading {
            programs: Programs { runs, time_ns },
            cpu_ns,
            peak_rss_bytes: 1 << 20,
        }
    }

    #[test]
    fn only_what_the_load_caused_is_counted() {
        let end = End {
            cpu_ns: 9_000,
            lost: 2,
        };
        let nothing = Round {
            connections_per_s: 4_000.0,
            load_cpu_ns_per_connection: 200_000.0,
            ..Round::default()
        };
        let (before, after) = (reading(10, 5_000, 1_000), reading(14, 5_800, 8_000));
        let round = Round::new(2, TOOK, Some(&nothing), &before, &after, &end);
        assert_eq!(round.connections_per_s, 2_000.0);
        assert_eq!(round.rate_of_nothing, Some(0.5));
        assert_eq!(round.load_cpu_of_nothing, Some(1.5));
        assert_eq!(round.changes, Some(4));
        assert_eq!(round.kernel_ns_per_change, Some(200.0));
        assert_eq!(round.process_ns_per_change, Some(4_000.0));
        assert_eq!(round.lost, Some(2));
    }

    #[test]
    fn no_change_gives_no_figure_rather_than_zero() {
        let end = End { cpu_ns: 5, lost: 0 };
        let same = reading(10, 5_000, 1);
        let round = Round::new(2, TOOK, None, &same, &same, &end);
        assert_eq!(round.kernel_ns_per_change, None);
        assert_eq!(round.process_ns_per_change, None);
        assert_eq!(round.rate_of_nothing, None);
    }

    #[test]
    fn the_median_is_the_middle_one() {
        let rounds = |rates: &[f64]| -> Vec<Round> {
            let of = |&connections_per_s: &f64| Round {
                connections_per_s,
                ..Round::default()
            };
            rates.iter().map(of).collect()
        };
        let spread = |rates: &[f64]| Spread::of(&rounds(rates), |one| Some(one.connections_per_s));
        let of = |median, min, max| Some(Spread { median, min, max });
        assert_eq!(spread(&[9.0, 1.0, 2.0]), of(2.0, 1.0, 9.0));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 9.0]), of(3.0, 1.0, 9.0));
        assert_eq!(spread(&[]), None);
        assert_eq!(Spread::of(&rounds(&[1.0]), |one| one.rate_of_nothing), None);
    }
}
