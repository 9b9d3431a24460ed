//! Lines that fit a terminal, broken between words.

use super::palette::Paint;

/// As many as are needed in one place of a usual line.
const SPACES: &str = "                                                ";

/// Breaks `text` into lines of at most `width` columns, all but the first `indent` columns less:
/// after ` ·` where it can, else between words. A word that is wider than a line is left whole.
/// Without a width there is one line.
pub(in crate::sink) fn fold(text: &str, width: Option<usize>, indent: usize) -> Vec<String> {
    let Some(width) = width else {
        return vec![text.to_owned()];
    };
    let next = width.saturating_sub(indent);
    let mut lines = vec![String::new()];
    let mut parts = text.split(" · ").peekable();
    while let Some(part) = parts.next() {
        let mark = if parts.peek().is_some() { " ·" } else { "" };
        let part = format!("{part}{mark}");
        let is_first = lines.len() == 1 && lines[0].is_empty();
        if columns(&part) <= if is_first { width } else { next } {
            append(&mut lines, &part, width, next);
            continue;
        }
        for word in part.split(' ') {
            append(&mut lines, word, width, next);
        }
    }
    lines
}

/// Breaks `text` like [`fold`], with `first` before the first line and `next`, which is no
/// narrower, before the others; each line ends.
pub(in crate::sink) fn block(
    first: &str,
    next: &str,
    text: &str,
    width: Option<usize>,
    paint: impl Fn(&str) -> String,
) -> String {
    let inner = width.map(|width| width.saturating_sub(columns(first)));
    let indent = columns(next).saturating_sub(columns(first));
    let mut out = String::new();
    for (index, line) in fold(text, inner, indent).iter().enumerate() {
        let before = if index == 0 { first } else { next };
        out += &paint(&format!("{before}{line}"));
        out.push('\n');
    }
    out
}

/// Appends a line: `first`, and what `write` appends. On a terminal it is broken as by [`block`].
pub(super) fn push_block(
    out: &mut String,
    (first, next): (&str, &str),
    width: Option<usize>,
    paint: Paint,
    write: impl FnOnce(&mut String),
) {
    paint.begin(out);
    out.push_str(first);
    let start = out.len();
    write(out);
    if let Some(width) = width {
        let text = out.split_off(start);
        let indent = columns(next).saturating_sub(columns(first));
        let inner = width.saturating_sub(columns(first));
        let mut lines = fold(&text, Some(inner), indent).into_iter();
        out.extend(lines.next());
        for line in lines {
            paint.end(out);
            out.push('\n');
            paint.begin(out);
            out.push_str(next);
            out.push_str(&line);
        }
    }
    paint.end(out);
    out.push('\n');
}

/// How many columns a text takes, a column a character.
pub(in crate::sink) fn columns(text: &str) -> usize {
    // Names and numbers nearly always are, and that is seen many bytes at a time.
    if text.is_ascii() {
        return text.len();
    }
    text.chars().count()
}

/// Appends so many spaces.
pub(super) fn push_spaces(out: &mut String, number: usize) {
    let mut left = number;
    while left > 0 {
        let some = left.min(SPACES.len());
        out.push_str(&SPACES[..some]);
        left -= some;
    }
}

/// Inserts so many spaces.
pub(super) fn insert_spaces(out: &mut String, at: usize, number: usize) {
    let mut left = number;
    while left > 0 {
        let some = left.min(SPACES.len());
        out.insert_str(at, &SPACES[..some]);
        left -= some;
    }
}

/// Puts `part` on the last line if there is room, else on a new one.
fn append(lines: &mut Vec<String>, part: &str, first: usize, next: usize) {
    let width = if lines.len() == 1 { first } else { next };
    match lines.last_mut() {
        Some(line) if line.is_empty() => line.push_str(part),
        Some(line) if columns(line) + 1 + columns(part) <= width => {
            line.push(' ');
            line.push_str(part);
        }
        _ => lines.push(part.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "opened by us · we closed first · 1.50 s";

    #[test]
    fn parts_stay_whole_where_they_can() {
        assert_eq!(fold(TEXT, None, 0), [TEXT]);
        assert_eq!(fold(TEXT, Some(39), 0), [TEXT]);
        assert_eq!(
            fold(TEXT, Some(38), 0),
            ["opened by us · we closed first ·", "1.50 s"]
        );
        assert_eq!(
            fold(TEXT, Some(17), 0),
            ["opened by us ·", "we closed first ·", "1.50 s"]
        );
    }

    #[test]
    fn words_are_never_broken() {
        assert_eq!(
            fold(TEXT, Some(8), 0),
            ["opened", "by us ·", "we", "closed", "first ·", "1.50 s"]
        );
        assert_eq!(
            fold("[2001:db8::1]:80 is wide", Some(5), 0),
            ["[2001:db8::1]:80", "is", "wide"]
        );
    }

    #[test]
    fn lines_that_follow_are_set_in() {
        let text = block("!! ", "   ", TEXT, Some(35), str::to_owned);
        assert_eq!(text, "!! opened by us · we closed first ·\n   1.50 s\n");
    }
}
