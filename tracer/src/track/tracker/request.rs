//! Connections that begin in request sockets.
//!
//! **Owns:** which full socket follows which request socket, and what a request socket's end means.

use crate::model::{Existing, MonoNs, Request, RequestEnd, RequestNews, StateChange, TcpState};
use crate::track::connection::{Connection, Ended};
use crate::track::connections::Place;
use crate::track::hidden::HalfOpen;
use crate::track::output::Unknown;
use crate::track::selection::Verdict;
use crate::track::{Ending, Tracker};

/// A half-open connection lives 63 s by default; with the most SYN-ACKs that anybody sets
/// (`tcp_synack_retries`), some minutes.
const LONGEST_NS: u64 = 1_800_000_000_000;

impl Tracker {
    /// Takes in something about a request socket.
    pub(super) fn handle_request(&mut self, event: &Request) {
        if !self.follows.requests || event.at < self.follows.since {
            return;
        }
        self.identity.note_tuple(event.tuple);
        match event.news {
            RequestNews::Armed => self.begin_request(event),
            RequestNews::Expired(end) => self.with_half_open(event, |half_open| {
                half_open.expired = Some((event.at, end));
            }),
            RequestNews::Ended(RequestEnd::Completed) => self.with_half_open(event, |half_open| {
                half_open.completed = true;
            }),
            RequestNews::Ended(end) => {
                if let Some(place) = self.request_of(event) {
                    self.fail_request(place, event.at, end);
                }
            }
        }
    }

    /// Finds the connection that a request socket belongs to: by its address, or, if it was found
    /// when the trace began, by its ends.
    fn request_of(&self, event: &Request) -> Option<Place> {
        let requests = &self.hidden.requests;
        let half_open = |place: Place| {
            let connection = self.connections.get(place)?;
            Some((connection.half_open.as_deref()?, connection.tuple))
        };
        requests
            .at_address(event.address)
            .filter(|&place| half_open(place).is_some_and(|(_, tuple)| tuple == event.tuple))
            .or_else(|| {
                let place = requests.with_tuple(event.netns, &event.tuple)?;
                half_open(place)
                    .is_some_and(|(half_open, _)| half_open.address.is_none())
                    .then_some(place)
            })
    }

    /// Finds the connection whose SYN-ACK is sent again, rather than a SYN taken in.
    ///
    /// # Kernel
    ///
    /// A request socket's timer is set as it begins, and again each time that its SYN-ACK is sent
    /// again: then it has run out before, or the count of these tells. One that moves to another
    /// listener (`tcp_migrate_req`) goes on at another address.
    fn sent_again(&self, event: &Request) -> Option<Place> {
        if event.retransmits > 0 {
            let requests = &self.hidden.requests;
            return self
                .request_of(event)
                .or_else(|| requests.with_tuple(event.netns, &event.tuple));
        }
        self.request_of(event).filter(|&place| {
            let half_open = self
                .connections
                .get(place)
                .and_then(|one| one.half_open.as_deref());
            half_open
                .is_some_and(|half_open| half_open.expired.is_some() || half_open.address.is_none())
        })
    }

    fn begin_request(&mut self, event: &Request) {
        let requests = &self.hidden.requests;
        let is_new = requests.at_address(event.address).is_none()
            && requests.with_tuple(event.netns, &event.tuple).is_none();
        if !is_new && self.goes_on_in(event) {
            return;
        }
        if event.retransmits > 0 {
            // When its SYN came was not seen.
            return;
        }
        if !is_new {
            self.replace_requests(event);
        }
        let connection = Connection::request(self.number(), event);
        let shown = connection.request_change(event.at);
        let place = self.add(connection);
        self.hidden.requests.add(event, place);
        self.find_listener(place, &event.tuple);
        self.show(place, Some(shown), event.at);
        let hidden = self
            .connections
            .get(place)
            .is_some_and(|connection| connection.verdict == Verdict::Hidden);
        if hidden {
            // Its full socket, if it gets one, is judged by the same ends and hidden again.
            self.end(place, Ended::Unseen(Ending::NotSeen, Unknown::Missed));
        }
    }

    /// Takes in that a request socket is one that is known, if it is: its SYN-ACK is sent again.
    fn goes_on_in(&mut self, event: &Request) -> bool {
        if let Some(place) = self.sent_again(event) {
            self.hidden.requests.add(event, place);
            if let Some(connection) = self.connections.get_mut(place)
                && let Some(half_open) = &mut connection.half_open
            {
                half_open.address = Some(event.address);
                half_open.expired = None;
            }
            return true;
        }
        false
    }

    /// The address, or the ends, have a new request socket: the end of what was there was not seen.
    fn replace_requests(&mut self, event: &Request) {
        if let Some(stale) = self.hidden.requests.at_address(event.address) {
            self.replace_request(stale);
        }
        if let Some(stale) = self.hidden.requests.with_tuple(event.netns, &event.tuple) {
            self.replace_request(stale);
        }
    }

    /// Changes what is known of a request socket, and looks at it again when it must have settled.
    fn with_half_open(&mut self, event: &Request, change: impl FnOnce(&mut HalfOpen)) {
        let Some(place) = self.request_of(event) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(place) else {
            return;
        };
        if let Some(half_open) = &mut connection.half_open {
            change(half_open);
            let deadline = event.at.plus(self.limits.hold_ns);
            self.hidden.requests.unsettled.push_back((deadline, place));
            self.note_due(deadline);
        }
    }

