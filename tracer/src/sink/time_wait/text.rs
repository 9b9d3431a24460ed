//! The figures as text: a report of as many lines as it takes, and a screen of no more than it has.

mod figures;
mod lists;
mod ports;
mod table;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use super::View;
use crate::model::{Naming, printable};
use crate::sink::Session;
use crate::sink::session::REDACTED;
use crate::sink::text::duration;
use crate::sink::text::fold::{block, columns};
use crate::sink::text::palette::Palette;
use crate::stats::timewait::Report;

/// Columns of the tables where nothing says how many there are.
const PIPE: usize = 100;

/// Encodes figures as text.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// How states are named.
    pub names: Naming,
    /// Whether to use colour.
    pub color: bool,
    /// Columns of the terminal; `None` in a pipe.
    pub width: Option<usize>,
}

/// A list that is shorter says too little: others are left out before.
const FEWEST: usize = 3;

/// Lines that belong together.
struct Section {
    /// Where there is no room for all, those worth most are taken.
    worth: u8,
    lines: Vec<String>,
}

impl Screen {
    /// Returns the lines above a frame: what is traced, and for how long.
    pub fn heading(&self, session: &Session, report: &Report) -> Vec<String> {
        let palette = self.palette();
        let text = format!(
            "tracer time-wait · Linux {} · TIME_WAIT via {} · {} · Ctrl-C ends it",
            printable(&session.kernel),
            session.time_wait,
            duration(report.duration_ns),
        );
        let mut lines = self.told("", &text, |line| palette.dim(line));
        if session.redacted {
            lines.extend(self.told("", REDACTED, |line| palette.dim(line)));
        }
        if !session.filters.is_empty() {
            let filters = format!("only {}", printable(session.filters.join(" ")));
            lines.extend(self.told("", &filters, |line| palette.dim(line)));
        }
        lines
    }

    /// Returns the figures as lines, with lists of at most `rows`.
    pub fn report(&self, view: &View, rows: usize) -> String {
        let mut out = String::new();
        for section in self.sections(view, rows) {
            if !out.is_empty() {
                out.push('\n');
            }
            for line in section.lines {
                out += &line;
                out.push('\n');
            }
        }
        out
    }

    /// Returns the figures as at most `height` lines: with shorter lists, then without what matters
    /// least, then cut, where they do not fit.
    pub fn frame(&self, view: &View, rows: usize, height: usize) -> Vec<String> {
        let count = |sections: &[Section]| -> usize {
            sections.iter().map(|section| section.lines.len()).sum()
        };
        let fewest = FEWEST.min(rows);
        let fitting = (fewest..=rows)
            .rev()
            .map(|rows| self.sections(view, rows))
            .find(|sections| count(sections) <= height);
        let sections = fitting.unwrap_or_else(|| choose(self.sections(view, fewest), height));
        // Space between them, as long as there is some.
        let spare = height.saturating_sub(count(&sections));
        let mut lines = Vec::new();
        for (index, section) in sections.into_iter().enumerate() {
            if index > 0 && index <= spare {
                lines.push(String::new());
            }
            lines.extend(section.lines);
        }
        lines.truncate(height);
        lines
    }

    /// The sections in reading order, those with nothing to say left out.
    fn sections(&self, view: &View, rows: usize) -> Vec<Section> {
        let parts = [
            (100, figures::time_wait(self, view)),
            (50, figures::histogram(self, view)),
            (60, figures::fin_wait2(self, view)),
            (90, ports::ports(self, view, rows)),
            (70, ports::namespaces(self, view, rows)),
            (65, lists::processes(self, view, rows)),
            (55, lists::local_ports(self, view, rows)),
            (45, lists::remotes(self, view, rows)),
            (40, lists::cgroups(self, view, rows)),
            (30, figures::explanation(self, view)),
        ];
        parts
            .into_iter()
            .filter(|(_, lines)| !lines.is_empty())
            .map(|(worth, lines)| Section { worth, lines })
            .collect()
    }

    fn palette(&self) -> Palette {
        Palette { color: self.color }
    }

    /// Columns that a table may take.
    fn columns(&self) -> usize {
        self.width.unwrap_or(PIPE)
    }

    /// Breaks what is told in words into lines that fit.
    fn told(&self, first: &str, text: &str, paint: impl Fn(&str) -> String) -> Vec<String> {
        let next = " ".repeat(columns(first));
        block(first, &next, text, self.width, paint)
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

/// Takes what is worth most and fits, in reading order. The first is worth most, and always taken.
fn choose(sections: Vec<Section>, height: usize) -> Vec<Section> {
    let mut by_worth: Vec<usize> = (0..sections.len()).collect();
    by_worth.sort_by_key(|&index| Reverse(sections[index].worth));
    let mut room = height;
    let mut taken = Vec::new();
    for index in by_worth {
        let lines = sections[index].lines.len();
        if lines <= room || taken.is_empty() {
            room = room.saturating_sub(lines);
            taken.push(index);
        }
    }
    let in_order = sections.into_iter().enumerate();
    in_order
        .filter(|(index, _)| taken.contains(index))
        .map(|(_, section)| section)
        .collect()
}
