//! `kernel.bpf_stats_enabled`: on while we measure, as it was afterwards.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Keeps the setting on. A process of its own, out of reach of the terminal's signals, puts it back
/// when its input ends: so it is put back however this program ends.
const GUARD: &str = "setting=/proc/sys/kernel/bpf_stats_enabled; before=$(cat $setting) && \
    echo 1 > $setting && echo on && cat > /dev/null; echo \"$before\" > $setting";

/// The setting, on; dropping it puts it back.
pub(super) struct KernelStats {
    guard: Child,
}

impl KernelStats {
    pub(super) fn on() -> Result<Self> {
        let mut guard = Command::new("sh")
            .args(["-c", GUARD])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("cannot start sh to set kernel.bpf_stats_enabled")?;
        let mut said = String::new();
        if let Some(out) = guard.stdout.take() {
            BufReader::new(out)
                .read_line(&mut said)
                .context("cannot read whether kernel.bpf_stats_enabled was set")?;
        }
        let stats = Self { guard };
        if said.trim() != "on" {
            bail!("cannot set kernel.bpf_stats_enabled, which measures BPF programs (Linux 5.1)");
        }
        Ok(stats)
    }
}

impl Drop for KernelStats {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        if !self.guard.wait().is_ok_and(|status| status.success()) {
            eprintln!("bench: kernel.bpf_stats_enabled may still be 1");
        }
    }
}
