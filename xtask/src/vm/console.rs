//! A machine's console: its lines as they come, with an end to the waiting.
//!
//! **Owns:** the child process; dropping a [`Console`] ends it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cmd;

/// A running machine.
pub(super) struct Console {
    child: Child,
    lines: Receiver<String>,
}

/// What came of waiting for a line.
pub(super) enum Next {
    Line(String),
    /// The machine is off.
    Off,
    Silence,
}

impl Console {
    /// Starts QEMU, told to write the machine's console to its standard output.
    pub(super) fn start(qemu: &mut Command) -> Result<Self> {
        let mut child = qemu
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", cmd::show(qemu)))?;
        let output = child.stdout.take().context("QEMU has no output")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if sender.send(plain(&line)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// Waits for the next line.
    pub(super) fn next(&self, patience: Duration) -> Next {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Next::Line(line),
            Err(RecvTimeoutError::Disconnected) => Next::Off,
            Err(RecvTimeoutError::Timeout) => Next::Silence,
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // Both fail only for a process that has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What can be shown of a line: no carriage returns, and none of the firmware's play with the cursor.
fn plain(line: &[u8]) -> String {
    String::from_utf8_lossy(line)
        .chars()
        .filter(|character| !character.is_control() || *character == '\t')
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_and_then_the_end() {
        let mut shell = Command::new("sh");
        shell.args(["-c", r"printf 'one\r\n\033two\n'"]);
        let console = Console::start(&mut shell).expect("start a shell");
        let mut lines = Vec::new();
        while let Next::Line(line) = console.next(Duration::from_secs(20)) {
            lines.push(line);
        }
        assert_eq!(lines, ["one", "two"]);
        assert!(matches!(console.next(Duration::from_secs(20)), Next::Off));
    }
}
