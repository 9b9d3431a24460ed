//! What is told of connections in states that the tracepoint hides.

use super::START;
use crate::model::event::Comm;
use crate::model::{
    Endpoint, Family, MonoNs, RequestEnd, TcpState, TcpState::*, TimewaitEnd, Tuple,
};
use crate::track::{
    Change, Closer, ConnId, Ending, Opened, Origin, Output, Owner, Segment, Span, Timeline, Unknown,
};

/// A connection, and where its next change finds it.
struct Story {
    conn: u64,
    local_port: u16,
    remote: (&'static str, u16),
    owner: Owner,
    opened: Opened,
    segments: Vec<Segment>,
    at: MonoNs,
    outputs: Vec<Output>,
}

impl Story {
    fn new(conn: u64, opened: Opened, at_us: u64) -> Self {
        let curl = Comm(*b"curl\0\0\0\0\0\0\0\0\0\0\0\0");
        Self {
            conn,
            local_port: 40_000 + conn as u16,
            remote: ("10.0.0.2", 443),
            owner: Owner {
                process: (opened == Opened::Active).then_some((8518, curl)),
                uid: Some(1000),
                cgroup: None,
            },
            opened,
            segments: Vec::new(),
            at: MonoNs(START + at_us * 1_000),
            outputs: Vec::new(),
        }
    }

    fn tuple(&self) -> Tuple {
        let (remote, remote_port) = self.remote;
        Tuple {
            local: Endpoint::new("10.0.0.1".parse().ok(), Some(self.local_port)),
            remote: Endpoint::new(remote.parse().ok(), Some(remote_port)),
        }
    }

    /// A state that the connection passed, without a change that is told here.
    fn passed(mut self, state: TcpState, ns: u64) -> Self {
        self.segments.push(Segment {
            state,
            start: Some(self.at),
            span: Span::Known(ns),
        });
        self.at = self.at.plus(ns);
        self
    }

    /// A change after `span` in the state that is left.
    fn change(
        mut self,
        origin: Origin,
        (from, to): (Option<TcpState>, TcpState),
        span: Option<Span>,
    ) -> Self {
        let mut error_ns = 0;
        let start = self.at;
        match span {
            Some(Span::Known(ns)) => self.at = start.plus(ns),
            Some(Span::Within {
                ns,
                error_ns: error,
            }) => {
                self.at = start.plus(ns);
                error_ns = error;
            }
            Some(Span::Unknown(_) | Span::Open(_)) | None => {}
        }
        if let (Some(state), Some(span)) = (from, span) {
            let start = Some(start);
            self.segments.push(Segment { state, start, span });
        }
        self.outputs.push(Output::Change(Change {
            at: self.at,
            error_ns,
            conn: ConnId(self.conn),
            origin,
            family: Family::Ipv4,
            tuple: self.tuple(),
            from,
            to,
            in_from: span,
            netns: Some(1),
            cookie: Some(self.conn),
            owner: self.owner,
        }));
        self
    }

    fn end(mut self, ended: Ending) -> Vec<Output> {
        let whole = |segment: &Segment| match segment.span {
            Span::Known(ns) => Some(ns),
            _ => None,
        };
        let lifetime: Option<u64> = self.segments.iter().map(whole).sum();
        let lifetime = lifetime.map_or(Span::Unknown(Unknown::BeforeTrace), Span::Known);
        let timewait_end = match ended {
            Ending::TimeWaitOver(end) | Ending::FinWait2Over(end) => Some(end),
            _ => None,
        };
        let half_open_end = match ended {
            Ending::NotEstablished(end) => Some(end),
            _ => None,
        };
        self.outputs.push(Output::Timeline(Timeline {
            conn: ConnId(self.conn),
            family: Family::Ipv4,
            tuple: self.tuple(),
            opened: self.opened,
            closed_first: (self.opened == Opened::Active).then_some(Closer::Local),
            ended: Some(ended),
            lifetime,
            owner: self.owner,
            netns: Some(1),
            cookie: Some(self.conn),
            timewait_end,
            rearmed: 2 * u32::from(ended == Ending::TimeWaitOver(TimewaitEnd::Expired)),
            half_open_end,
            segments: self.segments,
        }));
        self.outputs
    }
}

/// A TIME_WAIT that began anew twice and expired; an orphan FIN_WAIT2 that expired; a TIME_WAIT older
/// than the trace, of which the time is known within bounds; a half-open connection that failed; a
/// child that a SYN cookie made.
pub(super) fn outputs() -> Vec<Output> {
    let timewait = |end| Origin::Timewait { end };
    let request = |end| Origin::Request { end };
    let expired = Some(TimewaitEnd::Expired);
    let time_wait = Story::new(4, Opened::Active, 2_000_000)
        .passed(SynSent, 30_600_000)
        .passed(Established, 312_400_000)
        .passed(FinWait1, 40_100)
        .change(
            timewait(None),
            (Some(FinWait2), TimeWait),
            Some(Span::Known(31_000_000)),
        )
        .change(
            timewait(expired),
            (Some(TimeWait), Close),
            Some(Span::Known(60_130_000_000)),
        );
    let orphan = Story::new(5, Opened::Active, 2_100_000)
        .passed(SynSent, 30_600_000)
        .passed(Established, 312_400_000)
        .passed(FinWait1, 40_100)
        .change(
            timewait(expired),
            (Some(FinWait2), Close),
            Some(Span::Known(60_060_000_000)),
        );
    let reused = Some(TimewaitEnd::Reused);
    let mut older = Story::new(6, Opened::BeforeTrace, 1_000)
        .change(Origin::Snapshot, (None, TimeWait), None)
        .change(
            timewait(reused),
            (Some(TimeWait), Close),
            Some(Span::Within {
                ns: 12_340_000_000,
                error_ns: 64_000_000,
            }),
        );
    older.owner = Owner::default();
    let mut half_open = Story::new(7, Opened::Passive, 2_500_000);
    (half_open.local_port, half_open.remote) = (80, ("203.0.113.9", 5555));
    let half_open = half_open
        .change(request(None), (Some(Listen), SynRecv), None)
        .change(
            request(Some(RequestEnd::TimedOut)),
            (Some(SynRecv), Close),
            Some(Span::Known(63_100_000_000)),
        );
    [
        older.end(Ending::TimeWaitOver(TimewaitEnd::Reused)),
        orphan.end(Ending::FinWait2Over(TimewaitEnd::Expired)),
        time_wait.end(Ending::TimeWaitOver(TimewaitEnd::Expired)),
        half_open.end(Ending::NotEstablished(RequestEnd::TimedOut)),
    ]
    .concat()
}
