//! What a connection carried, and what happened between its changes.

use super::Life;
use crate::schema::Event;
use crate::tracer::Hook;

impl Life<'_> {
    /// Demands how many bytes it carried, either way; the classic hook knows none.
    pub fn carried(&self, hook: Hook, sent: usize, received: usize) -> &Self {
        let carried = self.timeline().carried.as_ref();
        let said = carried.map(|carried| (carried.bytes_sent, carried.bytes_received));
        let wanted = (Some(sent as u64), Some(received as u64));
        let wanted = (hook == Hook::Btf).then_some(wanted);
        assert_eq!(said, wanted, "bytes sent and received\n{}", self.told());
        self
    }

    /// Demands that nothing happened between its changes, and nothing was sent again.
    pub fn uneventful(&self) -> &Self {
        assert_eq!(self.timeline().events, [], "events\n{}", self.told());
        let again = self.timeline().carried.as_ref();
        let again = again.map(|carried| (carried.retransmits, carried.bytes_retransmitted));
        assert!(
            again.is_none_or(|again| again == (Some(0), Some(0))),
            "sent again\n{}",
            self.told()
        );
        self
    }

    /// Demands that exactly these things happened, in order, as `what state`; the same in a row counts once. Each has to
    /// be inside of its segment; what happened in CLOSE, after the last.
    pub fn events(&self, wanted: &[&str]) -> &Self {
        let events = &self.timeline().events;
        let mut said: Vec<String> = events.iter().map(named).collect();
        said.dedup();
        assert_eq!(said, wanted, "events\n{}", self.told());
        for event in events {
            assert!(
                self.is_inside(event),
                "{event:?} is not inside its segment\n{}",
                self.told()
            );
        }
        self
    }

    /// Returns how often something happened.
    pub fn times_of(&self, what: &str) -> usize {
        let events = self.timeline().events.iter();
        events.filter(|event| event.what == what).count()
    }

    /// Demands the kernel's reason for its resets, where it tells reasons; a word that it does not know is none.
    pub fn reset_reason(&self, told: bool, reason: &str) -> &Self {
        let resets = self.timeline().events.iter();
        let mut resets = resets.filter(|event| event.what == "reset_sent");
        let wanted = told.then_some(reason);
        assert!(
            resets.all(|event| event.reason.as_deref() == wanted),
            "{wanted:?} for its resets\n{}",
            self.told()
        );
        self
    }

    fn is_inside(&self, event: &Event) -> bool {
        let segments = &self.timeline().segments;
        let mut ends = segments.iter().filter_map(|segment| {
            let start = segment.start_mono_ns?;
            Some((&segment.state, start, segment.ns.map(|ns| start + ns)))
        });
        if event.state == "CLOSE" {
            let last = ends.next_back().and_then(|(_, _, end)| end);
            return last.is_some_and(|last| last <= event.mono_ns);
        }
        ends.filter(|(state, ..)| **state == event.state)
            .any(|(_, start, end)| {
                start <= event.mono_ns && end.is_none_or(|end| event.mono_ns <= end)
            })
    }
}

fn named(event: &Event) -> String {
    format!("{} {}", event.what, event.state)
}
