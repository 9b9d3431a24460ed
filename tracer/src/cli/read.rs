//! Reading the command line.
//!
//! **Owns:** what clap's own errors lack: a next step, and words that are safe to print.

use std::ffi::OsString;

use clap::Parser as _;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use super::args::Args;
use crate::model::printable;

/// Reads what was typed. Ends the process for help and the version, and on wrong usage, with exit
/// code 2.
pub fn read() -> Args {
    parse(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Args, Error> {
    Args::try_parse_from(words).map_err(|mut error| {
        escape(&mut error);
        show_order(&mut error);
        error
    })
}

/// Escapes the words that an error repeats.
fn escape(error: &mut Error) {
    let escaped: Vec<(ContextKind, String)> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(word) => Some((kind, word, printable(word))),
            _ => None,
        })
        .filter(|(_, word, safe)| *word != safe)
        .map(|(kind, _, safe)| (kind, safe))
        .collect();
    for (kind, safe) in escaped {
        error.insert(kind, ContextValue::String(safe));
        // It would repeat the word as it was.
        error.remove(ContextKind::Suggested);
    }
}

/// Tells where options go, where they stand before a command: `tracer --json live`.
fn show_order(error: &mut Error) {
    if error.kind() != ErrorKind::ArgumentConflict {
        return;
    }
    let Some(ContextValue::String(verb)) = error.get(ContextKind::InvalidSubcommand) else {
        return;
    };
    let tip = StyledStr::from(format!(
        "options go after the command: `tracer {verb} [OPTIONS]`"
    ));
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(words: &[&str]) -> String {
        let words = ["tracer"].iter().chain(words).map(OsString::from);
        parse(words).expect_err("it is wrong").to_string()
    }

    #[test]
    fn options_before_a_command_are_told_where_to_go() {
        for verb in ["live", "time-wait", "doctor", "states"] {
            let said = refused(&["--json", verb]);
            assert!(
                said.contains(&format!("`tracer {verb} [OPTIONS]`")),
                "{said}"
            );
        }
        // A conflict of two options has nothing to do with order.
        assert!(!refused(&["--json", "--csv"]).contains("go after"));
    }

    #[test]
    fn a_word_never_reaches_the_terminal_raw() {
        for words in [
            ["--state", "a\u{1b}[31mb"],
            ["--comm", "a\u{1b}[31mb and much more"],
            ["--addr", "a\u{1b}[31mb"],
            ["--port", "a\u{1b}[31mb"],
            ["--names", "a\u{1b}[31mb"],
            ["--raw", "--a\u{1b}[31mb"],
            ["--raw", "a\u{1b}[31mb"],
        ] {
            let said = refused(&words);
            assert!(!said.contains('\u{1b}'), "{said:?}");
            assert!(said.contains(r"a\u{1b}[31mb"), "{said}");
        }
    }
}
