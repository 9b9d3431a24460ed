//! What happens between state changes: uses of a socket, segments, and what is told of a close just after it.
//!
//! **Owns:** whose a connection is as time goes on, and for how long a close waits for its reset.

use std::net::IpAddr;
use std::rc::Rc;

use crate::model::{
    Existing, MonoNs, Segment, SegmentNews, Socket, StateChange, TcpState, Traffic, Tuple, Use,
};
use crate::track::connection::{Connection, Ended};
use crate::track::connections::Place;
use crate::track::map::Map;
use crate::track::output::Mark;
use crate::track::users::User;
use crate::track::waiting::Waiting;
use crate::track::{Ending, Tracker};

/// How long a close waits for the reset that says more, in nanoseconds. The kernel sends it just after the change, on
/// the same CPU (`__tcp_close`, `tcp_disconnect`, `tcp_rcv_state_process`); where that is preempted, or emulated, just after
/// can be milliseconds.
const RESET_NS: u64 = 50_000_000;

/// A listening socket that was there before the trace.
#[derive(Debug)]
struct Listed {
    addr: Option<IpAddr>,
    holder: Option<Rc<User>>,
}

/// A listening socket: its address, and whose it is.
type Listener<'u> = (Option<IpAddr>, Option<&'u Rc<User>>);

/// Listening sockets by namespace and port, and closes that wait.
#[derive(Debug, Default)]
pub(super) struct Between {
    listeners: Map<(u32, u16), Vec<Place>>,
    /// Those that are being listed, with whoever has them open; empty afterwards.
    listed: Map<(u32, u16), Vec<Listed>>,
    /// Connections that have closed, and when their end is told at the latest, in the order of time.
    pub(super) closing: Waiting<Place>,
}

impl Between {
    pub(super) fn add_listener(&mut self, netns: Option<u32>, tuple: &Tuple, place: Place) {
        if let (Some(netns), Some(port)) = (netns, tuple.local.port) {
            self.listeners.entry((netns, port)).or_default().push(place);
        }
    }

    pub(super) fn forget_listener(&mut self, netns: Option<u32>, tuple: &Tuple, place: Place) {
        let (Some(netns), Some(port)) = (netns, tuple.local.port) else {
            return;
        };
        if let Some(same) = self.listeners.get_mut(&(netns, port)) {
            same.retain(|&other| other != place);
            if same.is_empty() {
                self.listeners.remove(&(netns, port));
            }
        }
    }
}

impl Tracker {
    /// Takes in that a process uses a socket.
    pub(super) fn handle_use(&mut self, used: &Use) {
        self.handle_timeout(used.at);
        let Some(place) = self.connection_at(used.socket, used.cookie) else {
            return;
        };
        let user = self.processes.user(&used.task);
        if let Some(connection) = self.connections.get_mut(place) {
            connection.used_by(user);
            connection.is_followed |= used.task_is_followed;
        }
        self.show(place, None, used.at);
    }

    /// Takes in that something happened to a connection between its changes.
    pub(super) fn handle_segment(&mut self, segment: &Segment) {
        self.handle_timeout(segment.at);
        let Some(place) = self.connection_at(segment.socket, segment.cookie) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(place) else {
            return;
        };
        connection.mark(Mark {
            at: segment.at,
            state: segment.state,
            what: segment.what,
        });
        if let (Some((ending, _)), SegmentNews::ResetSent { .. }) =
            (connection.closing, segment.what)
        {
            self.end(place, Ended::Closed(ending));
        }
    }

    /// Takes in what a connection carried whose socket is about to close.
    pub(super) fn handle_traffic(&mut self, traffic: &Traffic) {
        self.handle_timeout(traffic.at);
        if let Some(place) = self.connection_at(traffic.socket, traffic.cookie)
            && let Some(connection) = self.connections.get_mut(place)
        {
            connection.traffic = Some(Box::new(*traffic));
        }
    }

    /// The connection that lives at a socket, or was found with its cookie and has not changed yet.
    fn connection_at(&self, socket: Socket, cookie: Option<u64>) -> Option<Place> {
        let place = match self.identity.at_socket(socket) {
            Some(place) => place,
            None => self.identity.found_with(cookie?)?,
        };
        let known = self.connections.get(place)?.cookie;
        let is_other = known.zip(cookie).is_some_and(|(mine, other)| mine != other);
        (!is_other).then_some(place)
    }

    /// Notes whose socket changes, where its user does that.
    pub(super) fn note_user(&mut self, place: Place, change: &StateChange) {
        if change.task_holds_socket != Some(true) || change.is_killed() || change.task.is_kernel {
            return;
        }
        let user = self.processes.user(&change.task);
        let Some(connection) = self.connections.get_mut(place) else {
            return;
        };
        // Whoever exits lets go of what it inherited, too; and who ends a listener may be `ss -K`.
        let lets_go = change.task.is_exiting || change.from == TcpState::Listen;
        if !(lets_go && connection.users.last.is_some()) {
            connection.used_by(user);
        }
    }

