//! What the kernel side writes into the ring buffers, and what it counts when it cannot.

use core::mem::{offset_of, size_of};

/// [`StateChangeRecord::kind`] of a state change.
pub const KIND_STATE_CHANGE: u16 = 1;

/// Which fields of a record the kernel side could read. A field whose bit is clear is unknown,
/// whatever its bytes say.
pub mod known {
    /// The socket cookie.
    pub const COOKIE: u32 = 1 << 0;
    /// The inode number of the network namespace.
    pub const NETNS: u32 = 1 << 1;
    /// The id of the socket's cgroup (version 2).
    pub const CGROUP: u32 = 1 << 2;
    /// The uid of the socket's owner, as the initial user namespace numbers it.
    pub const UID: u32 = 1 << 3;
    /// Whether the current task holds the socket; the answer is [`HOLDS_SOCKET`].
    pub const LOCK_OWNER: u32 = 1 << 4;
    /// The socket's pending error.
    pub const ERROR: u32 = 1 << 5;
    /// The port that the socket is bound to, apart from the one it shows.
    pub const BOUND_PORT: u32 = 1 << 6;
    /// What became of a socket that could go on as a timewait socket; the answer is
    /// [`TIMEWAIT_MADE`], [`TIMEWAIT_REFUSED`] or neither.
    pub const TIMEWAIT: u32 = 1 << 7;

    /// Which [`incarnation`](super::StateChangeRecord::incarnation) of its process the current task is.
    pub const INCARNATION: u32 = 1 << 8;
    /// Not a field but an answer: the current task is exiting, and what it does to the socket is to let go of it. Means
    /// something only beside [`INCARNATION`].
    pub const EXITING_TASK: u32 = 1 << 26;
    /// Not a field but an answer: the current task is a thread of the kernel's own. Means something only beside
    /// [`INCARNATION`].
    pub const KERNEL_TASK: u32 = 1 << 27;
    /// Not a field but an answer: the current task belongs to a process that is followed, and held the
    /// socket. Means something only where processes are followed, and beside [`LOCK_OWNER`].
    pub const FOLLOWED: u32 = 1 << 28;
    /// Not a field but an answer: the timer of its timewait socket was set just before. Means something
    /// only beside [`TIMEWAIT`].
    pub const TIMEWAIT_MADE: u32 = 1 << 29;
    /// Not a field but an answer: the socket was to go on as a timewait socket, and there was none
    /// for it (`tcp_max_tw_buckets`). Means something only beside [`TIMEWAIT`].
    pub const TIMEWAIT_REFUSED: u32 = 1 << 30;

    /// Not a field but an answer: the current task held the socket's lock (`sk_lock.owned`), so
    /// task and socket belong together. Means something only beside [`LOCK_OWNER`].
    pub const HOLDS_SOCKET: u32 = 1 << 31;
}

/// One state change of one socket, as `sock:inet_sock_set_state` told it. 128 bytes.
///
/// # Kernel
///
/// Sent before the socket's state is written (`inet_sk_set_state`, `inet_sk_state_store`), so
/// `old_state` still stands in the socket at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct StateChangeRecord {
    /// [`KIND_STATE_CHANGE`].
    pub kind: u16,
    /// Size of the whole record in bytes.
    pub size: u16,
    /// The CPU that the change ran on.
    pub cpu: u32,
    /// Boot-time clock (`CLOCK_BOOTTIME`), nanoseconds, taken as the program starts.
    pub mono_ns: u64,
    /// Kernel address of the socket; reused as soon as a socket is freed.
    pub socket: u64,
    /// Socket cookie, unique until the next boot.
    pub cookie: u64,
    /// cgroup id of the socket.
    pub cgroup: u64,
    /// Bits of [`known`].
    pub known: u32,
    /// Inode number of the network namespace.
    pub netns: u32,
    /// uid of the socket's owner.
    pub uid: u32,
    /// Process (thread group) of the current task, numbered by the initial pid namespace.
    pub tgid: u32,
    /// Thread of the current task.
    pub tid: u32,
    /// `sk_err`, a positive errno or zero.
    pub error: u32,
    /// State that the socket leaves, as the kernel numbers it.
    pub old_state: u16,
    /// State that the socket enters.
    pub new_state: u16,
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// IP protocol number.
    pub protocol: u16,
    /// Local port as the tracepoint shows it (`inet_sport`): zero or stale while a connect has not
    /// chosen one.
    pub local_port: u16,
    /// Remote port (`inet_dport`).
    pub remote_port: u16,
    /// Port that the socket is bound to now (`inet_num`), zero when to none.
    pub bound_port: u16,
    /// Digest of the start of the current task's process and of how often it has executed a program: tells it
    /// from another one that has had the same number. Zero where it is not known.
    pub incarnation: u16,
    /// Local address.
    pub local_addr: [u8; 16],
    /// Remote address.
    pub remote_addr: [u8; 16],
    /// Name of the current task, ended by a zero byte.
    pub comm: [u8; 16],
}

