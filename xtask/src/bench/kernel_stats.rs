//! Whether the kernel measures BPF programs.
//!
//! While it does, it looks at the clock before and after every run of a program, which costs each run
//! some 20 ns; so rates are measured without.

use std::fs;
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result, bail};

use super::bpf;

const SETTING: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// The kernel's measuring, off at first. It is on only as long as a descriptor is open, so however this
/// program ends, it leaves nothing behind.
#[derive(Default)]
pub(super) struct KernelStats {
    on: Option<OwnedFd>,
}

impl KernelStats {
    pub(super) fn set(&mut self, on: bool) -> Result<()> {
        self.on = match on {
            true => Some(bpf::enable_stats().context("cannot measure BPF programs (Linux 5.8)")?),
            false => None,
        };
        Ok(())
    }

    /// Fails while it is on for the whole host, which is not ours to change.
    pub(super) fn must_be_ours() -> Result<()> {
        let setting =
            fs::read_to_string(SETTING).with_context(|| format!("cannot read {SETTING}"))?;
        if setting.trim() != "0" {
            bail!(
                "kernel.bpf_stats_enabled is {}, so every run of a program costs more than it has to; \
                 set it to 0 meanwhile, or wait until whoever set it has ended",
                setting.trim()
            );
        }
        Ok(())
    }
}
