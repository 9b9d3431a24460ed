//! A connection's life as a picture: a bar a state, as long as its share of the whole.

use super::fold::{block, columns, fold};
use super::{Text, duration, ends, lasted, process};
use crate::track::{Closer, Ending, Opened, Span, Timeline, Unknown};

/// Longest bar, in columns.
const BAR: usize = 32;
/// Column of the times, unless one is wider.
const TIME: usize = 11;
/// Eighths of a column, from the left.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

pub(super) fn life(text: &Text, timeline: &Timeline) -> String {
    let head = head(timeline).join(" · ");
    let mut out = block("┌ ", "│ ", &head, text.width, str::to_owned);
    out += &segments(text, timeline);
    out + &end(text, timeline.ended)
}

fn head(timeline: &Timeline) -> Vec<String> {
    let mut head = vec![ends(&timeline.tuple, timeline.is_listener())];
    if timeline.owner.process.is_some() {
        head.push(process(timeline.owner.process, None));
    }
    head.extend(opened(timeline.opened).map(str::to_owned));
    head.extend(
        timeline
            .closed_first
            .map(|closer| closed_first(closer).to_owned()),
    );
    head.extend(lifetime(timeline.lifetime));
    head
}

/// A line a state, with a bar or with why its time is not known.
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
    let bar_width = text
        .width
        .map_or(BAR, |width| BAR.min(width.saturating_sub(left)));
    let mut out = String::new();
    for segment in &timeline.segments {
        let name = format!("{:<name_width$}", segment.state.named(text.names));
        let first = format!(
            "│ {}  {:>time_width$}  ",
            palette.state(segment.state, &name),
            lasted(segment.span)
        );
        let right = match segment.span {
            Span::Unknown(why) => {
                let room = text.width.map(|width| width.saturating_sub(left));
                fold(unknown(why), room, 0)
            }
            Span::Known(ns) | Span::Within { ns, .. } | Span::Open(ns) => {
                vec![bar(ns, longest, bar_width)]
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

fn end(text: &Text, ended: Option<Ending>) -> String {
    let palette = text.palette();
    let line =
        |end: &str, paint: &dyn Fn(&str) -> String| block("└ ", "  ", end, text.width, paint);
    match ended {
        None => line("still open when the trace ended", &|line| palette.dim(line)),
        // The connection may live on.
        Some(ending @ (Ending::TimeWaitOrClosed | Ending::NotSeen | Ending::NotFollowed)) => {
            line(&ending.to_string(), &|line| palette.warn(line))
        }
        Some(ending) => {
            let close = crate::model::TcpState::Close.named(text.names);
            line(&format!("{close} · {ending}"), &str::to_owned)
        }
    }
}

fn opened(opened: Opened) -> Option<&'static str> {
    match opened {
        Opened::Active => Some("opened by us"),
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

fn lifetime(span: Span) -> Option<String> {
    match span {
        Span::Known(ns) => Some(duration(ns)),
        Span::Within { ns, error_ns } => Some(format!("{} ± {}", duration(ns), duration(error_ns))),
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
