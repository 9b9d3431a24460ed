//! What a contender cost in a round, and what rounds give together. Pure.

use std::collections::BTreeMap;

use super::generator::Took;

/// What the kernel measured of a BPF program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) runs: u64,
    pub(super) time_ns: u64,
    /// Runs that were left out because it ran already.
    pub(super) misses: u64,
}

/// Programs while the kernel measured them, and what the load did meanwhile.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct InKernel {
    /// Only those that ran.
    pub(super) programs: Vec<Program>,
    /// Connections, or requests.
    pub(super) units: u64,
    pub(super) changes: u64,
    /// State changes that its hook saw: those of the load, and of all others on this host.
    pub(super) seen: u64,
}

impl InKernel {
    /// The difference of two readings, and what the load did between them. The names of programs that
    /// run once for each state change begin with `hook`.
    pub(super) fn between(before: &[Program], after: &[Program], took: Took, hook: &str) -> Self {
        let (before, mut after) = (by_name(before), by_name(after));
        for (name, program) in &mut after {
            if let Some(earlier) = before.get(name) {
                program.runs = program.runs.saturating_sub(earlier.runs);
                program.time_ns = program.time_ns.saturating_sub(earlier.time_ns);
                program.misses = program.misses.saturating_sub(earlier.misses);
            }
        }
        let programs: Vec<Program> = after.into_values().filter(|one| one.runs > 0).collect();
        let hooks = programs.iter().filter(|one| one.name.starts_with(hook));
        Self {
            units: took.units,
            changes: took.changes,
            seen: hooks.map(|one| one.runs).sum(),
            programs,
        }
    }

    /// In all programs, for each state change that the load made.
    pub(super) fn ns_per_change(&self) -> Option<f64> {
        ratio(self.time_ns(), self.changes)
    }

    /// The same for each connection or request.
    pub(super) fn ns_per_unit(&self) -> Option<f64> {
        ratio(self.time_ns(), self.units)
    }

    /// For a run of the programs whose names begin so.
    pub(super) fn ns_per_run(&self, prefix: &str) -> Option<f64> {
        let ours = || {
            self.programs
                .iter()
                .filter(|one| one.name.starts_with(prefix))
        };
        ratio(
            ours().map(|one| one.time_ns).sum(),
            ours().map(|one| one.runs).sum(),
        )
    }

    fn time_ns(&self) -> u64 {
        self.programs.iter().map(|one| one.time_ns).sum()
    }
}

/// A contender may hold several programs of one name; they count as one.
fn by_name(programs: &[Program]) -> BTreeMap<&str, Program> {
    let mut sums: BTreeMap<&str, Program> = BTreeMap::new();
    for program in programs {
        let sum = sums.entry(&program.name).or_insert_with(|| Program {
            name: program.name.clone(),
            ..Program::default()
        });
        sum.runs += program.runs;
        sum.time_ns += program.time_ns;
        sum.misses += program.misses;
    }
    sums
}

/// One contender under one load in one round.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// From 1.
    pub(super) round: u32,
    /// The load while nothing in the kernel measured programs.
    pub(super) load: Took,
    /// The load just before and just after it, with nothing attached.
    pub(super) untraced: [Took; 2],
    /// State changes that were made before it, its own measuring included, and that it should tell.
    pub(super) changes: u64,
    /// The same for connections or requests.
    pub(super) units: u64,
    /// State changes that it says it told, those of others on this host included; `None` where it does
    /// not count them.
    pub(super) told: Option<u64>,
    pub(super) lost: u64,
    /// In its process, user and system, from before the load until it has ended.
    pub(super) process_ns: u64,
    pub(super) peak_rss_bytes: u64,
    /// Of the file that it made; `None` where it makes none.
    pub(super) evidence_bytes: Option<u64>,
    pub(super) in_kernel: InKernel,
}

impl Sample {
    /// Which share of the untraced rate remains.
    pub(super) fn kept(&self) -> Option<f64> {
        let [before, after] = self.untraced.map(per_s);
        let untraced = f64::midpoint(before?, after?);
        Some(per_s(self.load)? / untraced)
    }

    /// The load's own CPU time for each connection or request, compared to nothing attached.
    pub(super) fn load_cpu(&self) -> Option<f64> {
        let [before, after] = self.untraced.map(load_cpu_ns);
        Some(load_cpu_ns(self.load)? / f64::midpoint(before?, after?))
    }

    /// For each state change that it did not lose.
    pub(super) fn process_ns_per_change(&self) -> Option<f64> {
        ratio(self.process_ns, self.not_lost())
    }

    pub(super) fn process_ns_per_unit(&self) -> Option<f64> {
        ratio(self.process_ns, self.units)
    }

    pub(super) fn evidence_bytes_per_change(&self) -> Option<f64> {
        ratio(self.evidence_bytes?, self.not_lost())
    }

