//! How long a contender takes from its execution until nothing escapes it, and until it says so.

use anyhow::Result;

use super::Bench;
use super::contender::{self, Contender, Output, START, TCPSTATES};
use super::running::{Running, Started};

/// Starts of each; they are short, and spread.
pub(super) const ROUNDS: u32 = 7;

/// By contender.
pub(super) type Results = Vec<(String, Result<Vec<Started>, String>)>;

/// Measures each, in turn.
pub(super) fn measure(bench: &mut Bench, contenders: &[Contender]) -> Results {
    let agents = [
        contender::of_agent(&bench.agent, START, Output::Json),
        contender::of_agent(&bench.agent, contender::JSON, Output::Json),
    ];
    let peers = contenders.iter().filter(|one| is_peer(one)).cloned();
    let starters: Vec<Contender> = agents
        .into_iter()
        .filter(|one| bench.selects(&one.name))
        .chain(peers)
        .collect();
    let mut results: Results = starters
        .iter()
        .map(|one| (one.name.clone(), Ok(Vec::new())))
        .collect();
    for round in 1..=ROUNDS {
        eprintln!("bench: start {round}/{ROUNDS}");
        for (contender, (_, result)) in starters.iter().zip(&mut results) {
            let Ok(rounds) = result else {
                continue;
            };
            match start(bench, contender) {
                Ok(started) => rounds.push(started),
                Err(error) => *result = Err(format!("{error:#}")),
            }
        }
    }
    results
}

fn is_peer(contender: &Contender) -> bool {
    [TCPSTATES, "bpftrace"].contains(&contender.name.as_str())
}

fn start(bench: &mut Bench, contender: &Contender) -> Result<Started> {
    let mut load = bench.load()?;
    bench.stats.set(true)?;
    let mut running = Running::start(contender, &bench.scratch)?;
    let started = running.wait_until_attached(&mut load)?;
    bench.stats.set(false)?;
    running.stop(None)?;
    Ok(started)
}
