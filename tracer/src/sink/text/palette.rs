//! Colours, where they are wanted.

use std::ops::Range;

use anstyle::{AnsiColor, Style};

use super::put;
use crate::model::TcpState;

/// Colours text, or leaves it.
#[derive(Clone, Copy)]
pub(in crate::sink) struct Palette {
    pub(in crate::sink) color: bool,
}

impl Palette {
    /// What is there to be skipped.
    pub(in crate::sink) fn dim(self, text: &str) -> String {
        self.dimmed().around(text)
    }

    /// What should not be overlooked.
    pub(in crate::sink) fn warn(self, text: &str) -> String {
        self.warning().around(text)
    }

    /// What is well.
    pub(in crate::sink) fn good(self, text: &str) -> String {
        self.paint(AnsiColor::Green.on_default()).around(text)
    }

    /// A state: opening, open, closing and closed each have a colour.
    pub(in crate::sink) fn state(self, state: TcpState, text: &str) -> String {
        self.of_state(state).around(text)
    }

    /// For what is there to be skipped.
    pub(super) fn dimmed(self) -> Paint {
        self.paint(Style::new().dimmed())
    }

    /// For what should not be overlooked.
    pub(super) fn warning(self) -> Paint {
        self.paint(AnsiColor::Yellow.on_default().bold())
    }

    /// For a state.
    pub(super) fn of_state(self, state: TcpState) -> Paint {
        use TcpState::*;
        let color = match state {
            SynSent | SynRecv => AnsiColor::Yellow,
            Established => AnsiColor::Green,
            FinWait1 | FinWait2 | Closing | CloseWait | LastAck => AnsiColor::Magenta,
            TimeWait => AnsiColor::Blue,
            Listen => AnsiColor::Cyan,
            Close => return self.dimmed(),
            Unknown(_) => AnsiColor::Red,
        };
        self.paint(color.on_default())
    }

    fn paint(self, style: Style) -> Paint {
        Paint(self.color.then_some(style))
    }
}

/// A colour, or none.
#[derive(Clone, Copy)]
pub(super) struct Paint(Option<Style>);

impl Paint {
    /// What stands between [`begin`](Self::begin) and [`end`](Self::end) has no colour.
    pub(super) const NONE: Self = Self(None);

    /// What is appended from here on has the colour.
    pub(super) fn begin(self, out: &mut String) {
        if let Some(style) = self.0 {
            put(out, style);
        }
    }

    /// What is appended from here on has none.
    pub(super) fn end(self, out: &mut String) {
        if let Some(style) = self.0 {
            put(out, format_args!("{style:#}"));
        }
    }

    /// Gives what stands in a part of `out` the colour.
    pub(super) fn insert(self, out: &mut String, part: Range<usize>) {
        let Some(style) = self.0 else {
            return;
        };
        // From the right to the left, so that places stay.
        out.insert_str(part.end, &format!("{style:#}"));
        out.insert_str(part.start, &style.to_string());
    }

    fn around(self, text: &str) -> String {
        let mut out = text.to_owned();
        self.insert(&mut out, 0..text.len());
        out
    }
}
