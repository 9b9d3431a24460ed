//! Values as lines of JSON, without characters that must not reach a terminal as they are.
//!
//! **Owns:** how values are encoded and escaped in JSON. Which characters are unsafe, and how text is escaped, is
//! `model::printable`'s matter.
//! **Never:** a field: those are the schemas'.
//!
//! `serde_json` would do, but a change is a line, a line has twenty fields, and it looks at every character of every
//! name of a field and writes each bracket by itself: that took longer than to find out what the line tells. Here a
//! field costs little more than its bytes. Tests hold it against `serde_json`.

mod encoder;
mod pieces;

use std::fmt;

use serde::{Serialize, Serializer};

use crate::model::printable::is_printable;
use encoder::Encoder;
pub(super) use pieces::Pieces;

/// Appends a value as one line of JSON in which every unsafe character is escaped as JSON escapes it: `\u009b`. A
/// program reads the very string; a terminal shows it harmlessly.
pub(super) fn push_json_line(out: &mut String, value: &impl Serialize) {
    let encoded = value.serialize(Encoder::new(out));
    debug_assert!(encoded.is_ok(), "a schema has only what can be encoded");
    out.push('\n');
}

/// Encodes a value as [`push_json_line`] does.
pub(super) fn json_line(value: &impl Serialize) -> Vec<u8> {
    let mut line = String::new();
    push_json_line(&mut line, value);
    line.into_bytes()
}

/// A value that is told as text, without a `String` in between.
pub(super) struct Shown<T>(pub(super) T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Appends text as it stands between the quotes of a string.
fn push_escaped(out: &mut String, text: &str) {
    // Without a way out in between: nearly always all of them are.
    if text
        .bytes()
        .fold(true, |all, byte| all & PLAIN[usize::from(byte)])
    {
        return out.push_str(text);
    }
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            safe if is_printable(safe) => out.push(safe),
            // All of them lie below U+10000: one unit is enough.
            unsafe_one => {
                out.push_str("\\u");
                for shift in [12, 8, 4, 0] {
                    let digit = u32::from(unsafe_one) >> shift & 0xf;
                    out.extend(char::from_digit(digit, 16));
                }
            }
        }
    }
}

/// Which bytes are a character that stands for itself, in JSON and on a terminal.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        plain[byte as usize] = byte != b'"' && byte != b'\\';
        byte += 1;
    }
    plain
};

#[cfg(test)]
mod tests;
