//! The load from the outside: starting the generator in a network namespace, and telling it what to do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::generator::Took;

/// A running generator.
pub(super) struct Load {
    child: Child,
    /// `None` once it was told to end.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Load {
    /// Starts it in a network namespace that lives as long as it does.
    pub(super) fn start(workers: u32) -> Result<Self> {
        let this = std::env::current_exe().context("cannot tell which file this program is")?;
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c"])
            .arg("ip link set lo up && exec \"$0\" \"$@\"")
            .arg(this)
            .args(["bench-load", "--workers", &workers.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the load in a network namespace with unshare")?;
        let commands = child.stdin.take();
        let answers = child.stdout.take().context("the load has no output")?;
        Ok(Self {
            child,
            commands,
            answers: BufReader::new(answers),
        })
    }

    /// Opens and closes connections.
    pub(super) fn open(&mut self, connections: u32) -> Result<Took> {
        let commands = self.commands.as_mut().context("the load has ended")?;
        writeln!(commands, "open {connections}").context("cannot command the load")?;
        let mut answer = String::new();
        self.answers
            .read_line(&mut answer)
            .context("cannot read the load's answer")?;
        took(&answer).context("the load ended early; what it said is above this line")
    }
}

fn took(answer: &str) -> Option<Took> {
    let (time, cpu) = answer.trim().split_once(' ')?;
    Some(Took {
        time: Duration::from_nanos(time.parse().ok()?),
        cpu: Duration::from_nanos(cpu.parse().ok()?),
    })
}

impl Drop for Load {
    fn drop(&mut self) {
        self.commands = None;
        // Its input has ended, so it ends; how is of no interest any more.
        let _ = self.child.wait();
    }
}
