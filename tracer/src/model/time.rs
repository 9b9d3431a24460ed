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
            offset_ns: wall_ns - i128::from(mono.0),
        }
    }

    /// Returns the wall-clock time of `mono` in nanoseconds since the Unix epoch, UTC.
    pub fn unix_ns(&self, mono: MonoNs) -> i128 {
        self.offset_ns + i128::from(mono.0)
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
}
