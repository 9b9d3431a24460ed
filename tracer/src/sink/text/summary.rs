//! The summary: what there was, how long, and whether the kernel agrees.

use super::fold::block;
use super::number::{counted, grouped};
use super::{Text, duration};
use crate::stats::{Comparison, StateFigures, Summary};

/// A column of figures: its heading, its width, its text.
type Column = (&'static str, usize, fn(&StateFigures) -> String);

const STATE: usize = 13;
const TIMES: Column = ("TIMES", 9, |figures| grouped(figures.count));
const MEDIAN: Column = ("MEDIAN", 12, |figures| time(figures.p50_ns));
const P99: Column = ("P99", 12, |figures| time(figures.p99_ns));
const MAX: Column = ("MAX", 12, |figures| time(figures.max_ns));
const UNKNOWN: Column = ("UNKNOWN", 12, |figures| match figures.unknown {
    0 => "-".to_owned(),
    unknown => grouped(unknown),
});
/// The columns, from all of them to the fewest.
const CHOICES: [&[Column]; 5] = [
    &[TIMES, MEDIAN, P99, MAX, UNKNOWN],
    &[TIMES, MEDIAN, MAX, UNKNOWN],
    &[TIMES, MAX, UNKNOWN],
    &[TIMES, UNKNOWN],
    &[TIMES],
];

pub(super) fn summary(text: &Text, summary: &Summary) -> String {
    let palette = text.palette();
    let mut out = states(text, summary);
    let lost = format!("{} lost", grouped(summary.lost));
    let line = format!(
        "{} · {} · {lost} · {}",
        counted(summary.changes, "change"),
        counted(summary.connections, "connection"),
        duration(summary.duration_ns),
    );
    out += &block("", "  ", &line, text.width, |line| match summary.lost {
        0 => line.to_owned(),
        _ => line.replacen(&lost, &palette.warn(&lost), 1),
    });
    if summary.evicted > 0 {
        let evicted = counted(summary.evicted, "connection");
        let note =
            format!("{evicted} not followed to the end: too many at once (--max-connections)");
        out += &block("", "  ", &note, text.width, |line| palette.warn(line));
    }
    out += &kernel(text, &summary.kernel);
    out
}

/// A line for each state: how often, how long.
fn states(text: &Text, summary: &Summary) -> String {
    if summary.states.is_empty() {
        return String::new();
    }
    let wide =
        |columns: &[Column]| STATE + columns.iter().map(|(_, width, _)| width).sum::<usize>();
    let columns = CHOICES
        .into_iter()
        .find(|columns| text.width.is_none_or(|width| wide(columns) <= width))
        .unwrap_or(&[TIMES]);

    let mut out = format!("{:<STATE$}", "STATE");
    for (heading, width, _) in columns {
        out += &format!("{heading:>width$}");
    }
    out.push('\n');
    for (state, figures) in &summary.states {
        let name = format!("{:<STATE$}", state.named(text.names));
        out += &text.palette().state(*state, &name);
        for (_, width, figure) in columns {
            out += &format!("{:>width$}", figure(figures));
        }
        out.push('\n');
    }
    out
}

fn time(ns: Option<u64>) -> String {
    ns.map_or("-".to_owned(), duration)
}

/// Whether the kernel counted the same, each as kernel/traced.
fn kernel(text: &Text, kernel: &Result<Vec<Comparison>, String>) -> String {
    let palette = text.palette();
    let comparisons = match kernel {
        Err(why) => {
            let line = format!("kernel counters not compared: {why}");
            return block("", "  ", &line, text.width, |line| palette.dim(line));
        }
        Ok(comparisons) => comparisons,
    };
    let (compared, not_read): (Vec<&Comparison>, Vec<&Comparison>) =
        comparisons.iter().partition(|one| one.agree.is_some());
    let (agree, differ): (Vec<&Comparison>, Vec<&Comparison>) = compared
        .into_iter()
        .partition(|one| one.agree == Some(true));

    let mut out = String::new();
    let mut tell = |what: &str, some: &[&Comparison], paint: &dyn Fn(&str) -> String| {
        if some.is_empty() {
            return;
        }
        let each: Vec<String> = some.iter().map(|one| figures(one)).collect();
        let line = format!("{what}: {}", each.join(" · "));
        out += &block("", "  ", &line, text.width, |line| {
            line.replacen(what, &paint(what), 1)
        });
    };
    tell("kernel counters agree", &agree, &|what| palette.good(what));
    tell("kernel counters differ (kernel/traced)", &differ, &|what| {
        palette.warn(what)
    });
    tell(
        "kernel counters could not be compared",
        &not_read,
        &|what| palette.dim(what),
    );
    out
}

fn figures(one: &Comparison) -> String {
    let kernel = one.kernel.map_or("?".to_owned(), |moved| moved.to_string());
    let mut text = format!("{} {kernel}/{}", one.counter, one.traced);
    if one.uncertain > 0 && one.kernel != Some(one.traced) {
        text += &format!(" (±{} while they were read)", one.uncertain);
    }
    if let Some(note) = one.note
        && one.agree != Some(true)
    {
        text += &format!(" ({note})");
    }
    text
}
