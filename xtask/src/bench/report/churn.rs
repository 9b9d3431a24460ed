//! The tables of churn, one for each load.

use std::time::Duration;

use super::Missing;
use crate::bench::churn::{Loaded, Samples};
use crate::bench::figures::{Sample, per_s};
use crate::bench::generator::Kind;
use crate::bench::table::{NONE, Table, grouped, lost, mib, spread};

/// One load: what it does, and what is left of it.
pub(super) fn section(loaded: &Loaded, slice: Duration, missing: &mut Missing) -> String {
    let kind = loaded.kind;
    let mut text = format!(
        "CHURN: {} · {} ms at a time, while the kernel does not measure programs\n{}\n\n",
        kind.name(),
        slice.as_millis(),
        about(kind),
    );
    let mut not_measured = String::new();
    let per_process = match kind {
        Kind::Requests => "process µs/request",
        Kind::Reset | Kind::Orderly => "process µs/change",
    };
    let mut table = Table::new(
        1,
        &[
            "",
            &format!("{}s/s", kind.unit()),
            "of untraced",
            "load's CPU",
            per_process,
            "lost",
            "peak memory",
        ],
    );
    let rates = loaded.untraced.iter().filter_map(|&took| per_s(took));
    let none = || NONE.to_owned();
    table.push([
        "nothing attached".to_owned(),
        spread(rates, 0),
        none(),
        none(),
        none(),
        none(),
        none(),
    ]);
    for (name, samples) in &loaded.results {
        if let Some(why) = &samples.failed {
            not_measured += &missing.tell(&described(name, samples), why);
        }
        let unaccounted: u64 = samples.rounds.iter().map(Sample::unaccounted).sum();
        if unaccounted > 0 {
            let why = format!(
                "{} are neither told nor said to be lost",
                grouped(unaccounted)
            );
            not_measured += &missing.tell(&format!("state changes by {name}"), &why);
        }
        if !samples.rounds.is_empty() {
            table.push(row(kind, name, samples));
        }
    }
    text += &table.text();
    text + &not_measured
}

/// A contender, or the rounds of it that are missing.
fn described(name: &str, samples: &Samples) -> String {
    match samples.rounds.len() {
        0 => name.to_owned(),
        _ => format!("{name}, in a round"),
    }
}

fn about(kind: Kind) -> &'static str {
    match kind {
        Kind::Reset => {
            "a connection is opened and reset: six state changes, no TIME_WAIT\n\
             of untraced, load's CPU: compared to nothing attached, just before and after · process: its own CPU \
             until it has ended, for each change that\n\
             it did not lose · lost: what it says itself"
        }
        Kind::Orderly => {
            "a connection is opened, closed by the client, then by the server: ten state changes, and a \
             TIME_WAIT"
        }
        Kind::Requests => {
            "64 bytes there and back on one of 128 connections a thread, which stay open: what hooks cost \
             while no state changes"
        }
    }
}

fn row(kind: Kind, name: &str, samples: &Samples) -> [String; 7] {
    let rounds = &samples.rounds;
    let process = rounds.iter().filter_map(|one| match kind {
        Kind::Requests => one.process_ns_per_unit(),
        Kind::Reset | Kind::Orderly => one.process_ns_per_change(),
    });
    let peak = rounds.iter().map(|one| one.peak_rss_bytes).max();
    [
        name.to_owned(),
        spread(rounds.iter().filter_map(|one| per_s(one.load)), 0),
        spread(rounds.iter().filter_map(Sample::kept), 2),
        spread(rounds.iter().filter_map(Sample::load_cpu), 2),
        spread(process.map(|ns| ns / 1e3), 2),
        lost(
            rounds.iter().map(|one| one.lost).sum(),
            rounds.iter().map(Sample::to_tell).sum(),
        ),
        mib(peak),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::generator::Took;

    const SLICE: Duration = Duration::from_millis(300);

    fn took(units: u64) -> Took {
        Took {
            units,
            changes: units * 6,
            time: Duration::from_millis(100),
            cpu: Duration::from_millis(150),
        }
    }

    fn loaded() -> Loaded {
        let sample = |units| Sample {
            load: took(units),
            untraced: [took(6_000), took(6_000)],
            changes: 1_000,
            units: 100,
            told: Some(992),
            lost: 5,
            process_ns: 995_000,
            peak_rss_bytes: 3 << 20,
            ..Sample::default()
        };
        let failed = |why: &str| Some(why.to_owned());
        Loaded {
            kind: Kind::Reset,
            untraced: vec![took(6_000)],
            results: vec![
                (
                    "tracer".to_owned(),
                    Samples {
                        rounds: vec![sample(3_000), sample(4_500)],
                        failed: failed("it ended at once"),
                        ..Samples::default()
                    },
                ),
                (
                    "bpftrace".to_owned(),
                    Samples {
                        failed: failed("it is not installed"),
                        ..Samples::default()
                    },
                ),
            ],
        }
    }

    #[test]
    fn people_see_medians_and_what_is_missing() {
        let text = section(&loaded(), SLICE, &mut Missing::default());
        let row = text.lines().find(|line| line.starts_with("tracer "));
        let row = row.expect("the agent has a row");
        for figure in [
            "37,500 (30,000–45,000)",
            "0.62 (0.50–0.75)",
            "1.67 (1.33–2.00)",
            "1.00 (1.00–1.00)",
            "10 (0.5 %)",
            "3 MiB",
        ] {
            assert!(row.contains(figure), "{figure} in {row}");
        }
        let nothing = text
            .lines()
            .find(|line| line.starts_with("nothing attached"));
        let nothing = nothing.expect("there is something to compare to");
        assert!(nothing.contains("60,000 (60,000–60,000)"), "{nothing}");
        assert!(text.contains("not measured: tracer, in a round: it ended at once\n"));
        assert!(text.contains("not measured: bpftrace: it is not installed\n"));
        assert!(text.contains(
            "not measured: state changes by tracer: 6 are neither told nor said to be lost\n"
        ));
    }

    #[test]
    fn a_request_is_no_state_change() {
        let requests = Loaded {
            kind: Kind::Requests,
            ..loaded()
        };
        let text = section(&requests, SLICE, &mut Missing::default());
        assert!(text.contains("requests/s") && text.contains("process µs/request"));
        assert!(text.contains("9.95 (9.95–9.95)"), "{text}");
    }
}