    /// Returns whether it is to be looked whose listener a connection came to.
    pub(super) fn wants_listener(&self, place: Place) -> bool {
        let connection = self.connections.get(place);
        connection.is_some_and(Connection::wants_listener)
    }

    /// Looks whose listener a connection of the other end came to.
    pub(super) fn find_listener(&mut self, place: Place, tuple: &Tuple) {
        if !tuple.is_complete() {
            return;
        }
        let netns = self.connections.get(place).and_then(Connection::netns);
        let opener = netns.and_then(|netns| self.owner_of_listener(netns, tuple));
        if let Some(connection) = self.connections.get_mut(place) {
            connection.users.opened_by = opener;
            connection.users.is_listener_sought = true;
        }
    }

    /// Takes in a listener that is being listed: what changes meanwhile is taken in first, and connections may come to it.
    pub fn note_listener(&mut self, existing: &Existing) {
        let (TcpState::Listen, Some(port)) = (existing.state, existing.tuple.local.port) else {
            return;
        };
        let holder = existing.holder.and_then(|pid| self.processes.holder(pid));
        let listed = self.between.listed.entry((existing.netns, port));
        let of_port = listed.or_default();
        of_port.push(Listed {
            addr: existing.tuple.local.addr,
            holder,
        });
    }

    /// Ends the time in which listeners are listed: from now on each is a connection.
    pub(super) fn listeners_complete(&mut self) {
        self.between.listed = Map::default();
    }

    /// Returns whose the listener is that a connection came to; nobody where several could be that belong to several.
    fn owner_of_listener(&self, netns: u32, tuple: &Tuple) -> Option<Rc<User>> {
        let key = (netns, tuple.local.port?);
        let places = self.between.listeners.get(&key).into_iter().flatten();
        let mut living = places
            .filter_map(|&place| self.connections.get(place))
            .map(|one| {
                let users = &one.users;
                let owner = users.opened_by.as_ref().or(users.last.as_ref());
                (one.tuple.local.addr, owner)
            })
            .peekable();
        let owner = match living.peek() {
            Some(_) => owner_among(living, tuple.local.addr),
            None => {
                let listed = self.between.listed.get(&key).into_iter().flatten();
                let listed = listed.map(|one| (one.addr, one.holder.as_ref()));
                owner_among(listed, tuple.local.addr)
            }
        };
        owner.map(Rc::clone)
    }

    /// Ends a connection that changed to CLOSE, at once or when its reset has come.
    pub(super) fn close(&mut self, place: Place, ending: Ending, last: TcpState, at: MonoNs) {
        let Some(connection) = self.connections.get_mut(place) else {
            return;
        };
        let ending = match &connection.traffic {
            Some(traffic) => ending.explained(last, connection.last_ns(), &traffic.standing),
            None => ending,
        };
        if !(self.follows.resets && ending.may_send_reset()) {
            self.end(place, Ended::Closed(ending));
            return;
        }
        let deadline = at.plus(RESET_NS);
        connection.closing = Some((ending, self.between.closing.push(deadline, place)));
        self.note_due(deadline);
    }

    /// Ends those connections of which no reset is waited for any longer.
    pub(super) fn end_closing(&mut self, now: MonoNs) {
        while let Some(place) = self.between.closing.pop_due(now) {
            let closing = self.connections.get(place).and_then(|one| one.closing);
            if let Some((ending, _)) = closing {
                self.end(place, Ended::Closed(ending));
            }
        }
    }
}

/// Whose the listener is that takes what comes to an address: one that listens there, before those that listen
/// everywhere.
fn owner_among<'u>(
    listeners: impl Iterator<Item = Listener<'u>> + Clone,
    to: Option<IpAddr>,
) -> Option<&'u Rc<User>> {
    let is_everywhere =
        |at: Option<IpAddr>| at.is_none_or(|addr| addr.to_canonical().is_unspecified());
    let mut exact = listeners.clone().filter(|&(at, _)| at == to).peekable();
    match exact.peek() {
        Some(_) => the_only(exact),
        None => the_only(listeners.filter(|&(at, _)| is_everywhere(at))),
    }
}

/// Whose they all are; nobody's where they belong to several, or one to nobody known.
fn the_only<'u>(mut listeners: impl Iterator<Item = Listener<'u>>) -> Option<&'u Rc<User>> {
    let (_, owner) = listeners.next()?;
    let owner = owner?;
    let is_his = |other: Option<&Rc<User>>| other.is_some_and(|other| other.pid == owner.pid);
    listeners.all(|(_, other)| is_his(other)).then_some(owner)
}
