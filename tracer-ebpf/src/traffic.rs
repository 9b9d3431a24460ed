//! What the kernel side tells of a connection as it closes: what it carried, and how things stood.

use core::mem::{offset_of, size_of};

/// [`TrafficRecord::kind`] of a connection's figures.
pub const KIND_TRAFFIC: u16 = 7;

/// Which fields of a [`TrafficRecord`] the kernel side could read.
pub mod traffic_known {
    /// The socket cookie.
    pub const COOKIE: u32 = 1 << 0;
    /// [`bytes_sent`](super::TrafficRecord::bytes_sent), [`bytes_received`](super::TrafficRecord::bytes_received),
    /// [`bytes_acked`](super::TrafficRecord::bytes_acked) and
    /// [`bytes_retransmitted`](super::TrafficRecord::bytes_retransmitted).
    pub const BYTES: u32 = 1 << 1;
    /// [`segments_sent`](super::TrafficRecord::segments_sent) and
    /// [`segments_received`](super::TrafficRecord::segments_received).
    pub const SEGMENTS: u32 = 1 << 2;
    /// [`retransmits`](super::TrafficRecord::retransmits).
    pub const RETRANSMITS: u32 = 1 << 3;
    /// [`smoothed_rtt`](super::TrafficRecord::smoothed_rtt).
    pub const RTT: u32 = 1 << 4;
    /// [`congestion_window`](super::TrafficRecord::congestion_window).
    pub const CONGESTION_WINDOW: u32 = 1 << 5;
    /// [`unread`](super::TrafficRecord::unread).
    pub const UNREAD: u32 = 1 << 6;
    /// [`flags`](super::TrafficRecord::flags) and [`linger_zero`](super::TrafficRecord::linger_zero).
    pub const FLAGS: u32 = 1 << 7;
    /// [`pending_retransmits`](super::TrafficRecord::pending_retransmits), [`probes`](super::TrafficRecord::probes) and
    /// [`user_timeout_ms`](super::TrafficRecord::user_timeout_ms).
    pub const TIMERS: u32 = 1 << 8;
    /// Whether a program has the socket; the answer is [`HAS_PROGRAM`].
    pub const PROGRAM: u32 = 1 << 9;
    /// [`waiting`](super::TrafficRecord::waiting).
    pub const WAITING: u32 = 1 << 10;

    /// Not a field but an answer: a program has the socket, so it is not one that waits to be accepted, nor one
    /// that was closed. Means something only beside [`PROGRAM`].
    pub const HAS_PROGRAM: u32 = 1 << 31;
}

/// What a full socket had carried when it changed to CLOSE, told just before that change. 112 bytes.
///
/// # Kernel
///
/// The fields are those of `struct tcp_sock`, `struct inet_connection_sock` and `struct sock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TrafficRecord {
    /// [`KIND_TRAFFIC`].
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
    /// `bytes_sent`: data handed to the network, sent again or not.
    pub bytes_sent: u64,
    /// `bytes_received`: data taken in, in order.
    pub bytes_received: u64,
    /// `bytes_acked`: data that the other end acknowledged.
    pub bytes_acked: u64,
    /// `bytes_retrans`: data sent again.
    pub bytes_retransmitted: u64,
    /// Bits of [`traffic_known`].
    pub known: u32,
    /// `segs_out`: segments sent, without data too.
    pub segments_sent: u32,
    /// `segs_in`: segments received, without data too.
    pub segments_received: u32,
    /// `total_retrans`: segments sent again.
    pub retransmits: u32,
    /// `srtt_us`: smoothed round-trip time in eighths of a microsecond, zero for none.
    pub smoothed_rtt: u32,
    /// `snd_cwnd`: segments.
    pub congestion_window: u32,
    /// `rcv_nxt - copied_seq`: what was received and not read, a FIN counted as one.
    pub unread: u32,
    /// Low half of `skc_flags`: bit 3 is SOCK_KEEPOPEN, bit 4 SOCK_LINGER.
    pub flags: u32,
    /// `icsk_user_timeout`: milliseconds, zero for none.
    pub user_timeout_ms: u32,
    /// `icsk_retransmits`: retransmissions that are not acknowledged.
    pub pending_retransmits: u16,
    /// `icsk_probes_out`: probes that were not answered.
    pub probes: u16,
    /// Whether `sk_lingertime` is zero: 1, else 0.
    pub linger_zero: u16,
    /// State that the socket leaves.
    pub old_state: u16,
    /// `write_seq - snd_una`: what was written and not acknowledged, a FIN counted as one.
    pub waiting: u32,
}

/// Size of a [`TrafficRecord`] in bytes.
pub const TRAFFIC_SIZE: usize = size_of::<TrafficRecord>();

const _: () = {
    assert!(TRAFFIC_SIZE == 112);
    assert!(offset_of!(TrafficRecord, mono_ns) == 8);
    assert!(offset_of!(TrafficRecord, socket) == 16);
    assert!(offset_of!(TrafficRecord, cookie) == 24);
    assert!(offset_of!(TrafficRecord, bytes_sent) == 32);
    assert!(offset_of!(TrafficRecord, bytes_received) == 40);
    assert!(offset_of!(TrafficRecord, bytes_acked) == 48);
    assert!(offset_of!(TrafficRecord, bytes_retransmitted) == 56);
    assert!(offset_of!(TrafficRecord, known) == 64);
    assert!(offset_of!(TrafficRecord, segments_sent) == 68);
    assert!(offset_of!(TrafficRecord, segments_received) == 72);
    assert!(offset_of!(TrafficRecord, retransmits) == 76);
    assert!(offset_of!(TrafficRecord, smoothed_rtt) == 80);
    assert!(offset_of!(TrafficRecord, congestion_window) == 84);
    assert!(offset_of!(TrafficRecord, unread) == 88);
    assert!(offset_of!(TrafficRecord, flags) == 92);
    assert!(offset_of!(TrafficRecord, user_timeout_ms) == 96);
    assert!(offset_of!(TrafficRecord, pending_retransmits) == 100);
    assert!(offset_of!(TrafficRecord, probes) == 102);
    assert!(offset_of!(TrafficRecord, linger_zero) == 104);
    assert!(offset_of!(TrafficRecord, old_state) == 106);
    assert!(offset_of!(TrafficRecord, waiting) == 108);
};
