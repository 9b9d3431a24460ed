//! One connection while it lives: its states so far, and what is known of it.

mod hidden;
mod past;
mod showing;
mod telling;

use std::hint::black_box;
use std::rc::Rc;

use crate::model::{
    CloseError, Existing, Family, MonoNs, RequestEnd, SegmentNews, Socket, StateChange, TcpState,
    TimewaitEnd, Traffic, Tuple,
};

use super::hidden::{HalfOpen, InTimewait};
use super::output::{Change, ConnId, Mark, Marks, Opened, Segment, Span, Unknown};
use past::Past;
pub(super) use telling::Ended;

use super::Ending;
use super::selection::{Facts, Selection, Verdict};
use super::users::{User, Users};
use super::waiting::Ticket;

/// The most that is kept of what happened between the changes of a connection; the rest is counted.
const MOST_MARKS: usize = 32;

/// How long what the kernel does in one go takes at most, in nanoseconds, preempted or emulated.
const ONE_GO_NS: u64 = 50_000_000;

/// A connection that has not ended.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnId,
    pub(super) socket: Option<Socket>,
    pub(super) cookie: Option<u64>,
    pub(super) tuple: Tuple,
    /// Whether it may be shown, as last judged.
    pub(super) verdict: Verdict,
    /// Changes that wait until the connection may be shown with all its ends.
    pub(super) held: Vec<Change>,
    /// The deadline of the held changes, while one stands.
    pub(super) waits: Option<Ticket>,
    /// Whether any state change was seen, rather than only its existence.
    pub(super) has_changed: bool,
    /// The change to CLOSE of its full socket, while nobody has answered whether it goes on.
    pub(super) parked: Option<Box<StateChange>>,
    /// Its timewait socket, if it goes on in one.
    pub(super) timewait: Option<Box<InTimewait>>,
    /// Why that ended.
    pub(super) timewait_end: Option<TimewaitEnd>,
    /// Its request socket, as long as it is one.
    pub(super) half_open: Option<Box<HalfOpen>>,
    /// Why that died.
    pub(super) half_open_end: Option<RequestEnd>,
    opened: Opened,
    socket_family: Family,
    netns: Option<u32>,
    /// uid and cgroup of the socket.
    uid: Option<u32>,
    cgroup: Option<u64>,
    pub(super) users: Users,
    /// What its socket told as it was about to close.
    pub(super) traffic: Option<Box<Traffic>>,
    /// What happened between its state changes, once something has.
    marks: Option<Box<Marks>>,
    /// How it has ended, while what may still be told of that is waited for.
    pub(super) closing: Option<(Ending, Ticket)>,
    /// Whether a process that is followed was seen using it.
    pub(super) is_followed: bool,
    past: Past,
    /// By how much the beginning of the first of them may be wrong.
    began_error_ns: u64,
    state: TcpState,
    entered: Entered,
    /// The socket's error at the change before; `None` where there was none, or it is not known.
    last_error: Option<CloseError>,
}

/// When the present state was entered, or why that is not known.
type Entered = Result<Moment, Unknown>;

/// A moment, and by how much it may be wrong, either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::track) struct Moment {
    pub(in crate::track) at: MonoNs,
    pub(in crate::track) error_ns: u64,
}

impl Moment {
    /// A moment at which a hook ran.
    pub(in crate::track) fn exact(at: MonoNs) -> Self {
        Self { at, error_ns: 0 }
    }
}

impl Connection {
    /// Begins a connection with the first change that is seen of it.
    ///
    /// If that is not the first one it made, `unseen` tells why the others were not seen.
    pub(super) fn begin(id: ConnId, change: &StateChange, unseen: Unknown) -> Self {
        Self {
            id,
            socket: Some(change.socket),
            cookie: change.cookie,
            tuple: Tuple::default(),
            verdict: Verdict::Undecided,
            held: Vec::new(),
            waits: None,
            has_changed: false,
            parked: None,
            timewait: None,
            timewait_end: None,
            half_open: None,
            half_open_end: None,
            opened: opened_by(change, unseen),
            socket_family: change.socket_family,
            netns: change.netns,
            uid: None,
            cgroup: None,
            users: Users::default(),
            traffic: None,
            marks: None,
            closing: None,
            is_followed: false,
            past: Past::new(),
            began_error_ns: 0,
            state: change.from,
            entered: Err(unseen),
            last_error: None,
        }
    }

