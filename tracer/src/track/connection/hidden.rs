//! A connection's time in sockets that the tracepoint never shows.

use super::past::Past;
use super::{Connection, Moment};
use crate::model::{
    Existing, MonoNs, Request, RequestEnd, StateChange, TcpState, Ticks, Timewait, TimewaitEnd,
};
use crate::track::hidden::{HalfOpen, InTimewait, TimewaitKey};
use crate::track::output::{Change, ConnId, Opened, Origin, Span, Unknown};
use crate::track::selection::Verdict;
use crate::track::tracker::last_armed;
use crate::track::users::Users;

/// Two readings of one moment agree when they are within this, in nanoseconds: a tick of the slowest
/// kernel, and the millisecond in which ages are told.
const AGREE_NS: u64 = 15_000_000;

impl Connection {
    /// Goes on in a timewait socket; returns the change to show, if its state changes by that.
    pub(in crate::track) fn enter_timewait(
        &mut self,
        change: &StateChange,
        armed: &Timewait,
        key: TimewaitKey,
        expires: Option<u64>,
        lossy_until: Option<MonoNs>,
    ) -> Option<Change> {
        self.has_changed = true;
        self.learn(change);
        if self.state != change.from {
            // The change into the state that is left now was not seen.
            let why = self.gap(lossy_until);
            self.leave(Span::Unknown(why));
            self.state = change.from;
            self.entered = Err(why);
        }
        self.timewait = Some(Box::new(InTimewait {
            key: Some(key),
            found: false,
            expires,
            rearmed: 0,
            seen_at: Some(armed.at),
        }));
        if armed.substate == self.state {
            return None;
        }
        let moment = Moment {
            at: armed.at,
            error_ns: armed.error_ns,
        };
        Some(self.pass_to(armed.substate, moment, None, lossy_until))
    }

    /// Takes in that its timewait socket's timer was set anew, or that it was seen; returns the change
    /// to show, if its state changed by that.
    pub(in crate::track) fn stay_in_timewait(
        &mut self,
        event: &Timewait,
        expires: Option<u64>,
        lossy_until: Option<MonoNs>,
    ) -> Option<Change> {
        let timewait = self.timewait.get_or_insert_default();
        let known_already = expires.is_some() && timewait.expires == expires;
        let changes = event.substate != self.state;
        if !known_already && !changes {
            // A look tells of a time only that has begun anew since the look before.
            let known_before = expires.is_none() || timewait.expires.is_some();
            timewait.rearmed += u32::from(known_before);
        }
        timewait.expires = match changes {
            // What a timer was set for in FIN_WAIT2 says nothing of the one in TIME_WAIT.
            true => expires,
            false => expires.or(timewait.expires),
        };
        timewait.seen_at = Some(event.at);
        if !changes || event.substate != TcpState::TimeWait {
            return None;
        }
        let moment = Moment {
            at: event.at,
            error_ns: event.error_ns,
        };
        Some(self.pass_to(TcpState::TimeWait, moment, None, lossy_until))
    }

    /// Notes that its timewait socket is not to be found any more.
    pub(in crate::track) fn forget_timewait_key(&mut self) {
        if let Some(timewait) = &mut self.timewait {
            timewait.key = None;
        }
    }

    /// Counts an arming that nobody told, if its timewait socket's timer is set for another time in the
    /// end than at the last arming that was told in the same state.
    pub(in crate::track) fn count_unseen_arming(
        &mut self,
        substate: TcpState,
        timer: Option<Ticks>,
    ) {
        if self.state == substate
            && let Some(timer) = timer
            && let Some(timewait) = &mut self.timewait
        {
            let moved = timewait.expires.is_some_and(|known| known != timer.expires);
            timewait.rearmed += u32::from(moved);
        }
    }

    /// Takes in what its timewait socket shows at its end and no hook told: TIME_WAIT that began while
    /// its timer stayed where it was.
    pub(in crate::track) fn catch_up(
        &mut self,
        event: &Timewait,
        timer: Option<Ticks>,
        tick_ns: Option<u64>,
        lossy_until: Option<MonoNs>,
    ) -> Option<Change> {
        if event.substate == self.state || event.substate != TcpState::TimeWait {
            return None;
        }
        let armed = timer
            .zip(tick_ns)
            .and_then(|(timer, tick_ns)| last_armed(event.at, timer, tick_ns));
        let Some(armed) = armed else {
            self.leave(Span::Unknown(Unknown::Missed));
            self.state = TcpState::TimeWait;
            self.entered = Err(Unknown::Missed);
            return None;
        };
        Some(self.pass_to(TcpState::TimeWait, armed, None, lossy_until))
    }

