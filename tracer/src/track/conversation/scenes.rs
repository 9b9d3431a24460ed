//! Both ends of connections, event by event, as the kernel tells them.

use std::net::{IpAddr, SocketAddr};

use super::{Conversation, Pairer};
use crate::model::{
    CloseError, Endpoint, Event, Family, MonoNs, Request, RequestEnd, RequestNews, Socket,
    StateChange, TcpState, TcpState::*, Ticks, Timewait, TimewaitEnd, TimewaitNews, Tuple,
};
use crate::track::test_events::change;
use crate::track::{Follows, Limits, Selection, Timewaits, Tracker};

/// How long a TIME_WAIT lasts here, in microseconds.
pub(crate) const TIME_WAIT_US: u64 = 60_500_000;

/// One end: a socket with its number, which is its cookie too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    pub(crate) socket: u64,
    pub(crate) netns: u32,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

/// Both ends of a connection, the one that connects first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Both {
    pub(crate) a: Side,
    pub(crate) b: Side,
    /// Whether a request socket tells of the SYN.
    pub(crate) by_request: bool,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// a closes, then b.
    AFirst,
    /// b closes, then a.
    BFirst,
    /// Both at once.
    AtOnce,
    /// a resets it.
    Reset,
    /// The SYN is refused; there is no b.
    Refused,
    /// The handshake's last ACK never comes.
    HalfOpen,
}

impl Side {
    pub(crate) fn new(socket: u64, netns: u32, local: &str, remote: &str) -> Self {
        let addr = |text: &str| text.parse().expect("an address with a port");
        Self {
            socket,
            netns,
            local: addr(local),
            remote: addr(remote),
        }
    }

    /// The other end, in a network namespace.
    pub(crate) fn mirrored(self, socket: u64, netns: u32) -> Self {
        Self {
            socket,
            netns,
            local: self.remote,
            remote: self.local,
        }
    }

    pub(crate) fn tuple(self) -> Tuple {
        let end = |addr: SocketAddr| Endpoint::new(Some(addr.ip()), Some(addr.port()));
        Tuple {
            local: end(self.local),
            remote: end(self.remote),
        }
    }

    pub(crate) fn change(self, us: u64, from: TcpState, to: TcpState) -> StateChange {
        let mut change = change(self.socket, us * 1_000, from, to);
        change.netns = Some(self.netns);
        change.socket_family = match self.local.ip() {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        };
        change.shown.local_addr = self.local.ip();
        change.shown.local_port = self.local.port();
        change.shown.remote_addr = self.remote.ip();
        change.shown.remote_port = self.remote.port();
        change.bound_port = Some(self.local.port());
        change
    }

    /// The states that it enters, one after the other.
    pub(crate) fn passes(self, first: TcpState, steps: &[(u64, TcpState)]) -> Vec<Event> {
        let mut from = first;
        let mut events = Vec::new();
        for &(us, to) in steps {
            events.push(Event::StateChange(self.change(us, from, to)));
            from = to;
        }
        events
    }

    /// Goes on in a timewait socket from one state, until it ends.
    pub(crate) fn waits(self, us: u64, from: TcpState, until: u64, end: TimewaitEnd) -> Vec<Event> {
        let news = |us: u64, news| {
            Event::Timewait(Timewait {
                at: MonoNs(us * 1_000),
                error_ns: 0,
                cookie: Some(self.socket),
                netns: Some(self.netns),
                tuple: self.tuple(),
                substate: TimeWait,
                news,
            })
        };
        let timer = Ticks {
            now: us / 4_000,
            expires: us / 4_000 + 15_000,
        };
        let ended = TimewaitNews::Ended { end, timer: None };
        vec![
            news(us, TimewaitNews::Armed(timer)),
            Event::StateChange(self.change(us, from, Close)),
            news(until, ended),
        ]
    }

    /// Its request socket begins, and ends.
    pub(crate) fn is_asked_for(self, us: u64, until: u64, end: RequestEnd) -> Vec<Event> {
        let news = |us: u64, news| {
            Event::Request(Request {
                at: MonoNs(us * 1_000),
                address: Socket(1_000_000 + self.socket),
                netns: Some(self.netns),
                tuple: self.tuple(),
                retransmits: 0,
                news,
            })
        };
        vec![
            news(us, RequestNews::Armed),
            news(until, RequestNews::Ended(end)),
        ]
    }
}

