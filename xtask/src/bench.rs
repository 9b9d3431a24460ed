//! `cargo xtask bench`: what tracing costs on this machine, side by side with its peers, in one run.
//!
//! **Owns:** the order of things: rounds, and in each every contender once, so that whatever else
//! the machine does falls on all alike.
//! **Never:** judges. It prints ratios and the facts of the machine; what is good is for people.

mod contender;
mod figures;
mod generator;
mod kernel_stats;
mod load;
mod losses;
mod machine;
mod process;
mod report;
mod running;

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::place::Place;
use crate::{build, cmd, root};
use contender::Contender;
use figures::{Measured, Round};
use kernel_stats::KernelStats;
use load::Load;
use machine::Machine;
use report::Report;
use running::Running;

pub(crate) use generator::{GeneratorArgs, serve};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rounds; in each, every contender runs once
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Connections that are opened and closed in each run
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Threads that open and close them; one for each core by default
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    workers: Option<u32>,
    /// Only the contenders with one of these texts in their name
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    only: Vec<String>,
    /// Measures this agent, rather than the one that it builds
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Where the contenders write; target/bench by default
    #[arg(long, value_name = "DIRECTORY")]
    scratch: Option<PathBuf>,
    /// Prints the figures of every round as JSON
    #[arg(long)]
    json: bool,
}

/// Builds, measures, and prints.
pub(crate) fn run(mut args: Args) -> Result<()> {
    let (agent, scratch) = match (args.agent.take(), args.scratch.take()) {
        (Some(agent), Some(scratch)) => (agent, scratch),
        (agent, scratch) => {
            let place = Place::find()?;
            let scratch = scratch.unwrap_or_else(|| place.target.join("bench"));
            let agent = agent.map_or_else(|| build::agent().map(|place| place.agent()), Ok)?;
            (agent, scratch)
        }
    };
    if !root::is_root()? {
        return as_root(&args, &agent, &scratch);
    }
    fs::create_dir_all(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
    let report = measure(&args, &agent, &scratch)?;
    if args.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.text());
    }
    Ok(())
}

/// Starts this again as root, which attaching programs takes, with what was built as the user.
fn as_root(args: &Args, agent: &Path, scratch: &Path) -> Result<()> {
    let this = std::env::current_exe().context("cannot tell which file this program is")?;
    let mut command = root::command(&this)?;
    command.arg("bench");
    command.arg("--agent").arg(agent);
    command.arg("--scratch").arg(scratch);
    command.args(["--rounds", &args.rounds.to_string()]);
    command.args(["--connections", &args.connections.to_string()]);
    if let Some(workers) = args.workers {
        command.args(["--workers", &workers.to_string()]);
    }
    if !args.only.is_empty() {
        command.args(["--only", &args.only.join(",")]);
    }
    if args.json {
        command.arg("--json");
    }
    eprintln!(
        "bench: attaching takes root; starting {}",
        cmd::show(&command)
    );
    Err(command.exec()).with_context(|| format!("cannot start {}", cmd::show(&command)))
}

fn measure(args: &Args, agent: &Path, scratch: &Path) -> Result<Report> {
    let machine = Machine::read()?;
    let workers = args.workers.unwrap_or(machine.cores);
    let contenders: Vec<Contender> = contender::all(agent)
        .into_iter()
        .filter(|one| one.is_baseline() || selects(&args.only, &one.name))
        .collect();
    if contenders.len() < 2 {
        bail!("no contender is named like {}", args.only.join(" or "));
    }
    let _stats = KernelStats::on()?;
    let mut load = Load::start(workers)?;
    let mut results: Vec<Measured> = contenders.iter().map(|_| Ok(Vec::new())).collect();
    for number in 1..=args.rounds {
        let mut nothing = None;
        for (contender, result) in contenders.iter().zip(&mut results) {
            let Ok(rounds) = result else {
                continue;
            };
            eprint!(
                "bench: round {number}/{}: {} … ",
                args.rounds, contender.name
            );
            match round(
                contender,
                &mut load,
                args.connections,
                nothing.as_ref(),
                scratch,
            ) {
                Ok(round) => {
                    eprintln!("{:.0} connections/s", round.connections_per_s);
                    nothing = nothing.or_else(|| Some(round.clone()));
                    rounds.push(round);
                }
                Err(error) => {
                    eprintln!("not measured: {error:#}");
                    *result = Err(format!("{error:#}"));
                }
            }
        }
    }
    Ok(Report {
        load_after: Machine::read()?.load,
        machine,
        workers,
        rounds: args.rounds,
        connections: args.connections,
        results: contenders
            .into_iter()
            .map(|one| one.name)
            .zip(results)
            .collect(),
    })
}

/// One contender under load, once.
fn round(
    contender: &Contender,
    load: &mut Load,
    connections: u32,
    nothing: Option<&Round>,
    scratch: &Path,
) -> Result<Round> {
    let Some(mut command) = contender.command()? else {
        return Ok(Round::of_nothing(connections, load.open(connections)?));
    };
    let mut running = Running::start(&mut command, contender, scratch)?;
    running.wait_until_attached(load)?;
    let before = running.reading()?;
    let took = load.open(connections)?;
    let after = running.reading()?;
    let end = running.stop()?;
    Ok(Round::new(
        connections,
        took,
        nothing,
        &before,
        &after,
        &end,
    ))
}

fn selects(only: &[String], name: &str) -> bool {
    only.is_empty() || only.iter().any(|text| name.contains(text.as_str()))
}
