//! Text for people: a line a change, a picture of each connection's life, a summary.
//!
//! **Owns:** wording, columns, colour and bars.
//! **Never:** a zero for what is not known, or a raw byte of a name from outside.

mod between;
mod change;
mod conversation;
mod duration;
pub(super) mod fold;
mod life;
pub(super) mod number;
pub(super) mod palette;
mod summary;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::Session;
use super::address::push_endpoint;
use super::clock::LocalClock;
use super::session::REDACTED;
use crate::model::event::Comm;
use crate::model::{
    ClockStep, Loss, LossCause, Naming, RequestEnd, ResetReasons, TcpState, TimewaitEnd, Tuple,
    printable,
};
use crate::track::conversation::Conversation;
use crate::track::{Change, Span, Timeline};

pub use duration::duration;
use duration::{push_duration, within};
use fold::{block, columns};
use number::{bytes, push_number};
pub use number::{counted, grouped};
use palette::Palette;

/// What stands between the parts of a line.
const SEPARATOR: &str = " · ";
/// What stands between two ends, and between two states: three columns.
const ARROW: &str = " → ";

/// Encodes values as text.
#[derive(Clone, Debug)]
pub struct Text {
    /// How states are named.
    pub names: Naming,
    /// Whether changes show what the tracepoint itself said.
    pub raw: bool,
    /// The session's clock, where times of day are told.
    pub clock: LocalClock,
    /// Whether to use colour.
    pub color: bool,
    /// Columns of the terminal; `None` in a pipe.
    pub width: Option<usize>,
    /// Whether to tell how exact times are, and what could not be looked into when the trace began.
    pub verbose: bool,
    /// Whether hooks tell of each timewait socket as it takes over: `CLOSE` is then the connection's
    /// end, unless changes were lost.
    pub timewait_hooked: bool,
    /// What the kernel calls its reasons for a reset.
    pub reset_reasons: ResetReasons,
    /// What network namespaces are called that have a name of their own, by inode number.
    pub netns_names: BTreeMap<u32, String>,
}

impl Text {
    /// The first lines: what this session is, and what it will not tell.
    pub fn session(&self, session: &Session) -> String {
        let palette = self.palette();
        let line = format!(
            "tracer {} · Linux {} {} · sock:inet_sock_set_state via {} · TIME_WAIT {} · {} ring",
            printable(&session.tracer),
            printable(&session.kernel),
            printable(&session.machine),
            printable(&session.hook),
            match session.time_wait.as_str() {
                "off" => "not measured".to_owned(),
                method => format!("via {}", printable(method)),
            },
            bytes(session.ring_bytes),
        );
        let dim = |line: &str| palette.dim(line);
        let mut text = block("", "  ", &line, self.width, dim);
        if session.redacted {
            text += &block("", "  ", REDACTED, self.width, dim);
        }
        if !session.filters.is_empty() {
            let filters = printable(session.filters.join(" "));
            text += &block("only ", "     ", &filters, self.width, dim);
        }
        if !session.missing.is_empty() {
            let missing = printable(session.missing.join(" · "));
            let line = format!("not known here: {missing}");
            text += &block("", "  ", &line, self.width, |line| palette.warn(line));
        }
        if let Some(privileges) = &session.privileges {
            let lacking = privileges.lacking();
            if !lacking.is_empty() {
                let line = format!("privileges: {}", printable(lacking.join(" · ")));
                text += &block("", "  ", &line, self.width, |line| palette.warn(line));
            }
            if self.verbose {
                let line = printable(privileges.in_force().join(" · ")).to_string();
                text += &block("runs as ", "  ", &line, self.width, dim);
            }
        }
        if self.verbose {
            if let Some(bound) = &session.time_wait_bound {
                let bound = format!("times in TIME_WAIT: {}", printable(bound));
                text += &block("note: ", "      ", &bound, self.width, dim);
            }
            for note in &session.notes {
                let note = printable(note);
                text += &block("note: ", "      ", &note, self.width, dim);
            }
        }
        text
    }

    /// Appends a state change.
    pub fn change(&self, change: &Change, out: &mut String) {
        change::line(self, change, out);
    }

    /// Appends the life of a connection.
    pub fn timeline(&self, timeline: &Timeline, out: &mut String) {
        life::life(self, timeline, out);
    }

    /// Both ends of a connection.
    pub fn conversation(&self, conversation: &Conversation) -> String {
        conversation::conversation(self, conversation)
    }

