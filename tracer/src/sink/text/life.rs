//! A connection's life as a picture: a bar a state, as long as its share of the whole.

use super::between;
use super::fold::{block, columns, fold};
use super::{Text, duration, ends, failed, gone, lasted, within};
use crate::model::TcpState::TimeWait;
use crate::model::printable;
use crate::track::{Closer, Ending, Opened, Span, Timeline, Unknown};

/// Longest bar, in columns.
const BAR: usize = 32;
/// Shortest one that a note is allowed to leave, rather than going below it.
const SHORT_BAR: usize = 8;
/// Column of the times, unless one is wider.
const TIME: usize = 11;
/// Eighths of a column, from the left.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

pub(super) fn life(text: &Text, timeline: &Timeline) -> String {
    let head = head(text, timeline).join(" · ");
    let mut out = block("┌ ", "│ ", &head, text.width, str::to_owned);
    out += &segments(text, timeline);
    out += &between::between(text, timeline);
    out + &end(text, timeline)
}

fn head(text: &Text, timeline: &Timeline) -> Vec<String> {
    let mut head = vec![ends(&timeline.tuple, timeline.is_listener())];
    head.extend(between::whose(timeline));
    head.extend(between::workload(timeline));
    let name = timeline
        .netns
        .and_then(|inode| text.netns_names.get(&inode));
    head.extend(name.map(|name| format!("netns {}", printable(name))));
    head.extend(opened(timeline).map(str::to_owned));
    head.extend(
        timeline
            .closed_first
            .map(|closer| closed_first(closer).to_owned()),
    );
    head.extend(lifetime(timeline.lifetime));
    head
}

/// A line a state, with a bar or with why its time is not known, and at the last one how it ended.
fn segments(text: &Text, timeline: &Timeline) -> String {
    let palette = text.palette();
    let longest = timeline
        .segments
        .iter()
        .filter_map(|segment| length(segment.span))
        .max();
    let name_width = timeline
        .segments
        .iter()
        .map(|segment| columns(&segment.state.named(text.names).to_string()))
        .max()
        .unwrap_or_default();
    let time_width = timeline
        .segments
        .iter()
        .map(|segment| columns(&lasted(segment.span)))
        .fold(TIME, usize::max);
    // The frame, the name, the time, and two spaces after each.
    let left = 2 + name_width + 2 + time_width + 2;
    let note = note(timeline);
    let room = text.width.map(|width| width.saturating_sub(left));
    let beside = room.is_none_or(|room| SHORT_BAR + 2 + columns(&note) <= room);
    let bar_room = match beside && !note.is_empty() {
        true => room.map(|room| room - 2 - columns(&note)),
        false => room,
    };
    let bar_width = bar_room.map_or(BAR, |room| room.min(BAR));
    let mut out = String::new();
    for (index, segment) in timeline.segments.iter().enumerate() {
        let note = match index + 1 == timeline.segments.len() {
            true => note.as_str(),
            false => "",
        };
        let name = format!("{:<name_width$}", segment.state.named(text.names));
        let first = format!(
            "│ {}  {:>time_width$}  ",
            palette.state(segment.state, &name),
            lasted(segment.span)
        );
        let right = match segment.span {
            Span::Unknown(why) if note.is_empty() => fold(unknown(why), room, 0),
            Span::Unknown(why) => fold(&format!("{} · {note}", unknown(why)), room, 0),
            Span::Known(ns) | Span::Within { ns, .. } | Span::Open(ns) => {
                let bar = bar(ns, longest, bar_width);
                match beside {
                    _ if note.is_empty() => vec![bar],
                    true => vec![format!("{bar}  {note}")],
                    false => [vec![bar], fold(note, room, 0)].concat(),
                }
            }
        };
        let next = format!("│{}", " ".repeat(left - 1));
        for (index, right) in right.iter().enumerate() {
            let before = if index == 0 { &first } else { &next };
            let line = format!("{before}{}", palette.state(segment.state, right));
            out += line.trim_end();
            out.push('\n');
        }
    }
    out
}

/// How the socket ended that held the last state, where the tracepoint does not show that one.
fn note(timeline: &Timeline) -> String {
    let mut parts = Vec::new();
    parts.extend(timeline.timewait_end.map(gone));
    parts.extend(timeline.half_open_end.map(failed));
    if timeline.rearmed > 0 {
        parts.push(format!("re-armed {}×", timeline.rearmed));
    }
    parts.join(" · ")
}

fn end(text: &Text, timeline: &Timeline) -> String {
    let palette = text.palette();
    let line =
        |end: &str, paint: &dyn Fn(&str) -> String| block("└ ", "  ", end, text.width, paint);
    match timeline.ended {
        None => {
            let last = timeline.segments.last().map(|segment| segment.state);
            let still = match last {
                Some(state @ TimeWait) => format!("in {}", state.named(text.names)),
                _ => "open".to_owned(),
            };
            line(&format!("still {still} when the trace ended"), &|line| {
                palette.dim(line)
            })
        }
        // The connection may live on.
        Some(ending @ (Ending::TimeWaitOrClosed | Ending::NotSeen | Ending::NotFollowed)) => {
            line(&ending.to_string(), &|line| palette.warn(line))
        }
        Some(ending) => {
            let close = crate::model::TcpState::Close.named(text.names);
            let end = match why(ending, timeline) {
                Some(why) => format!("{close} · {why}"),
                None => close.to_string(),
            };
            line(&end, &str::to_owned)
        }
    }
}

/// What is said of an ending; of one that is told behind the last state, only what that does not
/// tell.
fn why(ending: Ending, timeline: &Timeline) -> Option<String> {
    match ending {
        Ending::TimeWaitOver(_) if timeline.timewait_end.is_some() => None,
        Ending::FinWait2Over(_) if timeline.timewait_end.is_some() => {
            Some("the peer did not close".to_owned())
        }
        Ending::NotEstablished(_) if timeline.half_open_end.is_some() => {
            Some("never established".to_owned())
        }
        ending => Some(ending.to_string()),
    }
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

pub(super) fn lifetime(span: Span) -> Option<String> {
    match span {
        Span::Known(ns) => Some(duration(ns)),
        Span::Within { ns, error_ns } => Some(within(ns, error_ns)),
        Span::Open(ns) => Some(format!("{} so far", duration(ns))),
        // The head says that it is older than the trace, or a segment says what is not known.
        Span::Unknown(_) => None,
    }
}

fn length(span: Span) -> Option<u64> {
    match span {
        Span::Known(ns) | Span::Within { ns, .. } | Span::Open(ns) => Some(ns),
        Span::Unknown(_) => None,
    }
}

fn bar(ns: u64, longest: Option<u64>, width: usize) -> String {
    let share = ns as f64 / longest.unwrap_or(1).max(1) as f64;
    // At least an eighth: it was there.
    let eighths = ((share * width as f64 * 8.0).round() as usize).max(1);
    let mut bar = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.push(EIGHTHS[eighths % 8 - 1]);
    }
    bar
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
