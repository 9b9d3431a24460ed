//! Both ends of a connection: two lanes, time downwards, a line for each step, in words too.
//!
//! What does not fit is left out, the least needed first: the words, the time since the line before, the
//! time since the begin.

mod words;

use super::fold::{block, columns};
use super::life::push_lifetime;
use super::{Text, duration, process, within};
use crate::model::{MonoNs, TcpState};
use crate::track::Timeline;
use crate::track::conversation::{Alone, By, Conversation, End, Other, Step};

/// Between two columns.
const GAP: usize = 3;
/// Least width of a time.
const TIME: usize = 8;

pub(super) fn conversation(text: &Text, conversation: &Conversation) -> String {
    let head = head(text, conversation).join(" · ");
    let mut out = block("┌ ", "│ ", &head, text.width, str::to_owned);
    out += &steps(text, conversation);
    let end = ends(text, conversation).join(" · ");
    let paint = |line: &str| match is_open(conversation) {
        true => text.palette().dim(line),
        false => line.to_owned(),
    };
    out + &block("└ ", "  ", &end, text.width, paint)
}

fn head(text: &Text, conversation: &Conversation) -> Vec<String> {
    let Conversation { a, b } = conversation;
    let whose = |timeline: &Timeline| match timeline.owner.process {
        Some(_) => format!(" {}", process(timeline.owner.process, None)),
        None => String::new(),
    };
    let other = match b {
        Other::Known(b) => format!("b {}{}", b.tuple.local, whose(b)),
        Other::Alone(Alone::Itself) => "itself".to_owned(),
        Other::Alone(_) => format!("b {}", a.tuple.remote),
    };
    let mut head = vec![format!("a {}{} ⇄ {other}", a.tuple.local, whose(a))];
    head.extend(alone(b).map(str::to_owned));
    if let Some(b) = conversation.b()
        && a.netns != b.netns
    {
        let netns = |netns: Option<u32>| netns.map_or("?".to_owned(), |netns| netns.to_string());
        head.push(format!(
            "network namespaces {} ⇄ {}",
            netns(a.netns),
            netns(b.netns)
        ));
    }
    head.extend(conversation.opened_by().map(|by| match by {
        By::One(end) => format!("{} opened", letter(end)),
        By::Both => "both opened at once".to_owned(),
    }));
    head.extend(conversation.closed_first().map(|by| match by {
        By::One(end) => format!("{} closed first", letter(end)),
        By::Both => "both closed at once".to_owned(),
    }));
    let mut lifetime = String::new();
    push_lifetime(&mut lifetime, conversation.lifetime());
    head.extend((!lifetime.is_empty()).then_some(lifetime));
    let start = conversation.start();
    head.extend(start.map(|start| text.clock.time_of_day(start)));
    head
}

/// Why b is not told.
fn alone(b: &Other) -> Option<&'static str> {
    match b {
        Other::Known(_) | Other::Alone(Alone::Itself) => None,
        Other::Alone(Alone::NotSeen) => Some("b was not seen"),
        Other::Alone(Alone::Several) => Some("more than one connection may be b"),
        Other::Alone(Alone::Unchanged) => Some("b did not change"),
        Other::Alone(Alone::EndsUnknown) => Some("not known who b is"),
        Other::Alone(Alone::LetGo) => Some("b was not waited for: too many connections"),
    }
}

pub(super) fn letter(end: End) -> &'static str {
    match end {
        End::A => "a",
        End::B => "b",
    }
}

fn is_open(conversation: &Conversation) -> bool {
    let open = |timeline: &Timeline| timeline.ended.is_none();
    open(&conversation.a) && conversation.b().is_none_or(open)
}

/// A step as it is written.
struct Row {
    /// Since the begin.
    at: String,
    /// Since the line before.
    after: String,
    step: Step,
    words: String,
}

