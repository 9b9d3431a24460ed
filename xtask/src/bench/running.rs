//! A contender at work: started, attached, read, stopped.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::contender::{Contender, Output};
use super::load::Load;
use super::losses;
use super::process::{self, Programs};

/// How long to wait for it to attach, or to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// The kernel tells nobody that a program was attached; so somebody has to look.
const LOOK: Duration = Duration::from_millis(1);

/// What is known of it at a moment.
pub(super) struct Reading {
    pub(super) programs: Programs,
    pub(super) cpu_ns: u64,
    pub(super) peak_rss_bytes: u64,
}

/// What is known of it at its end.
pub(super) struct End {
    pub(super) cpu_ns: u64,
    /// Changes or events that it says it lost.
    pub(super) lost: u64,
}

/// The process, and where it writes.
pub(super) struct Running {
    child: Child,
    pidfd: OwnedFd,
    output: Output,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    pub(super) fn start(
        command: &mut Command,
        contender: &Contender,
        scratch: &Path,
    ) -> Result<Self> {
        let create = |path: &Path| {
            File::create(path).with_context(|| format!("cannot create {}", path.display()))
        };
        let (out, err) = (scratch.join("out"), scratch.join("err"));
        let shown = match contender.output {
            Output::Events => Stdio::null(),
            Output::Evidence => {
                if out.exists() {
                    fs::remove_file(&out)
                        .with_context(|| format!("cannot remove {}", out.display()))?;
                }
                command.arg(&out);
                Stdio::null()
            }
            _ => create(&out)?.into(),
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(shown)
            .stderr(create(&err)?)
            .spawn()
            .context("cannot start it")?;
        // A child that is not waited for keeps its number, so this is that child.
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).context("cannot open its pidfd")?;
        Ok(Self {
            child,
            pidfd,
            output: contender.output,
            out,
            err,
        })
    }

    /// Waits until a connection of ours makes its program run, and, of the agent, until its first
    /// line says that it has merged what it found.
    pub(super) fn wait_until_attached(&mut self, load: &mut Load) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let ended = self.child.try_wait().context("cannot ask for it")?;
            if let Some(status) = ended {
                bail!("it ended at once with {status}: {}", self.last_words());
            }
            load.open(1)?;
            if process::programs(self.child.id())?.runs > 0 && self.has_begun() {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        bail!(
            "it did not attach within {PATIENCE:?}: {}",
            self.last_words()
        );
    }

    fn has_begun(&self) -> bool {
        match self.output {
            Output::Events | Output::EventsInFile => true,
            _ => fs::metadata(&self.out).is_ok_and(|file| file.len() > 0),
        }
    }

    pub(super) fn reading(&self) -> Result<Reading> {
        let pid = self.child.id();
        Ok(Reading {
            programs: process::programs(pid)?,
            cpu_ns: process::cpu_ns(pid)?,
            peak_rss_bytes: process::peak_rss_bytes(pid)?,
        })
    }

    /// Ends it as Ctrl-C does, and reads what it cost once it has done all its work.
    pub(super) fn stop(mut self) -> Result<End> {
        pidfd_send_signal(&self.pidfd, Signal::INT).context("cannot interrupt it")?;
        if !self.has_ended_within(PATIENCE)? {
            bail!("it did not end within {PATIENCE:?} of an interrupt");
        }
        let cpu_ns = process::cpu_ns(self.child.id())?;
        self.child.wait().context("cannot wait for it")?;
        let lost =
            losses::told(self.output, &self.out, &self.err).context("cannot read what it lost")?;
        Ok(End { cpu_ns, lost })
    }

    fn has_ended_within(&self, patience: Duration) -> Result<bool> {
        let mut watched = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let patience = Timespec::try_from(patience).context("cannot wait so long")?;
        let ready = poll(&mut watched, Some(&patience)).context("cannot wait for its end")?;
        Ok(ready > 0)
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.err).unwrap_or_default();
        let last = text.lines().rev().find(|line| !line.trim().is_empty());
        last.unwrap_or("it said nothing").to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a process that has ended, which is what is wanted; what it wrote is
        // worth nothing any more, and there may be much of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.out);
        let _ = fs::remove_file(&self.err);
    }
}
