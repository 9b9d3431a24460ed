//! What is said of one state: how many, how fast, how long, why.

use std::collections::BTreeMap;

use super::{Screen, View};
use crate::model::TcpState::{FinWait2, TimeWait};
use crate::model::{TcpState, TimewaitEnd};
use crate::sink::text::fold::columns;
use crate::sink::text::number::{counted, grouped};
use crate::sink::text::{duration, gone};
use crate::stats::timewait::{Class, HeldFigures, Report, Spread};

/// Longest bar of the histogram, in columns.
const BAR: usize = 40;
/// Eighths of a column, from the left.
const EIGHTHS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];
/// Where lines go on.
const INDENT: &str = "  ";

/// The lines about TIME_WAIT, and about what is missing.
pub(super) fn time_wait(screen: &Screen, view: &View) -> Vec<String> {
    let report = view.report;
    let mut lines = state(screen, report, &report.time_wait, TimeWait);
    let extra = [
        (
            report.rearmed,
            format!("began anew {}×", grouped(report.rearmed)),
        ),
        (
            report.refused,
            format!("{} refused by tcp_max_tw_buckets", grouped(report.refused)),
        ),
    ];
    let extra: Vec<String> = some(extra);
    if !extra.is_empty() {
        lines.extend(screen.told(INDENT, &extra.join(" · "), str::to_owned));
    }
    let lost = counted(report.lost, "change");
    let evicted = counted(view.evicted, "connection");
    let lacking = [
        (
            report.lost,
            format!("{lost} lost: what has ended unseen counts as there for two minutes"),
        ),
        (
            view.evicted,
            format!("{evicted} not followed to the end: too many at once (--max-connections)"),
        ),
    ];
    let lacking = some(lacking);
    if !lacking.is_empty() {
        let palette = screen.palette();
        let text = lacking.join(" · ");
        lines.extend(screen.told("!! ", &text, |line| palette.warn(line)));
    }
    lines
}

/// The lines about FIN_WAIT2, if a timewait socket was ever in it.
pub(super) fn fin_wait2(screen: &Screen, view: &View) -> Vec<String> {
    let figures = &view.report.fin_wait2;
    if figures.found + figures.entered == 0 {
        return Vec::new();
    }
    state(screen, view.report, figures, FinWait2)
}

fn state(screen: &Screen, report: &Report, figures: &HeldFigures, state: TcpState) -> Vec<String> {
    let palette = screen.palette();
    let name = state.named(screen.names).to_string();
    let counts = some([
        (1, format!("{} now", grouped(figures.now))),
        (1, format!("{} at most", grouped(figures.most))),
        (figures.found, format!("{} found", grouped(figures.found))),
        (1, format!("{} entered", grouped(figures.entered))),
        (1, format!("{} left", grouped(figures.left))),
    ]);
    let first = format!("{name}  {}", counts.join(" · "));
    let mut lines = screen.told("", &first, |line| {
        line.replacen(&name, &palette.state(state, &name), 1)
    });
    let told = |parts: Vec<String>| screen.told(INDENT, &parts.join(" · "), str::to_owned);
    lines.extend(told(rates(report, figures)));
    lines.extend(told(times(&figures.spread)));
    let ends = ends(screen, figures);
    if !ends.is_empty() {
        lines.extend(told(ends));
    }
    lines
}

/// In and out a second, lately and in all.
fn rates(report: &Report, figures: &HeldFigures) -> Vec<String> {
    let lately = |per_second: Option<f64>| per_second.map_or("?".to_owned(), rate);
    let seconds = report.duration_ns as f64 / 1e9;
    // Of a part of a second there is no rate.
    let in_all = |number: u64| match report.duration_ns {
        0..1_000_000_000 => "?".to_owned(),
        _ => rate(number as f64 / seconds),
    };
    vec![
        format!(
            "{}/s in, {}/s out over the last 10 s",
            lately(figures.entered_per_s),
            lately(figures.left_per_s)
        ),
        format!(
            "{}/s in, {}/s out in all",
            in_all(figures.entered),
            in_all(figures.left)
        ),
    ]
}

/// How long they stayed.
fn times(spread: &Spread) -> Vec<String> {
    let time = |ns: Option<u64>| ns.map_or("-".to_owned(), duration);
    let mut parts = match spread.count {
        0 => vec!["none has ended after a known time".to_owned()],
        count => vec![
            format!("lasted: median {}", time(spread.p50_ns)),
            format!("p90 {}", time(spread.p90_ns)),
            format!("p99 {}", time(spread.p99_ns)),
            format!("max {}", time(spread.max_ns)),
            format!("of {}", grouped(count)),
        ],
    };
    if spread.unknown > 0 {
        parts.push(format!("{} not known", grouped(spread.unknown)));
    }
    if let Some(error_ns @ 1..) = spread.error_ns {
        parts.push(format!("each ± {} or better", duration(error_ns)));
    }
    parts
}

