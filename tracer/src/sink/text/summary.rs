//! The summary: what there was, how long, and whether the kernel agrees.

use super::{Text, counted, duration, grouped};
use crate::stats::{Comparison, Summary};

pub(super) fn summary(text: &Text, summary: &Summary) -> String {
    let mut out = states(text, summary);
    let lost = match summary.lost {
        0 => "0 lost".to_owned(),
        lost => text.palette().warn(&format!("{} lost", grouped(lost))),
    };
    out += &format!(
        "{} · {} · {lost} · {}\n",
        counted(summary.changes, "change"),
        counted(summary.connections, "connection"),
        duration(summary.duration_ns),
    );
    if summary.evicted > 0 {
        let evicted = counted(summary.evicted, "connection");
        let note =
            format!("{evicted} not followed to the end: too many at once (--max-connections)");
        out += &format!("{}\n", text.palette().warn(&note));
    }
    out += &kernel(text, &summary.kernel);
    out
}

/// A line for each state: how often, how long.
fn states(text: &Text, summary: &Summary) -> String {
    if summary.states.is_empty() {
        return String::new();
    }
    let mut out = format!(
        "{:<13}{:>9}{:>12}{:>12}{:>12}{:>12}\n",
        "STATE", "TIMES", "MEDIAN", "P99", "MAX", "UNKNOWN"
    );
    let time = |ns: Option<u64>| ns.map_or("-".to_owned(), duration);
    for (state, figures) in &summary.states {
        let name = format!("{:<13}", state.named(text.names));
        let unknown = match figures.unknown {
            0 => "-".to_owned(),
            unknown => grouped(unknown),
        };
        out += &format!(
            "{}{:>9}{:>12}{:>12}{:>12}{unknown:>12}\n",
            text.palette().state(*state, &name),
            grouped(figures.count),
            time(figures.p50_ns),
            time(figures.p99_ns),
            time(figures.max_ns),
        );
    }
    out
}

/// Whether the kernel counted the same, each as kernel/traced.
fn kernel(text: &Text, kernel: &Result<Vec<Comparison>, String>) -> String {
    let palette = text.palette();
    let comparisons = match kernel {
        Err(why) => {
            return format!(
                "{}\n",
                palette.dim(&format!("kernel counters not compared: {why}"))
            );
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
        out += &format!("{}: {}\n", paint(what), each.join(" · "));
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
    text
}
