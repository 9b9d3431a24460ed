//! The project's own commands: `cargo xtask run`, `test`, `setup`, `build`, `tidy`, `bench`, `vm`.
//!
//! **Owns:** the verbs and their exit codes, a file each.
//! **Never:** depends on the agent or the object, so that it compiles before anything is set up.

mod bench;
mod build;
mod cmd;
mod compiler;
mod linker;
mod packages;
mod place;
mod record;
mod root;
mod run;
mod setup;
mod test;
mod tidy;
mod vm;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use place::Place;

/// Sets up, builds, runs and tests tracer.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Finds or installs what the eBPF build needs
    Setup,
    /// Builds the object and the agent; leaves it at target/release/tracer
    Build,
    /// Builds, then starts the agent (through sudo where that is needed)
    Run {
        /// What the agent gets; `live` without any
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Builds, then checks the sources and runs all tests
    Test {
        /// Leaves out the virtual machines with other kernels
        #[arg(long)]
        no_vm: bool,
        /// What every test program gets; names select tests, and leave out all that is no test of
        /// this machine
        #[arg(last = true)]
        filter: Vec<String>,
    },
    /// Runs the live tests on other kernels, in virtual machines
    Vm(vm::Args),
    /// Checks the layers of the agent, and how files look
    Tidy,
    /// Measures what tracing costs on this machine, beside its peers
    Bench(bench::Args),
    /// Opens connections as it is told; `bench` starts it
    #[command(hide = true)]
    BenchLoad(bench::GeneratorArgs),
    /// Attaches a program that does nothing; `bench` starts it
    #[command(hide = true)]
    BenchEmpty,
}

fn main() -> ExitCode {
    let done = match Args::parse().verb {
        Verb::Setup => setup::for_build().map(|ready| eprintln!("{ready}")),
        Verb::Build => build::agent().map(|_| ()),
        Verb::Run { args } => run::agent(&args),
        Verb::Test { no_vm, filter } => match test::all(&filter, !no_vm) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        Verb::Vm(args) => match vm::run(&args) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        Verb::Bench(args) => bench::run(&args),
        Verb::BenchLoad(args) => bench::serve(&args),
        Verb::BenchEmpty => bench::stay(),
        Verb::Tidy => Place::find().and_then(|place| tidy::check(&place.workspace)),
    };
    exit_code(done)
}

/// 0 done, 1 failed, 3 this machine or user does not allow it.
fn exit_code(done: Result<()>) -> ExitCode {
    let Err(error) = done else {
        return ExitCode::SUCCESS;
    };
    eprintln!("xtask: {error:#}");
    if error.is::<root::NotAllowed>() {
        ExitCode::from(3)
    } else {
        ExitCode::FAILURE
    }
}
