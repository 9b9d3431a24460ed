//! The load from the outside: starting the generator in a network namespace, and telling it what to do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result};

use super::generator::{Kind, Task, Took};

/// Makes the namespace fit: loopback, and room for every TIME_WAIT that the load leaves. What is beyond
/// the limit, the kernel ends at once, and it would be another load.
const PREPARE: &str = "ip link set lo up && \
    echo 4000000 > /proc/sys/net/ipv4/tcp_max_tw_buckets && exec \"$0\" \"$@\"";

/// A running generator.
pub(super) struct Load {
    child: Child,
    /// `None` once it was told to end.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Load {
    /// Starts it in a network namespace that lives as long as it does: with it goes all TIME_WAIT.
    pub(super) fn start(workers: u32) -> Result<Self> {
        let this = std::env::current_exe().context("cannot tell which file this program is")?;
        let mut child = Command::new("setpriv")
            // Not to go on with what it was told, should we end before it has.
            .args(["--pdeathsig", "TERM"])
            .args(["unshare", "--net", "sh", "-c", PREPARE])
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

    /// Lets it do something, and waits until it is done.
    pub(super) fn run(&mut self, task: Task) -> Result<Took> {
        let commands = self.commands.as_mut().context("the load has ended")?;
        writeln!(commands, "{task}").context("cannot command the load")?;
        let mut answer = String::new();
        self.answers
            .read_line(&mut answer)
            .context("cannot read the load's answer")?;
        answer
            .parse()
            .context("the load ended early; what it said is above this line")
    }

    /// Opens what a kind of load needs, and has to be there before it; returns the state changes.
    pub(super) fn prepare(&mut self, kind: Kind) -> Result<u64> {
        match kind {
            Kind::Requests => Ok(self.run(Task::Keep)?.changes),
            Kind::Reset | Kind::Orderly => Ok(0),
        }
    }

    /// Closes that again.
    pub(super) fn clear(&mut self, kind: Kind) -> Result<u64> {
        match kind {
            Kind::Requests => Ok(self.run(Task::Close)?.changes),
            Kind::Reset | Kind::Orderly => Ok(0),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.commands = None;
        // Its input has ended, so it ends; how is of no interest any more.
        let _ = self.child.wait();
    }
}
