//! The verbs: each builds what it needs from the rooms and runs it.
//!
//! **Owns:** the only knowledge of all rooms, and the only async but the source's.
//! **Never:** work that another room could do.

mod failure;
mod host;
mod live;
mod pages;
mod stop;
mod surroundings;
mod writer;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::args::{Args, Verb};
use crate::cli::exit::Exit;
use crate::cli::plan::Plan;

/// Runs what was typed. Clap ends the process by itself on wrong usage, with exit code 2.
pub fn main() -> ExitCode {
    let args = Args::parse();
    let result = match args.verb.unwrap_or(Verb::Live(Box::new(args.live))) {
        Verb::Live(args) => live::run(Plan::new(*args)),
        Verb::States(args) => pages::states(&args),
        Verb::Doctor(args) => pages::doctor(&args),
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