/// Size of a [`StateChangeRecord`] in bytes.
pub const STATE_CHANGE_SIZE: usize = size_of::<StateChangeRecord>();

/// What one CPU could not write into its ring buffers, as a value of the `LOSSES` map.
///
/// The agent writes a new number into the `EPOCH` map each time it has read the counters; the
/// first loss after that starts a new interval. The numbers stand first, and are to be read first: the
/// kernel side writes them last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct LossCounter {
    /// Records of state changes lost since the object was loaded.
    pub changes: u64,
    /// The same of records that tell of no change.
    pub beside: u64,
    /// The epoch in which `since_ns` was written.
    pub epoch: u64,
    /// Boot-time clock of the first loss in `epoch`.
    pub since_ns: u64,
    /// Boot-time clock of the last loss.
    pub until_ns: u64,
}

impl LossCounter {
    /// How many 64-bit words it has.
    pub const WORDS: usize = size_of::<Self>() / 8;

    /// Makes it of the words that a map holds.
    pub fn from_words(words: [u64; Self::WORDS]) -> Self {
        let [changes, beside, epoch, since_ns, until_ns] = words;
        Self {
            changes,
            beside,
            epoch,
            since_ns,
            until_ns,
        }
    }
}

const _: () = {
    assert!(STATE_CHANGE_SIZE == 128);
    assert!(offset_of!(StateChangeRecord, mono_ns) == 8);
    assert!(offset_of!(StateChangeRecord, socket) == 16);
    assert!(offset_of!(StateChangeRecord, cookie) == 24);
    assert!(offset_of!(StateChangeRecord, cgroup) == 32);
    assert!(offset_of!(StateChangeRecord, known) == 40);
    assert!(offset_of!(StateChangeRecord, netns) == 44);
    assert!(offset_of!(StateChangeRecord, uid) == 48);
    assert!(offset_of!(StateChangeRecord, tgid) == 52);
    assert!(offset_of!(StateChangeRecord, tid) == 56);
    assert!(offset_of!(StateChangeRecord, error) == 60);
    assert!(offset_of!(StateChangeRecord, old_state) == 64);
    assert!(offset_of!(StateChangeRecord, new_state) == 66);
    assert!(offset_of!(StateChangeRecord, family) == 68);
    assert!(offset_of!(StateChangeRecord, protocol) == 70);
    assert!(offset_of!(StateChangeRecord, local_port) == 72);
    assert!(offset_of!(StateChangeRecord, remote_port) == 74);
    assert!(offset_of!(StateChangeRecord, bound_port) == 76);
    assert!(offset_of!(StateChangeRecord, local_addr) == 80);
    assert!(offset_of!(StateChangeRecord, remote_addr) == 96);
    assert!(offset_of!(StateChangeRecord, comm) == 112);
    assert!(size_of::<LossCounter>() == 40);
};
