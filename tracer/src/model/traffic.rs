//! What a connection carried, and how things stood as its full socket closed.

use super::{MonoNs, Socket};

/// Bit of `skc_flags`: `SOCK_DONE`, set as the other end's FIN is taken in (`tcp_fin`).
pub(in crate::model) const DONE: u32 = 1 << 1;
/// Bit of `skc_flags`: `SOCK_KEEPOPEN`.
const KEEP_OPEN: u32 = 1 << 3;
/// Bit of `skc_flags`: `SOCK_LINGER`.
const LINGER: u32 = 1 << 4;

/// Told just before a full socket changes to CLOSE. What the kernel does not tell is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// When.
    pub at: MonoNs,
    /// Address of the socket.
    pub socket: Socket,
    /// Socket cookie.
    pub cookie: Option<u64>,
    /// What it carried.
    pub figures: Figures,
    /// How things stood.
    pub standing: Standing,
}

/// What a connection carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Bytes of data.
    pub bytes: Option<Bytes>,
    /// Segments, those without data too.
    pub segments: Option<Segments>,
    /// Segments that were sent again.
    pub retransmits: Option<u32>,
    /// Smoothed round-trip time in nanoseconds; `None` also where none was measured.
    pub rtt_ns: Option<u64>,
    /// Congestion window in segments.
    pub congestion_window: Option<u32>,
}

/// Bytes of data, both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// Handed to the network, each once.
    pub sent: u64,
    /// Sent again.
    pub retransmitted: u64,
    /// Taken in, in order.
    pub received: u64,
}

/// Segments, both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// Sent.
    pub sent: u32,
    /// Received.
    pub received: u32,
}

/// What a socket tells of why it closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Bytes that were received and not read, a FIN counted as one.
    pub unread: Option<u32>,
    /// Bytes that were written and not acknowledged, a FIN counted as one.
    pub waiting: Option<u32>,
    /// `skc_flags`, and whether `sk_lingertime` is zero.
    pub flags: Option<(u32, bool)>,
    /// Timers that had run out.
    pub timers: Option<Timers>,
    /// Whether a program has it: it was accepted or made by one, and not closed.
    pub has_program: Option<bool>,
}

/// Timers of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Retransmissions that are not acknowledged.
    pub retransmits: u16,
    /// Probes that were not answered.
    pub probes: u16,
    /// `TCP_USER_TIMEOUT` in milliseconds, zero for none.
    pub user_timeout_ms: u32,
}

impl Standing {
    /// Returns how many bytes of data were received and not read.
    pub fn unread_bytes(&self) -> Option<u32> {
        let had_fin = self.flags.is_some_and(|(flags, _)| flags & DONE != 0);
        self.unread
            .map(|unread| unread.saturating_sub(u32::from(had_fin)))
    }

    /// Returns whether the program asked for a close without a FIN (`SO_LINGER` of zero).
    pub fn lingers_zero(&self) -> Option<bool> {
        self.flags
            .map(|(flags, is_zero)| flags & LINGER != 0 && is_zero)
    }

    /// Returns whether the program asked for keepalive probes (`SO_KEEPALIVE`).
    pub fn keeps_alive(&self) -> Option<bool> {
        self.flags.map(|(flags, _)| flags & KEEP_OPEN != 0)
    }
}
