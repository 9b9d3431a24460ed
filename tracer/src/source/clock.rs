//! The boot-time clock, the one that every record carries.

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::model::MonoNs;

/// Returns when the kernel last counted a tick, on the same clock as [`boot_time`].
///
/// # Kernel
///
/// The coarse clocks are advanced together with `jiffies` (`tick_do_update_jiffies64` calls
/// `update_wall_time`).
pub fn last_tick() -> MonoNs {
    // In this order: a tick in between makes the answer too early rather than too late.
    let ticked = nanoseconds(clock_gettime(ClockId::MonotonicCoarse));
    let now = nanoseconds(clock_gettime(ClockId::Monotonic));
    MonoNs(boot_time().0.saturating_sub(now.saturating_sub(ticked)))
}

/// Returns the present moment on `CLOCK_BOOTTIME`, the clock of the kernel's `bpf_ktime_get_boot_ns`.
pub fn boot_time() -> MonoNs {
    MonoNs(nanoseconds(clock_gettime(ClockId::Boottime)))
}

fn nanoseconds(time: Timespec) -> u64 {
    // Neither part is negative on these clocks, and 64 bits of nanoseconds last for 584 years.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}
