//! What the programs take in the kernel: in sum for each contender, and each program by itself.

use super::{Missing, samples};
use crate::bench::churn::{Loaded, Samples};
use crate::bench::contender::{EMPTY, TCPSTATES};
use crate::bench::figures::{InKernel, Program};
use crate::bench::generator::Kind;
use crate::bench::table::{NONE, Table, median, spread, wrapped};

/// Both tables.
pub(super) fn section(churn: &[Loaded], missing: &mut Missing) -> String {
    let mut text = "IN KERNEL: time in all programs of a contender, for each state change that the load made, or \
        for each request\n\
        as the kernel measures it, its own looks at the clock included\n\
        × empty, of tcpstates: compared in the same round to the empty program on the same tracepoint, and to \
        tcpstates\n\n"
        .to_owned();
    text += &sums(churn).text();
    text += &others(churn);
    text += "\nBY PROGRAM: runs for each state change or request, and ns for a run (medians)\n\
        A contender all of whose programs are another one's above is left out.\n\n";
    text += &programs(churn).text();
    text + &skipped(churn, missing)
}

/// A warning where others on this host opened and closed connections meanwhile.
fn others(churn: &[Loaded]) -> String {
    let samples = churn.iter().flat_map(|one| &one.results);
    let rounds = || {
        let rounds = samples.clone().flat_map(|(_, one)| &one.rounds);
        rounds
            .map(|one| &one.in_kernel)
            .filter(|one| one.changes > 0)
    };
    let made: u64 = rounds().map(|one| one.changes).sum();
    let seen: u64 = rounds().map(|one| one.seen).sum();
    let others = seen.saturating_sub(made);
    if others * 50 <= seen {
        return String::new();
    }
    wrapped(&format!(
        "disturbed: {:.0} % of the state changes that the programs saw were not the load's; what is told for \
         a change is too much by as much, in user space and of evidence too",
        100.0 * others as f64 / seen as f64
    ))
}

fn sums(churn: &[Loaded]) -> Table {
    let mut table = Table::new(
        1,
        &[
            "",
            "reset ns/change",
            "× empty",
            "of tcpstates",
            "orderly ns/change",
            "× empty",
            "of tcpstates",
            "ns/request",
        ],
    );
    for name in names(churn) {
        let find = |kind| samples(churn, kind, name);
        let ns = |kind| per_change(find(kind));
        let against = |kind, reference, digits| {
            let reference = samples(churn, kind, reference);
            spread_of_ratios(find(kind), reference, digits)
        };
        let requests = find(Kind::Requests);
        let per_request = requests.into_iter().flat_map(|one| &one.rounds);
        table.push([
            name.to_owned(),
            ns(Kind::Reset),
            against(Kind::Reset, EMPTY, 1),
            against(Kind::Reset, TCPSTATES, 3),
            ns(Kind::Orderly),
            against(Kind::Orderly, EMPTY, 1),
            against(Kind::Orderly, TCPSTATES, 3),
            spread(per_request.filter_map(|one| one.in_kernel.ns_per_unit()), 0),
        ]);
    }
    table
}

fn per_change(samples: Option<&Samples>) -> String {
    let rounds = samples.into_iter().flat_map(|one| &one.rounds);
    spread(rounds.filter_map(|one| one.in_kernel.ns_per_change()), 0)
}

fn spread_of_ratios(one: Option<&Samples>, other: Option<&Samples>, digits: usize) -> String {
    match (one, other) {
        (Some(one), Some(other)) => median(ratios(one, other), digits),
        _ => NONE.to_owned(),
    }
}

/// Time in the kernel for a state change, compared to another contender in the same round.
pub(super) fn ratios(one: &Samples, other: &Samples) -> Vec<f64> {
    let rounds = one.rounds.iter().filter_map(|sample| {
        let mut references = other.rounds.iter();
        let reference = references.find(|reference| reference.round == sample.round)?;
        Some(sample.in_kernel.ns_per_change()? / reference.in_kernel.ns_per_change()?)
    });
    rounds.collect()
}

fn programs(churn: &[Loaded]) -> Table {
    let mut table = Table::new(
        2,
        &[
            "",
            "program",
            "runs/reset change",
            "ns/run",
            "runs/orderly change",
            "ns/run",
            "runs/request",
            "ns/run",
        ],
    );
    let mut known: Vec<Vec<&str>> = Vec::new();
    for name in names(churn) {
        let programs = program_names(churn, name);
        let is_known = |known: &Vec<&str>| programs.iter().all(|one| known.contains(one));
        if known.iter().any(is_known) {
            continue;
        }
        for (place, program) in programs.iter().enumerate() {
            let cells = |kind| program_cells(kind, samples(churn, kind, name), program);
            let ([reset, reset_ns], [orderly, orderly_ns], [request, request_ns]) = (
                cells(Kind::Reset),
                cells(Kind::Orderly),
                cells(Kind::Requests),
            );
            table.push([
                if place == 0 { name } else { "" }.to_owned(),
                (*program).to_owned(),
                reset,
                reset_ns,
                orderly,
                orderly_ns,
                request,
                request_ns,
            ]);
        }
        known.push(programs);
    }
    table
}

