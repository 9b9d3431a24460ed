//! A contender at work: started, attached, read, stopped.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::bpf;
use super::contender::{Contender, Output};
use super::drain::Drain;
use super::figures::Program;
use super::generator::{Amount, Kind, Task};
use super::load::Load;
use super::losses;
use super::process;

/// How long to wait for it to attach, or to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// The kernel tells nobody that a program was attached; so somebody has to look.
const LOOK: Duration = Duration::from_millis(1);

/// What is known of it at a moment.
pub(super) struct Reading {
    /// All runs of all its programs.
    pub(super) runs: u64,
    pub(super) cpu_ns: u64,
    pub(super) peak_rss_bytes: u64,
}

/// What its start took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Started {
    /// From the execution of its program until its hook ran for a connection, to a millisecond.
    pub(super) attached: Duration,
    /// Until it wrote to its output; `None` where it had not when its hook ran, and need not.
    pub(super) first_line: Option<Duration>,
    /// Time on CPUs, until both.
    pub(super) cpu: Duration,
}

/// What is known of it at its end.
pub(super) struct End {
    pub(super) cpu_ns: u64,
    /// Changes that it says it told; `None` where it does not count them.
    pub(super) told: Option<u64>,
    /// Changes or events that it says it lost.
    pub(super) lost: u64,
    /// Of the file that it made.
    pub(super) evidence_bytes: Option<u64>,
}

/// The process, which does not outlive this.
struct Process {
    child: Child,
    pidfd: OwnedFd,
}

/// The process, and where it writes.
pub(super) struct Running {
    process: Process,
    output: Output,
    hook: &'static str,
    drain: Drain,
    evidence: PathBuf,
    err: PathBuf,
    /// When it became the contender, and what it had cost before.
    executed: Instant,
    cpu_before_ns: u64,
    /// Names of its programs, by their numbers.
    names: BTreeMap<u32, String>,
}

impl Running {
    pub(super) fn start(contender: &Contender, scratch: &Path) -> Result<Self> {
        let (evidence, err) = (scratch.join("evidence.tev"), scratch.join("err"));
        let mut command = contender.command()?;
        if contender.output == Output::Evidence {
            remove(&evidence)?;
            command.arg(&evidence);
        }
        let said =
            File::create(&err).with_context(|| format!("cannot create {}", err.display()))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(said)
            .spawn()
            .context("cannot start it")?;
        let (out, go) = (child.stdout.take(), child.stdin.take());
        let process = Process::of(child)?;
        let mut out = out.context("it has no output")?;
        wait_until_ready(&mut out)
            .with_context(|| format!("cannot prepare it: {}", last_line(&err)))?;
        let cpu_before_ns = process::cpu_ns(process.id())?;
        let mut go = go.context("it has no input")?;
        let executed = Instant::now();
        go.write_all(b"\n").context("cannot tell it to begin")?;
        Ok(Self {
            process,
            output: contender.output,
            hook: contender.hook,
            drain: Drain::start(out, contender.output),
            evidence,
            err,
            executed,
            cpu_before_ns,
            names: BTreeMap::new(),
        })
    }

    /// Waits until a connection of ours makes its hook run, which the kernel has to count meanwhile,
    /// and, of the agent, until it has begun to write: then it has merged what it found.
    pub(super) fn wait_until_attached(&mut self, load: &mut Load) -> Result<Started> {
        let mut attached = None;
        while self.executed.elapsed() < PATIENCE {
            let ended = self.process.child.try_wait().context("cannot ask for it")?;
            if let Some(status) = ended {
                bail!("it ended with {status}: {}", last_line(&self.err));
            }
            if attached.is_none() {
                load.run(Task::Load(Kind::Reset, Amount::Count(1)))?;
                attached = self.has_run()?.then(|| self.executed.elapsed());
            }
            if let Some(attached) = attached
                && self.has_begun()
            {
                let first = self.drain.first();
                let cpu_ns = process::cpu_ns(self.process.id())? - self.cpu_before_ns;
                return Ok(Started {
                    attached,
                    first_line: first.map(|at| at.saturating_duration_since(self.executed)),
                    cpu: Duration::from_nanos(cpu_ns),
                });
            }
            thread::sleep(LOOK);
        }
        bail!(
            "it did not attach within {PATIENCE:?}: {}",
            last_line(&self.err)
        );
    }

