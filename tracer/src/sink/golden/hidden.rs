//! What hooks tell of the sockets that the tracepoint never shows.

use super::{START, at, by};
use crate::model::{
    Endpoint, Event, Existing, MonoNs, Request, RequestEnd, RequestNews, Socket, StateChange,
    TcpState, TcpState::*, Ticks, Timewait, TimewaitEnd, TimewaitNews, Tuple,
};

/// Ticks of a kernel's timers in a second.
const HZ: u64 = 250;
/// When these connections begin, microseconds after the trace did.
const BEGIN: u64 = 2_000_000;

/// A TIME_WAIT that is there when the trace begins.
pub(super) fn older() -> Existing {
    Existing {
        at: MonoNs(START + 20),
        cookie: 6,
        state: TimeWait,
        full_socket: false,
        tuple: at(6, 0, FinWait2, Close).tuple(),
        netns: 1,
        uid: None,
        holder: None,
        left_ns: Some(48_000_000_000),
        age_ns: None,
    }
}

/// A TIME_WAIT that begins anew twice and expires; an orphan FIN_WAIT2 that expires, of which that is
/// known within bounds, as where no hook tells; the end of the one above; a half-open connection that
/// fails.
pub(super) fn events() -> Vec<Event> {
    let tick = |us: u64| us * HZ / 1_000_000;
    let armed = |socket, us, substate| {
        let timer = Ticks {
            now: tick(us),
            expires: tick(us) + 60 * HZ,
        };
        timewait(socket, us, substate, TimewaitNews::Armed(timer))
    };
    let ended = |socket, us, substate, end| {
        timewait(
            socket,
            us,
            substate,
            TimewaitNews::Ended { end, timer: None },
        )
    };
    let mut orphan = ended(5, BEGIN + 60_500_000, FinWait2, TimewaitEnd::Expired);
    orphan.error_ns = 64_000_000;

    let (began, closed) = (BEGIN + 374_040, BEGIN + 374_045);
    let mut events: Vec<Event> = Vec::new();
    events.extend(
        up_to_fin_wait2(4, BEGIN)
            .chain([at(4, closed, FinWait2, Close)])
            .map(Event::StateChange),
    );
    events.extend(
        up_to_fin_wait2(5, BEGIN + 20)
            .chain([at(5, BEGIN + 400_010, FinWait2, Close)])
            .map(Event::StateChange),
    );
    let timewaits = [
        armed(4, began, TimeWait),
        armed(5, BEGIN + 400_005, FinWait2),
        ended(6, BEGIN + 500_000, TimeWait, TimewaitEnd::Reused),
        armed(4, BEGIN + 600_000, TimeWait),
        armed(4, BEGIN + 700_000, TimeWait),
        orphan,
        ended(4, BEGIN + 60_830_000, TimeWait, TimewaitEnd::Expired),
    ];
    events.extend(timewaits.map(Event::Timewait));
    let requests = [
        request(BEGIN + 500_000, RequestNews::Armed),
        request(BEGIN + 63_600_000, RequestNews::Ended(RequestEnd::TimedOut)),
    ];
    events.extend(requests.map(Event::Request));
    events.sort_by_key(Event::at);
    events
}

fn up_to_fin_wait2(socket: u64, us: u64) -> impl Iterator<Item = StateChange> {
    [
        by(8518, b"curl", at(socket, us, Close, SynSent)),
        at(socket, us + 30_600, SynSent, Established),
        by(
            8518,
            b"curl",
            at(socket, us + 343_000, Established, FinWait1),
        ),
        at(socket, us + 343_040, FinWait1, FinWait2),
    ]
    .into_iter()
}

fn timewait(socket: u64, us: u64, substate: TcpState, news: TimewaitNews) -> Timewait {
    Timewait {
        at: MonoNs(START + us * 1_000),
        error_ns: 0,
        cookie: Some(socket),
        netns: Some(1),
        tuple: at(socket, us, FinWait2, Close).tuple(),
        substate,
        news,
    }
}

fn request(us: u64, news: RequestNews) -> Request {
    Request {
        at: MonoNs(START + us * 1_000),
        address: Socket(7),
        netns: Some(1),
        tuple: Tuple {
            local: Endpoint::new("10.0.0.1".parse().ok(), Some(80)),
            remote: Endpoint::new("203.0.113.9".parse().ok(), Some(5555)),
        },
        retransmits: 0,
        news,
    }
}