fn rows(conversation: &Conversation) -> Vec<Row> {
    let steps = conversation.steps();
    let begin = conversation
        .start()
        .or_else(|| steps.iter().find_map(|step| step.at));
    let mut before: Option<MonoNs> = None;
    let mut rows = Vec::with_capacity(steps.len());
    for step in steps {
        let since = |earlier: Option<MonoNs>| {
            let ns = step.at?.since(earlier?)?;
            Some(match step.error_ns {
                0 => duration(ns),
                error_ns => within(ns, error_ns),
            })
        };
        let at = match step.at {
            None => "?".to_owned(),
            Some(at) if Some(at) == begin => "0".to_owned(),
            Some(_) => since(begin).unwrap_or_default(),
        };
        rows.push(Row {
            at,
            after: since(before).unwrap_or_default(),
            words: words::of(conversation, &step),
            step,
        });
        before = step.at.or(before);
    }
    rows
}

/// Which columns there are, and how wide.
struct Columns {
    at: Option<usize>,
    after: Option<usize>,
    lane: usize,
    has_b: bool,
    words: bool,
}

impl Columns {
    fn of(text: &Text, rows: &[Row], has_b: bool) -> Self {
        let widest = |of: &dyn Fn(&Row) -> String, least: usize| {
            let widths = rows.iter().map(|row| columns(&of(row)));
            widths.fold(least, usize::max)
        };
        let at = widest(&|row| row.at.clone(), TIME);
        let after = widest(&|row| row.after.clone(), TIME);
        let lane = widest(&|row| row.step.to.named(text.names).to_string(), 1);
        let words = widest(&|row| row.words.clone(), 0);
        let lanes = if has_b { lane + GAP + lane } else { lane };
        let room = text.width.unwrap_or(usize::MAX);
        let fits = |width: usize| 2 + width + lanes <= room;
        let timed = at + GAP;
        Self {
            at: fits(timed).then_some(at),
            after: fits(timed + after + 2).then_some(after),
            lane,
            has_b,
            words: fits(timed + after + 2 + GAP + words),
        }
    }

    /// A line, with what stands in the lanes, and how much of it is seen.
    fn line(&self, times: [&str; 2], [a, b]: [(String, usize); 2], words: &str) -> String {
        let mut line = "│ ".to_owned();
        if let Some(width) = self.at {
            line += &format!("{:>width$}", times[0]);
        }
        if let Some(width) = self.after {
            line += &format!("  {:>width$}", times[1]);
        }
        if self.at.is_some() {
            line += &" ".repeat(GAP);
        }
        let fill = |width: usize| " ".repeat(self.lane.saturating_sub(width));
        line += &format!("{}{}", a.0, fill(a.1));
        if self.has_b {
            line += &format!("{}{}{}", " ".repeat(GAP), b.0, fill(b.1));
        }
        if self.words {
            line += &format!("{}{words}", " ".repeat(GAP));
        }
        format!("{}\n", line.trim_end())
    }
}

fn steps(text: &Text, conversation: &Conversation) -> String {
    let palette = text.palette();
    let rows = rows(conversation);
    let has_b = conversation.b().is_some();
    let at = Columns::of(text, &rows, has_b);
    let plain = |shown: &str| (shown.to_owned(), columns(shown));
    let mut out = palette.dim(&at.line(["AT", "AFTER"], [plain("a"), plain("b")], ""));
    // What each end is in, as long as it is in anything.
    let mut states: [Option<TcpState>; 2] = [None; 2];
    for row in &rows {
        let index = usize::from(row.step.end == End::B);
        let mut lanes = states.map(|state| match state {
            Some(state) => (palette.state(state, "│"), 1),
            None => plain(""),
        });
        let name = row.step.to.named(text.names).to_string();
        lanes[index] = (palette.state(row.step.to, &name), columns(&name));
        states[index] = Some(row.step.to).filter(|&state| state != TcpState::Close);
        out += &at.line([&row.at, &row.after], lanes, &row.words);
    }
    out
}

fn ends(text: &Text, conversation: &Conversation) -> Vec<String> {
    let told = |timeline: &Timeline, end: End| match timeline.ended {
        Some(ending) => format!("{}: {}", letter(end), words::ending(ending, end)),
        None => {
            let last = timeline.segments.last();
            let state = last.map(|last| last.state.named(text.names).to_string());
            let state = state.unwrap_or_else(|| "open".to_owned());
            format!("{}: still {state} when the trace ended", letter(end))
        }
    };
    let mut ends = vec![told(&conversation.a, End::A)];
    ends.extend(conversation.b().map(|b| told(b, End::B)));
    ends
}
