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
    pub(super) mood_after: Mood,
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
            mood,
        } = &self.machine;
        let after = &self.mood_after;
        let processor = processor.as_deref().unwrap_or("unknown processor");
        let rounds = match self.rounds {
            1 => "1 round".to_owned(),
            rounds => format!("{rounds} rounds, and in each round every contender once"),
        };
        let pace = mood.step_ns.zip(after.step_ns).map(|(before, after)| {
            format!(
                "pace, all cores at it: {before:.2} ns a multiplication and an addition that wait for those before, {after:.2} at the end \
                 (four cycles: 1.33 at 3 GHz)\n"
            )
        });
        let pace = pace.unwrap_or_default();
        format!(
            "Linux {kernel} · {cores} cores · {processor} · {date} · load {} before, {} after\n\
             {pace}{rounds} · {} threads of load, in a network namespace of their own\n\
             figures: median (least–greatest)\n",
            mood.load, after.load, self.workers,
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
