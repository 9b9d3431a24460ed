//! Facts of this host that a session begins with.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::system::uname;
use rustix::time::{ClockId, clock_gettime};

use crate::evidence::Clock;
use crate::model::MonoNs;
use crate::source::clock::boot_time;

/// Names of this host and kernel.
pub(super) struct Host {
    pub(super) kernel: String,
    pub(super) machine: String,
    pub(super) hostname: String,
    pub(super) boot_id: Option<String>,
}

impl Host {
    pub(super) fn read() -> Self {
        let names = uname();
        let text = |name: &std::ffi::CStr| name.to_string_lossy().into_owned();
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        Self {
            kernel: text(names.release()),
            machine: text(names.machine()),
            hostname: text(names.nodename()),
            boot_id: boot_id.map(|id| id.trim().to_owned()),
        }
    }
}

/// Returns this kernel's release, as `uname -r` prints it.
pub(super) fn kernel_release() -> String {
    uname().release().to_string_lossy().into_owned()
}

/// Relates the boot-time clock to the wall clock, both read at nearly the same moment.
///
/// The boot-time clock is read on either side of the wall clock, a few times over; the reading with
/// the two nearest together counts.
pub(super) fn clock() -> Clock {
    let reading = || {
        let before = boot_time();
        let wall = SystemTime::now();
        let after = boot_time();
        let gap = after.0 - before.0;
        (gap, MonoNs(before.0 + gap / 2), wall)
    };
    let mut best = reading();
    for _ in 0..4 {
        let next = reading();
        if next.0 < best.0 {
            best = next;
        }
    }
    let (_, mono, wall) = best;
    let wall_ns = match wall.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    };
    Clock {
        mono,
        wall_ns,
        suspended_ns: suspended_ns(),
    }
}

/// For how long this boot has been suspended: `CLOCK_BOOTTIME` runs on meanwhile, `CLOCK_MONOTONIC` does
/// not. Told to a microsecond, since the two are not read at the same moment.
fn suspended_ns() -> u64 {
    let monotonic = clock_gettime(ClockId::Monotonic);
    let monotonic_ns = monotonic.tv_sec as u64 * 1_000_000_000 + monotonic.tv_nsec as u64;
    let ahead = boot_time().since(MonoNs(monotonic_ns)).unwrap_or_default();
    ahead / 1000 * 1000
}
