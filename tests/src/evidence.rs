//! Evidence of whatever a test traces: told again, it must tell the same.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::trace::Trace;
use crate::tracer::command;

/// Options of `live` that `show` takes too; the others are in the evidence.
const ALONE: [&str; 4] = ["--raw", "-v", "--verbose", "--csv"];
const WITH_VALUE: [&str; 4] = ["--names", "--only", "--threshold", "--fail-on"];

/// A file that the agent records into.
#[derive(Debug)]
pub(crate) struct Evidence {
    directory: TempDir,
    /// How it is to be shown.
    options: Vec<String>,
}

impl Evidence {
    /// Makes room for that of a trace with these arguments.
    pub(crate) fn of(args: &[&str]) -> Self {
        let mut options = Vec::new();
        let mut args = args.iter();
        while let Some(&arg) = args.next() {
            if ALONE.contains(&arg) {
                options.push(arg.to_owned());
            } else if WITH_VALUE.contains(&arg) {
                options.push(arg.to_owned());
                options.extend(args.next().map(|&value| value.to_owned()));
            }
        }
        Self {
            directory: tempfile::tempdir().expect("make a directory"),
            options,
        }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("evidence")
    }

    /// Lets the agent record.
    pub(crate) fn record(&self, command: &mut Command) {
        command.arg("--record").arg(self.file()).arg("--quiet");
    }

    /// Shows what was recorded, and compares.
    ///
    /// # Panics
    ///
    /// Panics where it is not what was traced, to the byte.
    pub(crate) fn demand_the_same(&self, trace: &Trace) {
        let shown = command()
            .args(["show", "--json"])
            .args(&self.options)
            .arg(self.file())
            .output()
            .expect("show the evidence");
        let mut expected = String::new();
        for (text, _) in &trace.lines {
            writeln!(expected, "{text}").expect("a string takes all");
        }
        let told = String::from_utf8_lossy(&shown.stdout);
        if told != expected.as_str() {
            let first = told.lines().zip(expected.lines()).find(|(a, b)| a != b);
            panic!(
                "the evidence tells something else: {first:#?}\n{} lines, not {}; it said: {}",
                told.lines().count(),
                expected.lines().count(),
                String::from_utf8_lossy(&shown.stderr),
            );
        }
        assert_eq!(shown.status.code(), trace.code, "exit code of `show`");
    }
}
