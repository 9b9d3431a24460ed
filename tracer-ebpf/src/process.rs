//! What the kernel side tells of a process that uses a socket: once, while it lives.

use core::mem::{offset_of, size_of};

/// [`ProcessRecord::kind`] of a process.
pub const KIND_PROCESS: u16 = 4;

/// Bytes of [`ProcessRecord::exe`].
pub const EXE_SIZE: usize = 256;
/// Bytes of [`ProcessRecord::args`].
pub const ARGS_SIZE: usize = 256;
/// Bytes of [`ProcessRecord::cgroup_path`].
pub const CGROUP_PATH_SIZE: usize = 384;

/// Which fields of a [`ProcessRecord`] the kernel side could read, as in [`known`](crate::known).
pub mod process_known {
    /// [`parent`](super::ProcessRecord::parent).
    pub const PARENT: u32 = 1 << 0;
    /// [`start_ns`](super::ProcessRecord::start_ns).
    pub const START: u32 = 1 << 1;
    /// [`exe`](super::ProcessRecord::exe), all of it.
    pub const EXE: u32 = 1 << 2;
    /// [`args`](super::ProcessRecord::args), as much as there is room for.
    pub const ARGS: u32 = 1 << 3;
    /// [`cgroup_path`](super::ProcessRecord::cgroup_path), all of it.
    pub const CGROUP_PATH: u32 = 1 << 4;

    /// Not a field but an answer: the executable has no name any more, since it was removed or replaced. Means something
    /// only beside [`EXE`].
    pub const EXE_DELETED: u32 = 1 << 31;
}

/// A process, as it was when it was first seen using a socket. 976 bytes.
///
/// # Kernel
///
/// The executable is `mm->exe_file`, the arguments are read from the process's own memory, where it may write
/// over them, and the cgroup is that of version 2. A process that is exiting has neither of the first two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ProcessRecord {
    /// [`KIND_PROCESS`].
    pub kind: u16,
    /// Size of the whole record in bytes.
    pub size: u16,
    /// The CPU that it was seen on.
    pub cpu: u32,
    /// Boot-time clock (`CLOCK_BOOTTIME`), nanoseconds, taken as the program starts.
    pub mono_ns: u64,
    /// Boot-time clock of its start, nanoseconds.
    pub start_ns: u64,
    /// Bits of [`process_known`].
    pub known: u32,
    /// Its id (thread group), numbered by the initial pid namespace.
    pub tgid: u32,
    /// The id of its parent.
    pub parent: u32,
    /// Real uid of the task, as the initial user namespace numbers it.
    pub uid: u32,
    /// Digest of its start and of how often it has executed a program: what
    /// [`StateChangeRecord::incarnation`](crate::StateChangeRecord::incarnation) says of the same one.
    pub incarnation: u16,
    /// Bytes of [`args`](Self::args) that are used.
    pub args_len: u16,
    /// Whether there are more arguments than there is room for: 1, else 0.
    pub args_cut: u16,
    /// Zero.
    pub reserved: u16,
    /// Zero.
    pub reserved_words: [u64; 2],
    /// Name of the process: of the thread that leads it, ended by a zero byte.
    pub comm: [u8; 16],
    /// Path of the executable below the root of its mount namespace: its names from the last to the first, each
    /// ended by a zero byte.
    pub exe: [u8; EXE_SIZE],
    /// Arguments, each ended by a zero byte.
    pub args: [u8; ARGS_SIZE],
    /// Path of its cgroup (version 2) below the root of the hierarchy, likewise.
    pub cgroup_path: [u8; CGROUP_PATH_SIZE],
}

/// Size of a [`ProcessRecord`] in bytes.
pub const PROCESS_SIZE: usize = size_of::<ProcessRecord>();

const _: () = {
    assert!(PROCESS_SIZE == 976);
    assert!(offset_of!(ProcessRecord, mono_ns) == 8);
    assert!(offset_of!(ProcessRecord, start_ns) == 16);
    assert!(offset_of!(ProcessRecord, known) == 24);
    assert!(offset_of!(ProcessRecord, tgid) == 28);
    assert!(offset_of!(ProcessRecord, parent) == 32);
    assert!(offset_of!(ProcessRecord, uid) == 36);
    assert!(offset_of!(ProcessRecord, incarnation) == 40);
    assert!(offset_of!(ProcessRecord, args_len) == 42);
    assert!(offset_of!(ProcessRecord, args_cut) == 44);
    assert!(offset_of!(ProcessRecord, reserved) == 46);
    assert!(offset_of!(ProcessRecord, reserved_words) == 48);
    assert!(offset_of!(ProcessRecord, comm) == 64);
    assert!(offset_of!(ProcessRecord, exe) == 80);
    assert!(offset_of!(ProcessRecord, args) == 336);
    assert!(offset_of!(ProcessRecord, cgroup_path) == 592);
};
