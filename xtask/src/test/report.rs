//! How far the tests are, and how they went.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use super::outcome::{Counts, Outcome};

/// What has been done so far.
pub(crate) struct Report {
    start: Instant,
    steps: usize,
    failed: Vec<String>,
    counts: Counts,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            steps: 0,
            failed: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Does a step, and says that it begins, how it ended and how long it took.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> bool {
        println!("== {name}");
        let start = Instant::now();
        let done = work();
        let seconds = start.elapsed().as_secs_f32();
        self.steps += 1;
        match &done {
            Ok(()) => println!("== {name}: ok, {seconds:.1} s"),
            Err(error) => {
                println!("{error:#}\n== {name}: FAILED, {seconds:.1} s");
                self.failed.push(name.to_owned());
            }
        }
        done.is_ok()
    }

    /// The same for a step that counts tests.
    pub(crate) fn tests(&mut self, name: &str, work: impl FnOnce() -> Outcome) {
        let mut counts = Counts::default();
        self.step(name, || {
            let outcome = work();
            counts = outcome.counts;
            outcome.ended
        });
        self.counts += counts;
    }

    /// Prints the last line.
    pub(crate) fn summary(&self) -> ExitCode {
        println!("{}", self.last_line());
        if self.failed.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn last_line(&self) -> String {
        let Counts {
            passed,
            failed,
            ignored,
            skipped,
        } = self.counts;
        let verdict = if self.failed.is_empty() {
            format!("all {} steps ok", self.steps)
        } else {
            format!("FAILED: {}", self.failed.join(", "))
        };
        let seconds = self.start.elapsed().as_secs();
        format!(
            "{verdict} · {passed} tests passed, {failed} failed, {ignored} ignored, {skipped} \
             skipped · {seconds} s"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_names_every_failed_step() {
        let mut report = Report::new();
        report.step("fmt", || Ok(()));
        assert!(
            report
                .last_line()
                .starts_with("all 1 steps ok · 0 tests passed")
        );
        report.step("clippy", || anyhow::bail!("no"));
        report.tests("tests live", || Outcome {
            counts: Counts {
                passed: 3,
                failed: 1,
                ..Counts::default()
            },
            ended: Err(anyhow::anyhow!("1 failed")),
        });
        let line = report.last_line();
        assert!(
            line.starts_with("FAILED: clippy, tests live · 3 tests passed, 1 failed"),
            "{line}"
        );
    }
}
