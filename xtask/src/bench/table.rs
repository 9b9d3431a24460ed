//! Columns for people. Pure.

use super::figures::Spread;

/// How wide a screen is, at least, for whom this is written.
const COLUMNS: usize = 160;

/// What has no figure.
pub(super) const NONE: &str = "–";

/// A heading, and rows of as many cells.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    /// How many columns from the left are words rather than figures.
    words: usize,
}

impl Table {
    pub(super) fn new(words: usize, heading: &[&str]) -> Self {
        Self {
            rows: vec![heading.iter().map(|&cell| cell.to_owned()).collect()],
            words,
        }
    }

    pub(super) fn push<const N: usize>(&mut self, row: [String; N]) {
        debug_assert_eq!(row.len(), self.rows[0].len(), "a cell for each column");
        self.rows.push(row.into());
    }

    /// Whether there is nothing below the heading.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// Words to the left, figures to the right.
    pub(super) fn text(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if column > 0 {
                    line += "  ";
                }
                line += &match column < self.words {
                    true => format!("{cell:<width$}"),
                    false => format!("{cell:>width$}"),
                };
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

/// Lines that fit, all but the first indented; the last one ended.
pub(super) fn wrapped(line: &str) -> String {
    let mut text = String::new();
    let mut width = 0;
    for word in line.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > COLUMNS {
            text += "\n  ";
            width = 2;
        } else if width > 0 {
            text.push(' ');
            width += 1;
        }
        text += word;
        width += length;
    }
    text + "\n"
}

/// A median with its spread, or that there is none.
pub(super) fn spread(figures: impl IntoIterator<Item = f64>, digits: usize) -> String {
    let Some(Spread { median, min, max }) = Spread::of(figures) else {
        return NONE.to_owned();
    };
    let [median, min, max] = [median, min, max].map(|value| figure(value, digits));
    format!("{median} ({min}–{max})")
}

/// The median alone.
pub(super) fn median(figures: impl IntoIterator<Item = f64>, digits: usize) -> String {
    Spread::of(figures).map_or(NONE.to_owned(), |found| figure(found.median, digits))
}

/// So many digits, or whole and grouped where it is large.
pub(super) fn figure(value: f64, digits: usize) -> String {
    match value >= 1e4 {
        true => grouped(value.round() as u64),
        false => format!("{value:.digits$}"),
    }
}

/// `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Losses, and which share of all that is; no share where there were more than there could be, because
/// others on this host made changes too.
pub(super) fn lost(lost: u64, of: u64) -> String {
    if lost == 0 || lost > of {
        return grouped(lost);
    }
    let percent = 100.0 * lost as f64 / of as f64;
    format!("{} ({percent:.1} %)", grouped(lost))
}

/// Rounded to whole MiB.
pub(super) fn mib(bytes: Option<u64>) -> String {
    bytes.map_or(NONE.to_owned(), |bytes| format!("{} MiB", bytes >> 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_left_and_figures_right() {
        let mut table = Table::new(1, &["", "per s", "lost"]);
        assert!(table.is_empty());
        table.push(["tracer".to_owned(), "12".to_owned(), NONE.to_owned()]);
        assert!(!table.is_empty());
        assert_eq!(table.text(), "        per s  lost\ntracer     12     –\n");
    }

    #[test]
    fn a_long_line_becomes_several() {
        assert_eq!(wrapped("a b"), "a b\n");
        let word = "x".repeat(50);
        let line = [word.as_str(); 4].join(" ");
        assert_eq!(wrapped(&line), format!("{word} {word} {word}\n  {word}\n"));
    }

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(spread([3.0, 1.0, 2.0], 1), "2.0 (1.0–3.0)");
        assert_eq!(spread([], 1), "–");
        assert_eq!(figure(9_999.4, 0), "9999");
        assert_eq!(figure(1_234_567.8, 2), "1,234,568");
        assert_eq!(median([1.0, 2.0], 2), "1.50");
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(lost(0, 100), "0");
        assert_eq!(lost(1_500, 100_000), "1,500 (1.5 %)");
        assert_eq!(lost(1_500, 1_000), "1,500");
        assert_eq!(mib(Some(3 << 20)), "3 MiB");
        assert_eq!(mib(None), "–");
    }
}
