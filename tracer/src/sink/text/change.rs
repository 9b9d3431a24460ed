//! A state change as a line: when, whose, between which ends, from and to, how long it had been.
//!
//! A wide line has every column. The narrower a terminal, the less of the process and the time of
//! day is left; what still does not fit goes below, with the states under one another at the right.

use std::net::SocketAddr;

use super::fold::{columns, fold};
use super::{Text, ends, failed, gone, lasted, process};
use crate::model::TcpState::{Close, Closing, FinWait2};
use crate::sink::clock::time_of_day;
use crate::track::{Change, Origin, Span, Unknown};

/// `17:03:48.120431`.
const MICROSECONDS: usize = 15;
/// `17:03:48.120`.
const MILLISECONDS: usize = 12;
/// `17:03:48`.
const SECONDS: usize = 8;
/// Widest column of processes.
const PROCESS: usize = 20;
/// Room that ends have before the process gets any; those of IPv4 are never wider than 45.
const ENDS: usize = 34;
/// A line with every column: the time of day, the process, ends of 43 columns, states of 26, the
/// time that they took of 9, and two spaces between them.
const FULL: usize = MICROSECONDS + 2 + PROCESS + 2 + 43 + 2 + 26 + 2 + 9;
/// The states of 24 columns and the time of 8, with a space between.
const NARROW_STATES: usize = 24 + 1 + 8;
/// How far beyond their column states may begin, rather than below.
const SLIP: usize = 8;
/// What is said of a socket that is gone where nobody has said that the connection is.
const DOUBT: &str = "or in a timewait socket";

/// Where things stand on a line.
struct Columns {
    /// How much of the time of day is shown.
    time: usize,
    /// Width of the process; it is left out where there is none.
    process: Option<usize>,
    /// Where the states begin.
    states: usize,
    /// Where the line ends, but for a note.
    end: usize,
}

impl Columns {
    fn of(width: Option<usize>) -> Self {
        let width = width.unwrap_or(FULL);
        if width >= FULL {
            return Self {
                time: MICROSECONDS,
                process: Some(PROCESS),
                states: FULL - (26 + 2 + 9),
                end: FULL,
            };
        }
        let (time, process) = match width {
            107.. => (MICROSECONDS, true),
            98.. => (MILLISECONDS, true),
            84.. => (MILLISECONDS, false),
            _ => (SECONDS, false),
        };
        let states = width.saturating_sub(NARROW_STATES);
        let left = states.saturating_sub(time + 2 + ENDS + 2 + 2);
        Self {
            time,
            process: process.then_some(left.min(PROCESS)),
            states,
            end: width,
        }
    }
}

pub(super) fn line(text: &Text, change: &Change) -> String {
    let palette = text.palette();
    let at = Columns::of(text.width);
    let (whose, ends) = whose(text, change, at.process);

    let time = time_of_day(&text.wall, change.at, &text.zone);
    let time = &time[..at.time.min(worth(change.error_ns))];
    let mut head = palette.dim(&format!("{time:<width$}", width = at.time));
    let mut used = at.time + 2;
    if let Some(width) = at.process {
        head += &format!("  {whose:<width$}");
        used += columns(&whose).max(width) + 2;
    }
    head += "  ";
    // What does not fit even on a line of its own goes below itself.
    let room = text.width.map(|width| width.saturating_sub(used));
    let ends = fold(&ends, room, 0);
    head += &ends.join(&format!("\n{}", " ".repeat(used)));
    used += ends.last().map_or(0, |line| columns(line));

    let mut states = match change.from {
        Some(from) => format!(
            "{} → {}",
            from.named(text.names),
            change.to.named(text.names)
        ),
        None => format!("found in {}", change.to.named(text.names)),
    };
    let lasted = change.in_from.map(lasted).unwrap_or_default();
    let mut note = note(text, change).map_or(String::new(), |note| format!("  {note}"));
    if text
        .width
        .is_some_and(|width| width < FULL + columns(&note))
        && !note.is_empty()
    {
        states += &match note.trim_start() {
            DOUBT => "?".to_owned(),
            why => format!(" {why}"),
        };
        note.clear();
    }

    let tail =
        columns(&states) + columns(&lasted) + usize::from(!lasted.is_empty()) + columns(&note);
    let end = text.width.unwrap_or(usize::MAX);
    // Beyond a full line nothing stands that could be out of line.
    let slip = if end >= FULL { end } else { SLIP };
    let mut start = at.states.max(used + 2);
    if start.saturating_add(tail) > end || start - at.states > slip {
        // To the left of its column, or below.
        start = at.states.min(end.saturating_sub(tail));
        if start < used + 2 {
            head.push('\n');
            used = 0;
        }
    }
    head += &" ".repeat(start.saturating_sub(used));
    let gap = at.end.saturating_sub(start + columns(&states));
    head += &palette.state(change.to, &states);
    if !lasted.is_empty() {
        let gap = gap.max(columns(&lasted) + 1);
        head += &format!("{lasted:>gap$}");
    }
    head + &note + "\n"
}

/// What is said behind a change: why the socket that told it is gone, or that nobody knows whether
/// the connection is.
fn note(text: &Text, change: &Change) -> Option<String> {
    match change.origin {
        Origin::Timewait { end } => end.map(gone),
        Origin::Request { end } => end.map(failed),
        Origin::Tracepoint { .. } if !text.raw => {
            let may_go_on = matches!((change.from, change.to), (Some(FinWait2 | Closing), Close));
            let was_lost = change.in_from == Some(Span::Unknown(Unknown::Loss));
            (may_go_on && (was_lost || !text.timewait_hooked)).then(|| DOUBT.to_owned())
        }
        Origin::Tracepoint { .. } | Origin::Snapshot => None,
    }
}

/// How many columns of a time of day are worth showing: the last digit stands for no less than what
/// the time may be wrong by.
fn worth(error_ns: u64) -> usize {
    let decimals = (0..=6_u32).rev().find(|&n| 10_u64.pow(9 - n) >= error_ns);
    match decimals {
        None | Some(0) => SECONDS,
        Some(decimals) => SECONDS + 1 + decimals as usize,
    }
}

/// The process and the ends, as they are believed or, raw, as they were shown.
fn whose(text: &Text, change: &Change, width: Option<usize>) -> (String, String) {
    // A pipe gets the whole name.
    let width = text.width.and(width);
    match change.origin {
        Origin::Tracepoint {
            shown,
            task,
            task_holds_socket,
        } if text.raw => {
            let task_of = |width| process(Some((task.pid, task.comm)), width);
            let task = match task_holds_socket {
                Some(true) => task_of(width),
                // Not this socket's process, or not known to be: only the one on the CPU.
                _ => format!("({})", task_of(width.map(|width| width.saturating_sub(2)))),
            };
            let local = SocketAddr::new(shown.local_addr, shown.local_port);
            let remote = SocketAddr::new(shown.remote_addr, shown.remote_port);
            (task, format!("{local} → {remote}"))
        }
        _ => (
            process(change.owner.process, width),
            ends(&change.tuple, change.is_listener()),
        ),
    }
}
