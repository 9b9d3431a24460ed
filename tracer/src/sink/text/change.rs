//! A state change as a line: when, whose, between which ends, from and to, how long it had been.
//!
//! A wide line has every column. The narrower a terminal, the less of the process and the time of
//! day is left; what still does not fit goes below, with the states under one another at the right.

use std::net::SocketAddr;
use std::ops::Range;

use super::fold::{columns, fold, insert_spaces, push_spaces};
use super::{ARROW, Text, failed, gone, push_ends, push_lasted, push_process, push_state, put};
use crate::model::TcpState::{Close, Closing, FinWait2};
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

pub(super) fn line(text: &Text, change: &Change, out: &mut String) {
    let palette = text.palette();
    let at = Columns::of(text.width);
    push_time(text, change, at.time, out);
    let mut used = at.time + 2;
    out.push_str("  ");
    if let Some(width) = at.process {
        let start = out.len();
        push_whose(text, change, width, out);
        let whose = columns(&out[start..]);
        push_spaces(out, width.saturating_sub(whose) + 2);
        used += whose.max(width) + 2;
    }
    used += push_between(text, change, used, out);
    if text.width.is_none() {
        return push_rest(text, change, (&at, used), out);
    }

    // What follows is measured before its place is known.
    let states = out.len();
    let note = push_states(text, change, out);
    let lasted = out.len();
    let lasted_wide = match change.in_from {
        Some(span) => push_lasted(out, span),
        None => 0,
    };
    let end_of_times = out.len();
    if let Some(note) = note {
        out.push_str("  ");
        out.push_str(note);
    }
    let wide = |part: Range<usize>| columns(&out[part]);
    let states_wide = wide(states..lasted);
    let note_wide = wide(end_of_times..out.len());
    out.push('\n');

    let tail = states_wide + lasted_wide + usize::from(lasted_wide > 0) + note_wide;
    let end = text.width.unwrap_or(usize::MAX);
    // Beyond a full line nothing stands that could be out of line.
    let slip = if end >= FULL { end } else { SLIP };
    let mut start = at.states.max(used + 2);
    let mut is_below = false;
    if start.saturating_add(tail) > end || start - at.states > slip {
        // To the left of its column, or below.
        start = at.states.min(end.saturating_sub(tail));
        if start < used + 2 {
            is_below = true;
            used = 0;
        }
    }
    // From the right to the left, so that places stay.
    if lasted_wide > 0 {
        let gap = at.end.saturating_sub(start + states_wide);
        insert_spaces(out, lasted, gap.saturating_sub(lasted_wide).max(1));
    }
    palette.of_state(change.to).insert(out, states..lasted);
    insert_spaces(out, states, start.saturating_sub(used));
    if is_below {
        out.insert(states, '\n');
    }
}

/// Appends what follows the ends where a line may be as long as it likes.
fn push_rest(text: &Text, change: &Change, (at, used): (&Columns, usize), out: &mut String) {
    let start = at.states.max(used + 2);
    push_spaces(out, start - used);
    let states = out.len();
    let note = push_states(text, change, out);
    let lasted = out.len();
    if let Some(span) = change.in_from {
        // Only the arrow is more bytes than columns.
        let arrow = change.from.map_or(0, |_| ARROW.len() - 3);
        let states_end = start + lasted - states - arrow;
        let lasted_wide = push_lasted(out, span);
        let gap = at.end.saturating_sub(states_end);
        insert_spaces(out, lasted, gap.saturating_sub(lasted_wide).max(1));
    }
    text.palette()
        .of_state(change.to)
        .insert(out, states..lasted);
    if let Some(note) = note {
        out.push_str("  ");
        out.push_str(note);
    }
    out.push('\n');
}

/// Appends the time of day, as far as it is shown and worth showing.
fn push_time(text: &Text, change: &Change, width: usize, out: &mut String) {
    let paint = text.palette().dimmed();
    paint.begin(out);
    let start = out.len();
    text.clock.push_time_of_day(out, change.at);
    let shown = width.min(worth(change.error_ns));
    out.truncate(start + shown);
    push_spaces(out, width - shown);
    paint.end(out);
}

/// Appends the ends, behind so many columns; returns how many the last line of them takes. What does not fit even on a
/// line of its own goes below itself.
fn push_between(text: &Text, change: &Change, used: usize, out: &mut String) -> usize {
    let start = out.len();
    let taken = match change.origin {
        Origin::Tracepoint { shown, .. } if text.raw => {
            let local = SocketAddr::new(shown.local_addr, shown.local_port);
            let remote = SocketAddr::new(shown.remote_addr, shown.remote_port);
            put(out, format_args!("{local}{ARROW}{remote}"));
            columns(&out[start..])
        }
        _ => push_ends(out, &change.tuple, change.is_listener()),
    };
    let Some(width) = text.width else {
        return taken;
    };
    let ends = out.split_off(start);
    let ends = fold(&ends, Some(width.saturating_sub(used)), 0);
    out.push_str(&ends.join(&format!("\n{}", " ".repeat(used))));
    ends.last().map_or(0, |line| columns(line))
}

/// Appends the states. Returns the note, unless it had to stand with them for want of room.
fn push_states(text: &Text, change: &Change, out: &mut String) -> Option<&'static str> {
    match change.from {
        Some(from) => {
            push_state(out, from, text.names);
            out.push_str(ARROW);
        }
        None => out.push_str("found in "),
    }
    push_state(out, change.to, text.names);
    let note = note(text, change)?;
    let fits = |width| width >= FULL + 2 + columns(note);
    if text.width.is_none_or(fits) {
        return Some(note);
    }
    match note {
        DOUBT => out.push('?'),
        why => {
            out.push(' ');
            out.push_str(why);
        }
    }
    None
}

/// What is said behind a change: why the socket that told it is gone, or that nobody knows whether
/// the connection is.
fn note(text: &Text, change: &Change) -> Option<&'static str> {
    match change.origin {
        Origin::Timewait { end } => end.map(gone),
        Origin::Request { end } => end.map(failed),
        Origin::Tracepoint { .. } if !text.raw => {
            let may_go_on = matches!((change.from, change.to), (Some(FinWait2 | Closing), Close));
            let was_lost = change.in_from == Some(Span::Unknown(Unknown::Loss));
            (may_go_on && (was_lost || !text.timewait_hooked)).then_some(DOUBT)
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

/// Appends the process, as it is believed or, raw, as it was shown.
fn push_whose(text: &Text, change: &Change, width: usize, out: &mut String) {
    // A pipe gets the whole name.
    let width = text.width.and(Some(width));
    match change.origin {
        Origin::Tracepoint {
            task,
            task_holds_socket,
            ..
        } if text.raw => {
            let task = Some((task.pid, task.comm));
            if task_holds_socket == Some(true) {
                return push_process(out, task, width);
            }
            // Not this socket's process, or not known to be: only the one on the CPU.
            out.push('(');
            push_process(out, task, width.map(|width| width.saturating_sub(2)));
            out.push(')');
        }
        _ => push_process(out, change.owner.process, width),
    }
}
