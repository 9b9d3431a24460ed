//! What the figures are true for: the machine, and how busy it was.

use std::fs;
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result};

use crate::cmd;

/// Facts of this machine.
pub(super) struct Machine {
    pub(super) kernel: String,
    /// As the processor names itself; `None` where `/proc/cpuinfo` does not say.
    pub(super) processor: Option<String>,
    pub(super) cores: u32,
    /// The load average of the last minute.
    pub(super) load: String,
    /// The day, in UTC.
    pub(super) date: String,
}

impl Machine {
    pub(super) fn read() -> Result<Self> {
        let read =
            |file: &str| fs::read_to_string(file).with_context(|| format!("cannot read {file}"));
        let cores = thread::available_parallelism().context("cannot count the cores")?;
        let load = read("/proc/loadavg")?;
        let load = load.split_whitespace().next().unwrap_or_default();
        let processor = read("/proc/cpuinfo")?;
        let processor = processor.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == "model name").then(|| value.trim().to_owned())
        });
        Ok(Self {
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            processor,
            cores: u32::try_from(cores.get()).unwrap_or(u32::MAX),
            load: load.to_owned(),
            date: cmd::read(Command::new("date").args(["--utc", "+%Y-%m-%d"]))?,
        })
    }
}
