//! The smaller tables: loss at full churn, the start, user space by itself.

use std::time::Duration;

use super::Missing;
use crate::bench::figures::{per_s, to_tell};
use crate::bench::running::Started;
use crate::bench::table::{NONE, Table, figure, grouped, lost, mib, spread};
use crate::bench::{pure, start, sustained};

pub(super) fn sustained(
    results: &sustained::Results,
    lasted: Duration,
    missing: &mut Missing,
) -> String {
    let mut not_measured = String::new();
    let mut table = Table::new(
        1,
        &[
            "",
            "connections/s",
            "changes/s",
            "changes",
            "lost",
            "peak memory",
        ],
    );
    for (name, result) in results {
        match result {
            Ok(endured) => {
                let took = endured.load;
                let changes_per_s = took.changes as f64 / took.time.as_secs_f64();
                table.push([
                    name.clone(),
                    per_s(took).map_or(NONE.to_owned(), |rate| figure(rate, 0)),
                    figure(changes_per_s, 0),
                    grouped(took.changes),
                    lost(
                        endured.lost,
                        to_tell(took.changes, endured.told, endured.lost),
                    ),
                    mib(Some(endured.peak_rss_bytes)),
                ]);
            }
            Err(why) => not_measured += &missing.tell(name, why),
        }
    }
    format!(
        "LOSS: {} s of resets without a pause, the default ring\n\n{}{}",
        lasted.as_secs(),
        table.text(),
        not_measured
    )
}

pub(super) fn start(results: &start::Results, missing: &mut Missing) -> String {
    let mut not_measured = String::new();
    let mut table = Table::new(
        1,
        &["", "attached after ms", "first line after ms", "CPU ms"],
    );
    for (name, result) in results {
        match result {
            Ok(rounds) => {
                let ms = |figure: fn(&Started) -> Option<Duration>| {
                    // What some rounds alone have, is no figure of all.
                    let figures = rounds.iter().map(figure).collect::<Option<Vec<_>>>();
                    let ms = figures
                        .into_iter()
                        .flatten()
                        .map(|time| time.as_secs_f64() * 1e3);
                    spread(ms, 0)
                };
                table.push([
                    name.clone(),
                    ms(|one| Some(one.attached)),
                    ms(|one| one.first_line),
                    ms(|one| Some(one.cpu)),
                ]);
            }
            Err(why) => not_measured += &missing.tell(name, why),
        }
    }
    format!(
        "START: {} times each, from the execution of its program until its hook runs for a connection, \
         to a millisecond; CPU until both\n\n{}{}",
        start::ROUNDS,
        table.text(),
        not_measured
    )
}

pub(super) fn pure(results: &pure::Results, missing: &mut Missing) -> String {
    let mut text = String::new();
    let mut replays = Table::new(
        1,
        &[
            "replay to",
            "changes/s",
            "ns/change",
            "changes",
            "evidence bytes/change",
        ],
    );
    for to in pure::SINKS {
        let ours = || results.replays.iter().filter(|one| one.to == to);
        let Some(any) = ours().next() else {
            continue;
        };
        replays.push([
            to.to_owned(),
            spread(ours().map(|one| one.changes_per_s), 0),
            spread(ours().map(|one| one.cpu_ns_per_change), 0),
            grouped(any.changes),
            format!("{:.1}", any.evidence_bytes_per_change),
        ]);
    }
    let mut populations = Table::new(
        1,
        &[
            "live connections",
            "ns/change",
            "growth",
            "bytes/connection",
        ],
    );
    for live in pure::POPULATIONS {
        let ours = || results.populations.iter().filter(|one| one.live == live);
        if ours().next().is_none() {
            continue;
        }
        populations.push([
            grouped(live),
            spread(ours().map(|one| one.cpu_ns_per_change), 0),
            results
                .growth(live)
                .map_or(NONE.to_owned(), |growth| format!("{growth:.2}")),
            spread(ours().map(|one| one.rss_bytes_per_connection), 0),
        ]);
    }
    if !replays.is_empty() {
        text += "USER SPACE: the evidence that `tracer record` made of resets in this run, replayed from \
            memory; CPU of one core\n\n";
        text += &replays.text();
    }
    if !populations.is_empty() {
        let gap = if text.is_empty() { "" } else { "\n" };
        text += gap;
        text += "MEMORY AND GROWTH: so many connections stay alive, one opens and another closes in turn; \
            growth: ns compared to 1,000\n\n";
        text += &populations.text();
    }
    for (what, why) in &results.failed {
        text += &missing.tell(what, why);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::generator::Took;
    use crate::bench::sustained::Endured;

    #[test]
    fn a_loss_is_told_with_its_share() {
        let endured = Endured {
            load: Took {
                units: 500_000,
                changes: 3_000_000,
                time: Duration::from_secs(10),
                cpu: Duration::from_secs(20),
            },
            told: Some(2_970_000),
            lost: 30_000,
            peak_rss_bytes: 5 << 20,
        };
        let results = vec![
            ("tracer live".to_owned(), Ok(endured)),
            (
                "tracer record".to_owned(),
                Err("the disk is full".to_owned()),
            ),
        ];
        let text = sustained(&results, Duration::from_secs(10), &mut Missing::default());
        for figure in ["50,000", "300,000", "3,000,000", "30,000 (1.0 %)", "5 MiB"] {
            assert!(text.contains(figure), "{figure} in {text}");
        }
        assert!(text.contains("not measured: tracer record: the disk is full\n"));
    }

    #[test]
    fn a_contender_that_says_nothing_has_no_first_line() {
        let started = Started {
            attached: Duration::from_millis(120),
            first_line: None,
            cpu: Duration::from_millis(80),
        };
        let loud = Started {
            first_line: Some(Duration::from_millis(5)),
            ..started
        };
        let text = start(
            &vec![("tcpstates".to_owned(), Ok(vec![started, loud]))],
            &mut Missing::default(),
        );
        let row = text.lines().last().expect("it has a row");
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(
            words,
            ["tcpstates", "120", "(120–120)", "–", "80", "(80–80)"]
        );
    }

    #[test]
    fn what_user_space_did_not_tell_is_named() {
        let population = |live, cpu_ns_per_change| pure::Population {
            live,
            cpu_ns_per_change,
            rss_bytes_per_connection: 480.0,
        };
        let results = pure::Results {
            populations: vec![population(1_000, 200.0), population(1_000_000, 300.0)],
            replays: Vec::new(),
            failed: vec![(
                "replay to csv".to_owned(),
                "there is no evidence".to_owned(),
            )],
        };
        let text = pure(&results, &mut Missing::default());
        let row = text.lines().find(|line| line.starts_with("1,000,000"));
        assert!(row.expect("has a row").contains("  1.50  "), "{text}");
        assert!(
            !text.contains("replay to  "),
            "no table without a row: {text}"
        );
        assert!(text.contains("not measured: replay to csv: there is no evidence\n"));
    }
}
