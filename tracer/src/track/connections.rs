//! The connections that are followed, where each is found at once by its place.
//!
//! **Owns:** where a connection is kept, and which is the oldest.

use std::hint::black_box;

use slab::Slab;

use super::connection::Connection;
use super::output::ConnId;

/// A connection's number, and where it is kept. When it has ended, another one may be kept there: the number tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) id: ConnId,
    slot: Slot,
}

/// Connections in one piece of memory, which grows with the most that were alive at once and not with how many there were.
#[derive(Debug, Default)]
pub(super) struct Connections {
    kept: Slab<Connection>,
    /// At the index of each connection: who stands beside it in its line. Apart from the connections, close together: so
    /// to take one out is not to touch the memory of two more.
    neighbours: Vec<Neighbours>,
    /// Those that can be let go first, and listening sockets, which whose a connection is depends on.
    others: Line,
    listeners: Line,
}

#[derive(Clone, Copy, Debug, Default)]
struct Neighbours {
    older: Option<Slot>,
    newer: Option<Slot>,
}

/// The two ends of a line from the oldest to the newest.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    oldest: Option<Slot>,
    newest: Option<Slot>,
}

/// A place in memory. One more than the index, so that none takes no more room.
type Slot = std::num::NonZeroU32;

/// The most connections that can be kept.
pub(super) const MOST: usize = u32::MAX as usize - 1;

fn slot_of(index: usize) -> Slot {
    let number = u32::try_from(index + 1).ok().and_then(Slot::new);
    number.expect("no more connections are kept than there are places")
}

fn index_of(slot: Slot) -> usize {
    slot.get() as usize - 1
}

impl Connections {
    /// Keeps one more; its number is higher than all before.
    ///
    /// # Panics
    ///
    /// Panics if [`MOST`] are kept.
    #[inline]
    pub(super) fn add(&mut self, connection: Connection) -> Place {
        let id = connection.id;
        let line = *self.line_of(&connection);
        let index = self.kept.vacant_key();
        let slot = slot_of(index);
        if let Some(newest) = line.newest {
            self.neighbours[index_of(newest)].newer = Some(slot);
        }
        let neighbours = Neighbours {
            older: line.newest,
            newer: None,
        };
        match self.neighbours.get_mut(index) {
            Some(place) => *place = neighbours,
            None => self.neighbours.push(neighbours),
        }
        *self.line_of(&connection) = Line {
            oldest: line.oldest.or(Some(slot)),
            newest: Some(slot),
        };
        self.kept.insert(connection);
        Place { id, slot }
    }

    /// Brings a connection into the processor's caches, or whichever is kept in its place now.
    ///
    /// Among a million connections, each is far away in memory, in several places. Fetched when they are needed, each of these is waited for; fetched
    /// in a row for some connections, the waits overlap.
    pub(super) fn bring_near(&self, place: Place) {
        let index = index_of(place.slot);
        if let Some(connection) = self.kept.get(index) {
            connection.bring_near();
        }
        if let Some(Neighbours { older, newer }) = self.neighbours.get(index) {
            black_box((older.is_some(), newer.is_some()));
        }
    }

    /// Returns the connection, if it has not ended.
    pub(super) fn get(&self, place: Place) -> Option<&Connection> {
        let connection = self.kept.get(index_of(place.slot))?;
        (connection.id == place.id).then_some(connection)
    }

    /// Returns the connection, if it has not ended, to be changed.
    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut Connection> {
        let connection = self.kept.get_mut(index_of(place.slot))?;
        (connection.id == place.id).then_some(connection)
    }

