//! What enters the tracker: state changes, sockets that were there before, and losses.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use super::printable::printable;
use super::{
    Endpoint, Family, MonoNs, Process, ProcessSeen, Request, Segment, TcpState, Timewait, Traffic,
    Tuple, Use,
};

/// One thing that happened, or was found, or was missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A socket changed its state.
    StateChange(StateChange),
    /// Something happened to a timewait socket.
    Timewait(Timewait),
    /// Something happened to a request socket.
    Request(Request),
    /// A process is seen using a socket for the first time.
    Process(ProcessSeen),
    /// A process uses a socket that it was not seen using before.
    Use(Use),
    /// Something happened to a connection between its state changes.
    Segment(Segment),
    /// What a connection carried whose full socket is about to change to CLOSE.
    Traffic(Traffic),
    /// Changes were lost.
    Loss(Loss),
    /// Who a process is that held a socket when the trace began.
    Holder(Process),
    /// A socket that existed when the trace began.
    Existing(Existing),
    /// Every socket that existed when the trace began has been told.
    ExistingComplete,
}

impl Event {
    /// Returns when it happened, of what happens at one moment.
    pub fn at(&self) -> Option<MonoNs> {
        match self {
            Self::StateChange(change) => Some(change.at),
            Self::Timewait(timewait) => Some(timewait.at),
            Self::Request(request) => Some(request.at),
            Self::Process(seen) => Some(seen.at),
            Self::Use(used) => Some(used.at),
            Self::Segment(segment) => Some(segment.at),
            Self::Traffic(traffic) => Some(traffic.at),
            Self::Existing(existing) => Some(existing.at),
            Self::Loss(_) | Self::Holder(_) | Self::ExistingComplete => None,
        }
    }
}

/// Address of a socket in the kernel: its identity while it lives, and reused at once afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Socket(pub u64);

/// One state change as the tracepoint told it, with what could be read beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// When the hook ran.
    pub at: MonoNs,
    /// On which CPU.
    pub cpu: u32,
    /// Address of the socket.
    pub socket: Socket,
    /// Socket cookie: unique until the next boot.
    pub cookie: Option<u64>,
    /// State that the socket left.
    pub from: TcpState,
    /// State that it entered.
    pub to: TcpState,
    /// Family of the socket itself, before folding.
    pub socket_family: Family,
    /// Ends of the connection exactly as the tracepoint showed them.
    pub shown: ShownTuple,
    /// Port that the socket was bound to at that moment; `Some(0)` is known to be none.
    pub bound_port: Option<u16>,
    /// Inode number of the network namespace.
    pub netns: Option<u32>,
    /// Id of the socket's cgroup.
    pub cgroup: Option<u64>,
    /// uid of the socket's owner.
    pub uid: Option<u32>,
    /// Errno that was pending on the socket; `Some(CloseError(0))` is known to be none.
    pub error: Option<CloseError>,
    /// Task that was on the CPU.
    pub task: Task,
    /// Whether that task was using this socket, rather than only passing by.
    pub task_holds_socket: Option<bool>,
    /// Whether that task was using it and belongs to a process that is followed; false where none is.
    pub task_is_followed: bool,
    /// Whether it was to go on as a timewait socket and got none (`tcp_max_tw_buckets`).
    pub timewait_refused: Option<bool>,
    /// Whether its timewait socket was made just before; false where that is not known.
    pub timewait_made: bool,
}

/// Addresses and ports as the tracepoint showed them: zeros, wildcards and stale values included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownTuple {
    /// `saddr` or `saddr_v6`.
    pub local_addr: IpAddr,
    /// `sport`.
    pub local_port: u16,
    /// `daddr` or `daddr_v6`.
    pub remote_addr: IpAddr,
    /// `dport`.
    pub remote_port: u16,
}

/// Task that was on the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Process id (thread group), numbered by the initial pid namespace.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Name of the thread.
    pub comm: Comm,
    /// Digest of its process's start and executions: tells it from another one that has had the same number.
    pub incarnation: Option<u16>,
    /// Whether it is a thread of the kernel's own; false where that is not known.
    pub is_kernel: bool,
    /// Whether it is exiting: it lets go of what it has, used or inherited; false where that is not known.
    pub is_exiting: bool,
}

impl Task {
    /// Makes one of which no more is known.
    pub fn named(pid: u32, tid: u32, comm: Comm) -> Self {
        Self {
            pid,
            tid,
            comm,
            incarnation: None,
            is_kernel: false,
            is_exiting: false,
        }
    }
}

/// A task's name: up to fifteen bytes that anyone may choose.
///
/// Printing escapes whatever could move a cursor or break a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Comm(pub [u8; 16]);

impl Comm {
    /// Makes a name of bytes; `None` if they are too many.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut comm = [0; 16];
        comm[..15].get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self(comm))
    }

    /// Returns the bytes before the first zero.
    pub fn bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|&byte| byte == 0);
        &self.0[..end.unwrap_or(self.0.len())]
    }
}

impl Comm {
    /// Returns the name as it may be printed.
    pub fn printable(&self) -> Cow<'_, str> {
        match str::from_utf8(self.bytes()) {
            // As good as every name: nothing to escape, and nothing to copy.
            Ok(name) if name.bytes().all(|byte| matches!(byte, b' '..=b'~')) => Cow::Borrowed(name),
            _ => Cow::Owned(printable(String::from_utf8_lossy(self.bytes()).as_ref())),
        }
    }
}

impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.printable())
    }
}

/// An errno that was pending on a socket as it changed its state; zero is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseError(pub u32);

/// Changes that never reached the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Why.
    pub cause: LossCause,
    /// How many records.
    pub lost: u64,
    /// How many of these told of no change: of a process, a use, a segment, or what a connection carried.
    pub beside: u64,
    /// No change before this moment was lost.
    pub since: MonoNs,
    /// No change after this moment was lost.
    pub until: MonoNs,
}

impl Loss {
    /// Returns how many changes of a state were lost.
    pub fn changes(&self) -> u64 {
        self.lost.saturating_sub(self.beside)
    }
}

/// Why changes were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossCause {
    /// The ring buffer was full.
    RingFull {
        /// The CPU whose changes were lost.
        cpu: u32,
    },
    /// The hook was called while it ran on the same CPU, and the kernel did not call it again.
    Recursion,
    /// They were seen, but could not be written into the evidence.
    NotRecorded,
}

/// A socket that was found by `sock_diag` when the trace began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing {
    /// When it was asked for.
    pub at: MonoNs,
    /// Socket cookie.
    pub cookie: u64,
    /// State it was found in.
    pub state: TcpState,
    /// Whether a full socket holds the state: not a timewait and not a request socket, which the
    /// tracepoint never shows.
    pub full_socket: bool,
    /// Its ends.
    pub tuple: Tuple,
    /// Inode number of the network namespace it was found in.
    pub netns: u32,
    /// uid of its owner; a timewait or request socket has none.
    pub uid: Option<u32>,
    /// Process id of whoever has it open: the only one, or the one that all others descend from.
    pub holder: Option<u32>,
    /// Nanoseconds until the time that its timer is set for, of a timewait socket.
    pub left_ns: Option<u64>,
    /// Nanoseconds since it became a timewait socket, to a millisecond, where the kernel keeps it.
    pub age_ns: Option<u64>,
}

impl StateChange {
    /// Returns what may be believed of the ends shown.
    ///
    /// # Kernel
    ///
    /// * At `CLOSE → SYN_SENT` the local port is not chosen yet: `sport` is zero, or, on a socket
    ///   that connects again, the port of the attempt before. Only a port that the socket is bound
    ///   to counts.
    /// * At `LISTEN → SYN_RECV` before Linux 6.15 the new socket still shows its listener's ends:
    ///   the remote port is zero, and no address is right.
    pub fn tuple(&self) -> Tuple {
        let shown = &self.shown;
        let specific =
            |addr: IpAddr| Some(addr.to_canonical()).filter(|addr| !addr.is_unspecified());
        let port = self.local_port();

        if self.is_listener() {
            return Tuple {
                local: Endpoint::new(Some(shown.local_addr), port),
                remote: Endpoint::default(),
            };
        }
        let Some(remote_port) = nonzero(shown.remote_port) else {
            return Tuple {
                local: Endpoint::new(None, port),
                remote: Endpoint::default(),
            };
        };
        Tuple {
            local: Endpoint {
                addr: specific(shown.local_addr),
                port,
            },
            remote: Endpoint {
                addr: specific(shown.remote_addr),
                port: Some(remote_port),
            },
        }
    }

    /// Returns the local port of [`tuple`](Self::tuple).
    pub fn local_port(&self) -> Option<u16> {
        let shown = nonzero(self.shown.local_port);
        let bound = || self.bound_port.and_then(nonzero);
        if self.is_listener() {
            return shown.or_else(bound);
        }
        match self.to {
            TcpState::SynSent if self.shown.remote_port != 0 => bound(),
            _ => shown,
        }
    }

    /// Returns whether the change is a listening socket's own, not one of its children's.
    pub fn is_listener(&self) -> bool {
        self.to == TcpState::Listen
            || (self.from == TcpState::Listen && self.to != TcpState::SynRecv)
    }

    /// Returns whether somebody else's task ended the socket: `ss -K`, or a BPF program.
    ///
    /// # Kernel
    ///
    /// `tcp_abort` takes the socket's lock in the task that kills it, and leaves ECONNABORTED.
    pub fn is_killed(&self) -> bool {
        const ECONNABORTED: CloseError = CloseError(103);
        self.to == TcpState::Close && self.error == Some(ECONNABORTED)
    }

    /// Returns whether the change can only be the first of a connection, whatever the socket at
    /// that address was before.
    pub fn starts_connection(&self) -> bool {
        use TcpState::{Close, Listen, SynRecv, SynSent};
        matches!(
            (self.from, self.to),
            (Close, SynSent) | (Close, Listen) | (Listen, SynRecv)
        )
    }
}

fn nonzero(port: u16) -> Option<u16> {
    (port != 0).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_move_the_cursor() {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(b"a\x1b[2J\nb\xff");
        let shown = Comm(bytes).to_string();
        assert!(!shown.contains(['\x1b', '\n']), "{shown}");
        assert_eq!(shown, "a\\u{1b}[2J\\u{a}b\u{fffd}");
    }
}
