//! The verb `show`: evidence, told as it was told live.

use super::course::wall_of;
use super::evidence::Evidence;
use super::failure::Failure;
use super::replay::Replay;
use super::writer::Writer;
use super::zone;
use crate::cli::exit::Exit;
use crate::cli::show::ShowPlan;

/// The top-level entry point for `show`.
pub(super) fn run(plan: &ShowPlan) -> Result<Exit, Failure> {
    let mut evidence = Evidence::open(&plan.files)?;
    let mut head = evidence.head()?;
    if plan.redact {
        head = evidence.redact(head);
    }
    let filters = evidence.filters(&plan.filters)?;
    let times = (wall_of(head.clock), zone::recorded(&head.zone));
    let writer = Writer::new(
        &plan.output,
        &plan.findings,
        times,
        plan.quiet,
        plan.verbose,
    );
    let replay = Replay {
        filters: &filters,
        part: Some(&plan.part),
        raw: plan.output.raw,
        begins_in_the_middle: evidence.begins_in_the_middle(),
    };
    let (exit, ending) = replay.run(head, || evidence.next(), writer)?;
    Ok(evidence.end(&ending).unwrap_or(exit))
}
