//! What the kernel side could not hand over, turned into losses with a place in time.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{Ordering, fence};

use aya::programs::ProgramFd;
use tracer_ebpf::LossCounter;

use super::clock::boot_time;
use super::live::MappedArray;
use crate::model::{LATE_NS, Loss, LossCause, MonoNs};

/// The counters of the object, and what the kernel counts of its main program.
pub(super) struct Losses {
    counters: Counters,
    /// Keeps the number in `fdinfo` taken.
    _program: ProgramFd,
    /// Opened once: later nothing may be opened.
    fdinfo: Option<File>,
    /// Calls that the kernel left out because the program was running already; `None` where the
    /// kernel does not count them.
    recursions: Option<u64>,
    read_at: MonoNs,
}

impl Losses {
    pub(super) fn new(counters: MappedArray, epoch: MappedArray, program: ProgramFd) -> Self {
        let number = program.as_fd().as_raw_fd();
        let mut fdinfo = File::open(format!("/proc/self/fdinfo/{number}")).ok();
        Self {
            counters: Counters::new(counters, epoch),
            recursions: recursion_misses(fdinfo.as_mut()),
            _program: program,
            fdinfo,
            read_at: boot_time(),
        }
    }

    /// Returns what was lost since the last call.
    pub(super) fn read(&mut self) -> Vec<Loss> {
        let before = std::mem::replace(&mut self.read_at, boot_time());
        let mut losses = self.counters.read(before, self.read_at);
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
}

/// What found no room, of each CPU, and what has been read of it.
struct Counters {
    counters: MappedArray,
    epoch: MappedArray,
    epoch_now: u64,
    cpus: Vec<Cpu>,
}

/// What has been told of one CPU.
#[derive(Clone, Copy, Default)]
struct Cpu {
    told_changes: u64,
    told_beside: u64,
    /// A moment before a loss that is not told yet, where the counter does not say when it began.
    floor: Option<MonoNs>,
}

impl Counters {
    fn new(counters: MappedArray, epoch: MappedArray) -> Self {
        Self {
            counters,
            epoch,
            epoch_now: 0,
            cpus: Vec::new(),
        }
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

    /// Returns what was counted since it was read at `before`; it is `now`.
    fn read(&mut self, before: MonoNs, now: MonoNs) -> Vec<Loss> {
        // What was counted since then is no older; a counter can say that an interval began with a loss that is told already.
        let earliest = late(before);
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
            let until = MonoNs(counter.until_ns);
            let since = MonoNs(counter.since_ns).max(earliest);
            let floor = cpu.floor.take().unwrap_or(since);
            losses.push(Loss {
                beside,
                cause: LossCause::RingFull { cpu: number as u32 },
                lost: changes + beside,
                since: since.min(floor).min(until),
                until,
            });
        }
        if !losses.is_empty() {
            self.begin_epoch(now);
        }
        losses
    }

    /// Lets the next loss on each CPU begin an interval of its own.
    ///
    /// A loss that came after the counters were read, and before this, still belongs to the
    /// interval before, whose start is told already. A second look finds it, and its interval is
    /// then known to begin not long before the first, which was at `now`.
    fn begin_epoch(&mut self, now: MonoNs) {
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
                cpu.floor = Some(late(now));
            }
        }
    }
}

/// A record that is counted at a moment is no older than this.
fn late(moment: MonoNs) -> MonoNs {
    MonoNs(moment.0.saturating_sub(LATE_NS))
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Two CPUs, and the words of their counters as the kernel side writes them.
    fn counters() -> Counters {
        let words = 2 * LossCounter::WORDS;
        Counters::new(MappedArray::without_map(words), MappedArray::without_map(1))
    }

    /// Writes what a CPU lost so far: changes and others, the epoch, since when and until when.
    fn count(counters: &Counters, cpu: usize, words: [u64; LossCounter::WORDS]) {
        for (index, word) in words.into_iter().enumerate() {
            counters
                .counters
                .store(cpu * LossCounter::WORDS + index, word);
        }
    }

    fn loss(cpu: u32, (lost, beside): (u64, u64), (since, until): (u64, u64)) -> Loss {
        Loss {
            cause: LossCause::RingFull { cpu },
            lost,
            beside,
            since: MonoNs(since),
            until: MonoNs(until),
        }
    }

    #[test]
    fn changes_and_others_are_told_apart_and_once() {
        let mut counters = counters();
        let (first, second) = (MonoNs(SECOND), MonoNs(2 * SECOND));
        count(&counters, 0, [3, 2, 0, SECOND + 1, SECOND + 9]);
        count(&counters, 1, [0, 1, 0, SECOND + 4, SECOND + 4]);
        let expected = [
            loss(0, (5, 2), (SECOND + 1, SECOND + 9)),
            loss(1, (1, 1), (SECOND + 4, SECOND + 4)),
        ];
        assert_eq!(counters.read(first, second), expected);
        assert_eq!(counters.epoch.load(0), Some(1));
        assert_eq!(counters.read(second, second), []);
        // A change alone, in the new interval.
        count(&counters, 1, [1, 1, 1, 2 * SECOND + 5, 2 * SECOND + 5]);
        let expected = [loss(1, (1, 0), (2 * SECOND + 5, 2 * SECOND + 5))];
        assert_eq!(counters.read(second, MonoNs(3 * SECOND)), expected);
    }

    #[test]
    fn an_interval_that_began_with_what_is_told_begins_again() {
        let mut counters = counters();
        count(&counters, 0, [1, 0, 0, 5, 5]);
        counters.read(MonoNs(0), MonoNs(10));
        // The program saw the new epoch behind its count, and says that the interval began then.
        count(&counters, 0, [1, 0, 1, 5, 5]);
        counters.read(MonoNs(10), MonoNs(SECOND));
        count(&counters, 0, [2, 0, 1, 5, SECOND + 7]);
        let told = counters.read(MonoNs(SECOND), MonoNs(2 * SECOND));
        assert_eq!(told, [loss(0, (1, 0), (SECOND - LATE_NS, SECOND + 7))]);
    }

    #[test]
    fn no_loss_begins_after_it_ended() {
        let mut counters = counters();
        // What the next one wrote of its time, before it wrote when the last was.
        count(&counters, 0, [1, 0, 0, SECOND + 50, SECOND + 40]);
        let told = counters.read(MonoNs(SECOND), MonoNs(2 * SECOND));
        assert_eq!(told, [loss(0, (1, 0), (SECOND + 40, SECOND + 40))]);
    }

    #[test]
    fn what_came_between_two_looks_begins_not_long_before_the_first() {
        let mut counters = counters();
        count(&counters, 0, [1, 0, 0, SECOND, SECOND]);
        counters.read(MonoNs(0), MonoNs(2 * SECOND));
        // As the second look would have found it.
        count(&counters, 0, [2, 0, 0, SECOND, 2 * SECOND + 1]);
        counters.begin_epoch(MonoNs(2 * SECOND));
        let told = counters.read(MonoNs(2 * SECOND), MonoNs(3 * SECOND));
        let since = 2 * SECOND - LATE_NS;
        assert_eq!(told, [loss(0, (1, 0), (since, 2 * SECOND + 1))]);
    }
}
