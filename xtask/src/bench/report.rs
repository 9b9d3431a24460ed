//! The outcome as a table for people, or as JSON with every round. Pure.

use serde_json::{Value, json};

use super::figures::{Measured, Round, Spread};
use super::generator::CHANGES_PER_CONNECTION;
use super::machine::Machine;

const HEADING: [&str; 8] = [
    "",
    "connections/s",
    "of nothing",
    "load's CPU",
    "kernel ns/change",
    "process µs/change",
    "lost",
    "peak RSS",
];

/// Everything that was measured.
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) load_after: String,
    pub(super) workers: u32,
    pub(super) rounds: u32,
    pub(super) connections: u32,
    /// By name, in the order in which they ran.
    pub(super) results: Vec<(String, Measured)>,
}

impl Report {
    pub(super) fn text(&self) -> String {
        let Machine {
            kernel,
            processor,
            cores,
            load,
            date,
        } = &self.machine;
        let processor = processor.as_deref().unwrap_or("unknown processor");
        let mut text = format!(
            "Linux {kernel} · {cores} cores · {processor} · {date} · load {load} before, {} after\n\
             {} rounds of {} connections on loopback, {} threads, {} state changes a connection\n\
             median (min–max) · of nothing, load's CPU: compared to nothing attached in the same round · \
             kernel.bpf_stats_enabled=1\n\n",
            self.load_after, self.rounds, self.connections, self.workers, CHANGES_PER_CONNECTION,
        );
        let mut rows = vec![HEADING.map(str::to_owned)];
        let mut not_measured = String::new();
        for (name, figures) in &self.results {
            match figures {
                Ok(rounds) => rows.push(row(name, rounds)),
                Err(why) => not_measured += &format!("not measured: {name}: {why}\n"),
            }
        }
        text += &aligned(&rows);
        text += &not_measured;
        text
    }

    pub(super) fn json(&self) -> Value {
        let contenders: Vec<Value> = self
            .results
            .iter()
            .map(|(name, figures)| match figures {
                Ok(rounds) => json!({
                    "name": name,
                    "rounds": rounds.iter().map(round).collect::<Vec<_>>(),
                }),
                Err(why) => json!({ "name": name, "not_measured": why }),
            })
            .collect();
        json!({
            "kernel": self.machine.kernel,
            "processor": self.machine.processor,
            "cores": self.machine.cores,
            "date": self.machine.date,
            "load_before": self.machine.load,
            "load_after": self.load_after,
            "workers": self.workers,
            "connections": self.connections,
            "changes_per_connection": CHANGES_PER_CONNECTION,
            "contenders": contenders,
        })
    }
}

fn round(round: &Round) -> Value {
    json!({
        "connections_per_s": round.connections_per_s,
        "load_cpu_ns_per_connection": round.load_cpu_ns_per_connection,
        "rate_of_nothing": round.rate_of_nothing,
        "load_cpu_of_nothing": round.load_cpu_of_nothing,
        "changes": round.changes,
        "kernel_ns_per_change": round.kernel_ns_per_change,
        "process_ns_per_change": round.process_ns_per_change,
        "lost": round.lost,
        "peak_rss_bytes": round.peak_rss_bytes,
    })
}

fn row(name: &str, rounds: &[Round]) -> [String; 8] {
    let spread = |figure: fn(&Round) -> Option<f64>, digits: usize| {
        Spread::of(rounds, figure).map_or("–".to_owned(), |Spread { median, min, max }| {
            format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
        })
    };
    let peak = rounds.iter().filter_map(|one| one.peak_rss_bytes).max();
    [
        name.to_owned(),
        spread(|one| Some(one.connections_per_s), 0),
        spread(|one| one.rate_of_nothing, 2),
        spread(|one| one.load_cpu_of_nothing, 2),
        spread(|one| one.kernel_ns_per_change, 0),
        spread(|one| Some(one.process_ns_per_change? / 1e3), 2),
        lost(rounds).unwrap_or("–".to_owned()),
        peak.map_or("–".to_owned(), |bytes| format!("{} MiB", bytes >> 20)),
    ]
}

/// All rounds together, and which share of the changes that is.
fn lost(rounds: &[Round]) -> Option<String> {
    let lost: u64 = rounds.iter().map(|one| one.lost).sum::<Option<u64>>()?;
    let changes: u64 = rounds.iter().map(|one| one.changes).sum::<Option<u64>>()?;
    if lost == 0 || changes == 0 {
        return Some(lost.to_string());
    }
    let percent = 100.0 * lost as f64 / changes as f64;
    Some(format!("{lost} ({percent:.1} %)"))
}

/// Columns: names to the left, figures to the right.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    });
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            line += &match column {
                0 => format!("{cell:<width$}"),
                _ => format!("  {cell:>width$}"),
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let measured = |rate, kernel| Round {
            connections_per_s: rate,
            load_cpu_ns_per_connection: 50_000.0,
            rate_of_nothing: Some(0.5),
            load_cpu_of_nothing: Some(1.25),
            changes: Some(1_000),
            kernel_ns_per_change: Some(kernel),
            process_ns_per_change: Some(1_500.0),
            lost: Some(5),
            peak_rss_bytes: Some(3 << 20),
        };
        let nothing = Round {
            connections_per_s: 60_000.0,
            ..Round::default()
        };
        Report {
            machine: Machine {
                kernel: "6.18.0".to_owned(),
                processor: None,
                cores: 2,
                load: "0.10".to_owned(),
                date: "2026-01-02".to_owned(),
            },
            load_after: "2.00".to_owned(),
            workers: 2,
            rounds: 2,
            connections: 100,
            results: vec![
                ("nothing attached".to_owned(), Ok(vec![nothing])),
                (
                    "tracer".to_owned(),
                    Ok(vec![measured(30_000.0, 100.0), measured(31_000.0, 200.0)]),
                ),
                ("bpftrace".to_owned(), Err("it is not installed".to_owned())),
            ],
        }
    }

    #[test]
    fn people_see_medians_and_what_is_missing() {
        let text = report().text();
        let row = text.lines().find(|line| line.starts_with("tracer "));
        let row = row.expect("the agent has a row");
        for figure in [
            "30500 (30000–31000)",
            "0.50 (0.50–0.50)",
            "1.25 (1.25–1.25)",
            "150 (100–200)",
            "1.50 (1.50–1.50)",
            "10 (0.5 %)",
            "3 MiB",
        ] {
            assert!(row.contains(figure), "{figure} in {row}");
        }
        let nothing = text.lines().find(|line| line.starts_with("nothing"));
        assert_eq!(nothing.map(|line| line.matches('–').count()), Some(7));
        assert!(text.contains("not measured: bpftrace: it is not installed"));
    }

    #[test]
    fn machines_see_every_round_and_null_for_unknown() {
        let json = report().json();
        assert_eq!(json["processor"], Value::Null);
        let [nothing, tracer, bpftrace] = json["contenders"].as_array().expect("a list").as_slice()
        else {
            panic!("three contenders, not {json}");
        };
        assert_eq!(nothing["rounds"][0]["kernel_ns_per_change"], Value::Null);
        assert_eq!(tracer["rounds"][1]["kernel_ns_per_change"], 200.0);
        assert_eq!(bpftrace["not_measured"], "it is not installed");
    }
}