    /// Takes a connection out.
    #[inline]
    pub(super) fn remove(&mut self, place: Place) -> Option<Connection> {
        self.get(place)?;
        let index = index_of(place.slot);
        let connection = self.kept.remove(index);
        let Neighbours { older, newer } = self.neighbours[index];
        let mut line = *self.line_of(&connection);
        match older {
            Some(older) => self.neighbours[index_of(older)].newer = newer,
            None => line.oldest = newer,
        }
        match newer {
            Some(newer) => self.neighbours[index_of(newer)].older = older,
            None => line.newest = older,
        }
        *self.line_of(&connection) = line;
        Some(connection)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// The oldest connection, or, where there is none, listening socket: whose a connection is, its listener tells.
    pub(super) fn oldest(&self) -> Option<Place> {
        let slot = self.others.oldest.or(self.listeners.oldest)?;
        let id = self.kept[index_of(slot)].id;
        Some(Place { id, slot })
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.kept.iter().map(|(_, connection)| connection)
    }

    /// Takes all of them out, in the order in which they were first seen.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Connection> + use<> {
        let Self { mut kept, .. } = std::mem::take(self);
        let mut order: Vec<(ConnId, usize)> = kept
            .iter()
            .map(|(index, connection)| (connection.id, index))
            .collect();
        order.sort_unstable();
        order.into_iter().map(move |(_, index)| kept.remove(index))
    }

    fn line_of(&mut self, connection: &Connection) -> &mut Line {
        match connection.is_listener() {
            true => &mut self.listeners,
            false => &mut self.others,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TcpState::{Close, Listen, SynSent};
    use crate::track::output::Unknown;
    use crate::track::test_events::change;

    fn connection(number: u64) -> Connection {
        let change = change(number, number, Close, SynSent);
        Connection::begin(ConnId(number), &change, Unknown::BeforeTrace)
    }

    fn listener(number: u64) -> Connection {
        let change = change(number, number, Close, Listen);
        Connection::begin(ConnId(number), &change, Unknown::BeforeTrace)
    }

    fn oldest(connections: &Connections) -> Option<u64> {
        connections.oldest().map(|place| place.id.0)
    }

    #[test]
    fn a_place_that_is_used_again_leads_to_nobody_else() {
        let mut connections = Connections::default();
        let first = connections.add(connection(1));
        assert!(connections.remove(first).is_some());
        let second = connections.add(connection(2));
        assert_eq!(first.slot, second.slot);
        assert!(connections.get(first).is_none());
        assert!(connections.get_mut(first).is_none());
        assert!(connections.remove(first).is_none());
        assert_eq!(connections.get(second).map(|one| one.id), Some(ConnId(2)));
    }

    #[test]
    fn the_oldest_is_known_whichever_are_taken_out() {
        let mut connections = Connections::default();
        let mut places: Vec<Place> = (1..=5).map(|id| connections.add(connection(id))).collect();
        assert_eq!(oldest(&connections), Some(1));
        for (taken, left) in [
            (2, Some(1)),
            (0, Some(2)),
            (2, Some(2)),
            (0, Some(4)),
            (0, None),
        ] {
            let place = places.remove(taken);
            assert!(connections.remove(place).is_some());
            assert_eq!(oldest(&connections), left, "{} was taken out", place.id.0);
        }
        // A place in the middle of the memory is the newest by number.
        connections.add(connection(7));
        connections.add(connection(8));
        assert_eq!(oldest(&connections), Some(7));
    }

    #[test]
    fn a_listener_is_let_go_last() {
        let mut connections = Connections::default();
        connections.add(listener(1));
        let second = connections.add(connection(2));
        connections.add(listener(3));
        assert_eq!(oldest(&connections), Some(2));
        assert!(connections.remove(second).is_some());
        assert_eq!(oldest(&connections), Some(1));
    }

    #[test]
    fn all_come_out_in_the_order_of_their_numbers() {
        let mut connections = Connections::default();
        let first = connections.add(connection(1));
        connections.add(listener(2));
        assert!(connections.remove(first).is_some());
        connections.add(connection(3));
        connections.add(connection(4));
        let numbers: Vec<u64> = connections.drain().map(|one| one.id.0).collect();
        assert_eq!(numbers, [2, 3, 4]);
        assert_eq!((connections.len(), oldest(&connections)), (0, None));
    }
}
