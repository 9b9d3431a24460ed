//! What is counted of the hidden states, and what is not.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::model::TcpState::{Close, Closing, Established, FinWait1, FinWait2};
use crate::model::TcpState::{Listen, SynRecv, TimeWait};
use crate::model::event::{Comm, ShownTuple, Task};
use crate::model::{Endpoint, Family, MonoNs, RequestEnd, TimewaitEnd, Tuple};
use crate::track::{Change, ConnId, Ending, Opened, Owner, Span, Timeline};

const BOTH: Methods = Methods {
    time_wait: Some("fentry"),
    half_open: Some("timer"),
};
const SOCKETS: TimewaitSockets = TimewaitSockets { found: 7, open: 3 };

fn peer(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number))
}

fn change(conn: u64, origin: Origin, from: TcpState, to: TcpState) -> Output {
    Output::Change(Change {
        at: MonoNs(1),
        error_ns: 0,
        conn: ConnId(conn),
        origin,
        family: Family::Ipv4,
        tuple: Tuple {
            local: Endpoint::new(Some(peer(0)), Some(80)),
            remote: Endpoint::new(Some(peer(conn as u32)), Some(5555)),
        },
        from: Some(from),
        to,
        in_from: None,
        netns: None,
        cookie: None,
        owner: Owner::default(),
    })
}

fn tracepoint() -> Origin {
    Origin::Tracepoint {
        shown: ShownTuple {
            local_addr: peer(0),
            local_port: 80,
            remote_addr: peer(1),
            remote_port: 5555,
        },
        task: Task::named(1, 1, Comm::default()),
        task_holds_socket: None,
    }
}

fn timewait(end: Option<TimewaitEnd>) -> Origin {
    Origin::Timewait { end }
}

fn request(end: Option<RequestEnd>) -> Origin {
    Origin::Request { end }
}

fn timeline(conn: u64, ended: Ending, rearmed: u32) -> Output {
    Output::Timeline(Box::new(Timeline {
        ended_at: None,
        people: crate::track::People::default(),
        figures: None,
        marks: crate::track::Marks::default(),
        conn: ConnId(conn),
        family: Family::Ipv4,
        tuple: Tuple::default(),
        opened: Opened::Active,
        closed_first: None,
        ended: Some(ended),
        segments: Vec::new(),
        lifetime: Span::Open(1),
        owner: Owner::default(),
        netns: None,
        cookie: None,
        timewait_end: None,
        rearmed,
        half_open_end: None,
    }))
}

fn summary(methods: Methods, outputs: &[Output]) -> Summary {
    let mut builder = SummaryBuilder::new(methods);
    for output in outputs {
        builder.add(output);
    }
    builder.finish(1, 0, SOCKETS, Ok(Vec::new()))
}

fn failed(times: u64, conn: u64) -> Vec<Output> {
    let one = change(conn, request(Some(RequestEnd::TimedOut)), SynRecv, Close);
    vec![one; times as usize]
}

#[test]
fn every_change_counts_whoever_told_it_but_what_was_found() {
    let outputs = [
        change(1, Origin::Snapshot, Close, TimeWait),
        change(1, timewait(Some(TimewaitEnd::Expired)), TimeWait, Close),
        change(2, request(None), Listen, SynRecv),
        change(2, tracepoint(), SynRecv, Established),
    ];
    assert_eq!(summary(BOTH, &outputs).changes, 3);
}

#[test]
fn time_wait_is_told_from_fin_wait2_in_a_timewait_socket() {
    let (expired, reset) = (Some(TimewaitEnd::Expired), Some(TimewaitEnd::Reset));
    let outputs = [
        change(1, timewait(None), FinWait2, TimeWait),
        change(1, timewait(expired), TimeWait, Close),
        timeline(1, Ending::TimeWaitOver(TimewaitEnd::Expired), 2),
        change(2, timewait(None), Closing, TimeWait),
        change(2, timewait(reset), TimeWait, Close),
        timeline(2, Ending::TimeWaitOver(TimewaitEnd::Reset), 1),
        change(3, timewait(expired), FinWait2, Close),
        timeline(3, Ending::FinWait2Over(TimewaitEnd::Expired), 0),
        change(4, timewait(None), FinWait2, TimeWait),
        change(6, timewait(None), FinWait1, FinWait2),
        change(5, tracepoint(), FinWait2, Close),
        timeline(5, Ending::TimeWaitRefused, 0),
    ];
    let figures = TimeWaitFigures {
        entered: 3,
        ended: BTreeMap::from([(TimewaitEnd::Expired, 1), (TimewaitEnd::Reset, 1)]),
        fin_wait2_ended: BTreeMap::from([(TimewaitEnd::Expired, 1)]),
        rearmed: 3,
        refused: 1,
        sockets: SOCKETS,
    };
    assert_eq!(summary(BOTH, &outputs).time_wait, Some(figures));
}

#[test]
fn a_connection_whose_half_open_time_was_not_seen_is_not_counted_as_one() {
    let outputs = [
        change(1, request(None), Listen, SynRecv),
        change(1, tracepoint(), SynRecv, Established),
        change(1, tracepoint(), Established, Close),
        // A SYN cookie: no request socket.
        change(2, tracepoint(), Listen, SynRecv),
        change(2, tracepoint(), SynRecv, Established),
        change(3, request(None), Listen, SynRecv),
        change(3, request(Some(RequestEnd::Reset)), SynRecv, Close),
        change(4, request(None), Listen, SynRecv),
    ];
    let figures = HalfOpenFigures {
        started: 3,
        established: 1,
        failed: BTreeMap::from([(RequestEnd::Reset, 1)]),
        peers: vec![(peer(3), 1)],
        others: 0,
    };
    assert_eq!(summary(BOTH, &outputs).half_open, Some(figures));
}

#[test]
fn the_peers_of_most_failures_come_first_and_the_others_in_one() {
    let mut outputs = Vec::new();
    for conn in 1..=12 {
        outputs.extend(failed(1 + conn % 3, conn));
    }
    let figures = summary(BOTH, &outputs).half_open.expect("followed");
    let times: Vec<u64> = figures.peers.iter().map(|&(_, failed)| failed).collect();
    assert_eq!(times, [3, 3, 3, 3, 2, 2, 2, 2, 1, 1]);
    assert_eq!(figures.peers[0].0, peer(2), "then by address");
    assert_eq!(figures.others, 2);
    assert_eq!(figures.failed[&RequestEnd::TimedOut], 24);
}

#[test]
fn a_flood_of_peers_is_counted_within_bounds() {
    let mut builder = SummaryBuilder::new(BOTH);
    for conn in 1..=10_002 {
        for output in failed(1, conn) {
            builder.add(&output);
        }
    }
    for output in failed(5, 7).iter().chain(&failed(50, 10_002)) {
        builder.add(output);
    }
    let figures = builder.finish(1, 0, SOCKETS, Ok(Vec::new())).half_open;
    let figures = figures.expect("followed");
    assert_eq!(figures.peers[0], (peer(7), 6), "one that has its place");
    assert!(figures.peers.iter().all(|&(addr, _)| addr != peer(10_002)));
    assert_eq!(figures.others, 10_002 + 55 - 6 - 9);
}

#[test]
fn what_is_not_followed_has_no_figures() {
    let outputs = [change(1, tracepoint(), FinWait2, Close)];
    let summary = summary(Methods::default(), &outputs);
    assert_eq!((summary.time_wait, summary.half_open), (None, None));
}