    /// Begins a connection that was there before the trace, and is held by that process.
    pub(super) fn found(id: ConnId, existing: &Existing, holder: Option<Rc<User>>) -> Self {
        let opened = match existing.state {
            TcpState::Listen => Opened::Listen,
            _ => Opened::BeforeTrace,
        };
        Self {
            id,
            socket: None,
            cookie: Some(existing.cookie),
            tuple: existing.tuple,
            verdict: Verdict::Undecided,
            held: Vec::new(),
            waits: None,
            has_changed: false,
            parked: None,
            timewait: None,
            timewait_end: None,
            half_open: None,
            half_open_end: None,
            opened,
            socket_family: existing.tuple.family().unwrap_or(Family::Ipv4),
            netns: Some(existing.netns),
            uid: existing.uid,
            cgroup: None,
            users: Users {
                opened_by: holder.clone().filter(|_| opened == Opened::Listen),
                last: holder,
                is_listener_sought: true,
            },
            traffic: None,
            marks: None,
            closing: None,
            is_followed: false,
            past: Past::new(),
            began_error_ns: 0,
            state: existing.state,
            entered: Err(Unknown::BeforeTrace),
            last_error: None,
        }
    }

    /// Reads what a change needs and lies in different lines of the cache, to no other end.
    pub(super) fn bring_near(&self) {
        black_box((
            self.id,
            self.tuple.remote.port,
            self.held.is_empty(),
            self.has_changed,
            self.users.last.is_some(),
            self.traffic.is_some(),
            self.past.is_empty(),
            self.past.last_span(),
            self.began_error_ns,
            self.last_error,
        ));
    }

    /// Takes a change in and returns how long the state that it leaves lasted; `None` where the
    /// connection begins with it.
    ///
    /// `lossy_until` is the last moment at which a change is known to have been lost.
    pub(super) fn apply(
        &mut self,
        change: &StateChange,
        lossy_until: Option<MonoNs>,
    ) -> Option<Span> {
        let first = !std::mem::replace(&mut self.has_changed, true);
        self.learn(change);

        if first && change.starts_connection() {
            self.enter(change);
            return None;
        }
        if self.state != change.from {
            // The change into the state that is left now was not seen.
            let why = self.gap(lossy_until);
            self.leave(Span::Unknown(why));
            self.state = change.from;
            self.entered = Err(why);
        }
        let span = self.span_until(Moment::exact(change.at), lossy_until);
        self.leave(span);
        self.enter(change);
        Some(span)
    }

    /// Returns why a change of this connection was not seen.
    pub(super) fn gap(&self, lossy_until: Option<MonoNs>) -> Unknown {
        match self.touched(lossy_until) {
            true => Unknown::Loss,
            false => Unknown::Missed,
        }
    }

    /// Returns whether a change of this connection may have been lost in its present state.
    fn touched(&self, lossy_until: Option<MonoNs>) -> bool {
        let Some(lossy_until) = lossy_until else {
            return false;
        };
        self.entered.is_ok_and(|entered| entered.at <= lossy_until) || self.entered.is_err()
    }

    fn span_until(&self, until: Moment, lossy_until: Option<MonoNs>) -> Span {
        match self.entered {
            Err(why) => Span::Unknown(why),
            Ok(_) if self.touched(lossy_until) => Span::Unknown(Unknown::Loss),
            Ok(entered) => {
                let error_ns = entered.error_ns.saturating_add(until.error_ns);
                match (until.at.since(entered.at), error_ns) {
                    (Some(ns), 0) => Span::Known(ns),
                    (Some(ns), error_ns) => Span::Within { ns, error_ns },
                    (None, 0) => Span::Unknown(Unknown::Clock),
                    (None, error_ns) => Span::Within { ns: 0, error_ns },
                }
            }
        }
    }

