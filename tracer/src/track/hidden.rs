//! What the tracker remembers of timewait and request sockets, beside the connections themselves.
//!
//! **Owns:** how such a socket is told from others: a timewait socket by the cookie that it took
//! over and its ends, a request socket by its address, and by its ends where a full socket follows it.

use std::collections::VecDeque;

use crate::model::{MonoNs, Request, RequestEnd, Socket, Timewait, Tuple};

use super::connections::Place;
use super::map::Map;
use super::waiting::{Ticket, Waiting};

/// How timewait sockets come to the tracker's knowledge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timewaits {
    /// Not at all: a change out of FIN_WAIT2 to CLOSE may mean one.
    #[default]
    Unseen,
    /// Hooks tell each as it begins, before its full socket changes to CLOSE.
    Hooked,
    /// Each is asked for when its full socket has changed to CLOSE.
    Asked,
}

/// What is known of the sockets that the tracepoint never shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Follows {
    /// Timewait sockets.
    pub timewaits: Timewaits,
    /// Request sockets, each from its first moment.
    pub requests: bool,
    /// When the last hook was attached: of a request socket that begins before, the end may not be
    /// seen. It is found with the sockets that were there before, if it still is.
    pub since: MonoNs,
    /// Whether every arming of a timewait socket's timer is told. Else its last one is also told by what
    /// the timer is set for in the end.
    pub armings: bool,
    /// Whether resets are told: one of this host's comes just after the change to CLOSE.
    pub resets: bool,
    /// Nanoseconds between two ticks of the kernel's timers (`1 s / HZ`), where known.
    pub tick_ns: Option<u64>,
}

/// How long the answer about a socket that closed is waited for, in nanoseconds.
pub(super) const ANSWER_NS: u64 = 2_000_000_000;

/// Timewait sockets that are known.
#[derive(Debug, Default)]
pub(super) struct TimewaitSockets {
    /// Connections that live on in one.
    pub(super) living: Map<TimewaitKey, Place>,
    /// Timewait sockets whose full socket has not changed to CLOSE yet, by its cookie: it leaves one at a
    /// time.
    pending: Map<u64, Pending>,
    /// When those are given up, in the order of time.
    given_up: Waiting<u64>,
    /// Connections whose full socket has closed, and of which nobody has answered yet.
    pub(super) parked: Map<TimewaitKey, Place>,
    /// When an answer is not waited for any longer, in the order of time.
    pub(super) unanswered: VecDeque<(MonoNs, TimewaitKey)>,
}

/// A timewait socket that has begun, and perhaps ended.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) armed: Timewait,
    pub(super) ended: Option<Timewait>,
    given_up: Ticket,
}

/// By what a timewait socket is known: the cookie alone will not do, since a full socket that connects
/// again leaves several behind that all have its cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TimewaitKey {
    pub(super) cookie: u64,
    pub(super) tuple: Tuple,
}

impl TimewaitSockets {
    /// Notes one that begins; its full socket changes to CLOSE next. Returns when it is given up.
    pub(super) fn begin(&mut self, cookie: u64, armed: &Timewait) -> MonoNs {
        let deadline = armed.at.plus(ANSWER_NS);
        let given_up = self.given_up.push(deadline, cookie);
        self.pending.insert(
            cookie,
            Pending {
                armed: armed.clone(),
                ended: None,
                given_up,
            },
        );
        deadline
    }

    /// Returns when the next one is given up.
    pub(super) fn next_given_up(&self) -> Option<MonoNs> {
        self.given_up.next_due()
    }

    /// Notes the end of one whose full socket has not changed to CLOSE yet.
    pub(super) fn end_pending(&mut self, cookie: u64, ended: &Timewait) {
        if let Some(pending) = self.pending.get_mut(&cookie) {
            pending.ended = Some(ended.clone());
        }
    }

    /// Takes the one that a closing socket goes on in.
    pub(super) fn take_pending(&mut self, cookie: Option<u64>) -> Option<Pending> {
        let pending = self.pending.remove(&cookie?)?;
        self.given_up.settle(pending.given_up);
        Some(pending)
    }

    /// Gives up those whose full socket is not followed, or whose change to CLOSE was lost.
    pub(super) fn give_up(&mut self, now: MonoNs) {
        while let Some(cookie) = self.given_up.pop_due(now) {
            self.pending.remove(&cookie);
        }
    }
}

/// Request sockets that are known.
#[derive(Debug, Default)]
pub(super) struct RequestSockets {
    by_address: Map<Socket, Place>,
    by_tuple: Map<(u32, Tuple), Place>,
    /// Those whose timer ran out or that became a connection, and when that is settled.
    pub(super) unsettled: VecDeque<(MonoNs, Place)>,
}

impl RequestSockets {
    pub(super) fn at_address(&self, address: Socket) -> Option<Place> {
        self.by_address.get(&address).copied()
    }

    pub(super) fn with_tuple(&self, netns: Option<u32>, tuple: &Tuple) -> Option<Place> {
        self.by_tuple.get(&(netns?, *tuple)).copied()
    }

    /// Connections in request sockets, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = Place> {
        self.by_tuple.values().copied()
    }

    pub(super) fn add(&mut self, request: &Request, place: Place) {
        self.by_address.insert(request.address, place);
        self.add_tuple(request.netns, request.tuple, place);
    }

    pub(super) fn add_tuple(&mut self, netns: Option<u32>, tuple: Tuple, place: Place) {
        if let Some(netns) = netns {
            self.by_tuple.insert((netns, tuple), place);
        }
    }

    /// Forgets the ways to a connection that is no request socket any more.
    pub(super) fn forget(
        &mut self,
        place: Place,
        address: Option<Socket>,
        netns: Option<u32>,
        tuple: &Tuple,
    ) {
        // As good as always they lead there, so they are taken out at once rather than looked for first.
        if let Some(address) = address
            && let Some(other) = self.by_address.remove(&address)
            && other != place
        {
            self.by_address.insert(address, other);
        }
        if let Some(netns) = netns
            && let Some(other) = self.by_tuple.remove(&(netns, *tuple))
            && other != place
        {
            self.by_tuple.insert((netns, *tuple), other);
        }
    }
}

/// A connection's request socket, as long as there is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct HalfOpen {
    /// Its address; one that was found has none yet.
    pub(super) address: Option<Socket>,
    /// Its timer ran out, and for this reason it would be over.
    pub(super) expired: Option<(MonoNs, RequestEnd)>,
    /// It became a full socket, which has not shown itself yet.
    pub(super) completed: bool,
}

/// A connection's timewait socket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InTimewait {
    /// By what it is known.
    pub(super) key: Option<TimewaitKey>,
    /// The tick that its timer is set for, where known.
    pub(super) expires: Option<u64>,
    /// How often its TIME_WAIT began anew.
    pub(super) rearmed: u32,
    /// Whether it was there before the trace.
    pub(super) found: bool,
    /// When its timer was set, or it was last seen.
    pub(super) seen_at: Option<MonoNs>,
}
