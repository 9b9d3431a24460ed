//! What of a connection's life tells whose other end it can be.
//!
//! The ends alone do not: a tuple is used again while its last TIME_WAIT stands, and two pairs of network
//! namespaces can have the same addresses. What a handshake makes happen before what does.

use crate::model::{MonoNs, TcpState, Tuple};
use crate::track::output::{Change, Origin, Span, Timeline, Unknown};

/// By how much the clocks of two CPUs may disagree, in nanoseconds: less than any tuple is used again within.
const CLOCKS_APART_NS: u64 = 10_000;

/// Moments of a connection's life, and who it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Landmarks {
    pub(super) tuple: Tuple,
    pub(super) netns: Option<u32>,
    role: Role,
    /// Its SYN was sent, or came.
    begun: Option<MonoNs>,
    /// SYN_RECV was entered.
    received: Option<MonoNs>,
    /// ESTABLISHED was entered.
    established: Option<MonoNs>,
    /// The first moment at which it is known to have been synchronized.
    synchronized: Option<MonoNs>,
    /// Its present state, and when it entered it.
    state: TcpState,
    entered: MonoNs,
    /// When it was done with its other end, at the earliest: in TIME_WAIT, or no more.
    pub(super) left: Option<MonoNs>,
    /// Whether changes of it may be missing.
    is_doubtful: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// It connected.
    Active,
    /// It was connected to.
    Passive {
        /// Whether a request socket told when its SYN came; else the handshake's last ACK began it.
        by_request: bool,
    },
    /// It was there when the trace began.
    Found,
    /// Its beginning was not seen.
    Unseen,
}

impl Landmarks {
    /// Begins with the first change that is told of a connection.
    pub(super) fn begin(change: &Change) -> Self {
        use TcpState::{Close, Listen, SynRecv, SynSent};
        let (role, begun) = match (change.from, change.to) {
            (Some(Close), SynSent) => (Role::Active, Some(change.at)),
            (Some(Listen), SynRecv) => {
                let by_request = matches!(change.origin, Origin::Request { .. });
                (Role::Passive { by_request }, Some(change.at))
            }
            // It connected, and the other end may not have heard of it yet.
            (None, SynSent) | (Some(SynSent), _) => (Role::Active, None),
            (None, _) => (Role::Found, None),
            _ => (Role::Unseen, None),
        };
        let mut landmarks = Self {
            tuple: change.tuple,
            netns: change.netns,
            role,
            begun,
            received: None,
            established: None,
            synchronized: None,
            state: change.from.unwrap_or(change.to),
            entered: change.at,
            left: None,
            is_doubtful: false,
        };
        landmarks.pass(change);
        landmarks
    }

    /// Takes in a change.
    pub(super) fn pass(&mut self, change: &Change) {
        self.tuple = change.tuple;
        self.netns = change.netns;
        if change.in_from.is_some_and(may_have_missed) {
            self.doubt();
        }
        if change.from.is_some_and(is_synchronized) || is_synchronized(change.to) {
            self.synchronized = self.synchronized.or(Some(change.at));
        }
        match change.to {
            TcpState::SynRecv => self.received = self.received.or(Some(change.at)),
            TcpState::Established => self.established = self.established.or(Some(change.at)),
            TcpState::TimeWait | TcpState::Close if self.left.is_none() => {
                // The earliest that it can have been.
                let earliest = change.at.0.saturating_sub(change.error_ns);
                self.left = Some(MonoNs(earliest).max(self.entered));
            }
            _ => {}
        }
        (self.state, self.entered) = (change.to, change.at);
    }

    /// Takes in that it is told as a whole: where its end was not seen, nothing is known of it from its last
    /// change on.
    pub(super) fn end(&mut self, timeline: &Timeline) {
        let last = timeline.segments.last().map(|last| last.span);
        // No change told that a full socket went on from the request socket, which has no cookie.
        let is_adopted = self.state == TcpState::SynRecv && timeline.cookie.is_some();
        if is_adopted && last.is_some_and(may_have_missed) {
            self.doubt();
        }
        if self.left.is_none() && matches!(last, None | Some(Span::Unknown(_))) {
            self.left = Some(self.entered);
        }
    }

    /// Takes in that changes of it may be missing since it entered its present state.
    fn doubt(&mut self) {
        self.is_doubtful = true;
        if !is_synchronized(self.state) {
            // A request socket is known by its ends alone: this may be another one's handshake.
            (self.role, self.begun) = (Role::Unseen, None);
        }
    }

    /// Returns whether its beginning was not seen.
    pub(super) fn is_unseen(&self) -> bool {
        self.role == Role::Unseen
    }

