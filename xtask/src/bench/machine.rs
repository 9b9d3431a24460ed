//! What the figures are true for: the machine, how busy it was, and how fast.

#[cfg(target_arch = "x86_64")]
use std::arch::asm;
use std::fs;
use std::hint::black_box;
use std::process::Command;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::cmd;

/// Facts of this machine.
pub(super) struct Machine {
    pub(super) kernel: String,
    /// As the processor names itself; `None` where `/proc/cpuinfo` does not say.
    pub(super) processor: Option<String>,
    pub(super) cores: u32,
    /// The day, in UTC.
    pub(super) date: String,
}

/// What of a machine changes by the minute.
#[derive(Clone, Debug)]
pub(super) struct Mood {
    /// The load average of the last minute.
    pub(super) load: String,
    /// Nanoseconds of a step of arithmetic that waits for the one before, with all cores at it: a multiplication and an addition,
    /// four cycles. Twice as many where a neighbour has half of the core's time; one on the core's other thread does not show. `None` where it is not known how many cycles that is.
    pub(super) step_ns: Option<f64>,
    /// Nanoseconds of a load from memory that no cache holds and that waits for the one before, with all cores at it.
    pub(super) memory_ns: f64,
}

impl Machine {
    pub(super) fn read() -> Result<Self> {
        let read =
            |file: &str| fs::read_to_string(file).with_context(|| format!("cannot read {file}"));
        let cores = thread::available_parallelism().context("cannot count the cores")?;
        let processor = read("/proc/cpuinfo")?;
        let processor = processor.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == "model name").then(|| value.trim().to_owned())
        });
        Ok(Self {
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            processor,
            cores: u32::try_from(cores.get()).unwrap_or(u32::MAX),
            date: cmd::read(Command::new("date").args(["--utc", "+%Y-%m-%d"]))?,
        })
    }
}

impl Mood {
    pub(super) fn read() -> Result<Self> {
        let load = fs::read_to_string("/proc/loadavg").context("cannot read /proc/loadavg")?;
        let load = load.split_whitespace().next().unwrap_or_default();
        let cores = thread::available_parallelism().context("cannot count the cores")?;
        Ok(Self {
            load: load.to_owned(),
            step_ns: cfg!(target_arch = "x86_64").then(|| on_all(cores.get(), arithmetic)),
            memory_ns: {
                let ring = ring();
                on_all(cores.get(), || memory(&ring))
            },
        })
    }
}

/// How long a step takes with all cores at it, the middle one of them.
fn on_all(cores: usize, walk: impl Fn() -> f64 + Sync) -> f64 {
    let mut took = thread::scope(|scope| {
        let walks: Vec<_> = (0..cores).map(|_| scope.spawn(&walk)).collect();
        let joined = walks.into_iter().map(thread::ScopedJoinHandle::join);
        joined.filter_map(Result::ok).collect::<Vec<f64>>()
    });
    took.sort_by(f64::total_cmp);
    took.get(took.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A cache line whose first word says which one is next.
type Line = [u64; 8];

/// Lines of 64 MiB, one ring through all of them in no order that a processor foresees.
fn ring() -> Vec<Line> {
    const LINES: usize = 1 << 20;
    let mut order: Vec<u64> = (0..LINES as u64).collect();
    // Sattolo's way, which makes one ring; the numbers are those of a linear congruential generator.
    let mut random = 1_u64;
    for last in (1..LINES).rev() {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        order.swap(last, (random >> 33) as usize % last);
    }
    order.into_iter().map(|next| [next; 8]).collect()
}

/// Times loads from memory.
fn memory(ring: &[Line]) -> f64 {
    const LOADS: u32 = 500_000;
    let start = Instant::now();
    let mut at = 0;
    for _ in 0..LOADS {
        at = ring[at as usize][0];
    }
    black_box(at);
    start.elapsed().as_nanos() as f64 / f64::from(LOADS)
}

/// Times steps, as the processor has them whatever the compiler makes of this program.
fn arithmetic() -> f64 {
    const STEPS: u32 = 20_000_000;
    let start = Instant::now();
    #[cfg(target_arch = "x86_64")]
    // SAFETY: it changes two registers that are its own.
    unsafe {
        asm!(
            "2:",
            "imul {at}, {at}, 5",
            "add {at}, 1",
            "dec {left:e}",
            "jnz 2b",
            at = inout(reg) 1_u64 => _,
            left = inout(reg) STEPS => _,
            options(nomem, nostack),
        );
    }
    start.elapsed().as_nanos() as f64 / f64::from(STEPS)
}