    /// Lost changes.
    pub fn loss(&self, loss: &Loss) -> String {
        let of_day = |at| self.clock.time_of_day(at);
        let cause = match loss.cause {
            LossCause::RingFull { cpu } => format!("the ring buffer was full on CPU {cpu}"),
            LossCause::Recursion => "the hook interrupted itself".to_owned(),
            LossCause::NotRecorded => "they could not be written into the evidence".to_owned(),
        };
        let others = counted(loss.beside, "record");
        let (what, follows) = match (loss.changes(), loss.beside) {
            (changes, 0) => (counted(changes, "change"), "times across this are unknown"),
            (0, _) => (
                format!("{others} of processes, segments and figures"),
                "these may be missing",
            ),
            (changes, _) => (
                format!(
                    "{}, and {others} of processes, segments and figures,",
                    counted(changes, "change")
                ),
                "times across this are unknown",
            ),
        };
        let text = format!(
            "{what} lost between {} and {}: {cause}; {follows}",
            of_day(loss.since),
            of_day(loss.until),
        );
        block("!! ", "   ", &text, self.width, |line| {
            self.palette().warn(line)
        })
    }

    /// A clock was set, or the host was suspended.
    pub fn clock_step(&self, step: &ClockStep) -> String {
        let of_day = |at| self.clock.time_of_day(at);
        let text = format!(
            "between {} and {} {}; times of day go on by the clock of the begin",
            of_day(step.since),
            of_day(step.until),
            clock_step(step),
        );
        block("!! ", "   ", &text, self.width, |line| {
            self.palette().warn(line)
        })
    }

    /// The last lines.
    pub fn summary(&self, figures: &crate::stats::Summary) -> String {
        summary::summary(self, figures)
    }

    pub(super) fn palette(&self) -> Palette {
        Palette { color: self.color }
    }
}

/// What happened to the clocks, in a person's words.
pub fn clock_step(step: &ClockStep) -> String {
    let mut parts = Vec::new();
    if step.wall_ns != 0 {
        let ns = u64::try_from(step.wall_ns.unsigned_abs()).unwrap_or(u64::MAX);
        let direction = if step.wall_ns > 0 { "forward" } else { "back" };
        parts.push(format!(
            "the wall clock was set {} {direction}",
            duration(ns)
        ));
    }
    if step.suspended_ns > 0 {
        parts.push(format!(
            "the host was suspended for {}",
            duration(step.suspended_ns)
        ));
    }
    parts.join(", ")
}

/// `curl[8518]`, or `-` where no process is known, as netstat prints it. Of a name that does not
/// fit into the width the beginning is kept, and the number whole.
pub(super) fn process(process: Option<(u32, Comm)>, width: Option<usize>) -> String {
    let mut text = String::new();
    push_process(&mut text, process, width);
    text
}

/// Appends what [`process`] returns.
fn push_process(out: &mut String, process: Option<(u32, Comm)>, width: Option<usize>) {
    let Some((pid, comm)) = process else {
        return out.push('-');
    };
    let start = out.len();
    let name = comm.printable();
    out.push_str(&name);
    let number = out.len();
    out.push('[');
    push_number(out, pid);
    out.push(']');
    let Some(width) = width.filter(|&width| columns(&out[start..]) > width) else {
        return;
    };
    let number = out.split_off(number);
    out.truncate(start);
    let kept = width.saturating_sub(columns(&number) + 1);
    out.extend(name.chars().take(kept));
    out.push('…');
    out.push_str(&number);
}

/// Appends `10.0.0.1:41000 → 10.0.0.2:443`, of a listener only its own end. Returns how many columns that takes.
fn push_ends(out: &mut String, tuple: &Tuple, is_listener: bool) -> usize {
    let start = out.len();
    push_endpoint(out, tuple.local);
    if is_listener {
        return out.len() - start;
    }
    out.push_str(ARROW);
    push_endpoint(out, tuple.remote);
    // Only the arrow is more bytes than columns.
    out.len() - start - (ARROW.len() - 3)
}

/// `312.4 ms`, `≥ 5.00 s` where it is not over, `?` where it is not known. Returns how many columns that takes.
fn push_lasted(out: &mut String, span: Span) -> usize {
    match span {
        Span::Known(ns) => push_duration(out, ns),
        Span::Within { ns, error_ns } => {
            let within = within(ns, error_ns);
            out.push_str(&within);
            columns(&within)
        }
        Span::Open(ns) => {
            out.push_str("≥ ");
            2 + push_duration(out, ns)
        }
        Span::Unknown(_) => {
            out.push('?');
            1
        }
    }
}

/// Appends a state by its name.
fn push_state(out: &mut String, state: TcpState, names: Naming) {
    match state.known_name(names) {
        Some(name) => out.push_str(name),
        None => put(out, state.named(names)),
    }
}

/// Appends what prints itself.
fn put(out: &mut String, value: impl fmt::Display) {
    let written = write!(out, "{value}");
    debug_assert!(written.is_ok(), "memory takes every text");
}

/// Why a timewait socket is gone, short enough for a narrow line.
pub(super) fn gone(end: TimewaitEnd) -> &'static str {
    match end {
        TimewaitEnd::NetnsGone => "namespace gone",
        TimewaitEnd::Unknown => "early, not known why",
        end => end.words(),
    }
}

/// Why a half-open connection failed, likewise.
fn failed(end: RequestEnd) -> &'static str {
    match end {
        RequestEnd::NetnsGone => "namespace gone",
        end => end.words(),
    }
}

#[cfg(test)]
mod tests;