impl Both {
    /// What happens from a moment on, with a gap from each step to the next, and a TIME_WAIT that ends so.
    pub(crate) fn lead(
        &self,
        fate: Fate,
        begin: u64,
        gap: u64,
        time_wait: (u64, TimewaitEnd),
    ) -> Vec<Event> {
        let Self { a, b, by_request } = *self;
        let at = |step: u64| begin + step * gap;
        let waits = |side: Side, step: u64, from| {
            let (us, end) = time_wait;
            side.waits(at(step), from, at(step) + us, end)
        };
        if fate == Fate::Refused {
            let mut events = a.passes(Close, &[(at(0), SynSent), (at(1), Close)]);
            with_error(&mut events, 111);
            return events;
        }
        let mut events = Vec::new();
        let child = match by_request {
            true => at(1),
            false => at(3),
        };
        if fate == Fate::HalfOpen {
            events.extend(a.passes(Close, &[(at(0), SynSent), (at(2), Close)]));
            if by_request {
                events.extend(b.is_asked_for(at(1), at(3), RequestEnd::Reset));
            }
            return events;
        }
        if by_request {
            events.extend(b.is_asked_for(at(1), at(3), RequestEnd::Completed));
        }
        let (mut of_a, mut of_b) = (
            vec![(at(0), SynSent), (at(2), Established)],
            vec![(child.max(at(3)), SynRecv), (at(3), Established)],
        );
        let (first, last): (&mut Vec<_>, &mut Vec<_>) = match fate {
            Fate::BFirst => (&mut of_b, &mut of_a),
            _ => (&mut of_a, &mut of_b),
        };
        match fate {
            Fate::AFirst | Fate::BFirst => {
                first.extend([(at(5), FinWait1), (at(7), FinWait2)]);
                last.extend([(at(6), CloseWait), (at(8), LastAck), (at(10), Close)]);
            }
            Fate::AtOnce => {
                first.extend([(at(5), FinWait1), (at(6), Closing)]);
                last.extend([(at(5), FinWait1), (at(6), Closing)]);
            }
            _ => {
                first.extend([(at(5), Close)]);
                last.extend([(at(6), Close)]);
            }
        }
        let mut told = [a.passes(Close, &of_a), b.passes(Listen, &of_b)];
        if fate == Fate::Reset {
            with_error(&mut told[1], 104);
        }
        events.extend(told.into_iter().flatten());
        match fate {
            Fate::AFirst => events.extend(waits(a, 9, FinWait2)),
            Fate::BFirst => events.extend(waits(b, 9, FinWait2)),
            Fate::AtOnce => {
                events.extend(waits(a, 7, Closing));
                events.extend(waits(b, 7, Closing));
            }
            _ => {}
        }
        events
    }
}

/// The last change comes with an error.
fn with_error(events: &mut [Event], error: u32) {
    if let Some(Event::StateChange(change)) = events.last_mut() {
        change.error = Some(CloseError(error));
    }
}

/// In the order of time; what happens at one moment stays as it was.
pub(crate) fn by_time(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(|event| match event {
        Event::Loss(loss) => Some(loss.since),
        other => other.at(),
    });
    events
}

/// Lets a tracker and a pairer take events in, and returns the conversations.
pub(crate) fn conversations(events: Vec<Event>, requests: bool) -> Vec<Conversation> {
    let (limit, end) = (1_000_000, MonoNs(1_000_000_000_000));
    conversations_within(events, requests, limit, end)
}

/// The same within a bound, until a moment.
pub(crate) fn conversations_within(
    events: Vec<Event>,
    requests: bool,
    limit: usize,
    end: MonoNs,
) -> Vec<Conversation> {
    let mut tracker = Tracker::new(Selection::default(), Limits::default());
    tracker.follow(Follows {
        resets: false,
        timewaits: Timewaits::Hooked,
        requests,
        armings: true,
        since: MonoNs(0),
        tick_ns: Some(4_000_000),
    });
    let mut pairer = Pairer::new(limit);
    let mut told = Vec::new();
    let take = |tracker: &mut Tracker, pairer: &mut Pairer, told: &mut Vec<_>| {
        while let Some(output) = tracker.poll() {
            pairer.handle(&output);
        }
        assert!(pairer.kept() <= 2 * limit, "{} are kept", pairer.kept());
        told.extend(std::iter::from_fn(|| pairer.poll()));
    };
    let is_found = |event: &Event| matches!(event, Event::Existing(_));
    let (found, events): (Vec<Event>, Vec<Event>) = events.into_iter().partition(is_found);
    for event in found.iter().chain([&Event::ExistingComplete]) {
        tracker.handle(event);
    }
    for event in by_time(events) {
        // Whoever runs it wakes when something is due.
        let now = event.at();
        while let Some(due) = pairer
            .poll_timeout()
            .filter(|&due| now.is_some_and(|now| due < now))
        {
            tracker.handle_timeout(due);
            take(&mut tracker, &mut pairer, &mut told);
            pairer.handle_timeout(due);
        }
        tracker.handle(&event);
        take(&mut tracker, &mut pairer, &mut told);
    }
    tracker.finish(end);
    take(&mut tracker, &mut pairer, &mut told);
    pairer.finish();
    assert_eq!(pairer.kept(), 0, "nothing is left at the end");
    told.extend(std::iter::from_fn(|| pairer.poll()));
    told
}
