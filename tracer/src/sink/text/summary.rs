//! The summary: what there was, how long, and whether the kernel agrees.

use std::collections::BTreeMap;

use super::fold::block;
use super::number::{counted, grouped};
use super::{Text, duration, gone};
use crate::model::TcpState::{FinWait2, TimeWait};
use crate::model::TimewaitEnd;
use crate::stats::{Comparison, HalfOpenFigures, StateFigures, Summary, TimeWaitFigures};

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
    if summary.not_followed > 0 {
        let unseen = grouped(summary.not_followed);
        let note = format!(
            "of {unseen} processes nothing is shown: too many were followed at once, with those they started"
        );
        out += &block("", "  ", &note, text.width, |line| palette.warn(line));
    }
    let told = |parts: Option<Vec<String>>| {
        let parts = parts.filter(|parts| !parts.is_empty());
        parts.map_or(String::new(), |parts| {
            block("", "  ", &parts.join(" · "), text.width, str::to_owned)
        })
    };
    out += &told(summary.time_wait.as_ref().map(|one| time_wait(text, one)));
    out += &told(summary.half_open.as_ref().map(half_open));
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

/// What became of TIME_WAIT, where there is anything to say.
fn time_wait(text: &Text, figures: &TimeWaitFigures) -> Vec<String> {
    let of = |number: u64, what: &str| (number, format!("{} {what}", grouped(number)));
    let ended = |ended: &BTreeMap<TimewaitEnd, u64>, what: &str| {
        let number = ended.values().sum();
        let reasons = by_reason(ended.iter().map(|(&end, &number)| (gone(end), number)));
        of(number, &format!("{what}{reasons}"))
    };
    let in_fin_wait2 = format!("ended in {}", FinWait2.named(text.names));
    let rearmed = format!("re-armed {}×", grouped(figures.rearmed));
    let figures = [
        of(figures.entered, "entered"),
        ended(&figures.ended, "ended"),
        ended(&figures.fin_wait2_ended, &in_fin_wait2),
        (figures.rearmed, rearmed),
        of(figures.refused, "refused (tcp_max_tw_buckets)"),
        of(figures.sockets.found, "older than the trace"),
        of(figures.sockets.open, "still there"),
    ];
    let mut parts: Vec<String> = figures
        .into_iter()
        .filter_map(|(number, part)| (number > 0).then_some(part))
        .collect();
    if let Some(first) = parts.first_mut() {
        *first = format!("{}: {first}", TimeWait.named(text.names));
    }
    parts
}

/// What became of half-open connections, where there were any.
fn half_open(figures: &HalfOpenFigures) -> Vec<String> {
    let failed: u64 = figures.failed.values().sum();
    if figures.started + failed == 0 {
        return Vec::new();
    }
    let mut parts = vec![
        format!("half-open: {} begun", grouped(figures.started)),
        format!("{} established", grouped(figures.established)),
    ];
    let reasons = figures
        .failed
        .iter()
        .map(|(&end, &number)| (super::failed(end), number));
    if failed > 0 {
        parts.push(format!("{} failed{}", grouped(failed), by_reason(reasons)));
    }
    let mut peers = figures
        .peers
        .iter()
        .map(|(peer, number)| format!("{peer} {}", grouped(*number)));
    if let Some(first) = peers.next() {
        parts.push(format!("by peer: {first}"));
        parts.extend(peers);
    }
    if figures.others > 0 {
        parts.push(format!("others {}", grouped(figures.others)));
    }
    parts
}

/// ` (2 expired, 1 reset)`, or nothing.
fn by_reason(reasons: impl Iterator<Item = (&'static str, u64)>) -> String {
    let reasons: Vec<String> = reasons
        .map(|(reason, number)| format!("{} {reason}", grouped(number)))
        .collect();
    match reasons.is_empty() {
        true => String::new(),
        false => format!(" ({})", reasons.join(", ")),
    }
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
    let some = |which: fn(&Comparison) -> bool| -> Vec<&Comparison> {
        comparisons.iter().filter(|one| which(one)).collect()
    };
    let agree = some(|one| one.agree == Some(true) && !is_of_no_interest(one));
    let differ = some(|one| one.agree == Some(false));
    let not_compared = some(|one| one.agree.is_none() && one.traced.is_some());
    let alone = some(|one| one.agree.is_none() && one.traced.is_none());

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
        &not_compared,
        &|what| palette.dim(what),
    );
    tell("kernel counters that no trace predicts", &alone, &|what| {
        palette.dim(what)
    });
    out
}

/// Returns whether a counter says only that what is rare did not occur.
fn is_of_no_interest(one: &Comparison) -> bool {
    let is_rare = matches!(
        one.counter,
        "TWKilled" | "TWRecycled" | "TCPTimeWaitOverflow" | "EmbryonicRsts"
    );
    is_rare && (one.kernel, one.traced) == (Some(0), Some(0))
}

fn figures(one: &Comparison) -> String {
    let kernel = one.kernel.map_or("?".to_owned(), |moved| moved.to_string());
    let mut text = format!("{} {kernel}", one.counter);
    if let Some(traced) = one.traced {
        text += &format!("/{traced}");
    }
    if one.uncertain > 0 && one.kernel != one.traced {
        text += &format!(" (±{} while they were read)", one.uncertain);
    }
    if let Some(note) = one.note
        && one.agree != Some(true)
    {
        text += &format!(" ({note})");
    }
    text
}
