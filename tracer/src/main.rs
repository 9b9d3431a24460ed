//! The agent's entry point.

use std::process::ExitCode;

fn main() -> ExitCode {
    tracer::run::main()
}
