//! The kernel's timer wheel: how much later than it was set for a timer runs out.
//!
//! # Kernel
//!
//! `kernel/time/timer.c`, since Linux 4.8. A timer goes into one of nine levels, chosen by how far
//! away its time is. Each level has 64 slots; a slot of the lowest level is one tick wide, and each
//! level's slots are eight times as wide as those below (`LVL_BITS`, `LVL_CLK_SHIFT`, `LVL_START`).
//! A timer never moves to a lower level, and runs out when its slot's end is reached
//! (`calc_index`): at least one tick after its time, and at most one slot.
//!
//! A timer that is set anew while it is in the wheel stays where it is if its new time has the same
//! slot (`__mod_timer`): nothing runs then that a tracepoint could show.

use super::minisock::{TIMEWAIT_NS, Ticks};

/// `LVL_CLK_SHIFT`: each level is coarser than the one below by this power of two.
const LEVEL_SHIFT: u32 = 3;
/// The farthest slot of a level that is used when a timer is set: `LVL_SIZE - 1`.
const LAST_SLOT: u64 = 63;
const SECOND_NS: u64 = 1_000_000_000;

/// Tick rates that kernels are built with; the last three on some machines only.
const USUAL_RATES: [u32; 7] = [100, 250, 300, 1000, 128, 256, 1024];

/// The timer wheel of a kernel with a certain tick rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wheel {
    hz: u32,
}

impl Wheel {
    /// Makes the wheel of a kernel with this many ticks a second (`CONFIG_HZ`), or `None` for zero.
    pub fn new(hz: u32) -> Option<Self> {
        (hz > 0).then_some(Self { hz })
    }

    /// Returns the wheels of every usual tick rate, for where that of the kernel is not known.
    pub fn usual() -> impl Iterator<Item = Self> {
        USUAL_RATES.into_iter().map(|hz| Self { hz })
    }

    /// Returns ticks a second.
    pub fn hz(self) -> u32 {
        self.hz
    }

    /// Returns how long `ticks` ticks take, in nanoseconds.
    pub fn ns(self, ticks: u64) -> u64 {
        let ns = u128::from(ticks) * u128::from(SECOND_NS) / u128::from(self.hz);
        u64::try_from(ns).unwrap_or(u64::MAX)
    }

