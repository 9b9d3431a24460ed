//! Which changes leave the tracker, and when.
//!
//! **Owns:** holding changes back until their connection may be shown with all its ends.

use std::collections::VecDeque;

use crate::model::MonoNs;
use crate::track::Tracker;
use crate::track::connection::Connection;
use crate::track::connections::Place;
use crate::track::output::{Change, Output};
use crate::track::selection::Verdict;
use crate::track::waiting::Waiting;

impl Tracker {
    /// Shows a change, if there is one, as its connection's verdict has it.
    pub(super) fn show(&mut self, place: Place, shown: Option<Change>, at: MonoNs) {
        let Some(connection) = self.connections.get_mut(place) else {
            return;
        };
        connection.judge(&self.selection);
        if let Some(shown) = shown {
            connection.hold(shown);
        }
        match connection.verdict {
            Verdict::Hidden => connection.held = Vec::new(),
            Verdict::Undecided => {}
            Verdict::Shown if connection.held.is_empty() => {}
            Verdict::Shown if connection.has_all_ends() || self.limits.hold_ns == 0 => {
                release(connection, &mut self.deadlines, &mut self.outputs);
            }
            Verdict::Shown if connection.waits.is_some() => {}
            Verdict::Shown => {
                let deadline = at.plus(self.limits.hold_ns);
                connection.waits = Some(self.deadlines.push(deadline, place));
                self.note_due(deadline);
            }
        }
    }
}

/// Lets the held changes of a connection go, with all that is known of it now.
pub(super) fn release(
    connection: &mut Connection,
    deadlines: &mut Waiting<Place>,
    outputs: &mut VecDeque<Output>,
) {
    if let Some(ticket) = connection.waits.take() {
        deadlines.settle(ticket);
    }
    if !connection.held.is_empty() {
        release_held(connection, outputs);
    }
}

#[inline(never)]
fn release_held(connection: &mut Connection, outputs: &mut VecDeque<Output>) {
    for change in std::mem::take(&mut connection.held) {
        outputs.push_back(Output::Change(connection.complete(change)));
    }
}
