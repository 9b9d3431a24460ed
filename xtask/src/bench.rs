//! `cargo xtask bench`: what tracing costs on this machine, side by side with its peers, in one run.
//!
//! **Owns:** what is measured, and in which order; the report, and where it is kept.
//! **Never:** installs anything; what is missing is told. It judges only by printing: whatever the
//! figures are, it has done its work.

mod args;
mod bpf;
mod churn;
mod contender;
mod drain;
mod empty;
mod figures;
mod generator;
mod kernel_stats;
mod load;
mod losses;
mod machine;
mod process;
mod pure;
mod report;
mod running;
mod start;
mod sustained;
mod table;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::root;
use args::{Built, Part};
use contender::Contender;
use kernel_stats::KernelStats;
use load::Load;
use machine::{Machine, Mood};
use report::Report;

pub(crate) use args::Args;
pub(crate) use empty::stay;
pub(crate) use generator::{GeneratorArgs, serve};

/// The means of every measurement.
struct Bench {
    rounds: u32,
    slice: Duration,
    loss: Duration,
    workers: u32,
    only: Vec<String>,
    agent: PathBuf,
    scratch: PathBuf,
    stats: KernelStats,
}

/// Builds, measures, prints, and keeps the figures.
pub(crate) fn run(args: &Args) -> Result<()> {
    let built = args.build()?;
    let scratch = &built.scratch;
    // As the user, who can then remove what root writes there.
    fs::create_dir_all(scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
    if !root::is_root()? {
        return args.as_root(&built);
    }
    let report = measure(args, &built)?;
    let (json, file) = (report.json(), scratch.join("figures.json"));
    fs::write(&file, format!("{json:#}\n"))
        .with_context(|| format!("cannot write the figures to {}", file.display()))?;
    match args.json {
        true => println!("{json:#}"),
        false => print!("{}", report.text()),
    }
    eprintln!("bench: every round is in {}", file.display());
    Ok(())
}

fn measure(args: &Args, built: &Built) -> Result<Report> {
    KernelStats::must_be_ours()?;
    let machine = Machine::read()?;
    let mut bench = Bench {
        rounds: args.rounds,
        slice: Duration::from_millis(args.slice.into()),
        loss: Duration::from_secs(args.loss.into()),
        workers: args.workers.unwrap_or(machine.cores),
        only: args.only.clone(),
        agent: built.agent.clone(),
        scratch: built.scratch.clone(),
        stats: KernelStats::default(),
    };
    // What an earlier run recorded is not evidence of this one.
    running::remove(&bench.evidence())?;
    let contenders: Vec<Contender> = contender::all(&built.agent)?
        .into_iter()
        .filter(|one| bench.selects(&one.name))
        .collect();
    if contenders.is_empty() {
        bail!("no contender is named like {}", args.only.join(" or "));
    }
    let parts = args.parts();
    let has = |part| parts.contains(&part);
    let mut report = Report {
        moods: vec![Mood::read()?],
        machine,
        workers: bench.workers,
        rounds: bench.rounds,
        slice: bench.slice,
        loss: bench.loss,
        parts: args.parts(),
        churn: None,
        sustained: None,
        start: None,
        pure: None,
    };
    if has(Part::Churn) || has(Part::Kernel) {
        report.churn = Some(churn::measure(&mut bench, &contenders)?);
        report.moods.push(Mood::read()?);
    }
    if has(Part::Loss) {
        report.sustained = Some(sustained::measure(&mut bench));
        report.moods.push(Mood::read()?);
    }
    if has(Part::Start) {
        report.start = Some(start::measure(&mut bench, &contenders));
        report.moods.push(Mood::read()?);
    }
    if has(Part::UserSpace) {
        report.pure = Some(pure::measure(&mut bench, &built.pure));
    }
    report.moods.push(Mood::read()?);
    Ok(report)
}

impl Bench {
    /// A load in a namespace of its own.
    fn load(&self) -> Result<Load> {
        Load::start(self.workers)
    }

    /// Whether a contender was asked for.
    fn selects(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|text| name.contains(text.as_str()))
    }

    /// Where the evidence is that the replay is measured with.
    fn evidence(&self) -> PathBuf {
        self.scratch.join("replay.tev")
    }
}
