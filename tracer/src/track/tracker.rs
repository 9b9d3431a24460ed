//! The tracker: events in, outputs out.

mod asked;
mod between;
mod keeping;
mod request;
mod show;
mod timewait;

use std::collections::VecDeque;

use crate::model::{Event, Existing, Loss, MonoNs, Socket, StateChange, Taker, TcpState};

use super::Ending;
use super::connection::{Connection, Ended};
use super::connections::{Connections, Place};
use super::hidden::{ANSWER_NS, Follows, RequestSockets, TimewaitSockets, Timewaits};
use super::identity::Identity;
use super::output::{ConnId, Output, Unknown};
use super::selection::{Selection, Verdict};

use super::users::Processes;
use super::waiting::Waiting;
use between::Between;
use show::release;
pub(super) use timewait::last_armed;

/// How much the tracker keeps, and for how long it holds changes back.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most connections that are followed at once; beyond it the oldest is let go.
    pub connections: usize,
    /// How long a change waits for an end that its connection does not show yet, in nanoseconds.
    pub hold_ns: u64,
}

impl Default for Limits {
    /// A million connections, and a wait that a person does not notice.
    fn default() -> Self {
        Self {
            connections: 1_000_000,
            hold_ns: 50_000_000,
        }
    }
}

/// Counts of what the tracker has met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections let go because too many were alive, those aside that are not to be shown.
    pub evicted: u64,
    /// Sockets that existed when the trace began, those whose state no event will ever tell apart
    /// included.
    pub existing: u64,
    /// Timewait sockets among them that may be shown.
    pub timewait_found: u64,
    /// Connections that were shown and still in a timewait socket at the end.
    pub timewait_open: u64,
}

/// Connections that the processor's nearer caches do not hold any more.
const MANY_CONNECTIONS: usize = 1 << 14;

/// Sockets that the tracepoint never shows.
#[derive(Debug, Default)]
struct Hidden {
    timewaits: TimewaitSockets,
    requests: RequestSockets,
}

/// Turns events into outputs.
///
/// # Contract
///
/// Three kinds of calls: [`handle`](Self::handle) takes an event in, [`poll`](Self::poll) takes
/// outputs out until there are none, and [`handle_timeout`](Self::handle_timeout) tells that time
/// has passed, at the latest at [`poll_timeout`](Self::poll_timeout), after every earlier event has
/// been handled. [`finish`](Self::finish) ends it. Nothing here reads a clock: the same calls give
/// the same outputs.
#[derive(Debug)]
pub struct Tracker {
    selection: Selection,
    limits: Limits,
    follows: Follows,
    hidden: Hidden,
    between: Between,
    processes: Processes,
    /// When overdue timewait sockets were looked for last.
    swept: MonoNs,
    connections: Connections,
    identity: Identity,
    next_id: u64,
    /// Before this moment nothing is due.
    quiet_until: MonoNs,
    /// When held changes are let go, in the order of time.
    deadlines: Waiting<Place>,
    lossy_until: Option<MonoNs>,
    outputs: VecDeque<Output>,
    tally: Tally,
}

impl Taker for Tracker {
    fn looks_ahead(&self) -> bool {
        self.connections.len() >= MANY_CONNECTIONS
    }

    fn announce(&self, socket: Socket) {
        if let Some(place) = self.identity.at_socket(socket) {
            self.connections.bring_near(place);
        }
    }

    fn take(&mut self, event: &Event) {
        self.handle(event);
    }
}

