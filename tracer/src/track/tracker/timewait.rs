//! Connections that live on in timewait sockets.
//!
//! **Owns:** which change to CLOSE is no end, and what ends a connection instead.

use crate::model::minisock::TIMEWAIT_NS;
use crate::model::{
    Existing, MonoNs, StateChange, TcpState, Ticks, Timewait, TimewaitEnd, TimewaitNews,
};
use crate::track::connection::{Connection, Ended, Moment};
use crate::track::connections::Place;
use crate::track::hidden::{Follows, Pending, TimewaitKey, Timewaits};
use crate::track::output::{Held, Output, Unknown};
use crate::track::selection::Verdict;
use crate::track::{Ending, Tracker};

/// A timewait socket that is gone at the latest, after this many times what its timer was set for:
/// the timer wheel rounds up by at most an eighth.
const OVERDUE: u64 = 2;
/// The longest time that a timer of a timewait socket is set for: `tcp_fin_timeout` and TIME_WAIT
/// are both at most that.
const LONGEST_NS: u64 = TIMEWAIT_NS;
/// How often overdue timewait sockets are looked for, in nanoseconds.
const SWEEP_NS: u64 = LONGEST_NS / 6;

impl Tracker {
    /// Takes in something about a timewait socket.
    pub(super) fn handle_timewait(&mut self, event: &Timewait) {
        let Some(cookie) = event.cookie else {
            return;
        };
        self.identity.note_cookie(cookie);
        let key = TimewaitKey {
            cookie,
            tuple: event.tuple,
        };
        if !self.hidden.timewaits.parked.is_empty()
            && let Some(place) = self.hidden.timewaits.parked.remove(&key)
        {
            self.answer(place, key, event);
            return;
        }
        let Some(&place) = self.hidden.timewaits.living.get(&key) else {
            self.handle_unknown(cookie, event);
            return;
        };
        match event.news {
            TimewaitNews::Armed(ticks) => self.rearm(place, event, Some(ticks.expires)),
            TimewaitNews::Seen { .. } => self.rearm(place, event, None),
            TimewaitNews::Ended { end, timer } => self.end_timewait(place, key, event, end, timer),
            TimewaitNews::Absent => {
                self.end_timewait(place, key, event, TimewaitEnd::Unknown, None);
            }
        }
    }

    fn handle_unknown(&mut self, cookie: u64, event: &Timewait) {
        match event.news {
            TimewaitNews::Armed(_) => {
                let deadline = self.hidden.timewaits.begin(cookie, event);
                self.note_due(deadline);
            }
            TimewaitNews::Ended { .. } => self.hidden.timewaits.end_pending(cookie, event),
            TimewaitNews::Seen { .. } | TimewaitNews::Absent => {}
        }
    }

    /// Judges a socket that changes to CLOSE: whether its connection goes on in a timewait socket.
    /// Returns whether it is dealt with.
    pub(super) fn leave_full_socket(&mut self, place: Place, change: &StateChange) -> bool {
        if change.to != TcpState::Close || !goes_on(change.from) {
            return false;
        }
        match self.follows.timewaits {
            Timewaits::Unseen => false,
            Timewaits::Hooked => match self.hidden.timewaits.take_pending(change.cookie) {
                Some(pending) => {
                    self.take_over(place, change, pending);
                    true
                }
                None => false,
            },
            Timewaits::Asked => self.park(place, change),
        }
    }

    /// How a connection ends that does not go on in a timewait socket though it could have, where that
    /// is known. To be asked before the change is taken in.
    pub(super) fn without_timewait(&self, place: Place, change: &StateChange) -> Option<Ending> {
        if self.follows.timewaits != Timewaits::Hooked
            || change.to != TcpState::Close
            || !goes_on(change.from)
        {
            return None;
        }
        let connection = self.connections.get(place)?;
        if change.timewait_made {
            // Its record was lost, or came so long before that it was given up.
            return Some(Ending::TimeWaitOrClosed);
        }
        if connection.closing_error(change).is_some() {
            return Some(Ending::judge(change.from, change.error, true));
        }
        Some(match change.timewait_refused {
            // The record of the timewait socket may be among those lost.
            _ if connection.gap(self.lossy_until) == Unknown::Loss => Ending::TimeWaitOrClosed,
            Some(true) => Ending::TimeWaitRefused,
            Some(false) => Ending::Aborted,
            None => Ending::TimeWaitOrClosed,
        })
    }

    /// Lets a connection go on in the timewait socket that began before its full one closed.
    fn take_over(&mut self, place: Place, change: &StateChange, pending: Pending) {
        let Pending { armed, ended, .. } = pending;
        let Some(cookie) = armed.cookie else {
            return;
        };
        let lossy_until = self.lossy_until;
        self.let_socket_go(place, change);
        let Some(connection) = self.connections.get_mut(place) else {
            return;
        };
        let expires = match armed.news {
            TimewaitNews::Armed(ticks) => Some(ticks.expires),
            _ => None,
        };
        let key = TimewaitKey {
            cookie,
            tuple: armed.tuple,
        };
        let shown = connection.enter_timewait(change, &armed, key, expires, lossy_until);
        self.hidden.timewaits.living.insert(key, place);
        self.show(place, shown, armed.at);
        self.tell_held(place, armed.at);
        if let Some(ended) = ended {
            self.handle_timewait(&ended);
        }
    }