    /// Judges request sockets whose timer was not set again after it ran out, and those that became
    /// a connection of which nothing was seen.
    pub(super) fn settle_requests(&mut self, now: MonoNs) {
        while let Some(&(deadline, place)) = self.hidden.requests.unsettled.front()
            && deadline <= now
        {
            self.hidden.requests.unsettled.pop_front();
            let half_open = self
                .connections
                .get(place)
                .and_then(|connection| connection.half_open.as_deref().copied());
            match half_open {
                Some(HalfOpen {
                    completed: true, ..
                }) => self.lose_request(place),
                Some(HalfOpen {
                    expired: Some((at, end)),
                    ..
                }) if at.plus(self.limits.hold_ns) <= now => self.fail_request(place, at, end),
                _ => {}
            }
        }
    }

    /// Ends a request socket whose address has a new one: the kernel gives it away at once. If its timer
    /// ran out, that was its end.
    fn replace_request(&mut self, place: Place) {
        let half_open = self
            .connections
            .get(place)
            .and_then(|connection| connection.half_open.as_deref().copied());
        let Some(half_open) = half_open else {
            return;
        };
        match half_open.expired {
            // Its full socket is about to show itself, by its ends.
            _ if half_open.completed => {}
            Some((at, end)) => self.fail_request(place, at, end),
            None => self.lose_request(place),
        }
    }

    fn fail_request(&mut self, place: Place, at: MonoNs, end: RequestEnd) {
        let lossy_until = self.lossy_until;
        let Some(connection) = self.connections.get_mut(place) else {
            return;
        };
        let shown = connection.leave_request(at, end, lossy_until);
        self.show(place, Some(shown), at);
        self.end(place, Ended::Closed(Ending::NotEstablished(end)));
    }

    /// Lets go the request sockets whose end must have been lost: none lives so long.
    pub(super) fn sweep_requests(&mut self, now: MonoNs) {
        let overdue = |&place: &Place| {
            self.connections.get(place).is_some_and(|connection| {
                connection.half_open.is_some() && connection.is_stale(now, LONGEST_NS)
            })
        };
        let mut places: Vec<Place> = self.hidden.requests.all().filter(overdue).collect();
        places.sort_unstable();
        for place in places {
            self.lose_request(place);
        }
    }

    fn lose_request(&mut self, place: Place) {
        let why = self
            .connections
            .get(place)
            .map_or(Unknown::Missed, |connection| {
                connection.gap(self.lossy_until)
            });
        self.end(place, Ended::Unseen(Ending::NotSeen, why));
    }

    /// Finds the connection that began in a request socket and goes on in the full socket that this
    /// change shows for the first time with its ends.
    pub(super) fn adopt(&mut self, change: &StateChange) -> Option<Place> {
        if !self.follows.requests {
            return None;
        }
        let tuple = change.tuple();
        if !tuple.is_complete() {
            return None;
        }
        let place = self.hidden.requests.with_tuple(change.netns, &tuple)?;
        let connection = self.connections.get_mut(place)?;
        let address = connection
            .half_open
            .as_ref()
            .and_then(|half_open| half_open.address);
        connection.adopt(change);
        self.hidden
            .requests
            .forget(place, address, change.netns, &tuple);
        Some(place)
    }

    /// Before Linux 6.15 a child shows its ends only with its second change. Gives that child's socket
    /// to the connection that began in its request socket, as long as nothing of it was shown.
    pub(super) fn adopt_late(&mut self, place: Place, change: &StateChange) -> Place {
        if change.from != TcpState::SynRecv || !self.follows.requests {
            return place;
        }
        let is_nameless = self.connections.get(place).is_some_and(|connection| {
            connection.is_nameless_child() && !connection.held.is_empty()
        });
        if !is_nameless {
            return place;
        }
        match self.adopt(change) {
            Some(first) => {
                self.connections.remove(place);
                self.identity.settle(change.socket, first);
                first
            }
            None => {
                let why = self.why_no_request();
                if let Some(connection) = self.connections.get_mut(place) {
                    connection.had_no_request(why);
                }
                place
            }
        }
    }

    /// Why no request socket is known of a child.
    pub(super) fn why_no_request(&self) -> Unknown {
        match self.lossy_until {
            Some(_) => Unknown::Loss,
            None if self.identity.is_listing() => Unknown::BeforeTrace,
            None if self.tally.evicted > 0 => Unknown::NotFollowed,
            None => Unknown::NoRequest,
        }
    }

    /// Takes in a request socket that was there before the trace.
    pub(super) fn handle_existing_request(&mut self, existing: &Existing) {
        let mut connection = Connection::found(self.number(), existing, None);
        connection.half_open = Some(Box::new(HalfOpen {
            address: None,
            expired: None,
            completed: false,
        }));
        connection.judge(&self.selection);
        if connection.verdict == Verdict::Hidden {
            return;
        }
        connection.hold(connection.found_change(existing.at));
        let place = self.add(connection);
        self.hidden
            .requests
            .add_tuple(Some(existing.netns), existing.tuple, place);
        self.show(place, None, existing.at);
    }
}