impl Tracker {
    /// Makes a tracker that shows the connections selected.
    pub fn new(selection: Selection, limits: Limits) -> Self {
        Self {
            selection,
            limits,
            follows: Follows::default(),
            hidden: Hidden::default(),
            between: Between::default(),
            processes: Processes::default(),
            swept: MonoNs(0),
            connections: Connections::default(),
            identity: Identity::new(),
            next_id: 1,
            quiet_until: MonoNs(0),
            deadlines: Waiting::default(),
            lossy_until: None,
            outputs: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    /// Says what is told of timewait and request sockets; nothing is unless this says so. To be called
    /// before the first event.
    pub fn follow(&mut self, follows: Follows) {
        self.follows = follows;
    }

    /// Returns what has been counted.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Returns whether a connection is shown that has changed and is neither over nor in a timewait socket.
    pub fn has_unsettled(&self) -> bool {
        self.connections.iter().any(|connection| {
            connection.verdict == Verdict::Shown
                && connection.has_changed
                && connection.timewait.is_none()
                && !connection.is_listener()
        })
    }

    /// Returns how many connections are followed now.
    #[cfg(test)]
    pub(super) fn followed(&self) -> usize {
        self.connections.len()
    }

    /// Takes an event in.
    pub fn handle(&mut self, event: &Event) {
        match event {
            Event::StateChange(change) => self.handle_change(change),
            Event::Timewait(timewait) => {
                self.handle_timeout(timewait.at);
                self.handle_timewait(timewait);
            }
            Event::Request(request) => {
                self.handle_timeout(request.at);
                self.handle_request(request);
            }
            Event::Loss(loss) => self.handle_loss(*loss),
            Event::Holder(process) => self.processes.find(process),
            Event::Existing(existing) => self.handle_existing(existing),
            Event::ExistingComplete => {
                self.identity.existing_complete();
                self.listeners_complete();
            }
            Event::Process(seen) => self.processes.see(seen),
            Event::Use(used) => self.handle_use(used),
            Event::Segment(segment) => self.handle_segment(segment),
            Event::Traffic(traffic) => self.handle_traffic(traffic),
        }
    }

    /// Takes the next output out.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due, if it ever is.
    pub fn poll_timeout(&self) -> Option<MonoNs> {
        [
            self.deadlines.next_due(),
            first(&self.hidden.requests.unsettled),
            first(&self.hidden.timewaits.unanswered),
            self.between.closing.next_due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Tells that it is `now`: changes that have waited long enough are let go as they are.
    pub fn handle_timeout(&mut self, now: MonoNs) {
        // Asked before each event, and nearly always there is nothing.
        if now >= self.quiet_until {
            self.do_what_is_due(now);
        }
    }

    #[inline(never)]
    fn do_what_is_due(&mut self, now: MonoNs) {
        self.hidden.timewaits.give_up(now);
        self.end_closing(now);
        self.close_unanswered(now);
        self.settle_requests(now);
        self.sweep_overdue(now);
        while let Some(place) = self.deadlines.pop_due(now) {
            if let Some(connection) = self.connections.get_mut(place)
                && connection.verdict == Verdict::Shown
            {
                release(connection, &mut self.deadlines, &mut self.outputs);
            }
        }
        let given_up = self.hidden.timewaits.next_given_up();
        let due = [self.poll_timeout(), given_up, self.next_sweep()];
        let due = due.into_iter().flatten().min();
        self.quiet_until = due.unwrap_or(MonoNs(u64::MAX));
    }

    /// Notes that something is due at a moment.
    fn note_due(&mut self, deadline: MonoNs) {
        self.quiet_until = self.quiet_until.min(deadline);
    }

    /// Ends the trace: tells the connections that changed and are still open, in the order in which
    /// they were first seen.
    pub fn finish(&mut self, now: MonoNs) {
        self.handle_timeout(now);
        self.end_closing(MonoNs(u64::MAX));
        self.close_unanswered(now.plus(ANSWER_NS));
        let lossy_until = self.lossy_until;
        for mut connection in self.connections.drain() {
            if connection.verdict != Verdict::Shown {
                continue;
            }
            release(&mut connection, &mut self.deadlines, &mut self.outputs);
            self.tally.timewait_open += u64::from(connection.timewait.is_some());
            self.tally.timewait_found += u64::from(connection.was_found_in_timewait());
            if connection.has_changed {
                let timeline = connection.take_timeline(Ended::Open { now, lossy_until });
                self.outputs.push_back(Output::Timeline(Box::new(timeline)));
            }
        }
    }

    fn handle_change(&mut self, change: &StateChange) {
        self.handle_timeout(change.at);
        self.identity.note_change(change);

        if change.from == change.to {
            self.show_repetition(change);
            return;
        }
        if change.starts_connection()
            && change.to == TcpState::SynRecv
            && let Some(place) = self.adopt(change)
        {
            self.begin_at_socket(place, change);
            return;
        }
        let place = self.connection_of(change);
        let place = self.adopt_late(place, change);
        self.note_user(place, change);
        if self.leave_full_socket(place, change) {
            return;
        }
        let without_timewait = self.without_timewait(place, change);
        if self.wants_listener(place) {
            self.find_listener(place, &change.tuple());
        }
        let is_named_child = || {
            let is_child = change.from == TcpState::Listen && change.to == TcpState::SynRecv;
            is_child && change.tuple().is_complete()
        };
        let no_request = (self.follows.requests && is_named_child()).then(|| self.why_no_request());
        let Some(connection) = self.connections.get_mut(place) else {
            return;
        };
        let error = connection.fresh_error(change);
        connection.forget_report_of(change);
        let span = connection.apply(change, self.lossy_until);
        if let Some(why) = no_request {
            connection.had_no_request(why);
        }
        connection.judge(&self.selection);
        match connection.verdict {
            Verdict::Hidden => connection.held = Vec::new(),
            Verdict::Undecided => connection.hold(connection.change(change, span)),
            Verdict::Shown if connection.has_all_ends() || self.limits.hold_ns == 0 => {
                release(connection, &mut self.deadlines, &mut self.outputs);
                // It is made just now, so there is nothing to complete.
                let outputs = &mut self.outputs;
                outputs.push_back(Output::Change(connection.change(change, span)));
            }
            Verdict::Shown => {
                connection.hold(connection.change(change, span));
                if connection.waits.is_none() {
                    let deadline = change.at.plus(self.limits.hold_ns);
                    connection.waits = Some(self.deadlines.push(deadline, place));
                    self.quiet_until = self.quiet_until.min(deadline);
                }
            }
        }
        if change.to == TcpState::Listen {
            let (netns, tuple) = (connection.netns(), connection.tuple);
            self.between.add_listener(netns, &tuple, place);
        }
        if change.to == TcpState::Close {
            let has_port = change.shown.local_port != 0;
            let ending =
                without_timewait.unwrap_or_else(|| Ending::judge(change.from, error, has_port));
            self.close(place, ending, change.from, change.at);
        }
    }

    /// A connection that began in a request socket goes on at this address.
    fn begin_at_socket(&mut self, place: Place, change: &StateChange) {
        if let Some(old) = self.identity.at_socket(change.socket) {
            self.end_unseen(old);
        }
        self.identity.settle(change.socket, place);
        self.show(place, None, change.at);
    }

    /// Finds the connection that a change belongs to, or begins one.
    fn connection_of(&mut self, change: &StateChange) -> Place {
        if let Some(place) = self.identity.at_socket(change.socket) {
            let living = self.connections.get(place);
            let same_socket = living.is_some_and(|connection| !connection.contradicts(change));
            if same_socket && !change.starts_connection() {
                return place;
            }
            // The address has a new socket, or the same one connects anew: the end of what lived
            // here was not seen.
            self.end_unseen(place);
        }
        if let Some(place) = self.identity.take_found(change) {
            if !change.starts_connection() {
                self.identity.settle(change.socket, place);
                return place;
            }
            self.end(place, Ended::Unseen(Ending::NotSeen, Unknown::BeforeTrace));
        }
        let connection = Connection::begin(self.number(), change, self.why_unseen());
        let place = self.add(connection);
        self.identity.settle(change.socket, place);
        place
    }

    /// Ends a connection whose socket's address belongs to another one now.
    fn end_unseen(&mut self, place: Place) {
        let why = self
            .connections
            .get(place)
            .map_or(Unknown::Missed, |living| living.gap(self.lossy_until));
        self.end(place, Ended::Unseen(Ending::NotSeen, why));
    }

    /// Why earlier changes of a connection that begins in its midst were not seen.
    fn why_unseen(&self) -> Unknown {
        match self.lossy_until {
            Some(_) => Unknown::Loss,
            None if self.tally.evicted > 0 => Unknown::NotFollowed,
            None => Unknown::BeforeTrace,
        }
    }

    /// Shows a change that changes nothing, as far as its connection is shown; it begins and ends
    /// none.
    fn show_repetition(&mut self, change: &StateChange) {
        let living = self.identity.at_socket(change.socket);
        if let Some(connection) = living.and_then(|place| self.connections.get_mut(place)) {
            let shown = connection.change(change, None);
            match connection.verdict {
                Verdict::Hidden => {}
                _ => connection.hold(shown),
            }
            if connection.verdict == Verdict::Shown && connection.waits.is_none() {
                release(connection, &mut self.deadlines, &mut self.outputs);
            }
        }
    }

    fn handle_loss(&mut self, loss: Loss) {
        if loss.changes() > 0 {
            self.lossy_until = self.lossy_until.max(Some(loss.until));
            self.note_due(MonoNs(0));
        }
        self.outputs.push_back(Output::Loss(loss));
    }

    /// Takes in a socket that was there before the trace.
    ///
    /// Where nobody follows timewait and request sockets, they are counted only: the tracepoint will
    /// never tell their end, so a connection made of them would stay for ever.
    fn handle_existing(&mut self, existing: &Existing) {
        self.tally.existing += 1;
        let dead = existing.state == TcpState::Close;
        if dead || self.identity.has_changed(existing) {
            return;
        }
        if !existing.full_socket {
            match existing.state {
                TcpState::TimeWait | TcpState::FinWait2
                    if self.follows.timewaits != Timewaits::Unseen =>
                {
                    self.handle_existing_timewait(existing);
                }
                TcpState::SynRecv if self.follows.requests => {
                    self.handle_existing_request(existing);
                }
                _ => {}
            }
            return;
        }
        let holder = existing.holder.and_then(|pid| self.processes.holder(pid));
        let mut connection = Connection::found(self.number(), existing, holder);
        connection.judge(&self.selection);
        if connection.verdict != Verdict::Hidden {
            connection.hold(connection.found_change(existing.at));
        }
        if connection.verdict == Verdict::Shown {
            release(&mut connection, &mut self.deadlines, &mut self.outputs);
        }
        let place = self.add(connection);
        if existing.state == TcpState::Listen {
            let (netns, tuple) = (Some(existing.netns), &existing.tuple);
            self.between.add_listener(netns, tuple, place);
        }
        self.identity.add_found(existing, place);
    }

    fn number(&mut self) -> ConnId {
        let id = ConnId(self.next_id);
        self.next_id += 1;
        id
    }
}

/// When the first of those is due that wait, in the order of time.
fn first<T>(waiting: &VecDeque<(MonoNs, T)>) -> Option<MonoNs> {
    waiting.front().map(|&(deadline, _)| deadline)
}
