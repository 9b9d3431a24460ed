//! The states of a life: a line each, with a bar or with why its time is not known, and at the last one how it ended.

use std::iter::repeat_n;

use super::super::fold::{columns, fold, insert_spaces, push_spaces};
use super::super::palette::Paint;
use super::super::{SEPARATOR, Text, failed, gone, push_lasted, push_state, put};
use crate::model::TcpState;
use crate::track::{Span, Timeline, Unknown};

/// Longest bar, in columns.
const BAR: usize = 32;
/// Shortest one that a note is allowed to leave, rather than going below it.
const SHORT_BAR: usize = 8;
/// Column of the times, unless one is wider.
const TIME: usize = 11;
/// Times of less than 100 hours are no wider than that column.
const NARROW_NS: u64 = 360_000_000_000_000;
/// Eighths of a column, from the left.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// Where things stand.
struct Layout {
    /// Width of the names.
    name: usize,
    /// Width of the times.
    time: usize,
    /// Columns right of them; `None` in a pipe.
    room: Option<usize>,
    /// Width of the longest bar.
    bar: usize,
    /// The time that it stands for, nanoseconds.
    longest_ns: Option<u64>,
    /// Whether the note has room beside its bar.
    is_note_beside: bool,
}

impl Layout {
    fn of(text: &Text, timeline: &Timeline, note: &str) -> Self {
        let (mut name, mut time, mut longest_ns) = (0, TIME, None);
        for segment in &timeline.segments {
            name = name.max(name_columns(text, segment.state));
            time = time.max(time_columns(segment.span));
            longest_ns = longest_ns.max(length(segment.span));
        }
        let left = left(name, time);
        let room = text.width.map(|width| width.saturating_sub(left));
        let is_note_beside = room.is_none_or(|room| SHORT_BAR + 2 + columns(note) <= room);
        let bar_room = match is_note_beside && !note.is_empty() {
            true => room.map(|room| room - 2 - columns(note)),
            false => room,
        };
        Self {
            name,
            time,
            room,
            bar: bar_room.map_or(BAR, |room| room.min(BAR)),
            longest_ns,
            is_note_beside,
        }
    }

    /// Begins a line below, right of the times.
    fn begin_below(&self, paint: Paint, out: &mut String) {
        paint.end(out);
        out.push_str("\n│");
        push_spaces(out, left(self.name, self.time) - 1);
        paint.begin(out);
    }
}

/// Columns of the frame, the name, the time, and two spaces after each.
fn left(name: usize, time: usize) -> usize {
    2 + name + 2 + time + 2
}

pub(super) fn segments(text: &Text, timeline: &Timeline, out: &mut String) {
    let last_note = note(timeline);
    let at = Layout::of(text, timeline, &last_note);
    let last = timeline.segments.len().saturating_sub(1);
    for (index, segment) in timeline.segments.iter().enumerate() {
        let note = if index == last { &last_note } else { "" };
        let paint = text.palette().of_state(segment.state);
        out.push_str("│ ");
        paint.begin(out);
        push_state(out, segment.state, text.names);
        push_spaces(out, at.name - name_columns(text, segment.state));
        paint.end(out);
        out.push_str("  ");
        push_time(segment.span, at.time, out);
        out.push_str("  ");
        paint.begin(out);
        let foldable = push_right(segment.span, note, &at, paint, out);
        if at.room.is_some() {
            let folded = fold(&out.split_off(foldable), at.room, 0);
            for (index, line) in folded.iter().enumerate() {
                if index > 0 {
                    at.begin_below(paint, out);
                }
                out.push_str(line);
            }
        }
        paint.end(out);
        out.push('\n');
    }
}

/// Appends what stands right of a time; returns from where on it may be broken.
fn push_right(span: Span, note: &str, at: &Layout, paint: Paint, out: &mut String) -> usize {
    let start = out.len();
    let ns = match span {
        Span::Known(ns) | Span::Within { ns, .. } | Span::Open(ns) => ns,
        Span::Unknown(why) => {
            out.push_str(unknown(why));
            push_note(SEPARATOR, note, out);
            return start;
        }
    };
    push_bar(ns, at, out);
    if at.is_note_beside || note.is_empty() {
        push_note("  ", note, out);
        return out.len();
    }
    at.begin_below(paint, out);
    let start = out.len();
    out.push_str(note);
    start
}

fn push_note(before: &str, note: &str, out: &mut String) {
    if !note.is_empty() {
        out.push_str(before);
        out.push_str(note);
    }
}

fn push_bar(ns: u64, at: &Layout, out: &mut String) {
    let share = ns as f64 / at.longest_ns.unwrap_or(1).max(1) as f64;
    // At least an eighth: it was there.
    let eighths = ((share * at.bar as f64 * 8.0).round() as usize).max(1);
    out.extend(repeat_n('█', eighths / 8));
    if !eighths.is_multiple_of(8) {
        out.push(EIGHTHS[eighths % 8 - 1]);
    }
}

fn name_columns(text: &Text, state: TcpState) -> usize {
    match state.known_name(text.names) {
        Some(name) => name.len(),
        None => columns(&state.named(text.names).to_string()),
    }
}

/// How wide a time is; at least so much, of those that are not wider than [`TIME`].
fn time_columns(span: Span) -> usize {
    if matches!(span, Span::Known(0..NARROW_NS) | Span::Unknown(_)) {
        return TIME;
    }
    push_lasted(&mut String::new(), span)
}

fn push_time(span: Span, width: usize, out: &mut String) {
    let start = out.len();
    let time = push_lasted(out, span);
    insert_spaces(out, start, width - time);
}

/// How the socket ended that held the last state, where the tracepoint does not show that one.
fn note(timeline: &Timeline) -> String {
    let mut note = String::new();
    let ends = [
        timeline.timewait_end.map(gone),
        timeline.half_open_end.map(failed),
    ];
    for end in ends.into_iter().flatten() {
        separate(&mut note);
        note.push_str(end);
    }
    if timeline.rearmed > 0 {
        separate(&mut note);
        put(&mut note, format_args!("re-armed {}×", timeline.rearmed));
    }
    note
}

fn separate(parts: &mut String) {
    if !parts.is_empty() {
        parts.push_str(SEPARATOR);
    }
}

fn length(span: Span) -> Option<u64> {
    match span {
        Span::Known(ns) | Span::Within { ns, .. } | Span::Open(ns) => Some(ns),
        Span::Unknown(_) => None,
    }
}

fn unknown(why: Unknown) -> &'static str {
    match why {
        Unknown::BeforeTrace => "since before the trace",
        Unknown::Loss => "changes were lost",
        Unknown::Missed => "a change was not seen",
        Unknown::NotFollowed => "not followed: too many connections",
        Unknown::Clock => "two CPUs' clocks disagree",
        Unknown::NoRequest => "no request socket held it: a SYN cookie, or Fast Open",
    }
}
