//! Text from outside as it may be printed.

use std::ffi::OsStr;

/// Returns a text with whatever could move a cursor, break a line or turn its neighbours around
/// escaped as `\u{1b}`; what is not UTF-8 is replaced. Backslashes stay, so that a name can be copied.
pub fn printable(text: impl AsRef<OsStr>) -> String {
    let text = text.as_ref().to_string_lossy();
    let mut safe = String::with_capacity(text.len());
    push_printable(&mut safe, &text);
    safe
}

/// Appends a text as [`printable`](fn@printable) returns it.
pub fn push_printable(out: &mut String, text: &str) {
    for character in text.chars() {
        if is_printable(character) {
            out.push(character);
        } else {
            out.extend(character.escape_unicode());
        }
    }
}

/// Returns whether a character prints as itself, and changes nothing around it.
pub fn is_printable(character: char) -> bool {
    let invisible = matches!(
        character,
        '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    !character.is_control() && !invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_that_is_not_seen_there() {
        assert_eq!(printable("a\u{1b}[31mb\n"), r"a\u{1b}[31mb\u{a}");
        assert_eq!(printable("\u{9b}31m\u{7f}"), r"\u{9b}31m\u{7f}");
        assert_eq!(printable("\u{202e}abc"), r"\u{202e}abc");
        assert_eq!(printable(r"dev-a\x2db.slice"), r"dev-a\x2db.slice");
        assert_eq!(printable("grüße"), "grüße");
    }
}
