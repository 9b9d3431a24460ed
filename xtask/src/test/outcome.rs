//! What a test program says of itself: counted while it is shown.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::ops::AddAssign;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::cmd;

/// How a test that does not run begins to say why.
const SKIPPED: &[&str] = &["skipped: ", "not run: "];

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    /// Without those that passed when they ran again.
    pub(crate) failed: usize,
    pub(crate) ignored: usize,
    /// Among the passed ones: those that said that they cannot run here.
    pub(crate) skipped: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.skipped += other.skipped;
    }
}

/// The tests that did not simply pass, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) failed: BTreeSet<String>,
    /// Failed at first, and passed when they ran again.
    pub(crate) passed_again: BTreeSet<String>,
}

/// What came of a test program: the counts, the names to tell, and whether it ended well.
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) names: Names,
    pub(crate) ended: Result<()>,
}

impl Outcome {
    pub(crate) fn not_started(error: anyhow::Error) -> Self {
        Self {
            counts: Counts::default(),
            names: Names::default(),
            ended: Err(error),
        }
    }
}

/// Runs a program of Rust's test harness, told `--show-output`, and shows what matters: failures,
/// why a test did not run, the result; where `each` is set, every test as it ends.
pub(super) fn of(command: &mut Command, each: bool) -> Outcome {
    let mut reader = Reader::new(each);
    let ended = run(command, &mut reader);
    reader.outcome(ended)
}

fn run(command: &mut Command, reader: &mut Reader) -> Result<()> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", cmd::show(command)))?;
    let stdout = child.stdout.take().context("the child has no output")?;
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.context("cannot read what a test program writes")?;
        let line = String::from_utf8_lossy(&line);
        if reader.shows(&line) {
            println!("{line}");
        }
    }
    let status = child.wait().context("cannot wait for a test program")?;
    if reader.results == 0 {
        bail!("no result; it ended with {status}");
    }
    if !status.success() {
        bail!("{} failed ({status})", reader.counts.failed);
    }
    Ok(())
}

/// Reads a test program's output line by line.
pub(crate) struct Reader {
    each: bool,
    /// Within what passed tests printed.
    in_successes: bool,
    counts: Counts,
    names: Names,
    /// How many `test result` lines there were.
    results: usize,
}

impl Reader {
    pub(crate) fn new(each: bool) -> Self {
        Self {
            each,
            in_successes: false,
            counts: Counts::default(),
            names: Names::default(),
            results: 0,
        }
    }

    /// What was read, and how it ended.
    pub(crate) fn outcome(self, ended: Result<()>) -> Outcome {
        Outcome {
            counts: self.counts,
            names: self.names,
            ended,
        }
    }

    /// Takes a line in, and says whether a person wants to see it.
    pub(crate) fn shows(&mut self, line: &str) -> bool {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.in_successes = false;
            self.results += 1;
            self.counts += count(result);
            return true;
        }
        if SKIPPED.iter().any(|prefix| line.starts_with(prefix)) {
            self.counts.skipped += usize::from(self.in_successes);
            return true;
        }
        match line {
            "successes:" => self.in_successes = true,
            "failures:" => self.in_successes = false,
            _ => {}
        }
        if line.is_empty() || line.starts_with("running ") || self.in_successes {
            return false;
        }
        let passed = self.ended(line).unwrap_or(false);
        self.each || !passed
    }

    /// Takes in that a test ended, if that is what the line says; returns whether it passed.
    fn ended(&mut self, line: &str) -> Option<bool> {
        // Examples in the documentation are told in few words.
        let terse = || Some((line.strip_suffix(" --- FAILED")?, "FAILED"));
        let told = line
            .strip_prefix("test ")
            .and_then(|told| told.split_once(" ... "));
        let (name, how) = told.or_else(terse)?;
        let passed = how.starts_with("ok");
        if !passed && how != "FAILED" {
            return None;
        }
        if !passed {
            if !self.names.failed.insert(name.to_owned()) {
                // It ran again, and counts once.
                self.counts.failed = self.counts.failed.saturating_sub(1);
            }
        } else if let Some(again) = self.names.failed.take(name) {
            self.counts.failed = self.counts.failed.saturating_sub(1);
            self.names.passed_again.insert(again);
        }
        Some(passed)
    }
}

/// Reads `ok. 5 passed; 0 failed; 1 ignored; …`.
fn count(result: &str) -> Counts {
    let number = |what: &str| {
        result
            .split(['.', ';'])
            .filter_map(|part| part.trim().strip_suffix(what))
            .find_map(|number| number.trim().parse().ok())
            .unwrap_or(0)
    };
    Counts {
        passed: number("passed"),
        failed: number("failed"),
        ignored: number("ignored"),
        skipped: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 3 tests
test a ... ok
test b ... FAILED
test c ... ok

successes:

---- a stdout ----
talk
skipped: no BTF

failures:

---- b stdout ----
thread 'b' panicked at b.rs:1:1

test result: FAILED. 2 passed; 1 failed; 4 ignored; 0 measured; 0 filtered out; finished in 0.01s
";

    fn shown(each: bool) -> (Vec<&'static str>, Reader) {
        let mut reader = Reader::new(each);
        let shown = OUTPUT.lines().filter(|line| reader.shows(line)).collect();
        (shown, reader)
    }

    #[test]
    fn counts_what_the_harness_says_and_the_skips() {
        let expected = Counts {
            passed: 2,
            failed: 1,
            ignored: 4,
            skipped: 1,
        };
        assert_eq!(shown(true).1.counts, expected);
    }

    #[test]
    fn what_failed_is_named_until_it_passes() {
        let (_, mut reader) = shown(true);
        assert_eq!(reader.names.failed, ["b".to_owned()].into());
        for line in [
            "test b ... ok",
            "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out",
        ] {
            reader.shows(line);
        }
        assert_eq!(reader.names.failed, BTreeSet::new());
        assert_eq!(reader.names.passed_again, ["b".to_owned()].into());
        assert_eq!((reader.counts.passed, reader.counts.failed), (3, 0));
    }

    #[test]
    fn what_fails_again_counts_once_and_an_example_has_its_name() {
        let (_, mut reader) = shown(true);
        for line in [
            "test b ... FAILED",
            "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out",
            "src/lib.rs - one (line 3) --- FAILED",
        ] {
            reader.shows(line);
        }
        assert_eq!(reader.counts.failed, 1);
        let names = ["b".to_owned(), "src/lib.rs - one (line 3)".to_owned()];
        assert_eq!(reader.names.failed, names.into());
    }

    #[test]
    fn shows_failures_and_skips_but_no_talk_of_passed_tests() {
        let (shown, _) = shown(false);
        assert!(shown.contains(&"test b ... FAILED"));
        assert!(shown.contains(&"skipped: no BTF"));
        assert!(shown.contains(&"thread 'b' panicked at b.rs:1:1"));
        assert!(!shown.contains(&"test a ... ok"));
        assert!(!shown.contains(&"talk"));
    }

    #[test]
    fn shows_each_test_of_a_long_suite() {
        assert!(shown(true).0.contains(&"test a ... ok"));
    }
}
