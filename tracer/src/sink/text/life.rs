//! A connection's life as a picture: a bar a state, as long as its share of the whole.

use std::iter::repeat_n;

use super::between;
use super::duration::push_duration;
use super::fold::{columns, fold, insert_spaces, push_block, push_spaces};
use super::palette::Paint;
use super::{SEPARATOR, Text, failed, gone, push_ends, push_lasted, push_state, put, within};
use crate::model::{TcpState, printable};
use crate::track::{Closer, Ending, Opened, Span, Timeline, Unknown};

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

pub(super) fn life(text: &Text, timeline: &Timeline, out: &mut String) {
    push_block(out, ("┌ ", "│ "), text.width, Paint::NONE, |out| {
        head(text, timeline, out);
    });
    segments(text, timeline, out);
    between::between(text, timeline, out);
    end(text, timeline, out);
}

fn head(text: &Text, timeline: &Timeline, out: &mut String) {
    push_ends(out, &timeline.tuple, timeline.is_listener());
    between::whose(timeline, out);
    between::workload(timeline, out);
    let name = |inode| text.netns_names.get(&inode);
    if let Some(name) = timeline.netns.and_then(name) {
        put(out, format_args!("{SEPARATOR}netns {}", printable(name)));
    }
    let closed_first = timeline.closed_first.map(closed_first);
    for said in [opened(timeline), closed_first].into_iter().flatten() {
        out.push_str(SEPARATOR);
        out.push_str(said);
    }
    if !matches!(timeline.lifetime, Span::Unknown(_)) {
        out.push_str(SEPARATOR);
        push_lifetime(out, timeline.lifetime);
    }
}

/// A line a state, with a bar or with why its time is not known, and at the last one how it ended.
fn segments(text: &Text, timeline: &Timeline, out: &mut String) {
    let segments = &timeline.segments;
    let lengths = segments.iter().filter_map(|segment| length(segment.span));
    let longest = lengths.max();
    let names = segments
        .iter()
        .map(|segment| name_columns(segment.state, text));
    let name_width = names.max().unwrap_or_default();
    let times = segments.iter().map(|segment| time_columns(segment.span));
    let time_width = times.fold(TIME, usize::max);
    // The frame, the name, the time, and two spaces after each.
    let left = 2 + name_width + 2 + time_width + 2;
    let last_note = note(timeline);
    let room = text.width.map(|width| width.saturating_sub(left));
    let beside = room.is_none_or(|room| SHORT_BAR + 2 + columns(&last_note) <= room);
    let bar_room = match beside && !last_note.is_empty() {
        true => room.map(|room| room - 2 - columns(&last_note)),
        false => room,
    };
    let bar_width = bar_room.map_or(BAR, |room| room.min(BAR));
    for (index, segment) in segments.iter().enumerate() {
        let note = match index + 1 == segments.len() {
            true => last_note.as_str(),
            false => "",
        };
        let paint = text.palette().of_state(segment.state);
        let next_line = |out: &mut String| {
            paint.end(out);
            out.push_str("\n│");
            push_spaces(out, left - 1);
            paint.begin(out);
        };
        out.push_str("│ ");
        push_name(text, segment.state, name_width, out);
        push_time(segment.span, time_width, out);
        paint.begin(out);
        let mut foldable = out.len();
        match segment.span {
            Span::Unknown(why) => {
                out.push_str(unknown(why));
                if !note.is_empty() {
                    out.push_str(SEPARATOR);
                    out.push_str(note);
                }
            }
            Span::Known(ns) | Span::Within { ns, .. } | Span::Open(ns) => {
                push_bar(ns, longest, bar_width, out);
                if beside && !note.is_empty() {
                    out.push_str("  ");
                    out.push_str(note);
                }
                foldable = out.len();
                if !beside && !note.is_empty() {
                    next_line(out);
                    foldable = out.len();
                    out.push_str(note);
                }
            }
        }
        if room.is_some() {
            let folded = fold(&out.split_off(foldable), room, 0);
            for (index, line) in folded.iter().enumerate() {
                if index > 0 {
                    next_line(out);
                }
                out.push_str(line);
            }
        }
        paint.end(out);
        out.push('\n');
    }
}

fn name_columns(state: TcpState, text: &Text) -> usize {
    match state.known_name(text.names) {
        Some(name) => name.len(),
        None => columns(&state.named(text.names).to_string()),
    }
}

