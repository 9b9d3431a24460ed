//! Times: the boot-time clock that every record carries, and what it is on a wall clock.

/// A moment on the kernel's boot-time clock (`CLOCK_BOOTTIME`), in nanoseconds since boot.
///
/// The clock runs through suspend and is never set back, so the difference of two moments is a
/// duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonoNs(pub u64);

impl MonoNs {
    /// Returns the nanoseconds from `earlier` to this moment, or `None` if it is not earlier.
    ///
    /// Two CPUs' clocks may differ by some nanoseconds, and a negative duration is no duration.
    pub fn since(self, earlier: Self) -> Option<u64> {
        self.0.checked_sub(earlier.0)
    }

    /// Returns the moment `ns` nanoseconds later, or the last one there is.
    pub fn plus(self, ns: u64) -> Self {
        Self(self.0.saturating_add(ns))
    }
}

/// How much later than its own time a record may be written, in nanoseconds: its time is read first, its place taken then, and in
/// between a CPU may be taken away. Generous: to read on costs little, and a gap that begins earlier makes no time known that is not.
pub const LATE_NS: u64 = 10_000_000;

/// How the boot-time clock reads as wall-clock time, fixed when a session starts.
///
/// A session keeps one relation from start to end, so a clock that is stepped meanwhile does not
/// tear its times apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    offset_ns: i128,
}

impl WallClock {
    /// Relates the two clocks, both read at the same moment: `wall_ns` since the Unix epoch, UTC.
    pub fn new(mono: MonoNs, wall_ns: i128) -> Self {
        Self {
            offset_ns: wall_ns.saturating_sub(i128::from(mono.0)),
        }
    }

    /// Returns the wall-clock time of `mono` in nanoseconds since the Unix epoch, UTC.
    pub fn unix_ns(&self, mono: MonoNs) -> i128 {
        self.offset_ns.saturating_add(i128::from(mono.0))
    }
}

/// The clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Boot-time clock.
    pub mono: MonoNs,
    /// Wall clock, nanoseconds since the Unix epoch, UTC.
    pub wall_ns: i128,
    /// For how long this boot has been suspended: what the boot-time clock is ahead of the monotonic one.
    pub suspended_ns: u64,
}

/// A change in the relation of the clocks, between two moments at which they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// It came after this.
    pub since: MonoNs,
    /// It had come by then.
    pub until: MonoNs,
    /// By how much the wall clock was moved against the boot-time clock, nanoseconds; zero if it was not.
    pub wall_ns: i128,
    /// For how long the host was suspended meanwhile, in nanoseconds.
    pub suspended_ns: u64,
}

/// By how much the wall clock may move against the boot-time clock without having been set, beside what it is
/// slewed by: the two are not read at the very same moment.
const READ_APART_NS: u128 = 1_000_000;
/// A suspend is longer: the boot-time and the monotonic clock are not read at the very same moment.
const SUSPEND_NS: u64 = 1_000_000;

impl Clock {
    /// Returns what happened to the clocks since an earlier reading, if anything did.
    ///
    /// # Kernel
    ///
    /// `adjtimex` slews by up to 500 parts in a million, and `tick` by up to a tenth, which nobody's
    /// time service asks for: such a slew is told as a step.
    pub fn step_since(self, before: Self) -> Option<ClockStep> {
        let offset = |clock: Self| clock.wall_ns.saturating_sub(i128::from(clock.mono.0));
        let moved = offset(self).saturating_sub(offset(before));
        let elapsed = self.mono.since(before.mono).unwrap_or_default();
        let is_set = moved.unsigned_abs() > READ_APART_NS + u128::from(elapsed / 2000);
        let suspended_ns = self.suspended_ns.saturating_sub(before.suspended_ns);
        let was_suspended = suspended_ns > SUSPEND_NS;
        (is_set || was_suspended).then_some(ClockStep {
            since: before.mono,
            until: self.mono,
            wall_ns: if is_set { moved } else { 0 },
            suspended_ns: if was_suspended { suspended_ns } else { 0 },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_never_negative() {
        assert_eq!(MonoNs(7).since(MonoNs(5)), Some(2));
        assert_eq!(MonoNs(5).since(MonoNs(5)), Some(0));
        assert_eq!(MonoNs(5).since(MonoNs(7)), None);
    }

    #[test]
    fn wall_time_moves_with_the_boot_clock() {
        let clock = WallClock::new(MonoNs(1_000), 5_000_000);
        assert_eq!(clock.unix_ns(MonoNs(1_500)), 5_000_500);
        assert_eq!(clock.unix_ns(MonoNs(0)), 4_999_000);
    }

    #[test]
    fn a_slewed_clock_was_not_set() {
        let clock = |s: u64, wall_ms: i128, suspended_ms: u64| Clock {
            mono: MonoNs(s * 1_000_000_000),
            wall_ns: 1_700_000_000_000_000_000 + wall_ms * 1_000_000,
            suspended_ns: suspended_ms * 1_000_000,
        };
        let first = clock(100, 100_000, 0);
        // Ten seconds later, slewed as fast as can be.
        assert_eq!(clock(110, 110_005, 0).step_since(first), None);
        let set = clock(110, 113_500, 0)
            .step_since(first)
            .expect("it was set");
        assert_eq!((set.wall_ns, set.suspended_ns), (3_500_000_000, 0));
        assert_eq!((set.since, set.until), (first.mono, clock(110, 0, 0).mono));
        let back = clock(110, 0, 0).step_since(first).expect("it was set");
        assert_eq!(back.wall_ns, -110_000_000_000);
        let slept = clock(110, 110_000, 9_000).step_since(first);
        let slept = slept.expect("it was suspended");
        assert_eq!((slept.wall_ns, slept.suspended_ns), (0, 9_000_000_000));
    }
}
