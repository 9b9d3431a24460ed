//! The boot-time clock, the one that every record carries.

use rustix::time::{ClockId, clock_gettime};

use crate::model::MonoNs;

/// Returns the present moment on `CLOCK_BOOTTIME`, the clock of the kernel's `bpf_ktime_get_boot_ns`.
pub fn boot_time() -> MonoNs {
    let now = clock_gettime(ClockId::Boottime);
    // Neither part is negative on this clock, and 64 bits of nanoseconds last for 584 years.
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let rest = u64::try_from(now.tv_nsec).unwrap_or(0);
    MonoNs(seconds.saturating_mul(1_000_000_000).saturating_add(rest))
}
