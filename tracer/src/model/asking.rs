//! Questions after one timewait socket, and what the kernel answers.

use super::{MonoNs, TcpState, Tuple};

/// Asks after one timewait socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Inode number of the network namespace to ask in.
    pub netns: u32,
    /// Both ends, complete.
    pub tuple: Tuple,
    /// Its cookie. Another socket that has the same ends by now is not meant.
    pub cookie: u64,
    /// Index of the network interface that it is bound to, zero for none; `None` where that is not
    /// known yet.
    pub interface: Option<u32>,
}

/// What was answered, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// When the last tick had been counted by then: the kernel reckons timers from there, and a machine
    /// whose processors are kept from running counts late.
    pub ticked: MonoNs,
    /// Before it was asked.
    pub before: MonoNs,
    /// After it was answered.
    pub after: MonoNs,
    /// The answer, true at some moment between the two.
    pub answer: Answer,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There is a socket with these ends and this cookie.
    Found(Found),
    /// There is none.
    Absent,
    /// Nothing leads to the network namespace any more, so nobody can ask.
    NetnsGone,
    /// It could not be asked, for this reason.
    Failed(String),
}

/// A socket that was asked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its state: of a timewait socket, FIN_WAIT2 or TIME_WAIT.
    pub state: TcpState,
    /// Of a timewait socket, nanoseconds until the time that its timer is set for, or zero from
    /// then on; `None` of any other.
    pub left_ns: Option<u64>,
    /// Index of the network interface that it is bound to, or zero.
    pub interface: u32,
}
