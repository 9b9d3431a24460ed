//! The clock that the agent tells times by, and the time within which something happened.

use std::fmt;

use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

/// Returns the boot-time clock, in nanoseconds: the agent's `mono_ns`.
pub fn now() -> u64 {
    nanoseconds(clock_gettime(ClockId::Boottime))
}

/// Returns how long one tick of the kernel's timers is, in nanoseconds: a second divided by its HZ.
///
/// # Kernel
///
/// The coarse clocks advance once a tick, and say so (`hrtimer_resolution` is that of the others;
/// `kernel/time/posix-timers.c`, `posix_get_coarse_res`).
pub fn tick_ns() -> u64 {
    nanoseconds(clock_getres(ClockId::MonotonicCoarse))
}

/// Returns when the kernel last counted a tick, by the boot-time clock, in nanoseconds, or a little
/// earlier: it sets its timers as if no time had passed since.
pub fn last_tick() -> u64 {
    now().saturating_sub(since_tick_ns())
}

/// Returns for how long the kernel has not counted a tick, in nanoseconds: it sets its timers as if no
/// time had passed since. That is longer than a tick where processors are kept from running.
pub fn since_tick_ns() -> u64 {
    // In this order: a tick in between makes it too long rather than too short.
    let ticked = nanoseconds(clock_gettime(ClockId::MonotonicCoarse));
    nanoseconds(clock_gettime(ClockId::Monotonic)).saturating_sub(ticked)
}

/// Returns by how much the kernel may let a timer run longer than it was set for, in nanoseconds.
///
/// # Kernel
///
/// The timer wheel (`kernel/time/timer.c`) has levels of 64 slots; each level's slots are eight
/// times as wide as those of the level below, beginning with one tick, and a timer goes to the lowest
/// level that reaches so far: to the end of the slot that its time falls in, never before its time.
pub fn wheel_slot_ns(set_for_ns: u64) -> u64 {
    let ticks = set_for_ns / tick_ns();
    let mut width = 1;
    // A level begins where the 63 slots of the one below end.
    while ticks >= 63 * width {
        width *= 8;
    }
    width * tick_ns()
}

fn nanoseconds(time: Timespec) -> u64 {
    let of = |part: i64| u64::try_from(part).expect("a clock that counts up from zero");
    of(time.tv_sec) * 1_000_000_000 + of(time.tv_nsec)
}

/// A time that is known to lie between two readings of the clock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Not before.
    pub from: u64,
    /// Not after.
    pub to: u64,
}

impl Window {
    /// Does something, and returns the time that it took place in.
    pub fn of<T>(action: impl FnOnce() -> T) -> (T, Self) {
        let from = now();
        let done = action();
        (done, Self { from, to: now() })
    }

    /// Returns the time from the beginning of this one to the end of a later one.
    pub fn until(self, later: Self) -> Self {
        Self {
            from: self.from,
            to: later.to,
        }
    }

    /// Returns whether a time that may be wrong by `error_ns`, either way, can lie within.
    pub fn admits(self, at: u64, error_ns: u64) -> bool {
        at + error_ns >= self.from && at <= self.to + error_ns
    }

    /// Returns the shortest and the longest time from this moment to a later one.
    pub fn to_later(self, later: Self) -> (u64, u64) {
        let shortest = later.from.saturating_sub(self.to);
        (shortest, later.to.saturating_sub(self.from))
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let long = self.to.saturating_sub(self.from);
        write!(f, "{}..={} ({long} ns)", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_ends_within_the_slot_that_it_falls_in() {
        let second = 1_000_000_000;
        // 60 s at HZ=250 are 15,000 ticks: the fourth level, 512 ticks a slot.
        let slots = match second / tick_ns() {
            100 => 512,
            250 => 512,
            300 => 512,
            1000 => 4096,
            other => panic!("a kernel with HZ={other}"),
        };
        assert_eq!(wheel_slot_ns(60 * second), slots * tick_ns());
        assert_eq!(wheel_slot_ns(62 * tick_ns()), tick_ns());
        assert_eq!(wheel_slot_ns(63 * tick_ns()), 8 * tick_ns());
    }

    #[test]
    fn a_window_admits_what_its_error_reaches() {
        let window = Window { from: 10, to: 20 };
        assert!(window.admits(10, 0) && window.admits(20, 0));
        assert!(!window.admits(9, 0) && !window.admits(21, 0));
        assert!(window.admits(7, 3) && window.admits(23, 3));
        assert!(!window.admits(6, 3) && !window.admits(24, 3));
        let later = Window { from: 30, to: 33 };
        assert_eq!(window.to_later(later), (10, 23));
    }
}
