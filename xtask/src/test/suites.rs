//! The test programs: which there are, and running one.
//!
//! **Owns:** which of them run as root.
//! **Never:** builds as root, so that nothing under `target/` ends up as root's.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::outcome::{self, Outcome};
use crate::cmd;
use crate::place::Place;
use crate::root;

/// Integration tests that make network namespaces, trace, or give up what root has, as package and target.
const NEED_ROOT: &[(&str, &str)] = &[
    ("tests", "live"),
    ("tracer", "privilege"),
    ("tracer", "snapshot"),
];

/// What the tests are told; sudo would drop it.
const TOLD: &[&str] = &["TRACER_REQUIRE_LIVE", "RUST_BACKTRACE"];

/// A test program.
pub(crate) struct Suite {
    package: String,
    target: String,
    file: PathBuf,
    /// Where cargo would start it: its package's directory.
    directory: PathBuf,
}

/// Builds all of them.
pub(crate) fn build(place: &Place) -> Result<Vec<Suite>> {
    let messages = cmd::read(
        place
            .cargo()
            .args(["test", "--workspace", "--no-run"])
            .arg("--message-format=json-render-diagnostics")
            .stderr(Stdio::inherit()),
    )?;
    let mut suites = Vec::new();
    for line in messages.lines() {
        let message = serde_json::from_str(line).context("cargo test wrote no JSON")?;
        suites.extend(Suite::from_message(&message));
    }
    // The long ones last.
    suites.sort_by_key(|suite| (suite.needs_root(), suite.name()));
    if suites.is_empty() {
        bail!("cargo test built no test program");
    }
    Ok(suites)
}

impl Suite {
    /// What a message of cargo's says of a test program, if it is about one.
    fn from_message(message: &Value) -> Option<Self> {
        if message["profile"]["test"] != true {
            return None;
        }
        let directory = Path::new(message["manifest_path"].as_str()?).parent()?;
        let kind = message["target"]["kind"][0].as_str()?;
        let target = message["target"]["name"].as_str()?;
        Some(Self {
            // Every package of this workspace has its directory's name.
            package: directory.file_name()?.to_str()?.to_owned(),
            target: if kind == "test" { target } else { kind }.to_owned(),
            file: PathBuf::from(message["executable"].as_str()?),
            directory: directory.to_owned(),
        })
    }

    /// The package, and `lib`, `bin` or the name of an integration test.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.package, self.target)
    }

    /// The program.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    pub(crate) fn needs_root(&self) -> bool {
        NEED_ROOT.contains(&(self.package.as_str(), self.target.as_str()))
    }

    /// Runs those of its tests that the filter selects.
    pub(super) fn run(&self, place: &Place, filter: &[String]) -> Outcome {
        match self.command(place) {
            Ok(mut command) => {
                command.arg("--show-output").args(filter);
                outcome::of(&mut command, self.needs_root())
            }
            Err(error) => Outcome::not_started(error),
        }
    }

    /// The program as cargo would start it, through sudo if it needs that.
    fn command(&self, place: &Place) -> Result<Command> {
        let env_program = Path::new("env");
        let mut command = if self.needs_root() {
            root::command(env_program)?
        } else {
            Command::new(env_program)
        };
        for name in TOLD {
            if let Some(value) = env::var_os(name) {
                command.arg(pair(name, value));
            }
        }
        let path = env::join_paths(cmd::search_path()).context("PATH cannot be extended")?;
        let agent = env::var_os("TRACER_BIN").unwrap_or_else(|| place.agent().into());
        command
            .arg(pair("PATH", path))
            .arg(pair("TRACER_BIN", agent))
            .arg(pair("CARGO_MANIFEST_DIR", self.directory.clone()))
            .arg(&self.file)
            .current_dir(&self.directory);
        Ok(command)
    }
}

/// Runs the examples in the documentation; cargo builds each as it goes.
pub(super) fn documentation(place: &Place, filter: &[String]) -> Outcome {
    let mut cargo = place.cargo();
    cargo.args(["test", "--quiet", "--doc", "--workspace", "--"]);
    outcome::of(cargo.args(filter), false)
}

fn pair(name: &str, value: impl Into<OsString>) -> OsString {
    let mut pair = OsString::from(name);
    pair.push("=");
    pair.push(value.into());
    pair
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_program_is_found_in_a_message() {
        let message = serde_json::json!({
            "reason": "compiler-artifact",
            "manifest_path": "/w/tests/Cargo.toml",
            "target": { "kind": ["test"], "name": "live" },
            "profile": { "test": true },
            "executable": "/w/target/debug/deps/live-0123",
        });
        let suite = Suite::from_message(&message).expect("is one");
        assert_eq!(suite.name(), "tests live");
        assert_eq!(suite.directory, Path::new("/w/tests"));
        assert!(suite.needs_root());
    }

    #[test]
    fn what_is_not_a_test_program_is_passed_over() {
        let message = serde_json::json!({
            "manifest_path": "/w/tests/Cargo.toml",
            "target": { "kind": ["lib"], "name": "tests" },
            "profile": { "test": false },
            "executable": null,
        });
        assert!(Suite::from_message(&message).is_none());
        let finished = serde_json::json!({ "reason": "build-finished", "success": true });
        assert!(Suite::from_message(&finished).is_none());
    }
}
