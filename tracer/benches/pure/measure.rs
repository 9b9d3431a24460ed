//! This thread's CPU clock, and this process's memory.

use std::fs;

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of CPU that this thread has used.
pub(super) fn cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Bytes of memory that this process has in RAM (`VmRSS`).
///
/// # Errors
///
/// `/proc` cannot be read, or does not tell it.
pub(super) fn rss_bytes() -> Result<u64> {
    const FILE: &str = "/proc/self/status";
    let text = fs::read_to_string(FILE).with_context(|| format!("cannot read {FILE}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(1024 * number.with_context(|| format!("{FILE} does not tell VmRSS"))?)
}