    /// Its timewait socket is gone: returns the change to show.
    pub(in crate::track) fn leave_timewait(
        &mut self,
        event: &Timewait,
        end: TimewaitEnd,
        lossy_until: Option<MonoNs>,
    ) -> Change {
        self.has_changed = true;
        self.timewait_end = Some(end);
        let moment = Moment {
            at: event.at,
            error_ns: event.error_ns,
        };
        self.pass_to(TcpState::Close, moment, Some(end), lossy_until)
    }

    /// Returns whether everything of it is shown so far, and it is in `state`.
    pub(in crate::track) fn is_shown_in(&self, state: TcpState) -> bool {
        self.state == state && self.verdict == Verdict::Shown && self.held.is_empty()
    }

    /// Notes that it was found in a timewait socket, and since when, where the kernel tells.
    ///
    /// # Kernel
    ///
    /// `tw_entry_stamp` (Linux 6.14) is written when the timewait socket begins, and again when
    /// FIN_WAIT2 turns into TIME_WAIT by a segment with a timestamp. Without timestamps it says only
    /// since when there is a timewait socket, which the timer tells apart: TIME_WAIT sets it to 60 s.
    pub(in crate::track) fn find_in_timewait(&mut self, existing: &Existing, key: TimewaitKey) {
        self.timewait = Some(Box::new(InTimewait {
            key: Some(key),
            found: true,
            seen_at: Some(existing.at),
            ..InTimewait::default()
        }));
        let Some(age_ns) = existing.age_ns else {
            return;
        };
        let armed_ago = existing
            .left_ns
            .and_then(|left| crate::model::minisock::TIMEWAIT_NS.checked_sub(left));
        // In FIN_WAIT2 the full socket was before, unseen.
        let difference = armed_ago
            .filter(|_| existing.state == TcpState::TimeWait)
            .map(|ago| ago.abs_diff(age_ns))
            .filter(|&difference| difference <= AGREE_NS);
        if let Some(difference) = difference
            && let Some(at) = existing.at.0.checked_sub(age_ns)
        {
            self.entered = Ok(Moment {
                at: MonoNs(at),
                error_ns: 1_000_000 + difference,
            });
        }
    }

    /// Leaves a state for another, as a small socket has it.
    fn pass_to(
        &mut self,
        to: TcpState,
        moment: Moment,
        end: Option<TimewaitEnd>,
        lossy_until: Option<MonoNs>,
    ) -> Change {
        let from = self.state;
        let span = self.span_until(moment, lossy_until);
        self.leave(span);
        self.state = to;
        self.entered = Ok(moment);
        let origin = Origin::Timewait { end };
        let mut change = self.make_change(moment.at, origin, Some(from), Some(span));
        change.error_ns = moment.error_ns;
        change
    }

    /// Begins a connection with the request socket that a SYN made.
    pub(in crate::track) fn request(id: ConnId, request: &Request) -> Self {
        Self {
            id,
            socket: None,
            cookie: None,
            tuple: request.tuple,
            verdict: Verdict::Undecided,
            held: Vec::new(),
            waits: None,
            has_changed: true,
            parked: None,
            timewait: None,
            timewait_end: None,
            half_open: Some(Box::new(HalfOpen {
                address: Some(request.address),
                expired: None,
                completed: false,
            })),
            half_open_end: None,
            opened: Opened::Passive,
            socket_family: request.tuple.family().unwrap_or(crate::model::Family::Ipv4),
            netns: request.netns,
            uid: None,
            cgroup: None,
            users: Users::default(),
            traffic: None,
            marks: None,
            closing: None,
            is_followed: false,
            past: Past::new(),
            began_error_ns: 0,
            state: TcpState::SynRecv,
            entered: Ok(Moment::exact(request.at)),
            last_error: None,
        }
    }

    /// Returns the change that shows the beginning of a request socket.
    pub(in crate::track) fn request_change(&self, at: MonoNs) -> Change {
        let origin = Origin::Request { end: None };
        self.make_change(at, origin, Some(TcpState::Listen), None)
    }

    /// Its request socket died without a connection: returns the change to show.
    pub(in crate::track) fn leave_request(
        &mut self,
        at: MonoNs,
        end: RequestEnd,
        lossy_until: Option<MonoNs>,
    ) -> Change {
        self.half_open_end = Some(end);
        self.has_changed = true;
        let from = self.state;
        let moment = Moment::exact(at);
        let span = self.span_until(moment, lossy_until);
        self.leave(span);
        self.state = TcpState::Close;
        self.entered = Ok(moment);
        let origin = Origin::Request { end: Some(end) };
        self.make_change(at, origin, Some(from), Some(span))
    }

    /// A full socket takes the place of its request socket, and its first change says nothing new.
    pub(in crate::track) fn adopt(&mut self, change: &StateChange) {
        self.half_open = None;
        self.has_changed = true;
        self.learn(change);
    }

    /// No request socket was held for it, so nobody knows when its SYN came.
    pub(in crate::track) fn had_no_request(&mut self, why: Unknown) {
        if self.state == TcpState::SynRecv {
            self.entered = Err(why);
        }
    }
}
