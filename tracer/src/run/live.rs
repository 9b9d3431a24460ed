//! The verb `live`: every change as a line, every life as a picture.

use super::course::wall_of;
use super::failure::Failure;
use super::host::clock;
use super::teller::{Beginning, Teller};
use super::trace::trace;
use super::writer::{Writer, check_reader};
use super::zone;
use crate::cli::exit::Exit;
use crate::cli::plan::Plan;
use crate::evidence::Namespace;
use crate::model::{ClockStep, MonoNs};
use crate::stats::Summary;
use crate::track::Output;
use crate::track::conversation::Conversation;

/// The top-level entry point for `live`.
pub(super) fn run(plan: Plan) -> Result<Exit, Failure> {
    let clock = clock();
    let times = (wall_of(clock), zone::recorded(&zone::here()));
    let writer = Writer::new(
        &plan.output,
        &plan.findings,
        times,
        plan.quiet,
        plan.verbose > 0,
    );
    trace(plan, clock, writer)
}

impl Teller for Writer {
    fn begin(&mut self, beginning: &Beginning) -> Result<(), Failure> {
        self.session(beginning.session)
    }

    fn output(&mut self, output: &Output) -> Result<(), Failure> {
        Self::output(self, output)
    }

    fn tells_conversations(&self) -> bool {
        Self::tells_conversations(self)
    }

    fn conversation(&mut self, conversation: &Conversation) -> Result<(), Failure> {
        Self::conversation(self, conversation)
    }

    fn namespaces(&mut self, namespaces: &[Namespace]) -> Result<(), Failure> {
        self.learn(namespaces);
        Ok(())
    }

    fn clock_step(&mut self, step: ClockStep) -> Result<(), Failure> {
        Self::clock_step(self, step)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        Self::flush(self)
    }

    fn check_reader(&self) -> Result<(), Failure> {
        check_reader()
    }

    fn end(&mut self, summary: &Summary, end: MonoNs) -> Result<(), Failure> {
        self.findings(summary, end)?;
        self.summary(summary, end)?;
        Self::flush(self)
    }

    fn is_failed(&self) -> bool {
        self.found_what_fails()
    }
}