    /// Tells that a timewait socket holds a connection which stays in FIN_WAIT2, as far as it is shown.
    pub(super) fn tell_held(&mut self, place: Place, at: MonoNs) {
        let is_told = self
            .connections
            .get(place)
            .is_some_and(|connection| connection.is_shown_in(TcpState::FinWait2));
        if is_told {
            self.outputs
                .push_back(Output::Held(Held { conn: place.id, at }));
        }
    }

    /// Takes in that a timewait socket's timer was set anew, or that it was looked at.
    fn rearm(&mut self, place: Place, event: &Timewait, expires: Option<u64>) {
        let lossy_until = self.lossy_until;
        let Some(connection) = self.connections.get_mut(place) else {
            return;
        };
        let shown = connection.stay_in_timewait(event, expires, lossy_until);
        self.show(place, shown, event.at);
    }

    fn end_timewait(
        &mut self,
        place: Place,
        key: TimewaitKey,
        event: &Timewait,
        end: TimewaitEnd,
        timer: Option<Ticks>,
    ) {
        self.hidden.timewaits.living.remove(&key);
        let Follows {
            armings, tick_ns, ..
        } = self.follows;
        let lossy_until = self.lossy_until;
        let Some(connection) = self.connections.get_mut(place) else {
            return;
        };
        if !armings {
            connection.count_unseen_arming(event.substate, timer);
        }
        let missed = connection.catch_up(event, timer, tick_ns, lossy_until);
        connection.forget_timewait_key();
        let in_time_wait = event.substate == TcpState::TimeWait;
        let last = connection.leave_timewait(event, end, lossy_until);
        self.show(place, missed, event.at);
        self.show(place, Some(last), event.at);
        let ending = match in_time_wait {
            true => Ending::TimeWaitOver(end),
            false => Ending::FinWait2Over(end),
        };
        self.end(place, Ended::Closed(ending));
    }

    /// Takes in a timewait socket that was there before the trace.
    pub(super) fn handle_existing_timewait(&mut self, existing: &Existing) {
        let mut connection = Connection::found(self.number(), existing, None);
        let key = TimewaitKey {
            cookie: existing.cookie,
            tuple: existing.tuple,
        };
        connection.find_in_timewait(existing, key);
        connection.judge(&self.selection);
        if connection.verdict == Verdict::Hidden {
            return;
        }
        connection.hold(connection.found_change(existing.at));
        let place = self.add(connection);
        self.hidden.timewaits.living.insert(key, place);
        self.show(place, None, existing.at);
        self.tell_held(place, existing.at);
    }

    /// Returns when overdue timewait sockets are to be looked for again.
    pub(super) fn next_sweep(&self) -> Option<MonoNs> {
        self.lossy_until.map(|_| self.swept.plus(SWEEP_NS))
    }

    /// Lets go the connections in timewait sockets whose end must have been lost. Only what is lost
    /// can be missing: a timewait socket always ends.
    pub(super) fn sweep_overdue(&mut self, now: MonoNs) {
        let Some(lossy_until) = self.lossy_until else {
            return;
        };
        if now.since(self.swept).is_some_and(|ns| ns < SWEEP_NS) {
            return;
        }
        self.swept = now;
        self.sweep_requests(now);
        let mut overdue: Vec<(Place, TimewaitKey)> = Vec::new();
        for (&key, &place) in &self.hidden.timewaits.living {
            let seen_at = self
                .connections
                .get(place)
                .and_then(|connection| connection.timewait.as_ref()?.seen_at);
            if seen_at.is_some_and(|seen| {
                seen <= lossy_until && now.since(seen).is_some_and(|ns| ns > OVERDUE * LONGEST_NS)
            }) {
                overdue.push((place, key));
            }
        }
        overdue.sort_unstable();
        for (place, key) in overdue {
            self.hidden.timewaits.living.remove(&key);
            self.end(place, Ended::Unseen(Ending::NotSeen, Unknown::Loss));
        }
    }

    /// The socket of a connection is gone, though the connection is not.
    pub(super) fn let_socket_go(&mut self, place: Place, change: &StateChange) {
        if let Some(connection) = self.connections.get_mut(place) {
            self.identity.forget(
                place,
                Some(change.socket),
                connection.cookie,
                &connection.tuple,
            );
            connection.socket = None;
        }
    }
}

/// Returns whether a state can be followed by a timewait socket.
///
/// # Kernel
///
/// `tcp_time_wait` is called in FIN_WAIT2 and in CLOSING alone; on the way from FIN_WAIT1 the full
/// socket enters FIN_WAIT2 first.
fn goes_on(state: TcpState) -> bool {
    matches!(state, TcpState::FinWait2 | TcpState::Closing)
}

/// By how many ticks a moment may be wrong that is told from ticks: one that was under way when the
/// timer was set, one when it was read, and one that was counted late.
const TICKS: u64 = 3;

/// When a timewait socket's timer was last set, by what it is set for; and by how much that may be
/// wrong.
///
/// # Kernel
///
/// In TIME_WAIT it is always set to 60 s (`TCP_TIMEWAIT_LEN`) from the tick in which it was set.
pub(in crate::track) fn last_armed(at: MonoNs, timer: Ticks, tick_ns: u64) -> Option<Moment> {
    let length = TIMEWAIT_NS / tick_ns.max(1);
    let ticks_ago = (timer.now + length).checked_sub(timer.expires)?;
    let ns_ago = ticks_ago.checked_mul(tick_ns)?;
    Some(Moment {
        at: MonoNs(at.0.checked_sub(ns_ago)?),
        error_ns: TICKS * tick_ns,
    })
}
