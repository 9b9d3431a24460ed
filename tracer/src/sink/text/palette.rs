//! Colours, where they are wanted.

use anstyle::{AnsiColor, Style};

use crate::model::TcpState;

/// Colours text, or leaves it.
#[derive(Clone, Copy)]
pub(in crate::sink) struct Palette {
    pub(in crate::sink) color: bool,
}

impl Palette {
    /// What is there to be skipped.
    pub(in crate::sink) fn dim(self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    /// What should not be overlooked.
    pub(in crate::sink) fn warn(self, text: &str) -> String {
        self.paint(AnsiColor::Yellow.on_default().bold(), text)
    }

    /// What is well.
    pub(in crate::sink) fn good(self, text: &str) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    /// A state: opening, open, closing and closed each have a colour.
    pub(in crate::sink) fn state(self, state: TcpState, text: &str) -> String {
        use TcpState::*;
        let color = match state {
            SynSent | SynRecv => AnsiColor::Yellow,
            Established => AnsiColor::Green,
            FinWait1 | FinWait2 | Closing | CloseWait | LastAck => AnsiColor::Magenta,
            TimeWait => AnsiColor::Blue,
            Listen => AnsiColor::Cyan,
            Close => return self.dim(text),
            Unknown(_) => AnsiColor::Red,
        };
        self.paint(color.on_default(), text)
    }

    fn paint(self, style: Style, text: &str) -> String {
        match self.color {
            true => format!("{style}{text}{style:#}"),
            false => text.to_owned(),
        }
    }
}
