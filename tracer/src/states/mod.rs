//! The TCP states explained: what each means, how they follow each other, and a picture of it.
//!
//! **Owns:** every word that is said about a state, and the one table of transitions from which
//! text and pictures are made.
//! **Never:** I/O. Each function returns what is to be printed, ending in a newline.
//!
//! Statements about the protocol follow RFC 9293, those about timers and limits follow Linux's
//! `Documentation/networking/ip-sysctl.rst`.

mod canvas;
mod diagram;
mod drawn;
mod name;
mod page;
mod svg;
mod texts;
mod transitions;
mod wrap;

pub use diagram::diagram;
pub use name::{UnknownState, find};
pub use page::{overview, page};
pub use svg::svg;
pub use transitions::{Part, Shown, TRANSITIONS, Transition};

use crate::model::{Naming, TcpState};

/// How pages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whose names the states are given.
    pub names: Naming,
    /// Whether terminal colours are used.
    pub color: bool,
    /// Width of the terminal in columns; lines are never longer than 100, nor made shorter than 40.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            names: Naming::default(),
            color: false,
            width: 80,
        }
    }
}

impl Style {
    /// Returns the width that lines are kept to.
    fn columns(&self) -> usize {
        self.width.clamp(40, 100)
    }

    /// Returns the state's name in this style.
    fn name(&self, state: TcpState) -> String {
        state.named(self.names).to_string()
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Puts the names of this style where a text says `{FIN_WAIT1}`.
    fn fill(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            match TcpState::parse(name) {
                Some(state) => filled.push_str(&self.name(state)),
                None => filled.push_str(name),
            }
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_texts_follow_the_style() {
        let style = Style {
            names: Naming::Rfc,
            ..Style::default()
        };
        assert_eq!(
            style.fill("from {SYN_RECV} to {CLOSE}."),
            "from SYN-RECEIVED to CLOSED."
        );
        assert_eq!(style.fill("no names"), "no names");
    }

    #[test]
    fn lines_have_a_bounded_width() {
        let wide = Style {
            width: 250,
            ..Style::default()
        };
        assert_eq!(wide.columns(), 100);
        assert_eq!(Style { width: 0, ..wide }.columns(), 40);
    }
}
