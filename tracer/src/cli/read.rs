//! Reading the command line.
//!
//! **Owns:** what clap's own errors lack: a next step, and words that are safe to print.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{CommandFactory as _, Parser as _};

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

/// Tells where options go, where they stand before a command: `tracer --json live`; and what stands before a program
/// that is to be run.
fn show_order(error: &mut Error) {
    let misplaced = match error.kind() {
        ErrorKind::ArgumentConflict => error.get(ContextKind::InvalidSubcommand),
        ErrorKind::UnknownArgument => error.get(ContextKind::InvalidArg),
        _ => None,
    };
    let Some(ContextValue::String(word)) = misplaced else {
        return;
    };
    let usage = error.get(ContextKind::Usage).map(ToString::to_string);
    let runs_programs = usage.is_some_and(|usage| usage.contains("<PROGRAM>"));
    let commands = Args::command();
    let tip = if commands.find_subcommand(word).is_some() {
        format!("options go after the command: `tracer {word} [OPTIONS]`")
    } else if runs_programs && !word.starts_with('-') {
        format!("a program that is to be run stands behind two dashes: `tracer live -- {word}`")
    } else {
        return;
    };
    let tip = ContextValue::StyledStrs(vec![StyledStr::from(tip)]);
    error.insert(ContextKind::Suggested, tip);
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
    fn a_program_is_told_where_to_stand() {
        for words in [&["curl", "http://a"][..], &["live", "curl"]] {
            let said = refused(words);
            assert!(said.contains("`tracer live -- curl`"), "{said}");
        }
        for words in [&["live", "--nothing"][..], &["states", "CLOSE", "curl"]] {
            assert!(!refused(words).contains("two dashes"), "{words:?}");
        }
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
