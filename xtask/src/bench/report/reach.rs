//! The figures that the agent is to reach, beside those that it has.
//!
//! **Owns:** the goals, and the judgement on them, which is only printed.

use super::Report;
use super::kernel::ratios;
use crate::bench::churn::Samples;
use crate::bench::contender::{EMPTY, JSON, RECORD, RECORD_ALL, START, TCPSTATES, TEXT, TIMER};
use crate::bench::figures::{Sample, Spread};
use crate::bench::generator::Kind;
use crate::bench::sustained::Endured;
use crate::bench::table::{self, NONE, Table};

/// Which side of a figure is good.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reach {
    AtMost(f64),
    AtLeast(f64),
}

/// A figure to reach.
pub(super) struct Goal {
    pub(super) what: &'static str,
    reach: Reach,
    unit: &'static str,
    digits: usize,
    /// The median of this run; `None` where it was not measured.
    pub(super) measured: Option<f64>,
}

/// All of them, in the order of the parts.
pub(super) fn goals(report: &Report) -> Vec<Goal> {
    use Reach::{AtLeast, AtMost};
    let reset = |name| report.samples(Kind::Reset, name);
    let per_change = |name| us(of(reset(name), Sample::process_ns_per_change));
    let kept = |name| of(reset(name), Sample::kept).map(|share| 100.0 * share);
    let against = |reference| median(ratios(reset(RECORD)?, reset(reference)?));
    let timers = report.samples(Kind::Requests, TIMER);
    let goal = |what, reach, unit, digits, measured| Goal {
        what,
        reach,
        unit,
        digits,
        measured,
    };
    vec![
        goal(
            "in kernel for a state change (record --time-wait off), compared to the empty program",
            AtMost(5.0),
            "×",
            1,
            against(EMPTY),
        ),
        goal(
            "the same, compared to tcpstates",
            AtMost(0.02),
            "×",
            3,
            against(TCPSTATES),
        ),
        goal(
            "in kernel for a timer operation that is not ours (--time-wait timer, requests)",
            AtMost(60.0),
            "ns",
            0,
            of(timers, |one| one.in_kernel.ns_per_run("timer_")),
        ),
        goal(
            "of the untraced rate of resets remains: record --time-wait off",
            AtLeast(93.0),
            "%",
            0,
            kept(RECORD),
        ),
        goal(
            "of the untraced rate of resets remains: record",
            AtLeast(93.0),
            "%",
            0,
            kept(RECORD_ALL),
        ),
        goal(
            "lost at full churn: record",
            AtMost(0.0),
            "changes",
            0,
            endured(report).map(|one| one.lost as f64),
        ),
        goal(
            "CPU of the process for a change: record --time-wait off",
            AtMost(0.3),
            "µs",
            2,
            per_change(RECORD),
        ),
        goal(
            "CPU of the process for a change: lines (live --time-wait off)",
            AtMost(1.5),
            "µs",
            2,
            per_change(TEXT),
        ),
        goal(
            "CPU of the process for a change: JSON (live --json --time-wait off)",
            AtMost(2.0),
            "µs",
            2,
            per_change(JSON),
        ),
        goal(
            "evidence for a change: record",
            AtMost(16.0),
            "bytes",
            1,
            of(reset(RECORD_ALL), Sample::evidence_bytes_per_change),
        ),
        goal(
            "replay through the tracker",
            AtLeast(3_000_000.0),
            "changes/s",
            0,
            report
                .pure
                .as_ref()
                .and_then(|one| one.changes_per_s("tracker")),
        ),
        goal(
            "memory for a live connection, of a million",
            AtMost(500.0),
            "bytes",
            0,
            report.pure.as_ref().and_then(|one| one.bytes(1_000_000)),
        ),
        goal(
            "growth: a change among a million live connections, compared to a thousand",
            AtMost(1.5),
            "×",
            2,
            report.pure.as_ref().and_then(|one| one.growth(1_000_000)),
        ),
        goal(
            "start until attached: live --json",
            AtMost(150.0),
            "ms",
            0,
            attached(report),
        ),
    ]
}

