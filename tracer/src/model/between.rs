//! What happens to a connection between its state changes, and to its process.

use std::collections::BTreeMap;

use super::{MonoNs, Process, Socket, Task, TcpState};

/// A process, as it was when it was first seen using a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSeen {
    /// When.
    pub at: MonoNs,
    /// What it was.
    pub process: Process,
    /// Which of all that have or had its number, as [`Task::incarnation`] says of its tasks.
    pub incarnation: u16,
}

/// A process uses a socket that another one, or none, was seen using before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// When.
    pub at: MonoNs,
    /// Address of the socket.
    pub socket: Socket,
    /// Socket cookie.
    pub cookie: Option<u64>,
    /// Who.
    pub task: Task,
    /// Whether it belongs to a process that is followed.
    pub task_is_followed: bool,
    /// How.
    pub way: Way,
}

/// How a socket was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It was taken from a listener.
    Accepted,
    /// Data was read from it.
    Received,
}

/// Something that happened to a connection without a change of its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// When.
    pub at: MonoNs,
    /// Address of the socket.
    pub socket: Socket,
    /// Socket cookie.
    pub cookie: Option<u64>,
    /// What.
    pub what: SegmentNews,
    /// State of the socket then.
    pub state: TcpState,
}

/// What the kernel calls its reasons for a reset, by their numbers: `enum sk_rst_reason` differs from release to release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResetReasons(pub BTreeMap<u32, String>);

impl ResetReasons {
    /// Returns the name of a reason, in small letters: `tcp_abort_on_close`. The kernel also says that it gives none.
    pub fn name(&self, reason: u32) -> Option<&str> {
        const NONE: &str = "not_specified";
        self.0
            .get(&reason)
            .map(String::as_str)
            .filter(|name| *name != NONE)
    }
}

/// What happened to a connection without a change of its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentNews {
    /// A segment was sent again.
    Retransmitted,
    /// A reset was sent.
    ResetSent {
        /// The kernel's reason, as its `enum sk_rst_reason` numbers it; `None` where it tells none.
        reason: Option<u32>,
    },
    /// A reset was received.
    ResetReceived,
    /// An errno was reported to the program, and closed nothing.
    Error(u32),
}