    /// Changes that the load made, and that it neither told nor said to be lost.
    pub(super) fn unaccounted(&self) -> u64 {
        match self.told {
            Some(told) => self.to_tell() - (told + self.lost),
            None => 0,
        }
    }

    /// Changes that it was to tell: those of the load, or more where others on this host made some.
    pub(super) fn to_tell(&self) -> u64 {
        to_tell(self.changes, self.told, self.lost)
    }

    fn not_lost(&self) -> u64 {
        self.changes.saturating_sub(self.lost)
    }
}

/// Changes that there were to tell, of which the load made some.
pub(super) fn to_tell(made: u64, told: Option<u64>, lost: u64) -> u64 {
    told.map_or(made, |told| made.max(told + lost))
}

/// Connections or requests a second; `None` where there was no time for one.
pub(super) fn per_s(took: Took) -> Option<f64> {
    (took.units > 0).then(|| took.units as f64 / took.time.as_secs_f64())
}

fn load_cpu_ns(took: Took) -> Option<f64> {
    ratio(u64::try_from(took.cpu.as_nanos()).ok()?, took.units)
}

/// `None`, rather than zero or infinity, where there was nothing to share it out to.
fn ratio(sum: u64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum as f64 / count as f64)
}

/// A figure over all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    /// `None` without any figure.
    pub(super) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
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

    fn took(units: u64, ms: u64, cpu_us: u64) -> Took {
        Took {
            units,
            changes: units * 6,
            time: Duration::from_millis(ms),
            cpu: Duration::from_micros(cpu_us),
        }
    }

    fn program(name: &str, runs: u64, time_ns: u64, misses: u64) -> Program {
        Program {
            name: name.to_owned(),
            runs,
            time_ns,
            misses,
        }
    }

    #[test]
    fn it_is_compared_to_what_was_before_and_after_it() {
        let sample = Sample {
            load: took(2, 1, 600),
            untraced: [took(3, 1, 600), took(5, 1, 500)],
            changes: 6,
            lost: 2,
            process_ns: 8_000,
            evidence_bytes: Some(40),
            ..Sample::default()
        };
        assert_eq!(sample.kept(), Some(0.5));
        assert_eq!(sample.load_cpu(), Some(2.0));
        assert_eq!(sample.process_ns_per_change(), Some(2_000.0));
        assert_eq!(sample.evidence_bytes_per_change(), Some(10.0));
    }

    #[test]
    fn what_is_neither_told_nor_lost_is_noticed() {
        let sample = |told| Sample {
            changes: 100,
            told,
            lost: 2,
            ..Sample::default()
        };
        assert_eq!(sample(Some(90)).unaccounted(), 8);
        assert_eq!(sample(Some(98)).unaccounted(), 0);
        assert_eq!(
            sample(Some(150)).unaccounted(),
            0,
            "others open connections too"
        );
        assert_eq!(sample(None).unaccounted(), 0, "it does not count");
        assert_eq!(
            [Some(90), Some(150), None].map(|told| sample(told).to_tell()),
            [100, 152, 100]
        );
    }

    #[test]
    fn nothing_done_gives_no_figure_rather_than_zero() {
        let sample = Sample {
            evidence_bytes: Some(5),
            process_ns: 5,
            ..Sample::default()
        };
        assert_eq!(sample.kept(), None);
        assert_eq!(sample.load_cpu(), None);
        assert_eq!(sample.process_ns_per_change(), None);
        assert_eq!(sample.process_ns_per_unit(), None);
        assert_eq!(sample.evidence_bytes_per_change(), None);
        assert_eq!(sample.in_kernel.ns_per_change(), None);
        assert_eq!(sample.in_kernel.ns_per_run("a"), None);
    }

    #[test]
    fn programs_count_from_one_reading_to_the_next() {
        let before = [program("hook", 10, 5_000, 1), program("idle", 4, 9, 0)];
        let after = [
            program("hook", 20, 6_000, 3),
            program("timer_a", 2, 100, 0),
            program("timer_a", 4, 100, 0),
            program("timer_b", 4, 100, 0),
            program("idle", 4, 9, 0),
        ];
        let found = InKernel::between(&before, &after, took(2, 1, 1), "ho");
        let programs = [
            program("hook", 10, 1_000, 2),
            program("timer_a", 6, 200, 0),
            program("timer_b", 4, 100, 0),
        ];
        assert_eq!(found.programs, programs);
        assert_eq!(found.seen, 10);
        assert_eq!(found.ns_per_change(), Some(1_300.0 / 12.0));
        assert_eq!(found.ns_per_unit(), Some(650.0));
        assert_eq!(found.ns_per_run("timer_"), Some(30.0));
    }

    #[test]
    fn the_median_is_the_middle_one() {
        let of = |median, min, max| Some(Spread { median, min, max });
        assert_eq!(Spread::of([9.0, 1.0, 2.0]), of(2.0, 1.0, 9.0));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 9.0]), of(3.0, 1.0, 9.0));
        assert_eq!(Spread::of([]), None);
    }
}
