//! Lines of JSON without characters that must not reach a terminal as they are.
//!
//! **Owns:** how they are escaped in JSON; which they are, and how text is escaped, is
//! `model::printable`'s matter.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

use crate::model::printable::is_printable;

/// Encodes a value as one line of JSON in which every unsafe character is escaped as JSON escapes
/// it: `\u009b`. A program reads the very string; a terminal shows it harmlessly.
///
/// Integers, strings, lists and maps of them cannot fail to encode, and memory takes every byte.
pub(super) fn json_line(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    let encoded = value.serialize(&mut serde_json::Serializer::with_formatter(
        &mut bytes, Safe,
    ));
    debug_assert!(encoded.is_ok(), "integers and strings are always JSON");
    bytes.push(b'\n');
    bytes
}

struct Safe;

impl Formatter for Safe {
    /// The fragments lie between what JSON itself escapes: `"`, `\` and the controls below space.
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut rest = fragment;
        while let Some(at) = rest.find(|character| !is_printable(character)) {
            CompactFormatter.write_string_fragment(writer, &rest[..at])?;
            let mut after = rest[at..].chars();
            if let Some(character) = after.next() {
                // All of them lie below U+10000: one unit is enough.
                write!(writer, "\\u{:04x}", u32::from(character))?;
            }
            rest = after.as_str();
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "a\u{1b}[2J\"\\\n\u{7f}\u{9b}\u{202e}é→\u{feff}";

    #[test]
    fn json_reads_back_what_it_escapes() {
        let line = String::from_utf8(json_line(&NAME)).expect("JSON is UTF-8");
        let shown = line.trim_end_matches('\n');
        assert!(shown.chars().all(is_printable), "{shown}");
        assert_eq!(shown, r#""a\u001b[2J\"\\\n\u007f\u009b\u202eé→\ufeff""#);
        let read: String = serde_json::from_str(shown).expect("it is JSON");
        assert_eq!(read, NAME);
    }
}