fn of(samples: Option<&Samples>, figure: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
    median(samples?.rounds.iter().filter_map(figure))
}

fn us(ns: Option<f64>) -> Option<f64> {
    Some(ns? / 1e3)
}

fn median(figures: impl IntoIterator<Item = f64>) -> Option<f64> {
    Some(Spread::of(figures)?.median)
}

fn endured(report: &Report) -> Option<Endured> {
    let results = report.sustained.as_ref()?;
    let (_, result) = results.iter().find(|(name, _)| name == RECORD_ALL)?;
    result.as_ref().ok().copied()
}

fn attached(report: &Report) -> Option<f64> {
    let results = report.start.as_ref()?;
    let (_, result) = results.iter().find(|(name, _)| name == START)?;
    let rounds = result.as_ref().ok()?;
    median(rounds.iter().map(|one| one.attached.as_secs_f64() * 1e3))
}

impl Goal {
    /// As people write the bound.
    pub(super) fn bound(&self) -> String {
        match self.reach {
            Reach::AtMost(most) => format!("at most {}", self.figure(most)),
            Reach::AtLeast(least) => format!("at least {}", self.figure(least)),
        }
    }

    /// `reached`, or by how much it was not.
    pub(super) fn verdict(&self) -> String {
        let Some(measured) = self.measured else {
            return "not measured".to_owned();
        };
        let (short, bound) = match self.reach {
            Reach::AtMost(most) => (measured - most, most),
            Reach::AtLeast(least) => (least - measured, least),
        };
        if short <= 0.0 {
            "reached".to_owned()
        } else if bound == 0.0 {
            format!("missed by {}", self.figure(short))
        } else {
            format!("missed by {:.1} %", 100.0 * short / bound)
        }
    }

    fn figure(&self, value: f64) -> String {
        format!("{} {}", table::figure(value, self.digits), self.unit)
    }
}

pub(super) fn section(goals: &[Goal]) -> String {
    let mut table = Table::new(1, &["", "to reach", "measured", "verdict"]);
    for goal in goals {
        let measured = goal
            .measured
            .map_or(NONE.to_owned(), |value| goal.figure(value));
        table.push([goal.what.to_owned(), goal.bound(), measured, goal.verdict()]);
    }
    format!("FIGURES TO REACH (medians)\n\n{}", table.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goal(reach: Reach, measured: Option<f64>) -> Goal {
        Goal {
            what: "figure",
            reach,
            unit: "ns",
            digits: 1,
            measured,
        }
    }

    #[test]
    fn a_figure_is_reached_missed_or_unknown() {
        use Reach::{AtLeast, AtMost};
        let verdict = |reach, measured| goal(reach, measured).verdict();
        assert_eq!(verdict(AtMost(5.0), Some(5.0)), "reached");
        assert_eq!(verdict(AtMost(5.0), Some(6.0)), "missed by 20.0 %");
        assert_eq!(verdict(AtLeast(80.0), Some(80.0)), "reached");
        assert_eq!(verdict(AtLeast(80.0), Some(60.0)), "missed by 25.0 %");
        assert_eq!(verdict(AtMost(0.0), Some(0.0)), "reached");
        assert_eq!(verdict(AtMost(0.0), Some(7.0)), "missed by 7.0 ns");
        assert_eq!(verdict(AtMost(5.0), None), "not measured");
    }

    #[test]
    fn each_goal_has_a_row() {
        let goals = [
            goal(Reach::AtMost(5.0), Some(4.0)),
            goal(Reach::AtLeast(3e6), None),
        ];
        let text = section(&goals);
        let rows: Vec<&str> = text.lines().skip(3).collect();
        assert_eq!(
            rows,
            [
                "figure         at most 5.0 ns    4.0 ns       reached",
                "figure  at least 3,000,000 ns         –  not measured",
            ]
        );
    }
}
