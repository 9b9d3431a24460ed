//! The agent's user space by itself, without a kernel: what `tracer/benches/pure` measures.
//!
//! **Owns:** starting that program, and reading what it says: one line of JSON each time.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Bench;
use super::churn;
use super::figures::Spread;
use crate::cmd;
use crate::place::Place;

/// Live connections; the first is what the others are compared to.
pub(super) const POPULATIONS: [u64; 3] = [1_000, 100_000, 1_000_000];
/// What a replay goes through: each one with decoder and tracker before it, but for evidence, which takes records as they are.
pub(super) const SINKS: [&str; 6] = ["decode", "tracker", "text", "json", "csv", "evidence"];
/// Times that each is measured.
const ROUNDS: u32 = 3;

/// So many connections that stay alive, one more and one less with each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Population {
    pub(super) live: u64,
    pub(super) cpu_ns_per_change: f64,
    pub(super) rss_bytes_per_connection: f64,
}

/// Evidence, replayed as far as to a sink.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Replay {
    pub(super) to: String,
    pub(super) changes: u64,
    pub(super) cpu_ns_per_change: f64,
    pub(super) changes_per_s: f64,
    pub(super) evidence_bytes_per_change: f64,
}

/// What all rounds gave, or why there is nothing.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) populations: Vec<Population>,
    pub(super) replays: Vec<Replay>,
    /// What was asked for, and why it has no figure.
    pub(super) failed: Vec<(String, String)>,
}

/// Builds the program; returns its file. What cargo says goes to this program's standard error.
pub(super) fn build(place: &Place) -> Result<PathBuf> {
    let mut cargo = place.cargo();
    cargo.args([
        "bench",
        "--package",
        "tracer",
        "--bench",
        "pure",
        "--no-run",
    ]);
    let output = cargo
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!(
            "cargo bench --package tracer --bench pure --no-run ended with {}; what it said is on standard error",
            output.status
        );
    }
    executable(&String::from_utf8_lossy(&output.stdout))
        .context("cargo names no executable of the benchmark `pure`")
}

fn executable(messages: &str) -> Option<PathBuf> {
    let mut messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages.find_map(|message| {
        let is_pure = message["target"]["name"] == "pure";
        let file = message["executable"].as_str()?;
        is_pure.then(|| PathBuf::from(file))
    })
}

/// Measures everything that the program can.
pub(super) fn measure(bench: &mut Bench, pure: &Result<PathBuf, String>) -> Results {
    let mut results = Results::default();
    let program = match pure {
        Ok(program) => program,
        Err(why) => {
            let what = "replay, memory and growth".to_owned();
            results.failed.push((what, why.clone()));
            return results;
        }
    };
    if let Err(error) = churn::record_for_replay(bench) {
        results.fail("recording for the replay".to_owned(), &error);
    }
    for round in 1..=ROUNDS {
        eprintln!("bench: replay and populations {round}/{ROUNDS}");
        for to in SINKS {
            let evidence = bench.evidence();
            let said = ask(Command::new(program)
                .arg("replay")
                .arg(&evidence)
                .args(["--to", to]));
            match said.and_then(|said| replay(&said)) {
                Ok(replay) => results.replays.push(replay),
                Err(error) => results.fail(format!("replay to {to}"), &error),
            }
        }
        for live in POPULATIONS {
            let count = live.to_string();
            let said = ask(Command::new(program).args(["population", &count, "--close", "random"]));
            match said.and_then(|said| population(&said)) {
                Ok(population) => results.populations.push(population),
                Err(error) => results.fail(format!("{live} live connections"), &error),
            }
        }
    }
    results
}

impl Results {
    /// Cost of a change among so many live connections, compared to the smallest population.
    pub(super) fn growth(&self, live: u64) -> Option<f64> {
        let ns = |live| self.population(live, |one| one.cpu_ns_per_change);
        Some(ns(live)? / ns(POPULATIONS[0])?)
    }

    /// Memory for a live connection of so many.
    pub(super) fn bytes(&self, live: u64) -> Option<f64> {
        self.population(live, |one| one.rss_bytes_per_connection)
    }

    /// How fast evidence is replayed as far as that.
    pub(super) fn changes_per_s(&self, to: &str) -> Option<f64> {
        let ours = self.replays.iter().filter(|one| one.to == to);
        Some(Spread::of(ours.map(|one| one.changes_per_s))?.median)
    }

    fn population(&self, live: u64, figure: fn(&Population) -> f64) -> Option<f64> {
        let ours = self.populations.iter().filter(|one| one.live == live);
        Some(Spread::of(ours.map(figure))?.median)
    }

    fn fail(&mut self, what: String, error: &anyhow::Error) {
        let known = self.failed.iter().any(|(failed, _)| *failed == what);
        if !known {
            self.failed.push((what, format!("{error:#}")));
        }
    }
}

/// One run; what it says is one line of JSON.
fn ask(command: &mut Command) -> Result<Value> {
    let said = cmd::read(command)?;
    serde_json::from_str(&said).with_context(|| format!("{said:?} is no JSON"))
}

fn population(said: &Value) -> Result<Population> {
    Ok(Population {
        live: count(said, "live")?,
        cpu_ns_per_change: number(said, "cpu_ns_per_change")?,
        rss_bytes_per_connection: number(said, "rss_bytes_per_connection")?,
    })
}

fn replay(said: &Value) -> Result<Replay> {
    let to = said["to"].as_str().context("it tells no `to`")?;
    Ok(Replay {
        to: to.to_owned(),
        changes: count(said, "changes")?,
        cpu_ns_per_change: number(said, "cpu_ns_per_change")?,
        changes_per_s: number(said, "changes_per_s")?,
        evidence_bytes_per_change: number(said, "evidence_bytes_per_change")?,
    })
}

fn number(said: &Value, name: &str) -> Result<f64> {
    let number = said[name].as_f64();
    number.with_context(|| format!("it tells no number `{name}`: {said}"))
}

fn count(said: &Value, name: &str) -> Result<u64> {
    let number = said[name].as_u64();
    number.with_context(|| format!("it tells no count `{name}`: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_executable_is_the_one_of_the_benchmark() {
        let said = "Compiling\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"tracer\"},\"executable\":\"/a/tracer\"}\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"pure\"},\"executable\":\"/a/pure-1\"}\n\
            {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(said), Some(PathBuf::from("/a/pure-1")));
        assert_eq!(executable("{\"target\":{\"name\":\"pure\"}}"), None);
    }

    #[test]
    fn what_it_says_is_read_and_what_it_does_not_say_is_named() {
        let said = json!({
            "live": 1000, "changes": 60, "cpu_ns_per_change": 250.5,
            "rss_bytes_per_connection": 480, "rss_bytes": 480_000,
        });
        let read = population(&said).expect("is complete");
        assert_eq!((read.live, read.cpu_ns_per_change), (1000, 250.5));
        assert_eq!(read.rss_bytes_per_connection, 480.0);

        let mut said = json!({
            "to": "json", "records": 70, "changes": 60, "cpu_ns_per_change": 900.0,
            "changes_per_s": 1.1e6, "evidence_bytes": 600, "evidence_bytes_per_change": 10.0,
        });
        let read = replay(&said).expect("is complete");
        assert_eq!((read.to.as_str(), read.changes), ("json", 60));
        assert_eq!(read.evidence_bytes_per_change, 10.0);
        said["changes_per_s"] = Value::Null;
        let error = replay(&said).expect_err("is incomplete").to_string();
        assert!(error.contains("`changes_per_s`"), "{error}");
    }
}
