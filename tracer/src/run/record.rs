//! The verb `record`: a trace into a file, quiet but for a line that counts.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use super::failure::Failure;
use super::host::clock;
use super::teller::{Beginning, Taken, Teller};
use super::trace::trace;
use super::writer::check_reader;
use crate::cli::exit::Exit;
use crate::cli::plan::Plan;
use crate::model::{MonoNs, printable};
use crate::sink::text::{counted, duration, grouped};
use crate::stats::Summary;
use crate::store::Outcome;
use crate::track::Output;

/// How often the line is written anew.
const PACE: Duration = Duration::from_secs(1);

/// The top-level entry point for `record`.
pub(super) fn run(plan: Plan) -> Result<Exit, Failure> {
    // A command writes there, too.
    let is_alone = plan.command.is_empty();
    let counter = Counter {
        is_shown: io::stderr().is_terminal() && is_alone && !plan.quiet,
        is_there: false,
        began: MonoNs(0),
        taken: Taken::default(),
    };
    trace(plan, clock(), counter)
}

/// Says what came of a recording of a trace in which the kernel side lost so many records.
pub(super) fn recorded(outcome: &Outcome, lost: u64) -> String {
    let files: Vec<String> = outcome.files.iter().map(printable).collect();
    let name = match &files[..] {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first, .., last] => format!("{} files, {first} to {last}", files.len()),
    };
    let each = match outcome.records {
        0 => String::new(),
        records => format!(", {:.1} a record", outcome.bytes as f64 / records as f64),
    };
    let mut text = format!(
        "recorded {name}: {}, {} lost, {} not recorded, {} bytes{each}",
        counted(outcome.records, "record"),
        grouped(lost),
        grouped(outcome.lost),
        outcome.bytes,
    );
    if outcome.is_whole {
        text += &format!(
            "\nseal {}: note it elsewhere, and `tracer verify --seal` tells whether the evidence is this one",
            outcome.chain
        );
    }
    text
}

/// Counts on standard error.
struct Counter {
    is_shown: bool,
    is_there: bool,
    began: MonoNs,
    taken: Taken,
}

impl Counter {
    /// Ends the line, so that what is said next begins its own.
    fn clear(&mut self) {
        if std::mem::take(&mut self.is_there) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Teller for Counter {
    fn is_counter(&self) -> bool {
        true
    }

    fn begin(&mut self, beginning: &Beginning) -> Result<(), Failure> {
        self.began = beginning.session.start;
        Ok(())
    }

    fn taken(&mut self, taken: Taken) {
        self.taken = taken;
    }

    fn output(&mut self, _output: &Output) -> Result<(), Failure> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn pace(&self) -> Option<Duration> {
        self.is_shown.then_some(PACE)
    }

    fn refresh(&mut self, now: MonoNs, _evicted: u64) -> Result<(), Failure> {
        let Taken { records, lost } = self.taken;
        let lasted = now.since(self.began).unwrap_or_default() / 1_000_000_000;
        let line = format!(
            "{} · {lost} lost · {} · Ctrl-C ends it",
            counted(records, "record"),
            duration(lasted * 1_000_000_000),
        );
        self.is_there = true;
        // Where nobody can be told, there is nobody to tell that.
        let _ = write!(io::stderr(), "\r{line}\x1b[K");
        Ok(())
    }

    fn check_reader(&self) -> Result<(), Failure> {
        check_reader()
    }

    fn end(&mut self, _summary: &Summary, _end: MonoNs) -> Result<(), Failure> {
        self.clear();
        Ok(())
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.clear();
    }
}