    fn has_run(&mut self) -> Result<bool> {
        let programs = self.programs()?;
        let mut hooks = programs
            .iter()
            .filter(|one| one.name.starts_with(self.hook));
        Ok(hooks.any(|one| one.runs > 0))
    }

    fn has_begun(&self) -> bool {
        match self.output {
            Output::Events => true,
            Output::Evidence => fs::metadata(&self.evidence).is_ok_and(|file| file.len() > 0),
            _ => self.drain.first().is_some(),
        }
    }

    /// Its programs, as the kernel counts them.
    pub(super) fn programs(&mut self) -> Result<Vec<Program>> {
        let mut programs = Vec::new();
        for (id, counters) in process::programs(self.process.id())? {
            let name = match self.names.get(&id) {
                Some(name) => name.clone(),
                None => bpf::name(id).with_context(|| format!("cannot name BPF program {id}"))?,
            };
            self.names.insert(id, name.clone());
            programs.push(Program {
                name,
                runs: counters.runs,
                time_ns: counters.time_ns,
                misses: counters.misses,
            });
        }
        Ok(programs)
    }

    pub(super) fn reading(&self) -> Result<Reading> {
        let pid = self.process.id();
        Ok(Reading {
            runs: process::programs(pid)?.values().map(|one| one.runs).sum(),
            cpu_ns: process::cpu_ns(pid)?,
            peak_rss_bytes: process::peak_rss_bytes(pid)?,
        })
    }

    /// Ends it as Ctrl-C does, and reads what it cost once it has done all its work. The evidence that
    /// it made goes to `keep`, where that is given.
    pub(super) fn stop(mut self, keep: Option<&Path>) -> Result<End> {
        self.process.interrupt()?;
        let cpu_ns = process::cpu_ns(self.process.id())?;
        self.process.child.wait().context("cannot wait for it")?;
        let out = self.drain.finish().context("cannot read what it wrote")?;
        let err = fs::read(&self.err).context("cannot read what it said")?;
        let (out, err) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
        let told = losses::changes(self.output, &out);
        let lost = losses::lost(self.output, &out, &err);
        let evidence = fs::metadata(&self.evidence);
        let evidence_bytes = match self.output {
            Output::Evidence => Some(evidence.context("cannot find what it recorded")?.len()),
            _ => None,
        };
        if evidence_bytes.is_some() {
            match keep {
                Some(keep) => fs::rename(&self.evidence, keep)
                    .with_context(|| format!("cannot move evidence to {}", keep.display()))?,
                None => remove(&self.evidence)?,
            }
        }
        remove(&self.err)?;
        Ok(End {
            cpu_ns,
            told,
            lost,
            evidence_bytes,
        })
    }
}

impl Process {
    fn of(child: Child) -> Result<Self> {
        // A child that is not waited for keeps its number, so this is that child.
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).context("cannot open its pidfd")?;
        Ok(Self { child, pidfd })
    }

    fn id(&self) -> u32 {
        self.child.id()
    }

    /// Interrupts it, and waits until it has ended; what it cost can still be read then.
    fn interrupt(&self) -> Result<()> {
        pidfd_send_signal(&self.pidfd, Signal::INT).context("cannot interrupt it")?;
        let mut watched = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let patience = Timespec::try_from(PATIENCE).context("cannot wait so long")?;
        let ended = poll(&mut watched, Some(&patience)).context("cannot wait for its end")?;
        if ended == 0 {
            bail!("it did not end within {PATIENCE:?} of an interrupt");
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the line by which it says so, and no more: what follows is the contender's.
fn wait_until_ready(out: &mut ChildStdout) -> Result<()> {
    let mut byte = [0];
    while byte != *b"\n" {
        out.read_exact(&mut byte)
            .context("it ended before it was ready")?;
    }
    Ok(())
}

fn last_line(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.unwrap_or("it said nothing").to_owned()
}

/// Removes a file, if there is one.
pub(super) fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}