/// Why they ended, the most frequent reason first.
fn ends(screen: &Screen, figures: &HeldFigures) -> Vec<String> {
    let mut reasons: Vec<(u64, String)> = by_reason(&figures.ends);
    let went_on = format!("went on to {}", TimeWait.named(screen.names));
    reasons.push((figures.went_on, went_on));
    reasons.push((figures.unseen, "not seen to leave".to_owned()));
    reasons.retain(|(number, _)| *number > 0);
    reasons.sort_by(|(a, _), (b, _)| b.cmp(a));
    let said: Vec<String> = reasons
        .into_iter()
        .map(|(number, reason)| format!("{} {reason}", grouped(number)))
        .collect();
    match said.first() {
        Some(first) => {
            let first = format!("ended: {first}");
            [first]
                .into_iter()
                .chain(said.into_iter().skip(1))
                .collect()
        }
        None => said,
    }
}

fn by_reason(ends: &BTreeMap<TimewaitEnd, u64>) -> Vec<(u64, String)> {
    ends.iter()
        .map(|(&end, &number)| (number, gone(end).to_owned()))
        .collect()
}

/// Those parts whose number is not zero.
fn some<const N: usize>(parts: [(u64, String); N]) -> Vec<String> {
    let wanted = parts.into_iter().filter(|(number, _)| *number > 0);
    wanted.map(|(_, part)| part).collect()
}

/// Events in a second, with as many digits as one reads.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate >= 99.95 => grouped(rate.round() as u64),
        rate if rate >= 9.995 => format!("{rate:.1}"),
        0.0 => "0".to_owned(),
        rate => format!("{rate:.2}"),
    }
}

/// How long TIME_WAIT lasted, a bar a class.
pub(super) fn histogram(screen: &Screen, view: &View) -> Vec<String> {
    let classes = &view.report.time_wait.spread.classes;
    let most = classes.iter().map(|class| class.count).max().unwrap_or(0);
    if most == 0 {
        return Vec::new();
    }
    let shown: Vec<(String, u64)> = worth_showing(classes)
        .map(|class| (label(class), class.count))
        .collect();
    let label_width = shown.iter().map(|(label, _)| columns(label)).max();
    let label_width = label_width.unwrap_or_default();
    let number_width = columns(&grouped(most));
    let left = INDENT.len() + label_width + 2 + number_width + 2;
    let bar_width = BAR.min(screen.columns().saturating_sub(left));
    let palette = screen.palette();
    shown
        .into_iter()
        .map(|(label, count)| {
            let bar = match count {
                0 => String::new(),
                _ => palette.state(TimeWait, &bar(count, most, bar_width)),
            };
            let count = grouped(count);
            let line = format!("{INDENT}{label:>label_width$}  {count:>number_width$}  {bar}");
            line.trim_end().to_owned()
        })
        .collect()
}

/// The classes that hold something, and an empty one between two of them.
fn worth_showing(classes: &[Class]) -> impl Iterator<Item = &Class> {
    let holds = |index: usize| classes.get(index).is_some_and(|class| class.count > 0);
    classes
        .iter()
        .enumerate()
        .filter_map(move |(index, class)| {
            let between = index > 0 && holds(index - 1) && holds(index + 1);
            (holds(index) || between).then_some(class)
        })
}

/// `60–60.5 s`, `< 1 ms`, `≥ 120 s`.
fn label(class: &Class) -> String {
    match (class.from_ns, class.below_ns) {
        (from, None) => format!("≥ {}", short(from)),
        (0, Some(below)) => format!("< {}", short(below)),
        (from, Some(below)) => {
            let (from, below) = (short(from), short(below));
            // The unit once, where both have it.
            match (from.rsplit_once(' '), below.rsplit_once(' ')) {
                (Some((number, unit)), Some((_, other))) if unit == other => {
                    format!("{number}–{below}")
                }
                _ => format!("{from} – {below}"),
            }
        }
    }
}

/// The edge of a class, without needless digits.
fn short(ns: u64) -> String {
    match ns {
        0..1_000_000_000 => format!("{} ms", ns as f64 / 1e6),
        _ => format!("{} s", ns as f64 / 1e9),
    }
}

fn bar(count: u64, most: u64, width: usize) -> String {
    let share = count as f64 / most as f64;
    // At least an eighth: it was there.
    let eighths = ((share * width as f64 * 8.0).round() as usize).max(1);
    let mut bar = "█".repeat(eighths / 8);
    if let Some(index) = (eighths % 8).checked_sub(1) {
        bar.push(EIGHTHS[index]);
    }
    bar
}

/// Why a minute is longer than a minute.
pub(super) fn explanation(screen: &Screen, view: &View) -> Vec<String> {
    let (least, most) = view.report.timer_ns;
    let name = TimeWait.named(screen.names);
    let late = duration(most - least);
    let whose = match view.report.hz {
        Some(hz) => format!("on this kernel, with {hz} ticks a second (HZ), by up to {late}"),
        None => format!("by up to {late}; how many ticks a second this kernel has is not known"),
    };
    let text = format!(
        "Usual is {} to {}: {name} is 60 s (TCP_TIMEWAIT_LEN), and the kernel's timer wheel rounds \
         that up, {whose}. Longer: it began anew, as a late segment came in. Shorter: see why it \
         ended.",
        duration(least),
        duration(most),
    );
    let palette = screen.palette();
    screen.told("", &text, |line| palette.dim(line))
}
