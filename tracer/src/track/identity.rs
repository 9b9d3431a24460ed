//! Which connection an event belongs to.
//!
//! A socket's address is its identity only while it lives, so each address leads to the connection
//! that lives there now. A socket that was found when the trace began has no address yet: its
//! cookie leads to it, or, where the hook tells no cookie, its ends.

use std::collections::HashSet;

use crate::model::{Existing, Socket, StateChange, Tuple};

use super::connections::Place;
use super::map::Map;

/// Ways to a connection. The maps are looked up, never iterated, so their order is no matter.
#[derive(Debug, Default)]
pub(super) struct Identity {
    by_socket: Map<Socket, Place>,
    found_by_cookie: Map<u64, Place>,
    found_by_tuple: Map<Tuple, Vec<Place>>,
    /// What has been seen changing before every existing socket was told, or `None` afterwards.
    changing: Option<Changing>,
}

/// Sockets that changed while the existing ones were being listed: the list is older than that.
#[derive(Debug, Default)]
struct Changing {
    cookies: HashSet<u64>,
    tuples: HashSet<Tuple>,
    /// Ends of which the local port was not chosen yet.
    without_port: Vec<Tuple>,
}

impl Identity {
    pub(super) fn new() -> Self {
        Self {
            changing: Some(Changing::default()),
            ..Self::default()
        }
    }

    /// Returns the connection that lives at the change's socket, if one is known.
    pub(super) fn at_socket(&self, socket: Socket) -> Option<Place> {
        self.by_socket.get(&socket).copied()
    }

    /// Takes the connection that was found when the trace began and that this change belongs to.
    ///
    /// Without a cookie only a tuple that one connection alone has will do: two network namespaces
    /// can hold the same one, and the classic hook does not tell them apart.
    pub(super) fn take_found(&mut self, change: &StateChange) -> Option<Place> {
        if let Some(cookie) = change.cookie {
            return self.found_by_cookie.remove(&cookie);
        }
        let tuple = change.tuple();
        let [only] = self.found_by_tuple.get(&tuple)?.as_slice() else {
            return None;
        };
        let only = *only;
        self.found_by_tuple.remove(&tuple);
        Some(only)
    }

    /// Returns the connection that was found with a cookie and has not changed since.
    pub(super) fn found_with(&self, cookie: u64) -> Option<Place> {
        self.found_by_cookie.get(&cookie).copied()
    }

    pub(super) fn settle(&mut self, socket: Socket, place: Place) {
        self.by_socket.insert(socket, place);
    }

    pub(super) fn add_found(&mut self, existing: &Existing, place: Place) {
        self.found_by_cookie.insert(existing.cookie, place);
        self.found_by_tuple
            .entry(existing.tuple)
            .or_default()
            .push(place);
    }

    /// Forgets a connection that has ended or is not followed any more.
    pub(super) fn forget(
        &mut self,
        place: Place,
        socket: Option<Socket>,
        cookie: Option<u64>,
        tuple: &Tuple,
    ) {
        // As good as always it leads there, so it is taken out at once rather than looked for first.
        if let Some(socket) = socket
            && let Some(other) = self.by_socket.remove(&socket)
            && other != place
        {
            self.by_socket.insert(socket, other);
        }
        if let Some(cookie) = cookie
            && self.found_by_cookie.get(&cookie) == Some(&place)
        {
            self.found_by_cookie.remove(&cookie);
        }
        if let Some(same) = self.found_by_tuple.get_mut(tuple) {
            same.retain(|&other| other != place);
            if same.is_empty() {
                self.found_by_tuple.remove(tuple);
            }
        }
    }

    /// Notes that a socket changed, as long as existing ones are still being told.
    pub(super) fn note_change(&mut self, change: &StateChange) {
        if let Some(changing) = &mut self.changing {
            match change.cookie {
                Some(cookie) => changing.cookies.insert(cookie),
                None => changing.tuples.insert(change.tuple()),
            };
            let tuple = change.tuple();
            if change.cookie.is_none() && tuple.local.port.is_none() && tuple.remote.is_complete() {
                changing.without_port.push(tuple);
            }
        }
    }

    /// Notes that a timewait socket changed, likewise.
    pub(super) fn note_cookie(&mut self, cookie: u64) {
        if let Some(changing) = &mut self.changing {
            changing.cookies.insert(cookie);
        }
    }

    /// Notes that a request socket changed, likewise.
    pub(super) fn note_tuple(&mut self, tuple: Tuple) {
        if let Some(changing) = &mut self.changing {
            changing.tuples.insert(tuple);
        }
    }

    /// Returns whether existing sockets are still being told.
    pub(super) fn is_listing(&self) -> bool {
        self.changing.is_some()
    }

    /// Returns whether a socket that was listed has changed since: the changes then tell more.
    pub(super) fn has_changed(&self, existing: &Existing) -> bool {
        self.changing.as_ref().is_none_or(|changing| {
            let Tuple { local, remote } = existing.tuple;
            changing.cookies.contains(&existing.cookie)
                || changing.tuples.contains(&existing.tuple)
                || changing
                    .without_port
                    .iter()
                    .any(|other| other.remote == remote && other.local.addr == local.addr)
        })
    }

    /// Ends the time in which existing sockets are told.
    pub(super) fn existing_complete(&mut self) {
        self.changing = None;
    }
}
