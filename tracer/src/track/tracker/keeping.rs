//! Which connections are followed: one is added where there is room, and taken out when it is over.
//!
//! **Owns:** which is let go where there are too many, and what is forgotten with a connection.

use crate::track::connection::{Connection, Ended};
use crate::track::connections::{self, Place};
use crate::track::output::{Output, Unknown};
use crate::track::selection::Verdict;
use crate::track::{Ending, Tracker};

use super::show::release;

impl Tracker {
    /// Adds a connection, and lets the oldest go where there are too many.
    pub(super) fn add(&mut self, connection: Connection) -> Place {
        let most = self.limits.connections.clamp(1, connections::MOST);
        while self.connections.len() >= most
            && let Some(oldest) = self.connections.oldest()
        {
            let may_be_shown = self
                .connections
                .get(oldest)
                .is_some_and(Connection::may_be_shown);
            self.tally.evicted += u64::from(may_be_shown);
            let ended = Ended::Unseen(Ending::NotFollowed, Unknown::NotFollowed);
            self.end(oldest, ended);
        }
        self.connections.add(connection)
    }

    /// Takes a connection out and tells its life, if it may be shown. One that has closed ends by that, whatever comes
    /// after it.
    pub(super) fn end(&mut self, place: Place, ended: Ended) {
        // It is told where it lies, and taken out then: most of it need not be carried anywhere.
        let Some(connection) = self.connections.get_mut(place) else {
            return;
        };
        let ended = match connection.closing {
            None => ended,
            Some((ending, ticket)) => {
                self.between.closing.settle(ticket);
                Ended::Closed(ending)
            }
        };
        self.identity.forget(
            place,
            connection.socket,
            connection.cookie,
            &connection.tuple,
        );
        if connection.is_listener() {
            let (netns, tuple) = (connection.netns(), &connection.tuple);
            self.between.forget_listener(netns, tuple, place);
        }
        if let Some(half_open) = &connection.half_open {
            let netns = connection.netns();
            self.hidden
                .requests
                .forget(place, half_open.address, netns, &connection.tuple);
        }
        if let Some(key) = connection
            .timewait
            .as_ref()
            .and_then(|timewait| timewait.key)
            && self.hidden.timewaits.living.get(&key) == Some(&place)
        {
            self.hidden.timewaits.living.remove(&key);
        }
        if connection.verdict == Verdict::Shown {
            release(connection, &mut self.deadlines, &mut self.outputs);
            self.tally.timewait_found += u64::from(connection.was_found_in_timewait());
            if connection.has_changed {
                let timeline = connection.take_timeline(ended);
                self.outputs.push_back(Output::Timeline(Box::new(timeline)));
            }
        }
        self.connections.remove(place);
    }
}
