//! `kernel.bpf_stats_enabled`: what we need it to be while we measure, and afterwards what it was.
//!
//! While it is 1, the kernel looks at the clock before and after every run of a program, which costs
//! each run some 20 ns; so rates are measured with 0.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Writes each line that it reads into the setting, and says `done`. A process of its own, out of
/// reach of the terminal's signals, puts the setting back when its input ends: so it is put back
/// however this program ends.
const GUARD: &str = "setting=/proc/sys/kernel/bpf_stats_enabled; before=$(cat $setting); \
    while read -r value; do echo \"$value\" > $setting || break; echo done; done; \
    echo \"$before\" > $setting";

/// The setting; dropping it puts it back.
pub(super) struct KernelStats {
    guard: Child,
    /// `None` once it is to end.
    input: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl KernelStats {
    pub(super) fn guard() -> Result<Self> {
        let mut guard = Command::new("sh")
            .args(["-c", GUARD])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("cannot start sh to set kernel.bpf_stats_enabled")?;
        let input = guard.stdin.take();
        let answers = guard.stdout.take().context("sh has no output")?;
        Ok(Self {
            guard,
            input,
            answers: BufReader::new(answers),
        })
    }

    /// Whether the kernel measures programs from now on.
    pub(super) fn set(&mut self, on: bool) -> Result<()> {
        let input = self.input.as_mut().context("the guard has ended")?;
        writeln!(input, "{}", u8::from(on)).context("cannot tell sh what to set")?;
        let mut said = String::new();
        self.answers
            .read_line(&mut said)
            .context("cannot read whether kernel.bpf_stats_enabled was set")?;
        if said.trim() != "done" {
            bail!("cannot set kernel.bpf_stats_enabled, which measures BPF programs (Linux 5.1)");
        }
        Ok(())
    }
}

impl Drop for KernelStats {
    fn drop(&mut self) {
        self.input = None;
        if !self.guard.wait().is_ok_and(|status| status.success()) {
            eprintln!(
                "bench: kernel.bpf_stats_enabled may not be what it was: look with sysctl, and set it"
            );
        }
    }
}
