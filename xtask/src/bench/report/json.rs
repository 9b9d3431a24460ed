//! Everything for machines: every round, `null` for what is unknown, times in nanoseconds.

use serde_json::{Value, json};

use super::{Report, reach};
use crate::bench::churn::{Loaded, Samples};
use crate::bench::figures::{InKernel, Sample};
use crate::bench::generator::Took;
use crate::bench::{pure, start, sustained};

impl Report {
    pub(in crate::bench) fn json(&self) -> Value {
        let churn = self.churn.as_ref();
        let goals: Vec<Value> = reach::goals(self).iter().map(goal).collect();
        json!({
            "kernel": self.machine.kernel,
            "processor": self.machine.processor,
            "cores": self.machine.cores,
            "date": self.machine.date,
            "load_before": self.moods.first().map(|mood| &mood.load),
            "load_after": self.moods.last().map(|mood| &mood.load),
            "step_ns": self.moods.iter().map(|mood| mood.step_ns).collect::<Vec<_>>(),
            "memory_ns": self.moods.iter().map(|mood| mood.memory_ns).collect::<Vec<_>>(),
            "workers": self.workers,
            "slice_ms": self.slice.as_millis() as u64,
            "churn": churn.map(|all| all.iter().map(loaded).collect::<Vec<_>>()),
            "loss": self.sustained.as_ref().map(sustained),
            "start": self.start.as_ref().map(start),
            "user_space": self.pure.as_ref().map(pure),
            "figures_to_reach": goals,
        })
    }
}

fn loaded(loaded: &Loaded) -> Value {
    let contenders = loaded.results.iter();
    json!({
        "load": loaded.kind.name(),
        "unit": loaded.kind.unit(),
        "untraced": loaded.untraced.iter().map(|&one| took(one)).collect::<Vec<_>>(),
        "contenders": contenders.map(|(name, one)| samples(name, one)).collect::<Vec<_>>(),
    })
}

fn samples(name: &str, samples: &Samples) -> Value {
    json!({
        "name": name,
        "rounds": samples.rounds.iter().map(sample).collect::<Vec<_>>(),
        "not_measured": samples.failed,
    })
}

fn sample(sample: &Sample) -> Value {
    let [before, after] = sample.untraced;
    json!({
        "round": sample.round,
        "load": took(sample.load),
        "untraced_before": took(before),
        "untraced_after": took(after),
        "of_untraced": sample.kept(),
        "load_cpu_of_untraced": sample.load_cpu(),
        "units": sample.units,
        "changes": sample.changes,
        "told": sample.told,
        "lost": sample.lost,
        "unaccounted": sample.unaccounted(),
        "process_cpu_ns": sample.process_ns,
        "process_ns_per_change": sample.process_ns_per_change(),
        "process_ns_per_unit": sample.process_ns_per_unit(),
        "peak_rss_bytes": sample.peak_rss_bytes,
        "evidence_bytes": sample.evidence_bytes,
        "in_kernel": in_kernel(&sample.in_kernel),
    })
}

fn took(took: Took) -> Value {
    json!({
        "units": took.units,
        "changes": took.changes,
        "time_ns": took.time.as_nanos() as u64,
        "load_cpu_ns": took.cpu.as_nanos() as u64,
    })
}

fn in_kernel(found: &InKernel) -> Value {
    let programs = found.programs.iter().map(|one| {
        json!({
            "name": one.name,
            "runs": one.runs,
            "time_ns": one.time_ns,
            "recursion_misses": one.misses,
        })
    });
    json!({
        "programs": programs.collect::<Vec<_>>(),
        "units": found.units,
        "changes": found.changes,
        "changes_seen": found.seen,
        "ns_per_change": found.ns_per_change(),
        "ns_per_unit": found.ns_per_unit(),
    })
}

fn sustained(results: &sustained::Results) -> Value {
    let all = results.iter().map(|(name, result)| match result {
        Ok(endured) => json!({
            "name": name,
            "load": took(endured.load),
            "told": endured.told,
            "lost": endured.lost,
            "peak_rss_bytes": endured.peak_rss_bytes,
        }),
        Err(why) => json!({ "name": name, "not_measured": why }),
    });
    all.collect()
}

fn start(results: &start::Results) -> Value {
    let all = results.iter().map(|(name, result)| match result {
        Ok(rounds) => {
            let rounds = rounds.iter().map(|one| {
                json!({
                    "attached_ns": one.attached.as_nanos() as u64,
                    "first_line_ns": one.first_line.map(|time| time.as_nanos() as u64),
                    "cpu_ns": one.cpu.as_nanos() as u64,
                })
            });
            json!({ "name": name, "rounds": rounds.collect::<Vec<_>>() })
        }
        Err(why) => json!({ "name": name, "not_measured": why }),
    });
    all.collect()
}

