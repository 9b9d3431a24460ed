//! What leaves the tracker: values that say what happened and how well it is known.
//!
//! **Never:** a schema: how these are written is each sink's own matter.

use std::rc::Rc;

use crate::model::{
    Family, Figures, Loss, MonoNs, Process, RequestEnd, SegmentNews, TcpState, TimewaitEnd, Tuple,
    event::{Comm, ShownTuple, Task},
};

use super::Ending;

/// Number of a connection: counted up within a session, and the same in a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// One thing to show.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "most outputs are changes: boxed, each would be allocated"
)]
pub enum Output {
    /// A state change.
    Change(Change),
    /// A connection that has ended, or is still open at the end of the trace.
    Timeline(Box<Timeline>),
    /// Changes were lost.
    Loss(Loss),
    /// A timewait socket holds a connection from now on, which stays in FIN_WAIT2: no change says so.
    Held(Held),
}

/// A connection in FIN_WAIT2 that a timewait socket holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub conn: ConnId,
    /// Since when; of one that was found, when it was.
    pub at: MonoNs,
}

/// Where a change comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The tracepoint said so.
    Tracepoint {
        /// Ends exactly as it showed them.
        shown: ShownTuple,
        /// Task that was on the CPU.
        task: Task,
        /// Whether that task was using the socket.
        task_holds_socket: Option<bool>,
    },
    /// The socket was found in this state when the trace began.
    Snapshot,
    /// A timewait socket, which the tracepoint never shows.
    Timewait {
        /// Why it is gone; `None` while it lives.
        end: Option<TimewaitEnd>,
    },
    /// A request socket, which the tracepoint never shows.
    Request {
        /// Why it is gone, without a connection; `None` while it lives.
        end: Option<RequestEnd>,
    },
}

/// Why a time is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It began before the trace did.
    BeforeTrace,
    /// Changes were lost in it.
    Loss,
    /// A change on the way was not seen, though none is known to be lost.
    Missed,
    /// The connection was let go in it, or before it: too many were alive.
    NotFollowed,
    /// The clocks of two CPUs disagree.
    Clock,
    /// No request socket held it: the SYN was answered with a SYN cookie, or by Fast Open.
    NoRequest,
}

/// How long something took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Nanoseconds, from start to end.
    Known(u64),
    /// Nanoseconds, and by how much that may be wrong, either way.
    Within {
        /// The middle of what is possible.
        ns: u64,
        /// Half the width of it.
        error_ns: u64,
    },
    /// Not known.
    Unknown(Unknown),
    /// Not over: nanoseconds from its start to the end of the trace.
    Open(u64),
}

/// A state change of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: MonoNs,
    /// By how much that may be wrong, either way; zero where a hook ran at that moment.
    pub error_ns: u64,
    /// Of which connection.
    pub conn: ConnId,
    /// Where it comes from.
    pub origin: Origin,
    /// Family, after folding.
    pub family: Family,
    /// Ends, as far as they are known by now.
    pub tuple: Tuple,
    /// State that was left; `None` for a socket that was found.
    pub from: Option<TcpState>,
    /// State that was entered.
    pub to: TcpState,
    /// Time in the state that was left; `None` where a connection begins.
    pub in_from: Option<Span>,
    /// Inode number of the network namespace.
    pub netns: Option<u32>,
    /// Socket cookie.
    pub cookie: Option<u64>,
    /// Whose connection it is, as far as it is known by now.
    pub owner: Owner,
}

/// Whose connection it is. Each part is known or not by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// Process and name of who was seen using the socket last, rather than passing by; of a connection that nobody was
    /// seen using yet, of who opened it.
    pub process: Option<(u32, Comm)>,
    /// Process and name of who opened it: who connected, or who listens where the other end connected to.
    pub opened_by: Option<(u32, Comm)>,
    /// uid of the socket.
    pub uid: Option<u32>,
    /// cgroup id of the socket.
    pub cgroup: Option<u64>,
}

impl Owner {
    /// Returns who opened the connection, where that is another process than the one that uses it.
    pub fn other_opener(&self) -> Option<(u32, Comm)> {
        let (owner, _) = self.process?;
        self.opened_by.filter(|&(opener, _)| opener != owner)
    }

    /// Returns whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// What is known of the processes that a connection has or had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    /// Of the one that [`Owner::process`] names.
    pub process: Option<Rc<Process>>,
    /// The thread of that one which used the socket, and its name.
    pub thread: Option<(u32, Comm)>,
    /// Of the one that [`Owner::opened_by`] names.
    pub opened_by: Option<Rc<Process>>,
}

/// What happened to a connection between its state changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The first of them, in order.
    pub first: Vec<Mark>,
    /// How many more there were.
    pub more: u64,
}

/// Something that happened to a connection without a change of its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: MonoNs,
    /// State of the socket then.
    pub state: TcpState,
    /// What.
    pub what: SegmentNews,
}

/// How a connection began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// This host connected.
    Active,
    /// The other end connected to a listener here.
    Passive,
    /// Before the trace did.
    BeforeTrace,
    /// Not known: changes were lost, or connections let go, before the first one that was seen.
    NotSeen,
    /// Not a connection: a socket that listens.
    Listen,
}

/// Who closed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closer {
    /// This host.
    Local,
    /// The other end.
    Remote,
    /// Both at once: the FINs crossed.
    Both,
}

/// One state of a connection's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The state.
    pub state: TcpState,
    /// When it was entered; `None` where that was not seen.
    pub start: Option<MonoNs>,
    /// How long it lasted.
    pub span: Span,
}

/// The life of one connection. Its last `CLOSE` is not a segment: the connection is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Number.
    pub conn: ConnId,
    /// Family, after folding.
    pub family: Family,
    /// Ends.
    pub tuple: Tuple,
    /// How it began.
    pub opened: Opened,
    /// Who closed first; `None` where nobody did, or nobody saw.
    pub closed_first: Option<Closer>,
    /// How it ended; `None` while it is open.
    pub ended: Option<Ending>,
    /// When it changed to CLOSE; `None` where that was not seen.
    pub ended_at: Option<MonoNs>,
    /// Its states, in order.
    pub segments: Vec<Segment>,
    /// From the first segment's start to the end; unknown as soon as either is.
    pub lifetime: Span,
    /// Whose it is.
    pub owner: Owner,
    /// What is known of these processes.
    pub people: People,
    /// What it carried until its full socket closed; `None` where it has not, or nothing was told.
    pub figures: Option<Figures>,
    /// What happened between its state changes.
    pub marks: Marks,
    /// Inode number of the network namespace.
    pub netns: Option<u32>,
    /// Socket cookie.
    pub cookie: Option<u64>,
    /// Why its timewait socket ended, if it had one and that has ended.
    pub timewait_end: Option<TimewaitEnd>,
    /// How often its TIME_WAIT began anew, as far as that is seen.
    pub rearmed: u32,
    /// How its half-open time ended, if a request socket held it and did not become a connection.
    pub half_open_end: Option<RequestEnd>,
}

impl Change {
    /// Returns whether it is a listening socket's own change, not one of its children's.
    pub fn is_listener(&self) -> bool {
        use crate::model::TcpState::{Listen, SynRecv};
        self.to == Listen || (self.from == Some(Listen) && self.to != SynRecv)
    }
}

impl Timeline {
    /// Returns whether it is a listening socket's.
    pub fn is_listener(&self) -> bool {
        self.opened == Opened::Listen
    }
}
