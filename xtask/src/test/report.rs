//! How far the tests are, and how they went.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::outcome::{Counts, Names, Outcome};

/// What has been done so far.
pub(crate) struct Report {
    start: Instant,
    steps: usize,
    failed: Vec<String>,
    counts: Counts,
    /// Steps with tests that did not simply pass.
    names: Vec<(String, Names)>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            steps: 0,
            failed: Vec::new(),
            counts: Counts::default(),
            names: Vec::new(),
        }
    }

    /// Does a step, and says that it begins, how it ended and how long it took.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> bool {
        println!("== {name}");
        let start = Instant::now();
        let done = work();
        self.ended(name, &done, start.elapsed());
        done.is_ok()
    }

    fn ended(&mut self, name: &str, done: &Result<()>, took: Duration) {
        let seconds = took.as_secs_f32();
        self.steps += 1;
        match done {
            Ok(()) => println!("== {name}: ok, {seconds:.1} s"),
            Err(error) => {
                println!("{error:#}\n== {name}: FAILED, {seconds:.1} s");
                self.failed.push(name.to_owned());
            }
        }
    }

    /// The same for a step that counts tests.
    pub(crate) fn tests(&mut self, name: &str, work: impl FnOnce() -> Outcome) {
        let mut counts = Counts::default();
        let mut names = Names::default();
        self.step(name, || {
            let outcome = work();
            counts = outcome.counts;
            names = outcome.names;
            outcome.ended
        });
        self.counts += counts;
        self.names.push((name.to_owned(), names));
    }

    /// The same for steps that run at the same time; their ends are told together, in their order.
    pub(crate) fn tests_at_once<W: FnOnce() -> Outcome + Send>(&mut self, steps: Vec<(String, W)>) {
        for (name, _) in &steps {
            println!("== {name}");
        }
        let timed = |work: W| {
            let start = Instant::now();
            (work(), start.elapsed())
        };
        let ended: Vec<_> = thread::scope(|scope| {
            let begun: Vec<_> = steps
                .into_iter()
                .map(|(name, work)| (name, scope.spawn(move || timed(work))))
                .collect();
            begun
                .into_iter()
                .map(|(name, step)| (name, step.join().expect("a step does not panic")))
                .collect()
        });
        for (name, (outcome, took)) in ended {
            self.counts += outcome.counts;
            self.ended(&name, &outcome.ended, took);
            self.names.push((name, outcome.names));
        }
    }

    /// Prints the tests that did not simply pass, by name, and the last line.
    pub(crate) fn summary(&self) -> ExitCode {
        for line in self.named() {
            println!("{line}");
        }
        println!("{}", self.last_line());
        if self.failed.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// A line for each such test; they stand at the end, where nobody has to look for them.
    fn named(&self) -> Vec<String> {
        let lines = |(step, names): &(String, Names)| {
            let line = |how: &str, test: &String| format!("{step}: {test} {how}");
            let failed = names.failed.iter().map(|test| line("FAILED", test));
            let again = names.passed_again.iter();
            let again = again.map(|test| line("failed, and passed when it ran again", test));
            failed.chain(again).collect::<Vec<_>>()
        };
        self.names.iter().flat_map(lines).collect()
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
    use std::sync::Barrier;

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
            names: Names {
                failed: ["b".to_owned()].into(),
                passed_again: ["a".to_owned()].into(),
            },
            ended: Err(anyhow::anyhow!("1 failed")),
        });
        let line = report.last_line();
        assert!(
            line.starts_with("FAILED: clippy, tests live · 3 tests passed, 1 failed"),
            "{line}"
        );
        assert_eq!(
            report.named(),
            [
                "tests live: b FAILED",
                "tests live: a failed, and passed when it ran again",
            ]
        );
    }

    #[test]
    fn steps_at_once_wait_for_each_other_and_are_all_counted() {
        let meet = Barrier::new(2);
        let step = |passed, ended: Result<()>| {
            let meet = &meet;
            move || {
                meet.wait();
                let counts = Counts {
                    passed,
                    ..Counts::default()
                };
                let names = Names::default();
                Outcome {
                    counts,
                    names,
                    ended,
                }
            }
        };
        let mut report = Report::new();
        report.tests_at_once(vec![
            ("linux 6.1".to_owned(), step(1, Ok(()))),
            ("linux 6.12".to_owned(), step(2, Err(anyhow::anyhow!("no")))),
        ]);
        let line = report.last_line();
        assert!(
            line.starts_with("FAILED: linux 6.12 · 3 tests passed"),
            "{line}"
        );
    }
}
