//! What `cargo xtask bench` is told, what it builds for that, and how it becomes root.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use super::pure;
use crate::place::Place;
use crate::{build, cmd, root};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rounds of churn; in each, every contender runs once under each load
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rounds: u32,
    /// Milliseconds that a load runs for a contender
    #[arg(long, value_name = "MS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(20..))]
    pub(super) slice: u32,
    /// Seconds of full churn, to see what is lost
    #[arg(long, visible_alias = "seconds", value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) loss: u32,
    /// Threads of the load; one for each core by default
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) workers: Option<u32>,
    /// Only the contenders with one of these texts in their name
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    pub(super) only: Vec<String>,
    /// Only these parts
    #[arg(long, value_name = "NAME", value_enum, value_delimiter = ',')]
    part: Vec<Part>,
    /// Measures this agent, rather than the one that it builds
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Measures user space with this build of tracer/benches/pure, rather than the one that it builds
    #[arg(long, value_name = "FILE")]
    pure: Option<PathBuf>,
    /// Why there is no such program; the bench tells itself as it becomes root
    #[arg(long, value_name = "WHY", hide = true)]
    no_pure: Option<String>,
    /// Where figures.json goes, and what contenders record; target/bench by default
    #[arg(long, value_name = "DIRECTORY")]
    scratch: Option<PathBuf>,
    /// Prints what figures.json holds, rather than tables
    #[arg(long)]
    pub(super) json: bool,
}

/// A part of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    /// What is left of the load's rate, and what it costs
    Churn,
    /// What the programs take in the kernel; measured with churn
    Kernel,
    /// What is lost at full churn
    Loss,
    /// The start
    Start,
    /// Replay, memory and growth
    UserSpace,
}

/// What is measured, and where.
pub(super) struct Built {
    pub(super) agent: PathBuf,
    /// The program that measures user space by itself, or why there is none.
    pub(super) pure: Result<PathBuf, String>,
    pub(super) scratch: PathBuf,
}

impl Args {
    /// The parts that are asked for: all, unless some are named.
    pub(super) fn parts(&self) -> Vec<Part> {
        match self.part.as_slice() {
            [] => Part::value_variants().to_vec(),
            some => some.to_vec(),
        }
    }

    /// Builds what is not given.
    pub(super) fn build(&self) -> Result<Built> {
        let scratch = match &self.scratch {
            Some(scratch) => scratch.clone(),
            None => Place::find()?.target.join("bench"),
        };
        let agent = match &self.agent {
            Some(agent) => agent.clone(),
            None => build::agent()?.agent(),
        };
        Ok(Built {
            agent,
            pure: self.build_pure(),
            scratch,
        })
    }

    fn build_pure(&self) -> Result<PathBuf, String> {
        if !self.parts().contains(&Part::UserSpace) {
            return Err("it was not asked for".to_owned());
        }
        match (&self.pure, &self.no_pure) {
            (Some(file), _) => Ok(file.clone()),
            (None, Some(why)) => Err(why.clone()),
            (None, None) => Place::find()
                .and_then(|place| pure::build(&place))
                .map_err(|error| format!("{error:#}")),
        }
    }

    /// Starts this again as root, which attaching programs takes, with what was built as the user.
    pub(super) fn as_root(&self, built: &Built) -> Result<()> {
        let this = std::env::current_exe().context("cannot tell which file this program is")?;
        let mut command = root::command(&this)?;
        self.say_again(built, &mut command);
        eprintln!(
            "bench: attaching takes root; starting {}",
            cmd::show(&command)
        );
        Err(command.exec()).with_context(|| format!("cannot start {}", cmd::show(&command)))
    }

    fn say_again(&self, built: &Built, command: &mut Command) {
        command.arg("bench");
        command.arg("--agent").arg(&built.agent);
        command.arg("--scratch").arg(&built.scratch);
        match &built.pure {
            Ok(file) => command.arg("--pure").arg(file),
            Err(why) => command.arg("--no-pure").arg(why),
        };
        command.args(["--rounds", &self.rounds.to_string()]);
        command.args(["--slice", &self.slice.to_string()]);
        command.args(["--loss", &self.loss.to_string()]);
        if let Some(workers) = self.workers {
            command.args(["--workers", &workers.to_string()]);
        }
        if !self.only.is_empty() {
            command.args(["--only", &self.only.join(",")]);
        }
        for part in self.part.iter().filter_map(ValueEnum::to_possible_value) {
            command.args(["--part", part.get_name()]);
        }
        if self.json {
            command.arg("--json");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Whole {
        #[command(flatten)]
        args: Args,
    }

    fn parse(words: &[&str]) -> Args {
        let words = ["bench"].iter().chain(words);
        Whole::try_parse_from(words).expect("is valid").args
    }

    #[test]
    fn what_was_typed_is_said_again_as_root() {
        let args = parse(&[
            "--rounds",
            "3",
            "--slice",
            "200",
            "--seconds",
            "60",
            "--workers",
            "4",
            "--only",
            "json,record",
            "--part",
            "churn,user-space",
            "--json",
        ]);
        let built = Built {
            agent: PathBuf::from("/agent"),
            pure: Err("it does not build".to_owned()),
            scratch: PathBuf::from("/scratch"),
        };
        let mut command = Command::new("bench");
        args.say_again(&built, &mut command);
        let words: Vec<&str> = command
            .get_args()
            .skip(1)
            .filter_map(|word| word.to_str())
            .collect();
        let again = parse(&words);
        assert_eq!((again.rounds, again.slice, again.loss), (3, 200, 60));
        assert_eq!(again.workers, Some(4));
        assert_eq!(again.only, ["json", "record"]);
        assert_eq!(again.part, [Part::Churn, Part::UserSpace]);
        assert!(again.json);
        assert_eq!(again.no_pure.as_deref(), Some("it does not build"));
        let again = again.build().expect("nothing is left to build");
        assert_eq!((again.agent, again.scratch), (built.agent, built.scratch));
        assert_eq!(again.pure, built.pure);
    }

    #[test]
    fn all_parts_are_measured_unless_some_are_named() {
        assert_eq!(parse(&[]).parts().len(), 5);
        assert_eq!(parse(&["--part", "loss"]).parts(), [Part::Loss]);
    }
}
