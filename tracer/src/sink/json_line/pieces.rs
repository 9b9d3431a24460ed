//! A line put together piece by piece: for the lines of which there are most.
//!
//! What stands before a value is written by the caller as it stands in the line, brackets, name and colon included; so it
//! is a move or two where the compiler knows how long it is.
//!
//! **Never:** a check that what is put together is JSON: tests hold each line against its schema.

use serde::Serialize;

use super::encoder::Encoder;
use super::push_escaped;

/// Appends pieces of a line.
pub(in crate::sink) struct Pieces<'a> {
    pub(in crate::sink) out: &'a mut String,
}

impl Pieces<'_> {
    #[inline(always)]
    pub(in crate::sink) fn plain(&mut self, piece: &str) {
        self.out.push_str(piece);
    }

    #[inline(always)]
    pub(in crate::sink) fn number(&mut self, before: &str, number: impl itoa::Integer) {
        self.out.push_str(before);
        self.out.push_str(itoa::Buffer::new().format(number));
    }

    #[inline(always)]
    pub(in crate::sink) fn number_or_null(
        &mut self,
        before: &str,
        number: Option<impl itoa::Integer>,
    ) {
        match number {
            Some(number) => self.number(before, number),
            None => self.null(before),
        }
    }

    /// Nothing where there is no number.
    #[inline(always)]
    pub(in crate::sink) fn number_if_any(
        &mut self,
        before: &str,
        number: Option<impl itoa::Integer>,
    ) {
        if let Some(number) = number {
            self.number(before, number);
        }
    }

    /// One of our own words, in which there is nothing to escape.
    #[inline(always)]
    pub(in crate::sink) fn word(&mut self, before: &str, word: &'static str) {
        self.out.push_str(before);
        self.out.push('"');
        self.out.push_str(word);
        self.out.push('"');
    }

    #[inline(always)]
    pub(in crate::sink) fn word_or_null(&mut self, before: &str, word: Option<&'static str>) {
        match word {
            Some(word) => self.word(before, word),
            None => self.null(before),
        }
    }

    /// Nothing where there is no word.
    #[inline(always)]
    pub(in crate::sink) fn word_if_any(&mut self, before: &str, word: Option<&'static str>) {
        if let Some(word) = word {
            self.word(before, word);
        }
    }

    /// Text from outside.
    #[inline(always)]
    pub(in crate::sink) fn text(&mut self, before: &str, text: &str) {
        self.out.push_str(before);
        self.out.push('"');
        push_escaped(self.out, text);
        self.out.push('"');
    }

    /// Whatever else a schema has.
    pub(in crate::sink) fn value(&mut self, before: &str, value: &impl Serialize) {
        self.out.push_str(before);
        let encoded = value.serialize(Encoder::new(self.out));
        debug_assert!(encoded.is_ok(), "a schema has only what can be encoded");
    }

    #[inline(always)]
    pub(in crate::sink) fn null(&mut self, before: &str) {
        self.out.push_str(before);
        self.out.push_str("null");
    }
}
