//! Text for people: a line a change, a picture of each connection's life, a summary.
//!
//! **Owns:** wording, columns, colour and bars.
//! **Never:** a zero for what is not known, or a raw byte of a name from outside.

mod duration;
mod life;
mod palette;
mod summary;

use jiff::tz::TimeZone;

use super::Session;
use super::clock::time_of_day;
use crate::model::{Loss, LossCause, Naming, Tuple, WallClock};
use crate::track::{Change, Opened, Origin, Owner, Span, Timeline};

pub use duration::duration;
use palette::Palette;

/// Columns that hold everything but long IPv6 addresses.
const FULL_WIDTH: usize = 120;

/// Encodes values as text.
#[derive(Clone, Debug)]
pub struct Text {
    /// How states are named.
    pub names: Naming,
    /// Whether changes show what the tracepoint itself said.
    pub raw: bool,
    /// The session's clock.
    pub wall: WallClock,
    /// Time zone in which times of day are written.
    pub zone: TimeZone,
    /// Whether to use colour.
    pub color: bool,
    /// Columns of the terminal; `None` in a pipe.
    pub width: Option<usize>,
}

impl Text {
    /// The first lines: what this session is, and what it will not tell.
    pub fn session(&self, session: &Session) -> String {
        let palette = self.palette();
        let mut text = palette.dim(&format!(
            "tracer {} · Linux {} {} · sock:inet_sock_set_state via {} · TIME_WAIT {} · {} ring",
            session.tracer,
            session.kernel,
            session.machine,
            session.hook,
            match session.time_wait {
                "off" => "not measured",
                method => method,
            },
            bytes(session.ring_bytes),
        ));
        text.push('\n');
        if !session.filters.is_empty() {
            text += &palette.dim(&format!("only {}", session.filters.join(" ")));
            text.push('\n');
        }
        if !session.missing.is_empty() {
            text += &palette.warn(&format!("not known here: {}", session.missing.join(" · ")));
            text.push('\n');
        }
        text
    }

    /// A state change.
    pub fn change(&self, change: &Change) -> String {
        use crate::model::TcpState::{Close, Closing, FinWait2};
        let palette = self.palette();
        let full = self.width.is_none_or(|width| width >= FULL_WIDTH);
        let pad = |text: String, width: usize| {
            if full {
                format!("{text:<width$}")
            } else {
                text
            }
        };

        let (process, ends) = match change.origin {
            Origin::Tracepoint {
                shown,
                task,
                task_holds_socket,
            } if self.raw => (
                match task_holds_socket {
                    Some(true) => format!("{}[{}]", task.comm, task.pid),
                    // Not this socket's process, or not known to be: only the one on the CPU.
                    _ => format!("({}[{}])", task.comm, task.pid),
                },
                format!(
                    "{} → {}",
                    std::net::SocketAddr::new(shown.local_addr, shown.local_port),
                    std::net::SocketAddr::new(shown.remote_addr, shown.remote_port),
                ),
            ),
            _ => (
                process(&change.owner),
                ends(&change.tuple, change.is_listener()),
            ),
        };
        let states = match change.from {
            Some(from) => format!(
                "{} → {}",
                from.named(self.names),
                change.to.named(self.names)
            ),
            None => format!("found in {}", change.to.named(self.names)),
        };
        let lasted = change.in_from.map(span_text).unwrap_or_default();
        // The socket is gone; whether the connection is, nobody has said.
        let note = match (change.from, change.to) {
            (Some(FinWait2 | Closing), Close) if !self.raw => "or in a timewait socket",
            _ => "",
        };
        let head = format!(
            "{}  {}  {}",
            palette.dim(&time_of_day(&self.wall, change.at, &self.zone)),
            pad(process, 20),
            pad(ends, 43),
        );
        if lasted.is_empty() && note.is_empty() {
            return format!(
                "{head}  {}
",
                palette.state(change.to, &states)
            );
        }
        let states = palette.state(change.to, &pad(states, 26));
        let tail = format!("{lasted:>9}  {note}");
        format!(
            "{head}  {states}  {}
",
            tail.trim_end()
        )
    }

    /// The life of a connection.
    pub fn timeline(&self, timeline: &Timeline) -> String {
        life::life(self, timeline)
    }

    /// Lost changes.
    pub fn loss(&self, loss: &Loss) -> String {
        let of_day = |at| time_of_day(&self.wall, at, &self.zone);
        let cause = match loss.cause {
            LossCause::RingFull { cpu } => format!("the ring buffer was full on CPU {cpu}"),
            LossCause::Recursion => "the hook interrupted itself".to_owned(),
        };
        let text = format!(
            "!! {} lost between {} and {}: {cause}; times across this are unknown",
            counted(loss.lost, "change"),
            of_day(loss.since),
            of_day(loss.until),
        );
        format!("{}\n", self.palette().warn(&text))
    }

    /// The last lines.
    pub fn summary(&self, figures: &crate::stats::Summary) -> String {
        summary::summary(self, figures)
    }

    fn palette(&self) -> Palette {
        Palette { color: self.color }
    }
}

/// `curl[8518]`, or `-` where no process is known, as netstat prints it.
fn process(owner: &Owner) -> String {
    match owner.process {
        Some((pid, comm)) => format!("{comm}[{pid}]"),
        None => "-".to_owned(),
    }
}

fn ends(tuple: &Tuple, is_listener: bool) -> String {
    match is_listener {
        true => tuple.local.to_string(),
        false => format!("{} → {}", tuple.local, tuple.remote),
    }
}

fn span_text(span: Span) -> String {
    match span {
        Span::Known(ns) => duration(ns),
        Span::Open(ns) => format!("≥ {}", duration(ns)),
        Span::Unknown(_) => "?".to_owned(),
    }
}

/// `1 change`, `12,345 changes`.
fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

/// A number with a comma after every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `8 MiB`, `64 KiB`.
fn bytes(number: u32) -> String {
    match number {
        0x10_0000.. => format!("{} MiB", number >> 20),
        _ => format!("{} KiB", number >> 10),
    }
}

impl Change {
    /// Returns whether it is a listening socket's.
    fn is_listener(&self) -> bool {
        use crate::model::TcpState::{Listen, SynRecv};
        self.to == Listen || (self.from == Some(Listen) && self.to != SynRecv)
    }
}

impl Timeline {
    fn is_listener(&self) -> bool {
        self.opened == Opened::Listen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
        assert_eq!(counted(1, "change"), "1 change");
        assert_eq!(counted(0, "change"), "0 changes");
    }
}
