//! What is lost at full churn: resets without a pause for as long as is asked for, with the default ring.

use anyhow::Result;

use super::Bench;
use super::contender::{self, Output, RECORD_ALL, START};
use super::figures::per_s;
use super::generator::{Amount, Kind, Task, Took};
use super::running::Running;

/// Who has to keep up, as a user would start it.
const CONTENDERS: [(&str, Output); 3] = [
    (RECORD_ALL, Output::Evidence),
    (START, Output::Json),
    ("tracer live", Output::Text),
];

/// How one did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Endured {
    pub(super) load: Took,
    /// Changes that it says it told; `None` where it does not count them.
    pub(super) told: Option<u64>,
    pub(super) lost: u64,
    pub(super) peak_rss_bytes: u64,
}

/// By contender.
pub(super) type Results = Vec<(String, Result<Endured, String>)>;

/// Measures each once.
pub(super) fn measure(bench: &mut Bench) -> Results {
    let seconds = bench.loss.as_secs();
    let mut results = Vec::new();
    for (name, output) in CONTENDERS {
        if !bench.selects(name) {
            continue;
        }
        eprint!("bench: {seconds} s of full churn: {name} … ");
        let endured = endure(bench, name, output).map_err(|error| format!("{error:#}"));
        match &endured {
            Ok(endured) => {
                let rate = per_s(endured.load).unwrap_or_default();
                eprintln!("{rate:.0} connections/s, {} lost", endured.lost);
            }
            Err(why) => eprintln!("not measured: {why}"),
        }
        results.push((name.to_owned(), endured));
    }
    results
}

fn endure(bench: &mut Bench, name: &str, output: Output) -> Result<Endured> {
    let contender = contender::of_agent(&bench.agent, name, output);
    let mut load = bench.load()?;
    let mut running = Running::start(&contender, &bench.scratch)?;
    bench.stats.set(true)?;
    running.wait_until_attached(&mut load)?;
    bench.stats.set(false)?;
    let took = load.run(Task::Load(Kind::Reset, Amount::Time(bench.loss)))?;
    let peak_rss_bytes = running.reading()?.peak_rss_bytes;
    let end = running.stop(None)?;
    Ok(Endured {
        load: took,
        told: end.told,
        lost: end.lost,
        peak_rss_bytes,
    })
}
