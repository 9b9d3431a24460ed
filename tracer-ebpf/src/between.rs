//! What the kernel side tells of a socket between its state changes: who uses it, and what happened to it.

use core::mem::{offset_of, size_of};

/// [`UseRecord::kind`] of a use.
pub const KIND_USE: u16 = 5;
/// [`SegmentRecord::kind`] of a segment.
pub const KIND_SEGMENT: u16 = 6;

/// How a socket was used: [`UseRecord::what`].
pub mod usage {
    /// It was taken from a listener: `accept`.
    pub const ACCEPTED: u16 = 1;
    /// Data was read from it.
    pub const RECEIVED: u16 = 2;
}

/// What happened: [`SegmentRecord::what`].
pub mod segment {
    /// A segment was sent again.
    pub const RETRANSMITTED: u16 = 1;
    /// A reset was sent; [`SegmentRecord::reason`](super::SegmentRecord::reason) says why, where the kernel does.
    pub const RESET_SENT: u16 = 2;
    /// A reset was received.
    pub const RESET_RECEIVED: u16 = 3;
    /// An error was reported to the program; [`SegmentRecord::reason`](super::SegmentRecord::reason) is its errno.
    pub const ERROR: u16 = 4;
}

/// Which fields of a [`UseRecord`] or [`SegmentRecord`] the kernel side could read.
pub mod usage_known {
    /// The socket cookie.
    pub const COOKIE: u32 = 1 << 0;
    /// [`reason`](super::SegmentRecord::reason).
    pub const REASON: u32 = 1 << 1;
    /// [`incarnation`](super::UseRecord::incarnation).
    pub const INCARNATION: u32 = 1 << 2;
}

/// One process uses a socket that another one, or none, was seen using before. 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct UseRecord {
    /// [`KIND_USE`].
    pub kind: u16,
    /// Size of the whole record in bytes.
    pub size: u16,
    /// The CPU that it was seen on.
    pub cpu: u32,
    /// Boot-time clock (`CLOCK_BOOTTIME`), nanoseconds, taken as the program starts.
    pub mono_ns: u64,
    /// Kernel address of the socket.
    pub socket: u64,
    /// Socket cookie.
    pub cookie: u64,
    /// Bits of [`usage_known`], and of [`known`](crate::known) that say of the task what they say in a state change.
    pub known: u32,
    /// Process (thread group) of the current task.
    pub tgid: u32,
    /// Thread of the current task.
    pub tid: u32,
    /// One of [`usage`].
    pub what: u16,
    /// As in [`StateChangeRecord`](crate::StateChangeRecord).
    pub incarnation: u16,
    /// Name of the current task, ended by a zero byte.
    pub comm: [u8; 16],
}

/// Size of a [`UseRecord`] in bytes.
pub const USE_SIZE: usize = size_of::<UseRecord>();

/// Something that happened to a connection without a change of its state. 48 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SegmentRecord {
    /// [`KIND_SEGMENT`].
    pub kind: u16,
    /// Size of the whole record in bytes.
    pub size: u16,
    /// The CPU that it happened on.
    pub cpu: u32,
    /// Boot-time clock (`CLOCK_BOOTTIME`), nanoseconds, taken as the program starts.
    pub mono_ns: u64,
    /// Kernel address of the socket.
    pub socket: u64,
    /// Socket cookie.
    pub cookie: u64,
    /// Bits of [`usage_known`].
    pub known: u32,
    /// `enum sk_rst_reason` of the running kernel, or an errno.
    pub reason: u32,
    /// One of [`segment`].
    pub what: u16,
    /// State of the socket then.
    pub state: u16,
    /// Zero.
    pub reserved: u32,
}

/// Size of a [`SegmentRecord`] in bytes.
pub const SEGMENT_SIZE: usize = size_of::<SegmentRecord>();

const _: () = {
    assert!(USE_SIZE == 64);
    assert!(offset_of!(UseRecord, mono_ns) == 8);
    assert!(offset_of!(UseRecord, socket) == 16);
    assert!(offset_of!(UseRecord, cookie) == 24);
    assert!(offset_of!(UseRecord, known) == 32);
    assert!(offset_of!(UseRecord, tgid) == 36);
    assert!(offset_of!(UseRecord, tid) == 40);
    assert!(offset_of!(UseRecord, what) == 44);
    assert!(offset_of!(UseRecord, incarnation) == 46);
    assert!(offset_of!(UseRecord, comm) == 48);
    assert!(SEGMENT_SIZE == 48);
    assert!(offset_of!(SegmentRecord, mono_ns) == 8);
    assert!(offset_of!(SegmentRecord, socket) == 16);
    assert!(offset_of!(SegmentRecord, cookie) == 24);
    assert!(offset_of!(SegmentRecord, known) == 32);
    assert!(offset_of!(SegmentRecord, reason) == 36);
    assert!(offset_of!(SegmentRecord, what) == 40);
    assert!(offset_of!(SegmentRecord, state) == 42);
    assert!(offset_of!(SegmentRecord, reserved) == 44);
};
