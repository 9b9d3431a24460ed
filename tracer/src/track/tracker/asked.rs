//! Connections of which it is asked whether they live on in a timewait socket.
//!
//! **Owns:** the time between a full socket's change to CLOSE and the answer.

use crate::model::{MonoNs, Question, StateChange, TcpState, Timewait, TimewaitNews};
use crate::track::connection::Ended;
use crate::track::connections::Place;
use crate::track::hidden::{ANSWER_NS, TimewaitKey};
use crate::track::output::Unknown;
use crate::track::{Ending, Tracker};

impl Tracker {
    /// Waits for the answer whether a connection goes on.
    pub(super) fn park(&mut self, place: Place, change: &StateChange) -> bool {
        let Some(cookie) = change.cookie else {
            return false;
        };
        let key = TimewaitKey {
            cookie,
            tuple: change.tuple(),
        };
        self.let_socket_go(place, change);
        let Some(connection) = self.connections.get_mut(place) else {
            return false;
        };
        connection.parked = Some(Box::new(change.clone()));
        self.hidden.timewaits.parked.insert(key, place);
        let deadline = change.at.plus(ANSWER_NS);
        self.hidden.timewaits.unanswered.push_back((deadline, key));
        self.note_due(deadline);
        true
    }

    /// Takes in the answer about a connection that was waited for.
    pub(super) fn answer(&mut self, place: Place, key: TimewaitKey, event: &Timewait) {
        let lossy_until = self.lossy_until;
        let Some(connection) = self.connections.get_mut(place) else {
            return;
        };
        let Some(change) = connection.parked.take() else {
            return;
        };
        if !matches!(
            event.news,
            TimewaitNews::Seen { .. } | TimewaitNews::Armed(_)
        ) {
            self.close_parked(place, &change, Some(Ending::NoTimeWait));
            return;
        }
        let mut armed = event.clone();
        let early = MonoNs(event.at.0.saturating_sub(event.error_ns));
        if armed.substate == TcpState::TimeWait && early <= change.at {
            // Within what can be told, TIME_WAIT began as the full socket closed.
            armed.at = change.at;
            let latest = event.at.plus(event.error_ns);
            armed.error_ns = latest.since(change.at).unwrap_or(0);
        }
        let shown = connection.enter_timewait(&change, &armed, key, None, lossy_until);
        self.hidden.timewaits.living.insert(key, place);
        self.show(place, shown, change.at);
        self.tell_held(place, change.at);
    }

    /// Shows those of whom nobody answered in time.
    pub(super) fn close_unanswered(&mut self, now: MonoNs) {
        while let Some(&(deadline, key)) = self.hidden.timewaits.unanswered.front()
            && deadline <= now
        {
            self.hidden.timewaits.unanswered.pop_front();
            if let Some(place) = self.hidden.timewaits.parked.remove(&key)
                && let Some(connection) = self.connections.get_mut(place)
                && let Some(change) = connection.parked.take()
            {
                self.close_parked(place, &change, None);
            }
        }
    }

    /// Says that nothing more will be told of a timewait socket: its connection is told as far as it is
    /// known.
    pub fn give_up_timewait(&mut self, question: &Question) {
        let key = TimewaitKey {
            cookie: question.cookie,
            tuple: question.tuple,
        };
        if let Some(place) = self.hidden.timewaits.parked.remove(&key)
            && let Some(connection) = self.connections.get_mut(place)
            && let Some(change) = connection.parked.take()
        {
            self.close_parked(place, &change, None);
        }
        if let Some(place) = self.hidden.timewaits.living.remove(&key) {
            self.end(place, Ended::Unseen(Ending::NotSeen, Unknown::Missed));
        }
    }

    /// Ends a connection whose full socket closed; `ending` where it is known that no timewait socket
    /// followed.
    fn close_parked(&mut self, place: Place, change: &StateChange, ending: Option<Ending>) {
        let lossy_until = self.lossy_until;
        let Some(connection) = self.connections.get_mut(place) else {
            return;
        };
        let error = connection.fresh_error(change);
        let closing_error = connection.closing_error(change);
        let span = connection.apply(change, lossy_until);
        let shown = connection.change(change, span);
        self.show(place, Some(shown), change.at);
        let error = match ending {
            Some(_) => closing_error.or(error),
            None => error,
        };
        let judged = Ending::judge(change.from, error, change.shown.local_port != 0);
        let ending = match (judged, ending) {
            (Ending::TimeWaitOrClosed, Some(ending)) => ending,
            _ => judged,
        };
        self.end(place, Ended::Closed(ending));
    }
}
