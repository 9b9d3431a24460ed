//! What the kernel side could not hand over, turned into losses with a place in time.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use aya::maps::{Array, MapData, PerCpuArray};
use aya::programs::ProgramFd;
use tracer_ebpf::LossCounter;

use super::clock::boot_time;
use crate::model::{Loss, LossCause, MonoNs};

/// The counters of the object, and what has been read of them.
pub(super) struct Losses {
    counters: PerCpuArray<MapData, [u64; LossCounter::WORDS]>,
    epoch: Array<MapData, u64>,
    epoch_now: u64,
    cpus: Vec<Cpu>,
    /// Keeps the number in `fdinfo` taken.
    _program: ProgramFd,
    fdinfo: PathBuf,
    /// Calls that the kernel left out because the program was running already; `None` where the
    /// kernel does not count them.
    recursions: Option<u64>,
    read_at: MonoNs,
}

/// What has been told of one CPU.
#[derive(Clone, Copy, Default)]
struct Cpu {
    told: u64,
    /// A moment before a loss that is not told yet, where the counter does not say when it began.
    floor: Option<MonoNs>,
}

impl Losses {
    pub(super) fn new(
        counters: PerCpuArray<MapData, [u64; LossCounter::WORDS]>,
        epoch: Array<MapData, u64>,
        program: ProgramFd,
    ) -> Self {
        let fdinfo = fdinfo(&program);
        Self {
            counters,
            epoch,
            epoch_now: 0,
            cpus: Vec::new(),
            recursions: recursion_misses(&fdinfo),
            _program: program,
            fdinfo,
            read_at: boot_time(),
        }
    }

    /// Returns what was lost since the last call.
    pub(super) fn read(&mut self) -> io::Result<Vec<Loss>> {
        let before = std::mem::replace(&mut self.read_at, boot_time());
        let mut losses = self.read_counters()?;
        if let (Some(known), Some(misses)) = (self.recursions, recursion_misses(&self.fdinfo))
            && misses > known
        {
            self.recursions = Some(misses);
            losses.push(Loss {
                cause: LossCause::Recursion,
                lost: misses - known,
                since: before,
                until: boot_time(),
            });
        }
        Ok(losses)
    }

    fn read_counters(&mut self) -> io::Result<Vec<Loss>> {
        let values = self.counters.get(&0, 0).map_err(io::Error::other)?;
        self.cpus.resize(values.len(), Cpu::default());
        let mut losses = Vec::new();
        for (number, (words, cpu)) in values.iter().zip(&mut self.cpus).enumerate() {
            let counter = LossCounter::from_words(*words);
            let Some(lost) = counter.lost.checked_sub(cpu.told).filter(|&lost| lost > 0) else {
                continue;
            };
            cpu.told = counter.lost;
            let since = MonoNs(counter.since_ns);
            losses.push(Loss {
                cause: LossCause::RingFull { cpu: number as u32 },
                lost,
                since: cpu.floor.take().map_or(since, |floor| floor.min(since)),
                until: MonoNs(counter.until_ns),
            });
        }
        if !losses.is_empty() {
            self.begin_epoch()?;
        }
        Ok(losses)
    }

    /// Lets the next loss on each CPU begin an interval of its own.
    ///
    /// A loss that came after the counters were read, and before this, still belongs to the
    /// interval before, whose start is told already. A second look finds it, and its interval is
    /// then known to begin no earlier than the first.
    fn begin_epoch(&mut self) -> io::Result<()> {
        self.epoch_now += 1;
        self.epoch
            .set(0, self.epoch_now, 0)
            .map_err(io::Error::other)?;
        let values = self.counters.get(&0, 0).map_err(io::Error::other)?;
        for (words, cpu) in values.iter().zip(&mut self.cpus) {
            if LossCounter::from_words(*words).lost > cpu.told {
                cpu.floor = Some(self.read_at);
            }
        }
        Ok(())
    }
}

/// Reads how often the kernel did not call the program because it was running on that CPU already.
///
/// # Kernel
///
/// `recursion_misses` in a program's fdinfo, since Linux 5.12; raw tracepoints are counted since
/// 6.2 and in stable branches, which also began to guard them so. An event inside softirq that interrupts the program on
/// its CPU is lost this way.
fn recursion_misses(fdinfo: &Path) -> Option<u64> {
    let text = fs::read_to_string(fdinfo).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("recursion_misses:"))?;
    line.trim().parse().ok()
}

/// Where the kernel tells how often it did not call a program that was running already.
fn fdinfo(program: &ProgramFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fdinfo/{}", program.as_fd().as_raw_fd()))
}
