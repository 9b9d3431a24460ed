//! Who hears what the ring buffers told.
//!
//! **Owns:** the order in which they hear of an event.

use super::teller::Teller;
use super::telling::Telling;
use crate::model::{Event, Socket, Taker};
use crate::stats::Reconciler;
use crate::track::Tracker;
use crate::track::asking::Asker;

/// Who hears each event, in this order.
pub(super) struct Listeners<'c, T> {
    pub(super) reconciler: &'c mut Reconciler,
    pub(super) asker: Option<&'c mut Asker>,
    pub(super) tracker: &'c mut Tracker,
    /// Hears what comes of it.
    pub(super) telling: &'c mut Telling<T>,
}

impl<T: Teller> Taker for Listeners<'_, T> {
    fn looks_ahead(&self) -> bool {
        self.tracker.looks_ahead()
    }

    fn announce(&self, socket: Socket) {
        self.tracker.announce(socket);
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::StateChange(change) => self.reconciler.count(change),
            // The tracepoint did not say it.
            Event::Timewait(_) | Event::Request(_) if self.telling.raw => return,
            Event::Timewait(timewait) => self.reconciler.count_timewait(timewait),
            Event::Request(request) => self.reconciler.count_request(request),
            _ => {}
        }
        if let Some(asker) = &mut self.asker {
            asker.handle(event);
        }
        self.tracker.handle(event);
        self.telling.hear(self.tracker);
    }
}
