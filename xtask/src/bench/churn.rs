//! Each contender under each load, in rounds: what it costs the load, itself and the kernel.
//!
//! **Owns:** the order of things: nothing attached before and after each contender, and in each round
//! every contender once, so that whatever else the machine does falls on all alike.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::Bench;
use super::contender::{self, Contender, Output, RECORD_ALL};
use super::figures::{InKernel, Sample, per_s};
use super::generator::{Amount, Kind, Task, Took};
use super::load::Load;
use super::running::Running;

/// What all rounds gave under one load.
pub(super) struct Loaded {
    pub(super) kind: Kind,
    /// Nothing attached: between all contenders, of all rounds.
    pub(super) untraced: Vec<Took>,
    /// By contender, in the order in which they ran.
    pub(super) results: Vec<(String, Samples)>,
}

/// The rounds of a contender.
#[derive(Debug, Default)]
pub(super) struct Samples {
    pub(super) rounds: Vec<Sample>,
    /// Why a round is missing, or all; the last reason.
    pub(super) failed: Option<String>,
    /// Rounds that are missing.
    pub(super) failures: u32,
}

impl Samples {
    /// Who could not be measured twice, will not be later; once may be somebody else's doing.
    fn is_hopeless(&self) -> bool {
        self.failures > 1 && self.rounds.is_empty()
    }
}

/// Measures all contenders that are given.
pub(super) fn measure(bench: &mut Bench, contenders: &[Contender]) -> Result<Vec<Loaded>> {
    let mut loaded = Kind::ALL.map(|kind| Loaded {
        kind,
        untraced: Vec::new(),
        results: contenders
            .iter()
            .map(|one| (one.name.clone(), Samples::default()))
            .collect(),
    });
    for round in 1..=bench.rounds {
        for one in &mut loaded {
            under_load(bench, round, contenders, one)?;
        }
    }
    Ok(loaded.into())
}

/// Records what a replay needs, unless a round has done so.
pub(super) fn record_for_replay(bench: &mut Bench) -> Result<()> {
    if bench.evidence().is_file() {
        return Ok(());
    }
    let contender = contender::of_agent(&bench.agent, RECORD_ALL, Output::Evidence);
    let mut load = bench.load()?;
    sample(
        bench,
        &mut load,
        (1, Kind::Reset),
        &contender,
        Took::default(),
    )?;
    Ok(())
}

/// One round under one load.
fn under_load(
    bench: &mut Bench,
    round: u32,
    contenders: &[Contender],
    loaded: &mut Loaded,
) -> Result<()> {
    let kind = loaded.kind;
    bench.stats.set(false)?;
    let mut load = bench.load()?;
    let mut before = untraced(bench, &mut load, kind)?;
    loaded.untraced.push(before);
    for (contender, (name, samples)) in contenders.iter().zip(&mut loaded.results) {
        if samples.is_hopeless() {
            continue;
        }
        eprint!(
            "bench: round {round}/{}: {}: {name} … ",
            bench.rounds,
            kind.name()
        );
        if kind == Kind::Orderly {
            // The last one's TIME_WAIT goes with its namespace, rather than expire under this one.
            load = bench.load()?;
        }
        match sample(bench, &mut load, (round, kind), contender, before) {
            Ok(sample) => {
                let rate = per_s(sample.load).unwrap_or_default();
                eprintln!("{rate:.0} {}s/s", kind.unit());
                before = sample.untraced[1];
                loaded.untraced.push(before);
                samples.rounds.push(sample);
            }
            Err(error) => {
                eprintln!("not measured: {error:#}");
                samples.failed = Some(format!("{error:#}"));
                samples.failures += 1;
                bench.stats.set(false)?;
                // What it may have left half done goes with the load.
                load = bench.load()?;
            }
        }
    }
    Ok(())
}

/// One contender under load, once: first what is left of the rate, then, with the kernel's
/// measuring, which costs time itself, what the programs take.
fn sample(
    bench: &mut Bench,
    load: &mut Load,
    (round, kind): (u32, Kind),
    contender: &Contender,
    untraced_before: Took,
) -> Result<Sample> {
    let mut running = Running::start(contender, &bench.scratch)?;
    bench.stats.set(true)?;
    running.wait_until_attached(load)?;
    bench.stats.set(false)?;
    let opened = load.prepare(kind)?;
    let before = running.reading()?;
    let took = load.run(bench.slice(kind))?;
    if running.reading()?.runs != before.runs {
        bail!("somebody else let the kernel measure programs; what that costs would be counted");
    }
    bench.stats.set(true)?;
    let programs_before = running.programs()?;
    let measured = load.run(bench.measured_slice(kind))?;
    let programs_after = running.programs()?;
    bench.stats.set(false)?;
    let closed = load.clear(kind)?;
    let after = running.reading()?;
    let end = running.stop(bench.keeps(kind, contender).as_deref())?;
    let untraced_after = untraced(bench, load, kind)?;
    Ok(Sample {
        round,
        load: took,
        untraced: [untraced_before, untraced_after],
        changes: opened + took.changes + measured.changes + closed,
        units: took.units + measured.units,
        told: end.told,
        lost: end.lost,
        process_ns: end.cpu_ns.saturating_sub(before.cpu_ns),
        peak_rss_bytes: after.peak_rss_bytes,
        evidence_bytes: end.evidence_bytes,
        in_kernel: InKernel::between(&programs_before, &programs_after, measured, contender.hook),
    })
}

/// The load with nothing attached.
fn untraced(bench: &Bench, load: &mut Load, kind: Kind) -> Result<Took> {
    load.prepare(kind)?;
    let took = load.run(bench.untraced_slice(kind))?;
    load.clear(kind)?;
    Ok(took)
}

impl Bench {
    /// What the load does for a contender.
    fn slice(&self, kind: Kind) -> Task {
        Task::Load(kind, Amount::Time(self.slice))
    }

    /// What it does with nothing attached, between two contenders.
    fn untraced_slice(&self, kind: Kind) -> Task {
        Task::Load(kind, Amount::Time(self.slice * 2 / 3))
    }

    /// What it does while the kernel measures the programs.
    fn measured_slice(&self, kind: Kind) -> Task {
        Task::Load(kind, Amount::Time(self.slice / 2))
    }

    /// Where the evidence goes that the replay is measured with: what the last round recorded of
    /// resets, with everything that can be recorded.
    fn keeps(&self, kind: Kind, contender: &Contender) -> Option<PathBuf> {
        (kind == Kind::Reset && contender.name == RECORD_ALL).then(|| self.evidence())
    }
}