fn pure(results: &pure::Results) -> Value {
    let replays = results.replays.iter().map(|one| {
        json!({
            "to": one.to,
            "changes": one.changes,
            "cpu_ns_per_change": one.cpu_ns_per_change,
            "changes_per_s": one.changes_per_s,
            "evidence_bytes_per_change": one.evidence_bytes_per_change,
        })
    });
    let populations = results.populations.iter().map(|one| {
        json!({
            "live": one.live,
            "cpu_ns_per_change": one.cpu_ns_per_change,
            "rss_bytes_per_connection": one.rss_bytes_per_connection,
        })
    });
    let failed = results.failed.iter();
    json!({
        "replays": replays.collect::<Vec<_>>(),
        "populations": populations.collect::<Vec<_>>(),
        "not_measured": failed.map(|(what, why)| json!({ "what": what, "why": why })).collect::<Vec<_>>(),
    })
}

fn goal(goal: &reach::Goal) -> Value {
    json!({
        "figure": goal.what,
        "to_reach": goal.bound(),
        "measured": goal.measured,
        "verdict": goal.verdict(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::bench::args::Part;
    use crate::bench::figures::Program;
    use crate::bench::generator::Kind;
    use crate::bench::machine::{Machine, Mood};

    fn report() -> Report {
        let measured = Sample {
            round: 1,
            in_kernel: InKernel {
                programs: vec![Program {
                    name: "empty".to_owned(),
                    runs: 4,
                    time_ns: 100,
                    misses: 1,
                }],
                units: 1,
                changes: 4,
                seen: 4,
            },
            ..Sample::default()
        };
        Report {
            machine: Machine {
                kernel: "6.18.0".to_owned(),
                processor: None,
                cores: 2,
                date: "2026-01-02".to_owned(),
            },
            moods: vec![
                Mood {
                    load: "0.10".to_owned(),
                    step_ns: Some(1.5),
                    memory_ns: 100.0,
                },
                Mood {
                    load: "2.00".to_owned(),
                    step_ns: Some(2.5),
                    memory_ns: 90.0,
                },
            ],
            workers: 2,
            rounds: 1,
            slice: Duration::from_millis(300),
            loss: Duration::from_secs(10),
            churn: Some(vec![Loaded {
                kind: Kind::Reset,
                untraced: Vec::new(),
                results: vec![
                    (
                        "empty program".to_owned(),
                        Samples {
                            rounds: vec![measured],
                            ..Samples::default()
                        },
                    ),
                    (
                        "bpftrace".to_owned(),
                        Samples {
                            failed: Some("it is not installed".to_owned()),
                            ..Samples::default()
                        },
                    ),
                ],
            }]),
            parts: [Part::Churn, Part::Kernel].to_vec(),
            sustained: None,
            start: None,
            pure: None,
        }
    }

    #[test]
    fn machines_see_every_round_and_null_for_unknown() {
        let json = report().json();
        assert_eq!(json["processor"], Value::Null);
        assert_eq!(json["loss"], Value::Null);
        assert_eq!(json["step_ns"], json!([1.5, 2.5]));
        assert_eq!(json["memory_ns"], json!([100.0, 90.0]));
        assert_eq!(json["load_before"], "0.10");
        let contenders = &json["churn"][0]["contenders"];
        let round = &contenders[0]["rounds"][0];
        assert_eq!(round["in_kernel"]["ns_per_change"], 25.0);
        assert_eq!(round["in_kernel"]["programs"][0]["recursion_misses"], 1);
        assert_eq!(round["of_untraced"], Value::Null);
        assert_eq!(contenders[0]["not_measured"], Value::Null);
        assert_eq!(contenders[1]["not_measured"], "it is not installed");
        let goals = json["figures_to_reach"].as_array().expect("a list");
        assert!(goals.iter().all(|goal| goal["verdict"] == "not measured"));
    }

    #[test]
    fn people_see_only_what_was_asked_for() {
        let text = report().text();
        let pace = "1.50–2.50 ns a multiplication and an addition (four cycles: 1.33 at 3 GHz), 90–100 ns a load";
        assert!(text.contains(pace), "{text}");
        for title in ["CHURN: resets", "IN KERNEL", "FIGURES TO REACH"] {
            assert!(text.contains(title), "{title} in {text}");
        }
        for title in ["LOSS", "START", "USER SPACE"] {
            assert!(!text.contains(title), "{title} in {text}");
        }
    }
}
