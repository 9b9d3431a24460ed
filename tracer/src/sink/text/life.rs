//! A connection's life as a picture: a bar a state, as long as its share of the whole.

use super::{Text, duration, ends, process};
use crate::track::{Closer, Ending, Opened, Segment, Span, Timeline, Unknown};

/// Longest bar, in columns.
const BAR: usize = 32;
/// Eighths of a column, from the left.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

pub(super) fn life(text: &Text, timeline: &Timeline) -> String {
    let palette = text.palette();
    let mut head = vec![ends(&timeline.tuple, timeline.is_listener())];
    if timeline.owner.process.is_some() {
        head.push(process(&timeline.owner));
    }
    head.extend(opened(timeline.opened).map(str::to_owned));
    head.extend(
        timeline
            .closed_first
            .map(|closer| closed_first(closer).to_owned()),
    );
    head.extend(lifetime(timeline.lifetime));
    let mut out = format!("┌ {}\n", head.join(" · "));

    let longest = timeline
        .segments
        .iter()
        .filter_map(|segment| length(segment.span))
        .max();
    let name_width = timeline
        .segments
        .iter()
        .map(|segment| segment.state.named(text.names).to_string().chars().count())
        .max()
        .unwrap_or_default();
    let bar_width = text
        .width
        .map_or(BAR, |width| BAR.min(width.saturating_sub(name_width + 18)));
    for segment in &timeline.segments {
        let name = format!("{:<name_width$}", segment.state.named(text.names));
        let line = format!(
            "│ {}  {:>11}  {}",
            palette.state(segment.state, &name),
            lasted(segment.span),
            palette.state(segment.state, &bar(segment, longest, bar_width)),
        );
        out += line.trim_end();
        out.push('\n');
    }
    out += &match timeline.ended {
        None => palette.dim("└ still open when the trace ended"),
        Some(Ending::TimeWaitOrClosed) => palette.warn(&format!("└ {}", Ending::TimeWaitOrClosed)),
        Some(ending @ (Ending::NotSeen | Ending::NotFollowed)) => {
            palette.warn(&format!("└ {ending}"))
        }
        Some(ending) => format!(
            "└ {} · {ending}",
            crate::model::TcpState::Close.named(text.names)
        ),
    };
    out.push('\n');
    out
}

fn opened(opened: Opened) -> Option<&'static str> {
    match opened {
        Opened::Active => Some("opened by us"),
        Opened::Passive => Some("opened by the peer"),
        Opened::BeforeTrace => Some("older than the trace"),
        Opened::NotSeen => Some("its beginning was lost"),
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
        Span::Open(ns) => Some(format!("{} so far", duration(ns))),
        // The head says that it is older than the trace, or a segment says what is not known.
        Span::Unknown(_) => None,
    }
}

fn length(span: Span) -> Option<u64> {
    match span {
        Span::Known(ns) | Span::Open(ns) => Some(ns),
        Span::Unknown(_) => None,
    }
}

fn lasted(span: Span) -> String {
    match span {
        Span::Known(ns) => duration(ns),
        Span::Open(ns) => format!("≥ {}", duration(ns)),
        Span::Unknown(_) => "?".to_owned(),
    }
}

fn bar(segment: &Segment, longest: Option<u64>, width: usize) -> String {
    match segment.span {
        Span::Unknown(why) => unknown(why).to_owned(),
        Span::Known(ns) | Span::Open(ns) => {
            let share = ns as f64 / longest.unwrap_or(1).max(1) as f64;
            // At least an eighth: it was there.
            let eighths = ((share * width as f64 * 8.0).round() as usize).max(1);
            let mut bar = "█".repeat(eighths / 8);
            if !eighths.is_multiple_of(8) {
                bar.push(EIGHTHS[eighths % 8 - 1]);
            }
            bar
        }
    }
}

fn unknown(why: Unknown) -> &'static str {
    match why {
        Unknown::BeforeTrace => "since before the trace",
        Unknown::Loss => "changes were lost",
        Unknown::Missed => "a change was not seen",
        Unknown::Clock => "two CPUs' clocks disagree",
    }
}