    fn leave(&mut self, span: Span) {
        if self.past.is_empty() {
            self.began_error_ns = self.entered.map_or(0, |entered| entered.error_ns);
        }
        self.past.push(Segment {
            state: self.state,
            start: self.entered.ok().map(|entered| entered.at),
            span,
        });
    }

    fn enter(&mut self, change: &StateChange) {
        self.state = change.to;
        self.entered = Ok(Moment::exact(change.at));
    }

    /// Takes in what a change tells about the connection, beyond its states.
    fn learn(&mut self, change: &StateChange) {
        self.socket = Some(change.socket);
        self.cookie = self.cookie.or(change.cookie);
        self.netns = self.netns.or(change.netns);
        self.socket_family = change.socket_family;
        // Nearly always both ends are known.
        if !self.tuple.is_complete() {
            self.tuple.fill_from(&change.tuple());
        }
        // What is told later is right where the first change told less: a child of a wildcard
        // listener first shows that listener's end.
        if let Some(port) = change.local_port() {
            self.tuple.local.port = Some(port);
        }
        self.uid = change.uid.or(self.uid);
        self.cgroup = change.cgroup.or(self.cgroup);
        self.is_followed |= change.task_is_followed && !change.is_killed();
        self.last_error = change.error;
    }

    /// Returns the error with which this change came about, before the change is taken in.
    ///
    /// # Kernel
    ///
    /// An error can be pending for long without closing anything (an ICMP error on a socket with
    /// IP_RECVERR, a failed TLS record). One that was there before says nothing about this change,
    /// and where nobody looked before, none is believed that would make a death of what may go on
    /// in a timewait socket.
    pub(super) fn fresh_error(&self, change: &StateChange) -> Option<CloseError> {
        use TcpState::{Closing, FinWait2};
        let error = change.error?;
        let may_live_on = matches!(change.from, FinWait2 | Closing);
        match self.last_error {
            _ if error.0 == 0 => Some(error),
            Some(before) if before == error => None,
            None if may_live_on => None,
            _ => Some(error),
        }
    }

    /// Returns the error that ended a socket of which it is known that no timewait socket followed: the
    /// one that is pending, unless it was before and closed nothing then.
    pub(super) fn closing_error(&self, change: &StateChange) -> Option<CloseError> {
        let error = change.error.filter(|error| error.0 != 0)?;
        (self.last_error != Some(error)).then_some(error)
    }

    /// Returns whether a change at this connection's socket address must be another socket's.
    ///
    /// Without cookies, two sockets at one address are told apart by their ends alone.
    pub(super) fn contradicts(&self, change: &StateChange) -> bool {
        if let (Some(mine), Some(other)) = (self.cookie, change.cookie) {
            return mine != other;
        }
        let told = change.tuple();
        let comparable = match self.is_listener() {
            true => self.tuple.local.is_complete() && told.local.is_complete(),
            false => self.tuple.is_complete() && told.is_complete(),
        };
        comparable && told != self.tuple
    }

    /// Returns whether it is shown, or could be if more were known. A child that has no ends yet is
    /// nobody's loss: what the kernel side filters out never gets any.
    pub(super) fn may_be_shown(&self) -> bool {
        match self.verdict {
            Verdict::Shown => true,
            Verdict::Undecided => self.has_all_ends(),
            Verdict::Hidden => false,
        }
    }

    /// Returns whether it is a listener's child that has not shown its ends yet.
    pub(super) fn is_nameless_child(&self) -> bool {
        self.opened == Opened::Passive
            && self.state == TcpState::SynRecv
            && !self.tuple.remote.is_complete()
    }

    /// Returns whether it was in a timewait socket when the trace began.
    pub(super) fn was_found_in_timewait(&self) -> bool {
        self.timewait
            .as_ref()
            .is_some_and(|timewait| timewait.found)
    }

