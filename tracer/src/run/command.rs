//! The program that a trace runs and follows.
//!
//! **Owns:** that it is there before privileges are given up, runs only when everything is seen, and what is
//! said of its end.
//! **Never:** its rights: it has those of whoever typed it, which `waiting` sees to.
//!
//! The agent starts itself anew, as `waiting`, over a socket. That one becomes the user and waits; when it is told
//! to, it becomes the program. So the program is no child of a process that is closed in, nothing of the
//! agent's is open to it, and where the agent ends early it never runs.

mod error;
mod gate;
mod lookup;
pub(super) mod waiting;

use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};

use signal_hook::consts::SIGINT;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::Failure;
use crate::model::printable;

pub(super) use error::CommandError;
use gate::Gate;

/// The file that the agent runs from, which is there even where its name is not any more.
const ITSELF: &str = "/proc/self/exe";

/// A program that waits to be begun, or runs.
pub(super) struct Running {
    /// What it is called, safe to print.
    name: String,
    child: Child,
    gate: Gate,
    /// Comes whenever a child ends: hearing of it, and asking how, take no privilege.
    child_ends: Signal,
}

impl Running {
    /// Starts what will become the program; to be called before privileges are given up. Words that name no program are
    /// refused.
    pub(super) fn prepare(words: &[OsString]) -> Result<Option<Self>, Failure> {
        let Some(name) = words.first() else {
            return Ok(None);
        };
        let failed = |cause: io::Error| Failure::System {
            what: "start a process for the command",
            cause,
        };
        let program = lookup::find(name)?;
        // Before there is one.
        let child_ends = signal(SignalKind::child()).map_err(failed)?;
        let (gate, other_side) = Gate::new().map_err(failed)?;
        let child = Command::new(ITSELF)
            .arg0("tracer")
            .arg("run-when-told")
            .arg(program)
            .arg("--")
            .args(words)
            .stdin(Stdio::from(other_side))
            .spawn()
            .map_err(failed)?;
        Ok(Some(Self {
            name: printable(name),
            child,
            gate,
            child_ends,
        }))
    }

    /// Returns its process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns what it is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Lets it run. Where it cannot, it ends, and why is known then.
    pub(super) fn begin(&mut self) -> Result<(), Failure> {
        self.gate.open().map_err(|cause| Failure::System {
            what: "begin the command",
            cause,
        })
    }

    /// Waits until it has ended, or cannot be asked after any more.
    pub(super) async fn ended(&mut self) {
        while let Ok(None) = self.child.try_wait() {
            self.child_ends.recv().await;
        }
    }

    /// Returns whether an interrupt ended it.
    pub(super) fn was_interrupted(&mut self) -> bool {
        let ended = self.child.try_wait();
        ended.is_ok_and(|status| status.is_some_and(|status| status.signal() == Some(SIGINT)))
    }

    /// Says what has become of it, if anything is to be said; to one who interrupted it, not that.
    pub(super) fn fate(&mut self, was_interrupted: bool) -> Result<Option<String>, Failure> {
        if let Some(refusal) = self.gate.refusal() {
            return Err(CommandError::of_refusal(self.name.clone(), refusal).into());
        }
        let status = self.child.try_wait().map_err(|cause| Failure::System {
            what: "learn how the command ended",
            cause,
        })?;
        Ok(told(&self.name, status, was_interrupted))
    }
}

fn told(name: &str, status: Option<ExitStatus>, was_interrupted: bool) -> Option<String> {
    let Some(status) = status else {
        return Some(format!("{name} runs on, and is traced no more"));
    };
    if let Some(number) = status.signal() {
        let named = signal_hook::low_level::signal_name(number);
        let signal = named.map_or_else(|| format!("signal {number}"), str::to_owned);
        let is_expected = was_interrupted && number == SIGINT;
        return (!is_expected).then(|| format!("{name} was ended by {signal}"));
    }
    let code = status.code().filter(|&code| code != 0)?;
    Some(format!("{name} exited with {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_unless_it_was_as_expected() {
        let raw = |raw: i32| told("curl", Some(ExitStatus::from_raw(raw)), false);
        assert_eq!(raw(0), None);
        assert_eq!(raw(7 << 8).as_deref(), Some("curl exited with 7"));
        assert_eq!(raw(9).as_deref(), Some("curl was ended by SIGKILL"));
        assert_eq!(raw(40).as_deref(), Some("curl was ended by signal 40"));
        assert_eq!(raw(2).as_deref(), Some("curl was ended by SIGINT"));
        let interrupted = |raw: i32| told("curl", Some(ExitStatus::from_raw(raw)), true);
        assert_eq!(interrupted(2), None);
        assert_eq!(
            interrupted(130 << 8).as_deref(),
            Some("curl exited with 130")
        );
        let on = told("curl", None, true).expect("it is told");
        assert!(on.starts_with("curl runs on"), "{on}");
    }
}
