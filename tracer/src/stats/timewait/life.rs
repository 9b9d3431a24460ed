//! What is kept of one connection while it lives.

use super::ports::{Taken, Towards};
use super::report::{LocalPort, Process, Remote};
use crate::model::{MonoNs, TcpSettings, TcpState};
use crate::track::{Change, Span};

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenedBy {
    Us,
    Peer,
    /// Its beginning was not seen.
    Unknown,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Life {
    opened_by: OpenedBy,
    /// Whether it was found when the trace began.
    pub(super) is_found: bool,
    /// The state in which a timewait socket holds it, if one does.
    pub(super) held: Option<TcpState>,
    /// Since when one holds it in FIN_WAIT2, where that was seen.
    pub(super) held_since: Option<MonoNs>,
    /// What it is counted by while it is in TIME_WAIT.
    pub(super) ranked: Option<Box<(Keys, Listed)>>,
    /// The local port that it holds, where that counts.
    pub(super) port: Option<Box<Port>>,
    /// Whether it holds one that is not counted.
    pub(super) is_portless: bool,
}

/// What a timewait socket is counted by.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) process: Process,
    pub(super) local_port: LocalPort,
    pub(super) remote: Remote,
    pub(super) cgroup: Option<u64>,
    pub(super) netns: Option<u32>,
}

/// In which lists it has found a place.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) process: bool,
    pub(super) local_port: bool,
    pub(super) remote: bool,
    pub(super) cgroup: bool,
    pub(super) netns: bool,
}

/// A local port in use.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) towards: Towards,
    pub(super) taken: Taken,
    pub(super) waits: bool,
}

impl Life {
    /// Begins with the first change that is seen.
    pub(super) fn begin(change: &Change) -> Self {
        use TcpState::{Close, Listen, SynRecv, SynSent};
        let opened_by = match (change.from, change.to) {
            (Some(Close), SynSent) => OpenedBy::Us,
            (Some(Listen), SynRecv) => OpenedBy::Peer,
            _ => OpenedBy::Unknown,
        };
        Self {
            opened_by,
            is_found: change.from.is_none(),
            held: None,
            held_since: None,
            ranked: None,
            port: None,
            is_portless: opened_by == OpenedBy::Peer,
        }
    }

    /// Returns how long a timewait socket held it in FIN_WAIT2, which it leaves now; `whole` is its
    /// time in that state, that of its full socket included.
    pub(super) fn in_fin_wait2(&self, left: &Change, whole: Span) -> Span {
        match self.held_since.and_then(|since| left.at.since(since)) {
            None => whole,
            Some(ns) if left.error_ns == 0 => Span::Known(ns),
            Some(ns) => Span::Within {
                ns,
                error_ns: left.error_ns,
            },
        }
    }

    /// Returns what it is counted by in TIME_WAIT.
    pub(super) fn keys(&self, change: &Change, settings: Option<&TcpSettings>) -> Keys {
        let local_port = change.tuple.local.port;
        let local_port = match (self.opened_by, local_port) {
            (OpenedBy::Us, _) => LocalPort::Chosen,
            (OpenedBy::Peer, Some(port)) => LocalPort::Listening(port),
            (OpenedBy::Unknown, Some(port)) if is_chosen_from(settings, port) == Some(false) => {
                LocalPort::Listening(port)
            }
            _ => LocalPort::Unknown,
        };
        let remote = change.tuple.remote;
        Keys {
            process: Process(change.owner.process),
            local_port,
            remote: Remote {
                addr: remote.addr,
                // The other end's own port says nothing where it chose one.
                port: remote.port.filter(|_| self.opened_by == OpenedBy::Us),
            },
            cgroup: change.owner.cgroup,
            netns: change.netns,
        }
    }

    /// Returns the local port that is to be counted, if its ends are known and it is one.
    pub(super) fn port_of(&self, change: &Change, settings: Option<&TcpSettings>) -> Option<Port> {
        if self.is_portless {
            return None;
        }
        let towards = Towards::of(change.netns, &change.tuple)?;
        let is_chosen_from = is_chosen_from(settings, change.tuple.local.port?);
        let taken = match (self.opened_by, is_chosen_from) {
            (OpenedBy::Us, Some(false)) => Taken::Given,
            (OpenedBy::Us, _) => Taken::Chosen,
            // No connect chooses such a port, so it is a listener's.
            (_, Some(false)) => return None,
            (_, _) => Taken::Perhaps,
        };
        Some(Port {
            towards,
            taken,
            waits: change.to == TcpState::TimeWait,
        })
    }
}

fn is_chosen_from(settings: Option<&TcpSettings>, port: u16) -> Option<bool> {
    settings.and_then(|settings| settings.is_chosen_from(port))
}
