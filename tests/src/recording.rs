//! The agent as it records, and its evidence as other verbs of the agent tell it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::host::Pair;
use crate::schema::Line;
use crate::tracer::{Hook, command};
use crate::{PATIENCE, ask_until};

/// A running `tracer record`. Dropped before it was stopped, it is killed.
#[derive(Debug)]
pub struct Recording {
    child: Child,
    file: PathBuf,
    incoming: Receiver<String>,
    said: Vec<String>,
}

impl Recording {
    /// Records what happens between two hosts, and returns when everything is seen: the file is made when
    /// the hooks are attached.
    ///
    /// # Panics
    ///
    /// Panics with what the agent said when it does not come to that.
    pub fn start(pair: &Pair, file: &Path, more: &[&str]) -> Self {
        Self::begin(record(pair, file, more), file)
    }

    /// The same, by a command that [`record`] made.
    ///
    /// # Panics
    ///
    /// As [`Self::start`].
    pub fn begin(mut command: Command, file: &Path) -> Self {
        let mut child = command.spawn().expect("start the agent");
        let stderr = child.stderr.take().expect("a piped error output");
        let (lines, incoming) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        let mut recording = Self {
            child,
            file: file.to_owned(),
            incoming,
            said: Vec::new(),
        };
        let began = ask_until(|| {
            let ended = recording.child.try_wait().expect("ask for the agent's end");
            let is_there = fs::metadata(file).is_ok_and(|about| about.len() > 0);
            (is_there || ended.is_some()).then_some(ended.is_none())
        });
        if began != Some(true) {
            let said = recording.end().1;
            panic!("the agent did not begin to record: {said:?}");
        }
        recording
    }

    /// Returns its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Returns the file that it began with.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Returns whether it has said something by now.
    pub fn has_said(&mut self, text: &str) -> bool {
        self.said.extend(self.incoming.try_iter());
        self.said.iter().any(|line| line.contains(text))
    }

    /// Waits until it says something.
    ///
    /// # Panics
    ///
    /// Panics with what it said when it does not.
    pub fn wait_said(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.has_said(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.incoming.recv_timeout(left) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("it did not say `{text}`, but {:#?}", self.said)
                }
            }
        }
    }

    /// Ends it as Ctrl-C does; returns its exit code and what it said.
    ///
    /// # Panics
    ///
    /// Panics when it is gone already.
    pub fn stop(mut self) -> (Option<i32>, Vec<String>) {
        kill_process(self.pid(), Signal::INT).expect("send the agent a signal");
        self.end()
    }

    /// Waits for its own end; returns its exit code and what it said.
    pub fn wait(mut self) -> (Option<i32>, Vec<String>) {
        self.end()
    }

    /// Ends it as nothing can be prepared for.
    ///
    /// # Panics
    ///
    /// Panics when it is gone already.
    pub fn kill(mut self) {
        kill_process(self.pid(), Signal::KILL).expect("send the agent a signal");
        self.child.wait().expect("wait for the agent's end");
    }

    fn end(&mut self) -> (Option<i32>, Vec<String>) {
        let status = ask_until(|| self.child.try_wait().expect("ask for the agent's end"));
        // Until the output ends.
        self.said.extend(self.incoming.iter());
        let code = status.and_then(|status| status.code());
        (code, std::mem::take(&mut self.said))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // Both fail only for a process that has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a command that records what happens between two hosts, TIME_WAIT left out.
pub fn record(pair: &Pair, file: &Path, more: &[&str]) -> Command {
    let mut command = command();
    command
        .arg("record")
        .arg(file)
        .args(Hook::Btf.only(pair))
        .args(["--hook", "btf", "--time-wait", "off"])
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// What `tracer verify --json` says of a file.
#[derive(Clone, Debug, Deserialize)]
pub struct Verdict {
    /// Whether it is whole, unaltered and sealed.
    pub whole: bool,
    /// Why its seal says that it ended; `None` without a seal.
    pub sealed: Option<String>,
    /// What is wrong, for a person.
    pub problems: Vec<String>,
    /// Where it is damaged.
    pub damaged: Vec<serde_json::Value>,
    /// Records in it.
    pub records: u64,
    /// Records that it says are missing.
    pub lost: u64,
}

/// Returns what `tracer verify` says of files, each in its turn.
///
/// # Panics
///
/// Panics where it says nothing that can be read, or its exit code does not agree.
pub fn verify(files: &[PathBuf]) -> Vec<Verdict> {
    let ended = run(command().args(["verify", "--json"]).args(files));
    let text = String::from_utf8_lossy(&ended.stdout);
    let verdicts: Vec<Verdict> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(verdicts.len(), files.len(), "{text}{said}");
    let is_whole = verdicts.iter().all(|verdict| verdict.whole);
    assert_eq!(
        ended.status.code(),
        Some(i32::from(!is_whole)),
        "{text}{said}"
    );
    verdicts
}

/// Returns the lines of files as `tracer show --json` tells them, and its exit code.
///
/// # Panics
///
/// Panics where a line is not the contract's.
pub fn show(files: &[PathBuf]) -> (Vec<Line>, Option<i32>) {
    let ended = run(command().args(["show", "--json"]).args(files));
    let text = String::from_utf8_lossy(&ended.stdout);
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    (lines, ended.status.code())
}

fn run(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .expect("run the agent")
}
