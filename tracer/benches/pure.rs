//! What the pure core costs, and what it takes: decoder, tracker and encoders, without a kernel and without a clock.
//!
//! One line of JSON on standard output, and nothing else. Times are those of this thread's CPU clock.

#[path = "pure/evidence.rs"]
mod evidence;
#[path = "pure/host.rs"]
mod host;
#[path = "pure/layers.rs"]
mod layers;
#[path = "pure/measure.rs"]
mod measure;
#[path = "pure/population.rs"]
mod population;
#[path = "pure/records.rs"]
mod records;
#[path = "pure/replay.rs"]
mod replay;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use serde::Serialize;

use layers::Layer;
use population::Close;

#[derive(Parser)]
#[command(name = "pure", about)]
struct Args {
    /// Given by `cargo bench`, and of no meaning here
    #[arg(long, hide = true, global = true)]
    bench: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Keeps so many connections alive, and in each step opens one and closes one
    Population {
        live: u64,
        #[arg(long, default_value_t = 500_000)]
        steps: u64,
        /// Which connection a step closes
        #[arg(long, value_enum, default_value = "random")]
        close: Close,
    },
    /// Reads evidence into memory, and then lets it go through the layers up to one
    Replay {
        file: PathBuf,
        #[arg(long, value_enum)]
        to: Layer,
    },
    /// The same with a small capture that is made here, and is always the same
    Sample {
        #[arg(long, value_enum)]
        to: Layer,
        /// Connections in it
        #[arg(long, default_value_t = 4_000)]
        connections: u64,
    },
    /// Keeps so many connections alive, and tells at ten points what memory that takes
    Churn {
        live: u64,
        /// State changes in all
        #[arg(long)]
        changes: u64,
    },
}

fn main() -> ExitCode {
    let told = match Args::parse().verb {
        Verb::Population { live, steps, close } => told(population::steady(live, steps, close)),
        Verb::Replay { file, to } => told(replay::evidence(&file, to)),
        Verb::Sample { to, connections } => told(replay::sample(connections, to)),
        Verb::Churn { live, changes } => told(population::churn(live, changes)),
    };
    match told {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("pure: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A line of JSON.
fn told(figures: Result<impl Serialize>) -> Result<String> {
    Ok(serde_json::to_string(&figures?)?)
}