/// Runs for each change or request, and ns for each run.
fn program_cells(kind: Kind, samples: Option<&Samples>, name: &str) -> [String; 2] {
    let found = || {
        let rounds = samples.into_iter().flat_map(|one| &one.rounds);
        rounds.filter_map(|one| {
            let program = one.in_kernel.programs.iter().find(|one| one.name == name)?;
            Some((&one.in_kernel, program))
        })
    };
    let per = |all: &InKernel| match kind {
        Kind::Requests => all.units,
        Kind::Reset | Kind::Orderly => all.changes,
    };
    let runs = found().map(|(all, program)| program.runs as f64 / per(all) as f64);
    let ns = found().map(|(_, Program { runs, time_ns, .. })| *time_ns as f64 / *runs as f64);
    [median(runs, 2), median(ns, 0)]
}

/// Contenders with any figure, in the order in which they ran.
fn names(churn: &[Loaded]) -> Vec<&str> {
    let all = churn.iter().flat_map(|one| &one.results);
    let mut names: Vec<&str> = Vec::new();
    for (name, samples) in all {
        if !samples.rounds.is_empty() && !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

/// Programs of a contender that ran under any load, in order.
fn program_names<'a>(churn: &'a [Loaded], name: &str) -> Vec<&'a str> {
    let loads = Kind::ALL
        .into_iter()
        .filter_map(|kind| samples(churn, kind, name));
    let rounds = loads.flat_map(|one| &one.rounds);
    let programs = rounds.flat_map(|one| &one.in_kernel.programs);
    let mut names: Vec<&str> = programs.map(|one| one.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Programs that the kernel did not run although it should have.
fn skipped(churn: &[Loaded], missing: &mut Missing) -> String {
    let mut text = String::new();
    for (name, samples) in churn.iter().flat_map(|one| &one.results) {
        for program in samples
            .rounds
            .iter()
            .flat_map(|one| &one.in_kernel.programs)
        {
            if program.misses > 0 {
                let why = format!("{} ran already, {} times", program.name, program.misses);
                text += &missing.tell(&format!("some runs for {name}"), &why);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::Sample;

    fn contender(name: &str, rounds: &[(u32, &str, u64)]) -> (String, Samples) {
        let rounds = rounds.iter().map(|&(round, program, time_ns)| Sample {
            round,
            in_kernel: InKernel {
                programs: vec![Program {
                    name: program.to_owned(),
                    runs: 20,
                    time_ns,
                    misses: 0,
                }],
                units: 2,
                changes: 10,
                seen: 20,
            },
            ..Sample::default()
        });
        let samples = Samples {
            rounds: rounds.collect(),
            ..Samples::default()
        };
        (name.to_owned(), samples)
    }

    fn churn() -> Vec<Loaded> {
        vec![Loaded {
            kind: Kind::Reset,
            untraced: Vec::new(),
            results: vec![
                contender(EMPTY, &[(1, "empty", 100), (2, "empty", 200)]),
                contender(
                    "tracer a",
                    &[(1, "state_change_ty", 500), (2, "state_change_ty", 600)],
                ),
                contender("tracer b", &[(2, "state_change_ty", 800)]),
                contender(TCPSTATES, &[(1, "handle", 5_000), (2, "handle", 20_000)]),
            ],
        }]
    }

    #[test]
    fn contenders_are_compared_within_a_round() {
        let churn = churn();
        let find = |name| samples(&churn, Kind::Reset, name).expect("was measured");
        assert_eq!(ratios(find("tracer a"), find(EMPTY)), [5.0, 3.0]);
        assert_eq!(ratios(find("tracer b"), find(EMPTY)), [4.0]);
        let text = sums(&churn).text();
        let row = text.lines().find(|line| line.starts_with("tracer a"));
        let cells: Vec<&str> = row.expect("has a row").split("  ").collect();
        let cells: Vec<&str> = cells
            .iter()
            .map(|cell| cell.trim())
            .filter(|cell| !cell.is_empty())
            .collect();
        assert_eq!(
            cells,
            ["tracer a", "55 (50–60)", "4.0", "0.065", "–", "–", "–", "–"]
        );
    }

    #[test]
    fn changes_that_others_make_are_noticed() {
        let mut churn = churn();
        assert!(others(&churn).starts_with("disturbed: 50 % of the state changes"));
        for (_, samples) in &mut churn[0].results {
            for sample in &mut samples.rounds {
                (sample.in_kernel.changes, sample.in_kernel.seen) = (1_000, 1_015);
            }
        }
        assert_eq!(others(&churn), "");
    }

    #[test]
    fn programs_are_told_once() {
        let text = programs(&churn()).text();
        let lines = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
        assert_eq!(
            [lines("tracer a"), lines("tracer b"), lines(TCPSTATES)],
            [1, 0, 1]
        );
        assert!(text.contains("2.00"), "runs for each change: {text}");
    }

    #[test]
    fn a_program_that_was_not_run_is_told() {
        let mut churn = churn();
        churn[0].results[1].1.rounds[0].in_kernel.programs[0].misses = 3;
        let text = skipped(&churn, &mut Missing::default());
        assert_eq!(
            text,
            "not measured: some runs for tracer a: state_change_ty ran already, 3 times\n"
        );
    }
}
