//! The outcome as tables for people, or as JSON with every round. Pure.

mod churn;
mod json;
mod kernel;
mod parts;
mod reach;

use std::time::Duration;

use super::churn::{Loaded, Samples};
use super::generator::Kind;
use super::machine::Machine;
use super::{pure, start, sustained};

/// Everything that was measured; what was not asked for is `None`.
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) load_after: String,
    pub(super) workers: u32,
    pub(super) rounds: u32,
    pub(super) slice: Duration,
    /// How long churn lasted for `sustained`.
    pub(super) loss: Duration,
    pub(super) churn: Option<Vec<Loaded>>,
    /// Whether what programs take is a table of its own; it is measured with `churn`.
    pub(super) in_kernel: bool,
    pub(super) sustained: Option<sustained::Results>,
    pub(super) start: Option<start::Results>,
    pub(super) pure: Option<pure::Results>,
}

/// What has no figure, and why.
#[derive(Default)]
struct Missing(Vec<(String, String)>);

impl Missing {
    /// Says each thing once.
    fn add(&mut self, what: &str, why: &str) {
        let found = (what.to_owned(), why.to_owned());
        if !self.0.contains(&found) {
            self.0.push(found);
        }
    }

    fn text(&self) -> String {
        let lines = self
            .0
            .iter()
            .map(|(what, why)| format!("not measured: {what}: {why}\n"));
        lines.collect()
    }
}

impl Report {
    pub(super) fn text(&self) -> String {
        let mut text = self.heading();
        let mut sections = Vec::new();
        if let Some(churn) = &self.churn {
            sections.extend(
                churn
                    .iter()
                    .map(|loaded| churn::section(loaded, self.slice)),
            );
            if self.in_kernel {
                sections.push(kernel::section(churn));
            }
        }
        if let Some(results) = &self.sustained {
            sections.push(parts::sustained(results, self.loss));
        }
        if let Some(results) = &self.start {
            sections.push(parts::start(results));
        }
        if let Some(results) = &self.pure {
            sections.push(parts::pure(results));
        }
        sections.push(reach::section(&reach::goals(self)));
        for section in sections {
            text.push('\n');
            text += &section;
        }
        text
    }

    fn heading(&self) -> String {
        let Machine {
            kernel,
            processor,
            cores,
            load,
            date,
        } = &self.machine;
        let processor = processor.as_deref().unwrap_or("unknown processor");
        format!(
            "Linux {kernel} · {cores} cores · {processor} · {date} · load {load} before, {} after\n\
             {} rounds, each contender once in each · {} threads of load in a network namespace of their own\n\
             figures are median (min–max) of all rounds\n",
            self.load_after, self.rounds, self.workers,
        )
    }

    /// What a contender gave under a load.
    fn samples(&self, kind: Kind, name: &str) -> Option<&Samples> {
        samples(self.churn.as_deref()?, kind, name)
    }
}

fn samples<'a>(churn: &'a [Loaded], kind: Kind, name: &str) -> Option<&'a Samples> {
    let loaded = churn.iter().find(|one| one.kind == kind)?;
    let (_, samples) = loaded.results.iter().find(|(known, _)| known == name)?;
    Some(samples)
}
