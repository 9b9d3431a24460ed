//! What the kernel side could not hand over, turned into losses with a place in time.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{Ordering, fence};

use aya::programs::ProgramFd;
use tracer_ebpf::LossCounter;

use super::clock::boot_time;
use super::live::MappedArray;
use crate::model::{Loss, LossCause, MonoNs};

/// The counters of the object, and what has been read of them.
pub(super) struct Losses {
    counters: MappedArray,
    epoch: MappedArray,
    epoch_now: u64,
    cpus: Vec<Cpu>,
    /// Keeps the number in `fdinfo` taken.
    _program: ProgramFd,
    /// Opened once: later nothing may be opened.
    fdinfo: Option<File>,
    /// Calls that the kernel left out because the program was running already; `None` where the
    /// kernel does not count them.
    recursions: Option<u64>,
    read_at: MonoNs,
}

/// What has been told of one CPU.
#[derive(Clone, Copy, Default)]
struct Cpu {
    told_changes: u64,
    told_beside: u64,
    /// A moment before a loss that is not told yet, where the counter does not say when it began.
    floor: Option<MonoNs>,
}

impl Losses {
    pub(super) fn new(counters: MappedArray, epoch: MappedArray, program: ProgramFd) -> Self {
        let number = program.as_fd().as_raw_fd();
        let mut fdinfo = File::open(format!("/proc/self/fdinfo/{number}")).ok();
        Self {
            counters,
            epoch,
            epoch_now: 0,
            cpus: Vec::new(),
            recursions: recursion_misses(fdinfo.as_mut()),
            _program: program,
            fdinfo,
            read_at: boot_time(),
        }
    }

    /// Returns what was lost since the last call.
    pub(super) fn read(&mut self) -> Vec<Loss> {
        let before = std::mem::replace(&mut self.read_at, boot_time());
        let mut losses = self.read_counters();
        if let (Some(known), Some(misses)) =
            (self.recursions, recursion_misses(self.fdinfo.as_mut()))
            && misses > known
        {
            self.recursions = Some(misses);
            losses.push(Loss {
                beside: 0,
                cause: LossCause::Recursion,
                lost: misses - known,
                since: before,
                until: boot_time(),
            });
        }
        losses
    }

    /// The counter of a CPU; `None` where there are no more.
    ///
    /// The kernel side writes the numbers last, and here they are read first: the times are never older.
    fn counter(&self, cpu: usize) -> Option<LossCounter> {
        let mut words = [0; LossCounter::WORDS];
        for (index, word) in words.iter_mut().enumerate() {
            *word = self.counters.load(cpu * LossCounter::WORDS + index)?;
        }
        Some(LossCounter::from_words(words))
    }

    fn read_counters(&mut self) -> Vec<Loss> {
        let mut losses = Vec::new();
        for number in 0.. {
            let Some(counter) = self.counter(number) else {
                break;
            };
            if self.cpus.len() <= number {
                self.cpus.push(Cpu::default());
            }
            let cpu = &mut self.cpus[number];
            let changes = counter.changes.saturating_sub(cpu.told_changes);
            let beside = counter.beside.saturating_sub(cpu.told_beside);
            if changes + beside == 0 {
                continue;
            }
            (cpu.told_changes, cpu.told_beside) = (counter.changes, counter.beside);
            let since = MonoNs(counter.since_ns);
            losses.push(Loss {
                beside,
                cause: LossCause::RingFull { cpu: number as u32 },
                lost: changes + beside,
                since: cpu.floor.take().map_or(since, |floor| floor.min(since)),
                until: MonoNs(counter.until_ns),
            });
        }
        if !losses.is_empty() {
            self.begin_epoch();
        }
        losses
    }

    /// Lets the next loss on each CPU begin an interval of its own.
    ///
    /// A loss that came after the counters were read, and before this, still belongs to the
    /// interval before, whose start is told already. A second look finds it, and its interval is
    /// then known to begin no earlier than the first.
    fn begin_epoch(&mut self) {
        self.epoch_now += 1;
        self.epoch.store(0, self.epoch_now);
        // The second look comes after the kernel side can see the new number.
        fence(Ordering::SeqCst);
        for number in 0..self.cpus.len() {
            let Some(counter) = self.counter(number) else {
                continue;
            };
            let cpu = &mut self.cpus[number];
            if (counter.changes, counter.beside) != (cpu.told_changes, cpu.told_beside) {
                cpu.floor = Some(self.read_at);
            }
        }
    }
}

/// Reads how often the kernel did not call the program because it was running on that CPU already.
///
/// # Kernel
///
/// `recursion_misses` in a program's fdinfo, since Linux 5.12; raw tracepoints are counted since
/// 6.2 and in stable branches, which also began to guard them so. An event inside softirq that interrupts the program on
/// its CPU is lost this way.
fn recursion_misses(fdinfo: Option<&mut File>) -> Option<u64> {
    let fdinfo = fdinfo?;
    let mut text = String::new();
    fdinfo.rewind().ok()?;
    fdinfo.read_to_string(&mut text).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("recursion_misses:"))?;
    line.trim().parse().ok()
}
