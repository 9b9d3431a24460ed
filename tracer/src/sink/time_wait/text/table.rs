//! A list of names with numbers beside them.

use std::borrow::Cow;

use super::Screen;
use crate::sink::text::fold::columns;

/// A column of numbers.
pub(super) struct Column {
    pub(super) heading: Cow<'static, str>,
    pub(super) width: usize,
    /// How soon it is left out where there is no room: the least first. One of zero makes room for
    /// names.
    pub(super) worth: u8,
}

/// A row: its name, its numbers, one for each column, and whether it should not be overlooked.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) numbers: Vec<String>,
    pub(super) warn: bool,
}

/// Lays a table out so that it fits the width. The names have at least `narrowest` columns; a longer
/// one has a line of its own.
pub(super) fn table(
    screen: &Screen,
    heading: &str,
    narrowest: usize,
    all: &[Column],
    rows: &[Row],
) -> Vec<String> {
    let width = screen.columns();
    let longest = rows.iter().map(|row| columns(&row.name)).max();
    let longest = longest.unwrap_or_default().max(columns(heading));
    let mut kept: Vec<usize> = (0..all.len()).collect();
    let wide = |kept: &[usize]| -> usize { kept.iter().map(|&column| all[column].width).sum() };
    while kept.len() > 1 {
        let least = (0..kept.len()).min_by_key(|&index| all[kept[index]].worth);
        let least = least.unwrap_or_default();
        let needed = match all[kept[least]].worth {
            0 => longest,
            _ => narrowest,
        };
        if needed + wide(&kept) <= width {
            break;
        }
        kept.remove(least);
    }
    let room = width.saturating_sub(wide(&kept));
    // As wide as the names need, so that the numbers do not stand far off.
    let name_width = room.min(longest);

    let palette = screen.palette();
    let mut lines = Vec::new();
    let mut head = heading.to_owned();
    if columns(heading) > name_width {
        lines.push(palette.dim(heading));
        head = String::new();
    }
    head = format!("{head:<name_width$}");
    for &column in &kept {
        let Column { heading, width, .. } = &all[column];
        head += &format!("{heading:>width$}");
    }
    lines.push(palette.dim(&head));
    for row in rows {
        let mut line = row.name.clone();
        if columns(&line) > name_width {
            lines.push(line);
            line = String::new();
        }
        line = format!("{line:<name_width$}");
        for &column in &kept {
            let width = all[column].width;
            line += &format!("{:>width$}", row.numbers[column]);
        }
        lines.push(match row.warn {
            true => palette.warn(&line),
            false => line,
        });
    }
    lines
}
