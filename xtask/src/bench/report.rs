//! The outcome as tables for people, or as JSON with every round. Pure.

mod churn;
mod json;
mod kernel;
mod parts;
mod reach;

use std::time::Duration;

use super::args::Part;
use super::churn::{Loaded, Samples};
use super::generator::Kind;
use super::machine::{Machine, Mood};
use super::table::wrapped;
use super::{pure, start, sustained};

/// Everything that was measured; what was not asked for is `None`.
pub(super) struct Report {
    pub(super) machine: Machine,
    /// How it was before, between the parts and at the end.
    pub(super) moods: Vec<Mood>,
    pub(super) workers: u32,
    pub(super) rounds: u32,
    pub(super) slice: Duration,
    /// How long churn lasted for `sustained`.
    pub(super) loss: Duration,
    /// What is shown; what programs take in the kernel is measured with churn.
    pub(super) parts: Vec<Part>,
    pub(super) churn: Option<Vec<Loaded>>,
    pub(super) sustained: Option<sustained::Results>,
    pub(super) start: Option<start::Results>,
    pub(super) pure: Option<pure::Results>,
}

/// What has no figure, and why.
#[derive(Default)]
struct Missing(Vec<(String, String)>);

impl Missing {
    /// A line about it, or none where that has been said.
    fn tell(&mut self, what: &str, why: &str) -> String {
        let found = (what.to_owned(), why.to_owned());
        if self.0.contains(&found) {
            return String::new();
        }
        self.0.push(found);
        wrapped(&format!("not measured: {what}: {why}"))
    }
}

impl Report {
    pub(super) fn text(&self) -> String {
        let mut missing = Missing::default();
        let mut sections = vec![self.heading()];
        if let Some(churn) = &self.churn {
            if self.parts.contains(&Part::Churn) {
                let section = |loaded| churn::section(loaded, self.slice, &mut missing);
                sections.extend(churn.iter().map(section));
            }
            if self.parts.contains(&Part::Kernel) {
                sections.push(kernel::section(churn, &mut missing));
            }
        }
        if let Some(results) = &self.sustained {
            sections.push(parts::sustained(results, self.loss, &mut missing));
        }
        if let Some(results) = &self.start {
            sections.push(parts::start(results, &mut missing));
        }
        if let Some(results) = &self.pure {
            sections.push(parts::pure(results, &mut missing));
        }
        sections.push(reach::section(&reach::goals(self)));
        sections.join("\n")
    }

    fn heading(&self) -> String {
        let Machine {
            kernel,
            processor,
            cores,
            date,
        } = &self.machine;
        let processor = processor.as_deref().unwrap_or("unknown processor");
        let rounds = match self.rounds {
            1 => "1 round".to_owned(),
            rounds => format!("{rounds} rounds, and in each round every contender once"),
        };
        let load = |mood: Option<&Mood>| mood.map_or("?", |mood| &mood.load).to_owned();
        let (before, after) = (load(self.moods.first()), load(self.moods.last()));
        let steps = between(self.moods.iter().filter_map(|mood| mood.step_ns), 2);
        let loads = between(self.moods.iter().map(|mood| mood.memory_ns), 0);
        let steps = steps.map(|steps| {
            format!("{steps} ns a multiplication and an addition (four cycles: 1.33 at 3 GHz), ")
        });
        let steps = steps.unwrap_or_default();
        let loads = loads.unwrap_or_default();
        format!(
            "Linux {kernel} · {cores} cores · {processor} · {date} · load {before} before, {after} after\n\
             pace, all cores at it, each waiting for the one before: {steps}{loads} ns a load from memory\n\
             {rounds} · {} threads of load, in a network namespace of their own\n\
             figures: median (least–greatest)\n",
            self.workers,
        )
    }

    /// What a contender gave under a load.
    fn samples(&self, kind: Kind, name: &str) -> Option<&Samples> {
        samples(self.churn.as_deref()?, kind, name)
    }
}

/// The least and the greatest of some figures, with so many decimals.
fn between(figures: impl Iterator<Item = f64>, decimals: usize) -> Option<String> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let (least, greatest) = (figures.first()?, figures.last()?);
    Some(format!("{least:.decimals$}–{greatest:.decimals$}"))
}

fn samples<'a>(churn: &'a [Loaded], kind: Kind, name: &str) -> Option<&'a Samples> {
    let loaded = churn.iter().find(|one| one.kind == kind)?;
    let (_, samples) = loaded.results.iter().find(|(known, _)| known == name)?;
    Some(samples)
}