    /// Returns whether two connections can be the ends of one conversation; as long as more can come of
    /// either, whether they still can. `is_over` says that nothing more comes.
    pub(super) fn fit(&self, other: &Self, is_over: bool) -> bool {
        let mirrored =
            self.tuple.local == other.tuple.remote && self.tuple.remote == other.tuple.local;
        if !mirrored || self.are_hosts_apart(other) {
            return false;
        }
        let is_same_netns = self.netns.is_some() && self.netns == other.netns;
        if (self.is_doubtful || other.is_doubtful) && !is_same_netns {
            return false;
        }
        match (self.role, other.role) {
            (Role::Passive { .. }, Role::Passive { .. }) => false,
            (Role::Active, Role::Active) => self.opened_at_once(other, is_over),
            (Role::Active, Role::Passive { by_request }) => self.opened(other, by_request),
            (Role::Passive { by_request }, Role::Active) => other.opened(self, by_request),
            // Whether it was this one that the other end talked to, only one and the same stack tells,
            // which has a tuple once; or the list of all that were there.
            (Role::Found, Role::Found) => self.were_together(other, is_over),
            _ => is_same_netns && self.were_together(other, is_over),
        }
    }

    /// Returns whether their addresses say that both ends are in one network namespace, and they are not.
    fn are_hosts_apart(&self, other: &Self) -> bool {
        let Tuple { local, remote } = self.tuple;
        let stays_inside = local.addr == remote.addr
            || [local.addr, remote.addr]
                .into_iter()
                .flatten()
                .any(|addr| addr.is_loopback());
        let are_apart = self.netns.zip(other.netns).is_some_and(|(a, b)| a != b);
        stays_inside && are_apart
    }

    /// Returns whether the SYN of this one may have begun `child`.
    ///
    /// # Kernel
    ///
    /// The SYN is sent in SYN_SENT, and answered after its request socket has begun; the last ACK is sent in
    /// ESTABLISHED. Without a request socket (a SYN cookie, or nobody follows them) the child begins with
    /// that ACK, or with data that is sent again, where the queue of connections to accept was full.
    fn opened(&self, child: &Self, by_request: bool) -> bool {
        let Some(child_begun) = child.begun else {
            return false;
        };
        let is_after_syn = match self.begun {
            Some(begun) => not_after(begun, child_begun),
            // The child of an earlier SYN was gone when this one was answered.
            None => self.established.is_some_and(|established| {
                child.left.is_none_or(|left| not_after(established, left))
            }),
        };
        let latest = match by_request {
            true => self.established.or(self.left),
            false => self.left,
        };
        let in_order = |(mine, its)| not_after(mine, its);
        let are_established_in_order = self.established.zip(child.established);
        is_after_syn
            && latest.is_none_or(|latest| not_after(child_begun, latest))
            && are_established_in_order.is_none_or(in_order)
    }

    /// Returns whether the SYNs of both may have crossed: each came after the other was sent.
    fn opened_at_once(&self, other: &Self, is_over: bool) -> bool {
        let came = |sent: &Self, to: &Self| match (sent.begun, to.received) {
            (Some(sent), Some(received)) => not_after(sent, received),
            (_, None) => !is_over && to.left.is_none() && to.established.is_none(),
            (None, _) => false,
        };
        came(self, other) && came(other, self)
    }

    /// Returns whether both were synchronized at one moment, and none before the other had begun.
    fn were_together(&self, other: &Self, is_over: bool) -> bool {
        let Some((mine, its)) = self.synchronized.zip(other.synchronized) else {
            let can_still = |one: &Self| one.synchronized.is_some() || one.left.is_none();
            return !is_over && can_still(self) && can_still(other);
        };
        let begun_before = |one: &Self, synchronized: MonoNs| match (one.role, one.begun) {
            (Role::Passive { by_request: false }, _) | (_, None) => true,
            (_, Some(begun)) => not_after(begun, synchronized),
        };
        let until = |one: &Self| one.left.unwrap_or(MonoNs(u64::MAX));
        not_after(mine, until(other))
            && not_after(its, until(self))
            && begun_before(self, its)
            && begun_before(other, mine)
    }
}

/// Returns whether a state is one that both ends have to agree on to be in, and the other end is still needed in.
fn is_synchronized(state: TcpState) -> bool {
    use TcpState::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck};
    matches!(
        state,
        Established | FinWait1 | FinWait2 | Closing | CloseWait | LastAck
    )
}

/// Returns whether changes may be missing in a state that lasted so long.
fn may_have_missed(span: Span) -> bool {
    use Unknown::{Clock, Loss, Missed, NotFollowed};
    matches!(span, Span::Unknown(Loss | Missed | NotFollowed | Clock))
}

fn not_after(first: MonoNs, second: MonoNs) -> bool {
    first <= second.plus(CLOCKS_APART_NS)
}
