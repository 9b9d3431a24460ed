//! What the kernel side tells of the small sockets that the tracepoint never shows.
//!
//! The kernel calls them minisocks (`net/ipv4/tcp_minisocks.c`): a timewait socket takes over from a
//! full one in FIN_WAIT2 or TIME_WAIT, and a request socket stands for a connection in SYN_RECV
//! until its handshake is complete. Both begin with a `struct sock_common` and hold one timer.

use core::mem::{offset_of, size_of};

/// [`MinisockRecord::kind`] of a timewait socket.
pub const KIND_TIMEWAIT: u16 = 2;
/// [`MinisockRecord::kind`] of a request socket.
pub const KIND_REQUEST: u16 = 3;

/// What happened to a minisock: [`MinisockRecord::what`].
pub mod what {
    /// Its timer was set: it begins, or its time begins anew.
    pub const ARMED: u16 = 1;
    /// Its timer ran out. A request socket may go on: its SYN-ACK is then sent again, and the
    /// timer set again.
    pub const EXPIRED: u16 = 2;
    /// It is taken out before its timer ran out; [`MinisockRecord::caller`] says by whom.
    ///
    /// [`MinisockRecord::caller`]: super::MinisockRecord::caller
    pub const REMOVED: u16 = 3;
    /// It was found when all were listed.
    pub const FOUND: u16 = 4;
}

/// Which function of the kernel is at work: [`MinisockRecord::caller`], and what the agent writes
/// into [`CallerRange::caller`](crate::CallerRange::caller).
pub mod caller {
    /// None of those below.
    pub const UNKNOWN: u32 = 0;
    /// A connect of this host takes the port over: `__inet_check_established`,
    /// `__inet6_check_established`, `__inet_hash_connect`.
    pub const CONNECT: u32 = 1;
    /// A segment came in: `tcp_v4_rcv`, `tcp_v6_rcv`.
    pub const RECEIVE: u32 = 2;
    /// A segment was judged by a timewait socket: `tcp_timewait_state_process`.
    pub const TIMEWAIT_PROCESS: u32 = 3;
    /// Somebody kills it: `tcp_abort`.
    pub const ABORT: u32 = 4;
    /// Its network namespace ends: `inet_twsk_purge`, `tcp_sk_exit_batch`, `cleanup_net`. Into the
    /// first the compiler may have built what takes a timewait socket out, so it needs no mark.
    pub const NETNS_EXIT: u32 = 5;
    /// A segment was judged by a request socket: `tcp_check_req`.
    pub const REQUEST_CHECK: u32 = 6;
    /// The handshake is complete: `inet_csk_complete_hashdance`.
    pub const REQUEST_COMPLETE: u32 = 7;
    /// A request socket's timer ran out: `reqsk_timer_handler`.
    pub const REQUEST_TIMER: u32 = 8;
    /// A timewait socket is taken out before its time: `inet_twsk_deschedule_put`. Not a reason,
    /// but the mark by which a cancelled timer is told from one that is set anew or runs out.
    pub const TIMEWAIT_REMOVE: u32 = 9;
    /// A request socket is taken out: `__inet_csk_reqsk_queue_drop` and what calls it, likewise.
    pub const REQUEST_REMOVE: u32 = 10;
    /// A full socket tries to go on as a timewait socket: `tcp_time_wait`.
    pub const TIME_WAIT: u32 = 11;
    /// The other end's FIN is taken in: `tcp_fin`. In FIN_WAIT2 it leads to `tcp_time_wait` alone, which
    /// a compiler may have left no frame of its own.
    pub const FIN: u32 = 12;
    /// A full socket is done with: `tcp_done`.
    pub const DONE: u32 = 13;
    /// A segment is handed to a transparent proxy's listener, as a new SYN is:
    /// `nf_tproxy_handle_time_wait4` and `6`.
    pub const TPROXY: u32 = 14;
}