    /// Returns how many ticks a timer is set for that shall wait `ns` nanoseconds.
    pub fn ticks(self, ns: u64) -> u64 {
        let ticks = (u128::from(ns) * u128::from(self.hz)).div_ceil(u128::from(SECOND_NS));
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// Returns the width of the slot, in ticks, that a timer gets which is set for so many ticks.
    pub fn slot_ticks(self, timeout: u64) -> u64 {
        1 << (LEVEL_SHIFT * self.level(timeout))
    }

    /// Returns the width of that slot in nanoseconds: the most by which the timer is late.
    pub fn slot_ns(self, timeout_ns: u64) -> u64 {
        self.ns(self.slot_ticks(self.ticks(timeout_ns)))
    }

    /// Returns the tick at which a timer runs out.
    pub fn runs_out(self, timer: Ticks) -> u64 {
        let shift = LEVEL_SHIFT * self.level(timer.expires.saturating_sub(timer.now));
        ((timer.expires >> shift) + 1) << shift
    }

    /// Returns how long a timer really takes that is set for `timeout_ns`: at least, and at most.
    ///
    /// The least is the time that it is set for: the tick in which it is set counts as a whole one.
    /// The most leaves out how long the machine takes to get to it.
    pub fn takes(self, timeout_ns: u64) -> (u64, u64) {
        let ticks = self.ticks(timeout_ns);
        let most = ticks.saturating_add(self.slot_ticks(ticks));
        (self.ns(ticks), self.ns(most))
    }

    /// Returns the first tick from which on 60 seconds that begin are seen to begin, whatever the
    /// timer was set for before; `None` where they are always seen.
    ///
    /// Until then the new time may have the slot that the timer is in already.
    pub fn seen_from(self, timer: Ticks) -> Option<u64> {
        let timewait = self.ticks(TIMEWAIT_NS);
        let set_for = timer.expires.saturating_sub(timer.now);
        if self.level(set_for) != self.level(timewait) {
            return None;
        }
        let from = self.runs_out(timer).saturating_sub(timewait);
        (from > timer.now).then_some(from)
    }

    /// The level of a timer that is set for so many ticks.
    fn level(self, timeout: u64) -> u32 {
        // `LVL_DEPTH`
        let top = if self.hz > 100 { 8 } else { 7 };
        (0..top)
            .find(|level| timeout < LAST_SLOT << (LEVEL_SHIFT * level))
            .unwrap_or(top)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    fn wheel(hz: u32) -> Wheel {
        Wheel::new(hz).expect("ticks")
    }

    fn timer(now: u64, timeout: u64) -> Ticks {
        let expires = now + timeout;
        Ticks { now, expires }
    }

    #[test]
    fn sixty_seconds_take_as_much_more_as_the_tick_rate_says() {
        for (hz, slot_ms) in [(100, 5120), (250, 2048), (1000, 4096), (1024, 4000)] {
            assert_eq!(wheel(hz).slot_ns(TIMEWAIT_NS), slot_ms * MS, "{hz}");
            assert_eq!(
                wheel(hz).takes(TIMEWAIT_NS),
                (60_000 * MS, (60_000 + slot_ms) * MS),
                "{hz}"
            );
        }
        // No whole number of nanoseconds.
        assert_eq!(wheel(300).slot_ns(TIMEWAIT_NS), 1_706_666_666);
    }

    #[test]
    fn the_levels_begin_where_the_kernel_has_them() {
        // 63 slots of a level, and then the next one, eight times as wide.
        let wheel = wheel(250);
        for (timeout, slot) in [
            (0, 1),
            (62, 1),
            (63, 8),
            (503, 8),
            (504, 64),
            (4031, 64),
            (4032, 512),
            (15_000, 512),
            (32_255, 512),
            (32_256, 4096),
        ] {
            assert_eq!(wheel.slot_ticks(timeout), slot, "{timeout}");
        }
        assert_eq!(wheel.slot_ticks(u64::MAX), 1 << 24);
        assert_eq!(
            Wheel::new(100).map(|w| w.slot_ticks(u64::MAX)),
            Some(1 << 21)
        );
    }

    #[test]
    fn a_slot_ends_after_the_time_never_at_it() {
        assert_eq!(wheel(250).runs_out(timer(0, 15_000)), 15_360);
        let at_an_edge = timer(360, 15_000);
        assert_eq!(wheel(250).runs_out(at_an_edge), 15_872);
        assert_eq!(wheel(1000).runs_out(timer(7, 10)), 18);
    }

    #[test]
    fn a_timer_of_another_level_is_always_seen_to_be_set_anew() {
        // A FIN_WAIT2 of ten seconds has narrower slots than a TIME_WAIT of sixty.
        assert_eq!(wheel(250).seen_from(timer(0, 2500)), None);
        // Of forty seconds: the same slots, but sixty from now are another one.
        assert_eq!(wheel(250).seen_from(timer(0, 10_000)), None);
        assert_eq!(wheel(250).seen_from(timer(0, 15_000)), Some(360));
        assert_eq!(wheel(1000).seen_from(timer(0, 60_000)), Some(1440));
    }

    #[test]
    fn no_ticks_no_wheel() {
        assert_eq!(Wheel::new(0), None);
    }

    proptest! {
        #[test]
        fn a_timer_is_late_by_a_tick_at_least_and_a_slot_at_most(
            hz in 1_u32..2000,
            now in 0_u64..1 << 40,
            timeout in 0_u64..1 << 26,
        ) {
            let (wheel, timer) = (wheel(hz), timer(now, timeout));
            let late = wheel.runs_out(timer) - timer.expires;
            prop_assert!((1..=wheel.slot_ticks(timeout)).contains(&late));
        }

        /// What the kernel compares: the slot that the timer is in, and the one for its new time.
        #[test]
        fn sixty_seconds_are_hidden_exactly_while_they_have_the_same_slot(
            hz in prop::sample::select(&USUAL_RATES[..]),
            now in 0_u64..1 << 40,
            fin_timeout_ms in 1_u64..130_000,
            waited in 0_u64..70_000,
        ) {
            let wheel = wheel(hz);
            let first = timer(now, wheel.ticks(fin_timeout_ms * MS));
            let slot = |timer: Ticks| {
                let width = wheel.slot_ticks(timer.expires - timer.now);
                (width, wheel.runs_out(timer) / width)
            };
            let is_hidden =
                |at: u64| slot(timer(at, wheel.ticks(TIMEWAIT_NS))) == slot(first);
            let from = wheel.seen_from(first);
            if let Some(from) = from {
                prop_assert!(is_hidden(from - 1) && !is_hidden(from));
            }
            let at = now + waited;
            prop_assert!(from.is_some_and(|from| at < from) || !is_hidden(at));
        }

        #[test]
        fn nanoseconds_and_ticks_agree(hz in 1_u32..2000, ticks in 0_u64..1 << 33) {
            let wheel = wheel(hz);
            prop_assert_eq!(wheel.ticks(wheel.ns(ticks)), ticks);
        }
    }
}
