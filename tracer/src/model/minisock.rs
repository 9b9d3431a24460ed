//! What happens to the small sockets that the tracepoint never shows: timewait sockets, which hold
//! FIN_WAIT2 and TIME_WAIT, and request sockets, which hold SYN_RECV.
//!
//! # Kernel
//!
//! * `tcp_time_wait` gives a timewait socket the full one's cookie and ends, and arms its timer
//!   before the full socket changes to CLOSE, on the same CPU.
//! * A timewait socket is in `tw_substate`: FIN_WAIT2 until the other end's FIN comes, then
//!   TIME_WAIT. Each time the 60 s of TIME_WAIT begin anew its timer is set again; the timer
//!   tracepoints show that only where the timer wheel has another slot for the new time.
//! * A request socket has all ends from its first moment, and its timer is set when it is hashed.
//!   Neither SYN cookies nor Fast Open make one that is hashed.

use std::fmt;

use super::{MonoNs, Socket, TcpState, Tuple};

/// Time in TIME_WAIT that the kernel sets its timer to (`TCP_TIMEWAIT_LEN`), in nanoseconds.
pub const TIMEWAIT_NS: u64 = 60_000_000_000;

/// Something about one timewait socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timewait {
    /// When.
    pub at: MonoNs,
    /// By how much `at` may be wrong, either way; zero where a hook ran at that moment.
    pub error_ns: u64,
    /// Socket cookie: the one of the full socket before it. `None` where it had none, so that
    /// nothing can be told of whose it is.
    pub cookie: Option<u64>,
    /// Inode number of the network namespace.
    pub netns: Option<u32>,
    /// Its ends.
    pub tuple: Tuple,
    /// FIN_WAIT2 or TIME_WAIT: `tw_substate` at that moment.
    pub substate: TcpState,
    /// What.
    pub news: TimewaitNews,
}

/// What happened to a timewait socket, or was seen of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimewaitNews {
    /// Its timer was set.
    Armed(Ticks),
    /// It is gone.
    Ended {
        /// Why.
        end: TimewaitEnd,
        /// For when its timer was set at last, where that is known.
        timer: Option<Ticks>,
    },
    /// It was asked for, and is there.
    Seen {
        /// Nanoseconds until the time that its timer is set for.
        left_ns: u64,
        /// By how much that may be wrong, either way.
        error_ns: u64,
    },
    /// It was asked for, and there is none: the full socket had none to go on in.
    Absent,
}

/// A timer's time, in ticks of the kernel's `jiffies_64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks {
    /// Now.
    pub now: u64,
    /// What the timer is set for, before the timer wheel rounds it up.
    pub expires: u64,
}

/// Why a timewait socket is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimewaitEnd {
    /// Its time was over.
    Expired,
    /// A connect of this host took its port over (`tcp_tw_reuse`).
    Reused,
    /// The other end sent a new SYN to a listener here.
    NewSyn,
    /// A reset came (with `tcp_rfc1337` off), or a segment that was answered with one.
    Reset,
    /// It was killed: `ss -K`.
    Killed,
    /// Its network namespace ended.
    NetnsGone,
    /// Before its time, not known why.
    Unknown,
}

impl TimewaitEnd {
    /// Every end, the usual one first.
    pub const ALL: [Self; 7] = [
        Self::Expired,
        Self::Reused,
        Self::NewSyn,
        Self::Reset,
        Self::Killed,
        Self::NetnsGone,
        Self::Unknown,
    ];

    /// Returns why, in a person's words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Reused => "reused by a connect",
            Self::NewSyn => "new SYN from the peer",
            Self::Reset => "reset",
            Self::Killed => "killed",
            Self::NetnsGone => "network namespace gone",
            Self::Unknown => "ended early, not known why",
        }
    }
}

impl fmt::Display for TimewaitEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

/// Something about one request socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When.
    pub at: MonoNs,
    /// Its address: its identity while it lives.
    pub address: Socket,
    /// Inode number of the network namespace.
    pub netns: Option<u32>,
    /// Its ends.
    pub tuple: Tuple,
    /// How often its SYN-ACK was sent again.
    pub retransmits: u16,
    /// What.
    pub news: RequestNews,
}

/// What happened to a request socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestNews {
    /// Its timer was set: it begins, or its SYN-ACK was sent again.
    Armed,
    /// Its timer ran out. Unless it is set anew at once, that was the end, for this reason.
    Expired(RequestEnd),
    /// It is gone.
    Ended(RequestEnd),
}

/// Why a request socket is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestEnd {
    /// The handshake is complete: a full socket goes on.
    Completed,
    /// The last ACK of the handshake did not come.
    TimedOut,
    /// The ACK came, and the listener's queue had no room until the time was over.
    AcceptQueueFull,
    /// A reset came, or a segment that was answered with one.
    Reset,
    /// Its listener listens no more.
    ListenerClosed,
    /// It was killed: `ss -K`.
    Killed,
    /// Its network namespace ended.
    NetnsGone,
    /// Not known.
    Unknown,
}

impl RequestEnd {
    /// Every way to fail, the usual one first.
    pub const FAILURES: [Self; 7] = [
        Self::TimedOut,
        Self::AcceptQueueFull,
        Self::Reset,
        Self::ListenerClosed,
        Self::Killed,
        Self::NetnsGone,
        Self::Unknown,
    ];

    /// Returns why, in a person's words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::TimedOut => "timed out",
            Self::AcceptQueueFull => "accept queue full",
            Self::Reset => "reset",
            Self::ListenerClosed => "listener closed",
            Self::Killed => "killed",
            Self::NetnsGone => "network namespace gone",
            Self::Unknown => "not known why",
        }
    }
}

impl fmt::Display for RequestEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}