/// Which fields of a [`MinisockRecord`] the kernel side could read, as in
/// [`known`](crate::known).
pub mod minisock_known {
    /// The inode number of the network namespace.
    pub const NETNS: u32 = 1 << 0;
    /// The socket cookie.
    pub const COOKIE: u32 = 1 << 1;
    /// [`age_ms`](super::MinisockRecord::age_ms).
    pub const ENTERED: u32 = 1 << 2;
    /// Whether the last ACK of the handshake came and was not taken; the answer is [`ACKED`].
    pub const HANDSHAKE: u32 = 1 << 3;

    /// Not a field but an answer: the ACK came, and there was no room for the connection. (A listener
    /// with TCP_DEFER_ACCEPT does not take a bare ACK either; that is not meant.) Means something only
    /// beside [`HANDSHAKE`].
    pub const ACKED: u32 = 1 << 31;
}

/// One thing that happened to one minisock. 112 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct MinisockRecord {
    /// [`KIND_TIMEWAIT`] or [`KIND_REQUEST`].
    pub kind: u16,
    /// Size of the whole record in bytes.
    pub size: u16,
    /// The CPU that it happened on.
    pub cpu: u32,
    /// Boot-time clock (`CLOCK_BOOTTIME`), nanoseconds, taken as the program starts.
    pub mono_ns: u64,
    /// Kernel address of the minisock; reused as soon as it is freed.
    pub address: u64,
    /// Socket cookie: the one that the full socket had; of a request socket, usually none yet.
    pub cookie: u64,
    /// Timer ticks since some moment of the boot (`jiffies_64`).
    pub jiffies: u64,
    /// The tick for which the timer is set, before the timer wheel rounds it up.
    pub expires: u64,
    /// Bits of [`minisock_known`].
    pub known: u32,
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Milliseconds since a timewait socket's `tw_entry_stamp`.
    pub age_ms: u32,
    /// How often a request socket's SYN-ACK was sent again.
    pub retransmits: u16,
    /// One of [`what`].
    pub what: u16,
    /// One of [`caller`].
    pub caller: u16,
    /// `tw_substate`; of a request socket, the state of its listener.
    pub state: u16,
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// Local port.
    pub local_port: u16,
    /// Remote port.
    pub remote_port: u16,
    /// Zero.
    pub reserved: [u16; 3],
    /// Local address.
    pub local_addr: [u8; 16],
    /// Remote address.
    pub remote_addr: [u8; 16],
}

/// Size of a [`MinisockRecord`] in bytes.
pub const MINISOCK_SIZE: usize = size_of::<MinisockRecord>();

const _: () = {
    assert!(MINISOCK_SIZE == 112);
    assert!(offset_of!(MinisockRecord, mono_ns) == 8);
    assert!(offset_of!(MinisockRecord, address) == 16);
    assert!(offset_of!(MinisockRecord, cookie) == 24);
    assert!(offset_of!(MinisockRecord, jiffies) == 32);
    assert!(offset_of!(MinisockRecord, expires) == 40);
    assert!(offset_of!(MinisockRecord, known) == 48);
    assert!(offset_of!(MinisockRecord, netns) == 52);
    assert!(offset_of!(MinisockRecord, age_ms) == 56);
    assert!(offset_of!(MinisockRecord, retransmits) == 60);
    assert!(offset_of!(MinisockRecord, what) == 62);
    assert!(offset_of!(MinisockRecord, caller) == 64);
    assert!(offset_of!(MinisockRecord, state) == 66);
    assert!(offset_of!(MinisockRecord, family) == 68);
    assert!(offset_of!(MinisockRecord, local_port) == 70);
    assert!(offset_of!(MinisockRecord, remote_port) == 72);
    assert!(offset_of!(MinisockRecord, reserved) == 74);
    assert!(offset_of!(MinisockRecord, local_addr) == 80);
    assert!(offset_of!(MinisockRecord, remote_addr) == 96);
};
