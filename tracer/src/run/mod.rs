//! The verbs: each builds what it needs from the rooms and runs it.
//!
//! **Owns:** the only knowledge of all rooms, and the only async but the source's.
//! **Never:** work that another room could do.

mod attach;
mod command;
mod course;
mod evidence;
mod failure;
mod files;
mod findings;
mod giving_up;
mod head;
mod hidden;
mod host;
mod listeners;
mod live;
mod pages;
mod record;
mod replay;
mod screen;
mod session;
mod show;
mod stop;
mod surroundings;
mod teller;
mod telling;
mod time_wait;
mod trace;
mod verify;
mod window;
mod writer;
mod zone;

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::cli;
use crate::cli::args::Verb;
use crate::cli::exit::Exit;
use crate::cli::plan::Plan;
use crate::cli::show::ShowPlan;
use crate::cli::time_wait::TimeWaitPlan;
use failure::Failure;

/// Runs what was typed. Words that cannot be read end the process, with exit code 2.
pub fn main() -> ExitCode {
    let args = cli::read();
    let result = match args.verb.unwrap_or(Verb::Live(Box::new(args.live))) {
        Verb::Live(args) => Plan::new(*args).map_err(Failure::Usage).and_then(live::run),
        Verb::TimeWait(args) => TimeWaitPlan::new(*args)
            .map_err(Failure::Usage)
            .and_then(time_wait::run),
        Verb::Record(args) => Plan::record(*args)
            .map_err(Failure::Usage)
            .and_then(record::run),
        Verb::Show(args) => ShowPlan::new(*args)
            .map_err(Failure::Usage)
            .and_then(|plan| show::run(&plan)),
        Verb::Verify(args) => verify::run(&args),
        Verb::States(args) => pages::states(&args),
        Verb::Doctor(args) => pages::doctor(&args),
        Verb::RunWhenTold(args) => command::waiting::run(&args),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) if failure.is_closed_pipe() => Exit::Done.into(),
        Err(failure) => {
            say(&format!("tracer: {failure}"));
            failure.exit().into()
        }
    }
}

/// Writes a line to standard error; where that cannot be written, there is nobody to tell.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
