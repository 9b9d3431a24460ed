//! What the kernel side tells of a timewait socket that was there before it.

use core::mem::{offset_of, size_of};

/// Since when there is one timewait socket. 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct AgeRecord {
    /// Socket cookie, never zero.
    pub cookie: u64,
    /// Its `tw_entry_stamp` on the boot-time clock (`CLOCK_BOOTTIME`), in nanoseconds; the true moment
    /// is less than a millisecond later.
    pub entered_ns: u64,
}

/// Size of an [`AgeRecord`] in bytes.
pub const AGE_SIZE: usize = size_of::<AgeRecord>();

const _: () = {
    assert!(AGE_SIZE == 16);
    assert!(offset_of!(AgeRecord, cookie) == 0);
    assert!(offset_of!(AgeRecord, entered_ns) == 8);
};
