//! Who hears what the ring buffers told.
//!
//! **Owns:** the order in which they hear of an event.

use crate::model::{Event, Socket, Taker};
use crate::stats::Reconciler;
use crate::track::Tracker;
use crate::track::asking::Asker;

/// Who hears each event, in this order.
pub(super) struct Listeners<'c> {
    pub(super) reconciler: &'c mut Reconciler,
    pub(super) asker: Option<&'c mut Asker>,
    pub(super) tracker: &'c mut Tracker,
    /// Whether only what the tracepoint said is to be heard.
    pub(super) raw: bool,
}

impl Taker for Listeners<'_> {
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
            Event::Timewait(_) | Event::Request(_) if self.raw => return,
            Event::Timewait(timewait) => self.reconciler.count_timewait(timewait),
            Event::Request(request) => self.reconciler.count_request(request),
            _ => {}
        }
        if let Some(asker) = &mut self.asker {
            asker.handle(event);
        }
        self.tracker.handle(event);
    }
}