    /// Returns whether it is known to have been in its state for longer than `ns`.
    pub(super) fn is_stale(&self, now: MonoNs, ns: u64) -> bool {
        self.entered
            .is_ok_and(|entered| now.since(entered.at).is_some_and(|held| held > ns))
    }

    pub(super) fn netns(&self) -> Option<u32> {
        self.netns
    }

    pub(super) fn is_listener(&self) -> bool {
        self.opened == Opened::Listen
    }

    /// Returns whether the ends are known as far as such a socket has them.
    pub(super) fn has_all_ends(&self) -> bool {
        let Tuple { local, remote } = self.tuple;
        match self.is_listener() {
            true => local.is_complete(),
            false => local.is_complete() && remote.is_complete(),
        }
    }

    pub(super) fn judge(&mut self, selection: &Selection) {
        if self.verdict == Verdict::Undecided {
            self.verdict = self.judged(selection);
        }
    }

    fn judged(&self, selection: &Selection) -> Verdict {
        if selection.asks_for_nothing() {
            return selection.judge_kind(self.is_listener());
        }
        let passed = |wanted: TcpState| self.state == wanted || self.past.has(wanted);
        selection.judge(&Facts {
            is_listener: self.is_listener(),
            family: self.tuple.family(),
            tuple: &self.tuple,
            owner: &self.owner(),
            users: &self.users,
            is_followed: self.is_followed,
            netns: self.netns,
            passed: &passed,
        })
    }

    /// Takes in that a process was seen using the socket.
    ///
    /// Of a connection that the other end opened, the first to use it here is not who opened it: that is whoever
    /// listens.
    pub(super) fn used_by(&mut self, user: Rc<User>) {
        if self.users.opened_by.is_none() && matches!(self.opened, Opened::Active | Opened::Listen)
        {
            self.users.opened_by = Some(Rc::clone(&user));
        }
        self.users.last = Some(user);
    }

    /// Returns how long the state lasted that was left last, where that is known exactly.
    pub(super) fn last_ns(&self) -> Option<u64> {
        match self.past.last_span()? {
            Span::Known(ns) => Some(ns),
            _ => None,
        }
    }

    /// Returns whether it is one that a listener took, and it was not looked yet which.
    pub(super) fn wants_listener(&self) -> bool {
        self.opened == Opened::Passive && !self.users.is_listener_sought
    }

    /// Notes what happened between two changes.
    pub(super) fn mark(&mut self, mark: Mark) {
        let marks = self.marks.get_or_insert_default();
        match marks.first.len() < MOST_MARKS {
            true => marks.first.push(mark),
            false => marks.more += 1,
        }
    }

    /// Forgets that an error was reported where that is the one with which this change closes the connection.
    ///
    /// # Kernel
    ///
    /// `tcp_write_err`, `tcp_v4_err` and `tcp_abort` report an error and close the socket in one go, on older kernels in
    /// this order; `tcp_abort` sends a reset in between.
    pub(super) fn forget_report_of(&mut self, change: &StateChange) {
        let Some(CloseError(errno)) = change.error.filter(|_| change.to == TcpState::Close) else {
            return;
        };
        let is_the_same = |mark: &Mark| {
            mark.what == SegmentNews::Error(errno)
                && mark.state == change.from
                && mark.at.plus(ONE_GO_NS) >= change.at
        };
        if let Some(marks) = &mut self.marks {
            marks.first.retain(|mark| !is_the_same(mark));
        }
    }
}

/// How a connection began whose first seen change this is.
fn opened_by(change: &StateChange, unseen: Unknown) -> Opened {
    if change.is_listener() {
        return Opened::Listen;
    }
    if change.starts_connection() {
        return match change.to {
            TcpState::SynSent => Opened::Active,
            _ => Opened::Passive,
        };
    }
    match unseen {
        Unknown::BeforeTrace => Opened::BeforeTrace,
        _ => Opened::NotSeen,
    }
}