/// At least how wide a time is to be, of those that are not wider than [`TIME`].
fn time_columns(span: Span) -> usize {
    match span {
        Span::Known(ns) if ns < NARROW_NS => TIME,
        span => {
            let mut time = String::new();
            push_lasted(&mut time, span);
            columns(&time)
        }
    }
}

fn push_name(text: &Text, state: TcpState, width: usize, out: &mut String) {
    let paint = text.palette().of_state(state);
    paint.begin(out);
    push_state(out, state, text.names);
    push_spaces(out, width - name_columns(state, text));
    paint.end(out);
    out.push_str("  ");
}

fn push_time(span: Span, width: usize, out: &mut String) {
    let start = out.len();
    push_lasted(out, span);
    let time = columns(&out[start..]);
    insert_spaces(out, start, width - time);
    out.push_str("  ");
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

/// Appends what stands between two parts, unless there is none before.
fn separate(parts: &mut String) {
    if !parts.is_empty() {
        parts.push_str(SEPARATOR);
    }
}

fn end(text: &Text, timeline: &Timeline, out: &mut String) {
    let palette = text.palette();
    let paint = match timeline.ended {
        None => palette.dimmed(),
        // The connection may live on.
        Some(Ending::TimeWaitOrClosed | Ending::NotSeen | Ending::NotFollowed) => palette.warning(),
        Some(_) => Paint::NONE,
    };
    push_block(
        out,
        ("└ ", "  "),
        text.width,
        paint,
        |out| match timeline.ended {
            None => push_still(text, timeline, out),
            Some(ending @ (Ending::TimeWaitOrClosed | Ending::NotSeen | Ending::NotFollowed)) => {
                put(out, ending);
            }
            Some(ending) => {
                push_state(out, TcpState::Close, text.names);
                push_why(ending, timeline, out);
            }
        },
    );
}

fn push_still(text: &Text, timeline: &Timeline, out: &mut String) {
    out.push_str("still ");
    let last = timeline.segments.last().map(|segment| segment.state);
    match last {
        Some(state @ TcpState::TimeWait) => {
            out.push_str("in ");
            push_state(out, state, text.names);
        }
        _ => out.push_str("open"),
    }
    out.push_str(" when the trace ended");
}

/// Appends what is said of an ending; of one that is told behind the last state, only what that does not
/// tell.
fn push_why(ending: Ending, timeline: &Timeline, out: &mut String) {
    let said = match ending {
        Ending::TimeWaitOver(_) if timeline.timewait_end.is_some() => return,
        Ending::FinWait2Over(_) if timeline.timewait_end.is_some() => "the peer did not close",
        Ending::NotEstablished(_) if timeline.half_open_end.is_some() => "never established",
        ending => return put(out, format_args!("{SEPARATOR}{ending}")),
    };
    out.push_str(SEPARATOR);
    out.push_str(said);
}

fn opened(timeline: &Timeline) -> Option<&'static str> {
    match timeline.opened {
        Opened::Active => Some("opened by us"),
        Opened::Passive if timeline.half_open_end.is_some() => Some("asked for by the peer"),
        Opened::Passive => Some("opened by the peer"),
        Opened::BeforeTrace => Some("older than the trace"),
        Opened::NotSeen => Some("its beginning was not seen"),
        Opened::Listen => None,
    }
}

fn closed_first(closer: Closer) -> &'static str {
    match closer {
        Closer::Local => "we closed first",
        Closer::Remote => "the peer closed first",
        Closer::Both => "both closed at once",
    }
}

/// Appends how long it lived; nothing where that is not known: the head says that it is older than the trace, or a
/// segment says what is not known.
pub(super) fn push_lifetime(out: &mut String, span: Span) {
    match span {
        Span::Known(ns) => push_duration(out, ns),
        Span::Within { ns, error_ns } => out.push_str(&within(ns, error_ns)),
        Span::Open(ns) => {
            push_duration(out, ns);
            out.push_str(" so far");
        }
        Span::Unknown(_) => {}
    }
}

fn length(span: Span) -> Option<u64> {
    match span {
        Span::Known(ns) | Span::Within { ns, .. } | Span::Open(ns) => Some(ns),
        Span::Unknown(_) => None,
    }
}

fn push_bar(ns: u64, longest: Option<u64>, width: usize, out: &mut String) {
    let share = ns as f64 / longest.unwrap_or(1).max(1) as f64;
    // At least an eighth: it was there.
    let eighths = ((share * width as f64 * 8.0).round() as usize).max(1);
    out.extend(repeat_n('█', eighths / 8));
    if !eighths.is_multiple_of(8) {
        out.push(EIGHTHS[eighths % 8 - 1]);
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
