//! The figures, from outputs made by hand.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::model::event::Comm;
use crate::model::{Endpoint, Family, Loss, LossCause, TimewaitEnd, Tuple, TwReuse};
use crate::track::{Opened, Owner};
use TcpState::{Close, Established, FinWait1, FinWait2, Listen, SynRecv, SynSent, TimeWait as Tw};

const SECOND: u64 = 1_000_000_000;
const START: MonoNs = MonoNs(100 * SECOND);
const TERMS: Terms = Terms {
    rows: 5,
    hz: Some(250),
};
const EXPIRED: Origin = Origin::Timewait {
    end: Some(TimewaitEnd::Expired),
};
const GOES_ON: Origin = Origin::Timewait { end: None };
const TOLD: Origin = Origin::Request { end: None };

/// What happens to the connections of a host.
struct Host {
    figures: TimeWait,
}

/// A connection, and what does not change of it.
#[derive(Clone, Copy)]
struct Conn {
    id: u64,
    local_port: u16,
    remote_port: u16,
    owner: Owner,
}

/// One that this host opens, from a port of its own choice to port 80.
fn ours(id: u64) -> Conn {
    Conn {
        id,
        local_port: 40_000 + id as u16,
        remote_port: 80,
        owner: Owner::default(),
    }
}

/// One that the other end opens, to port 443.
fn theirs(id: u64) -> Conn {
    Conn {
        local_port: 443,
        remote_port: 50_000 + id as u16,
        ..ours(id)
    }
}

impl Host {
    fn new() -> Self {
        Self {
            figures: TimeWait::new(START, 1_000_000),
        }
    }

    fn with_ports(ports: std::ops::RangeInclusive<u16>, reuse: TwReuse) -> Self {
        let mut host = Self::new();
        host.figures.learn(
            Some(1),
            TcpSettings {
                local_ports: Some(ports),
                reserved_ports: Some(Vec::new()),
                tw_reuse: Some(reuse),
                ..TcpSettings::default()
            },
        );
        host
    }

    /// A change at a time in nanoseconds since the start.
    fn change(
        &mut self,
        conn: Conn,
        at: u64,
        origin: Origin,
        from: Option<TcpState>,
        to: TcpState,
        in_from: Option<Span>,
    ) {
        self.figures.add(&Output::Change(Change {
            at: START.plus(at),
            error_ns: 0,
            conn: ConnId(conn.id),
            origin,
            family: Family::Ipv4,
            tuple: Tuple {
                local: endpoint(1, conn.local_port),
                remote: endpoint(2, conn.remote_port),
            },
            from,
            to,
            in_from,
            netns: Some(1),
            cookie: Some(conn.id),
            owner: conn.owner,
        }));
    }

    /// Opens and closes a connection, up to its TIME_WAIT.
    fn close_actively(&mut self, conn: Conn, at: u64, opened: (TcpState, TcpState)) {
        let path = [opened.0, opened.1, Established, FinWait1, FinWait2];
        for step in path.windows(2) {
            let span = (step[0] != Close && step[0] != Listen).then_some(Span::Known(5));
            self.change(conn, at, TOLD, Some(step[0]), step[1], span);
        }
        self.change(conn, at, GOES_ON, Some(FinWait2), Tw, Some(Span::Known(5)));
    }

    fn hold(&mut self, conn: Conn, at: u64) {
        self.figures.add(&Output::Held(track::Held {
            conn: ConnId(conn.id),
            at: START.plus(at),
        }));
    }

    fn open_and_wait(&mut self, conn: Conn, at: u64) {
        self.close_actively(conn, at, (Close, SynSent));
    }

    fn accept_and_wait(&mut self, conn: Conn, at: u64) {
        self.close_actively(conn, at, (Listen, SynRecv));
    }

    fn end(&mut self, conn: Conn, at: u64, origin: Origin, span: Span) {
        self.change(conn, at, origin, Some(Tw), Close, Some(span));
    }

    fn timeline(&mut self, conn: Conn, ended: Option<Ending>, rearmed: u32) {
        self.figures.add(&Output::Timeline(Box::new(Timeline {
            ended_at: None,
            people: track::People::default(),
            figures: None,
            marks: track::Marks::default(),
            conn: ConnId(conn.id),
            family: Family::Ipv4,
            tuple: Tuple {
                local: endpoint(1, conn.local_port),
                remote: endpoint(2, conn.remote_port),
            },
            opened: Opened::Active,
            closed_first: None,
            ended,
            segments: Vec::new(),
            lifetime: Span::Known(1),
            owner: conn.owner,
            netns: Some(1),
            cookie: Some(conn.id),
            timewait_end: None,
            rearmed,
            half_open_end: None,
        })));
    }

    fn report(&self, at: u64) -> Report {
        self.figures.report(START.plus(at), TERMS)
    }
}

fn endpoint(host: u8, port: u16) -> Endpoint {
    Endpoint::new(Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, host))), Some(port))
}

fn owner(pid: u32, name: &[u8]) -> Owner {
    let mut comm = Comm::default();
    comm.0[..name.len()].copy_from_slice(name);
    Owner {
        opened_by: None,
        process: Some((pid, comm)),
        uid: Some(0),
        cgroup: Some(77),
    }
}

fn tally(now: u64, found: u64, entered: u64, ended: u64) -> Tally {
    Tally {
        now,
        found,
        entered,
        ended,
    }
}

#[test]
fn a_minute_in_time_wait_is_measured_and_has_its_reason() {
    let mut host = Host::new();
    host.open_and_wait(ours(1), SECOND);
    host.open_and_wait(ours(2), SECOND);
    let waiting = host.report(2 * SECOND);
    assert_eq!((waiting.time_wait.now, waiting.time_wait.entered), (2, 2));
    assert_eq!(waiting.time_wait.spread.count, 0);
    assert_eq!(waiting.time_wait.entered_per_s, Some(1.0));

    host.end(ours(1), 62 * SECOND, EXPIRED, Span::Known(61 * SECOND));
    host.timeline(ours(1), Some(Ending::TimeWaitOver(TimewaitEnd::Expired)), 3);
    let report = host.report(63 * SECOND);
    assert_eq!((report.time_wait.now, report.time_wait.most), (1, 2));
    assert_eq!(report.time_wait.left, 1);
    assert_eq!(report.time_wait.spread.max_ns, Some(61 * SECOND));
    assert_eq!(report.time_wait.ends[&TimewaitEnd::Expired], 1);
    assert_eq!(report.time_wait.left_per_s, Some(0.1));
    assert_eq!(report.rearmed, 3);
    assert_eq!(report.duration_ns, 63 * SECOND);
}

#[test]
fn one_that_was_there_before_has_no_duration() {
    let mut host = Host::new();
    host.change(ours(1), 0, Origin::Snapshot, None, Tw, None);
    let before = Span::Unknown(Unknown::BeforeTrace);
    host.end(ours(1), 30 * SECOND, EXPIRED, before);
    let figures = host.report(31 * SECOND).time_wait;
    assert_eq!((figures.found, figures.entered, figures.left), (1, 0, 1));
    assert_eq!((figures.spread.count, figures.spread.unknown), (0, 1));
    assert_eq!(figures.spread.p50_ns, None);
}

#[test]
fn fin_wait2_in_a_timewait_socket_is_told_apart_from_a_full_ones() {
    let mut host = Host::new();
    // A full socket was in FIN_WAIT2 first, and one that goes on to TIME_WAIT stays a full one.
    for id in 1..=3 {
        host.change(ours(id), 0, TOLD, Some(FinWait1), FinWait2, None);
    }
    host.hold(ours(1), SECOND);
    host.hold(ours(2), SECOND);
    let figures = host.report(2 * SECOND).fin_wait2;
    assert_eq!((figures.now, figures.entered), (2, 2));

    let span = Some(Span::Known(61 * SECOND));
    host.change(ours(1), 61 * SECOND, EXPIRED, Some(FinWait2), Close, span);
    let span = Some(Span::Known(2 * SECOND));
    host.change(ours(2), 2 * SECOND, GOES_ON, Some(FinWait2), Tw, span);
    host.change(ours(3), 2 * SECOND, GOES_ON, Some(FinWait2), Tw, span);
    let report = host.report(62 * SECOND);
    let figures = &report.fin_wait2;
    assert_eq!((figures.now, figures.left, figures.went_on), (0, 2, 1));
    assert_eq!(figures.ends[&TimewaitEnd::Expired], 1);
    // The time before the timewait socket is not its time.
    assert_eq!(figures.spread.max_ns, Some(60 * SECOND));
    assert_eq!(report.time_wait.now, 2);
    assert!(report.time_wait.ends.is_empty());
}

#[test]
fn one_that_was_found_in_fin_wait2_has_no_duration_either() {
    let mut host = Host::new();
    host.change(ours(1), 0, Origin::Snapshot, None, FinWait2, None);
    host.hold(ours(1), 0);
    let before = Some(Span::Unknown(Unknown::BeforeTrace));
    host.change(ours(1), 9 * SECOND, EXPIRED, Some(FinWait2), Close, before);
    let figures = host.report(10 * SECOND).fin_wait2;
    assert_eq!((figures.found, figures.entered, figures.left), (1, 0, 1));
    assert_eq!((figures.spread.count, figures.spread.unknown), (0, 1));
}

#[test]
fn every_socket_is_counted_by_whose_it_is_and_where_it_leads() {
    let mut host = Host::new();
    let mut client = ours(1);
    client.owner = owner(8518, b"curl");
    host.open_and_wait(client, SECOND);
    for id in 2..5 {
        let mut server = theirs(id);
        server.owner = owner(80, b"nginx");
        host.accept_and_wait(server, SECOND);
    }
    host.change(theirs(5), 0, Origin::Snapshot, None, Tw, None);
    let report = host.report(2 * SECOND);

    let names: Vec<_> = report
        .processes
        .rows
        .iter()
        .map(|(Process(process), tally)| (process.map(|(pid, _)| pid), *tally))
        .collect();
    assert_eq!(
        names,
        [
            (Some(80), tally(3, 0, 3, 0)),
            (None, tally(1, 1, 0, 0)),
            (Some(8518), tally(1, 0, 1, 0)),
        ]
    );
    assert_eq!(
        report.local_ports.rows,
        [
            (LocalPort::Listening(443), tally(3, 0, 3, 0)),
            (LocalPort::Chosen, tally(1, 0, 1, 0)),
            (LocalPort::Unknown, tally(1, 1, 0, 0)),
        ]
    );
    let addr = endpoint(2, 80).addr;
    let toward = |port| Remote { addr, port };
    assert_eq!(
        report.remotes.rows,
        [
            (toward(None), tally(4, 1, 3, 0)),
            (toward(Some(80)), tally(1, 0, 1, 0)),
        ]
    );
    assert_eq!(report.cgroups.rows[0], (Some(77), tally(4, 0, 4, 0)));
    assert_eq!(report.namespaces.rows, [(Some(1), tally(5, 1, 4, 0))]);
}

#[test]
fn the_local_port_of_an_older_connection_may_tell_that_it_was_accepted() {
    let mut host = Host::with_ports(32_768..=60_999, TwReuse::Never);
    host.change(theirs(1), 0, Origin::Snapshot, None, Tw, None);
    host.change(ours(2), 0, Origin::Snapshot, None, Tw, None);
    host.change(ours(3), 0, Origin::Snapshot, None, Established, None);
    let report = host.report(SECOND);
    let ports: Vec<_> = report.local_ports.rows.iter().map(|row| row.0).collect();
    assert_eq!(ports, [LocalPort::Listening(443), LocalPort::Unknown]);
    // Two local ports towards one end: this host most likely connected, which is not known.
    let [port] = &report.ports[..] else {
        panic!("{:?}", report.ports);
    };
    assert_eq!((port.perhaps, port.in_use()), (2, 2));
    assert_eq!((port.time_wait, port.otherwise), (1, 1));
}

#[test]
fn ports_are_counted_while_they_are_held_and_by_what_holds_them() {
    let mut host = Host::with_ports(40_000..=40_099, TwReuse::Never);
    for id in 1..=20 {
        host.open_and_wait(ours(id), SECOND);
    }
    host.change(ours(21), SECOND, TOLD, Some(Close), SynSent, None);
    host.accept_and_wait(theirs(22), SECOND);
    let mut bound = ours(23);
    bound.local_port = 22;
    host.change(bound, SECOND, TOLD, Some(Close), SynSent, None);

    let report = host.report(2 * SECOND);
    let [port] = &report.ports[..] else {
        panic!("{:?}", report.ports);
    };
    assert_eq!((port.time_wait, port.otherwise, port.perhaps), (20, 1, 0));
    assert_eq!((port.given, port.usable), (1, Some(100)));
    assert_eq!(port.taken_per_s, Some(10.5));
    // Ten a second into TIME_WAIT would come to 610.
    let Outlook::RunsOut { in_ns } = port.outlook else {
        panic!("{:?}", port.outlook);
    };
    assert_eq!(in_ns / SECOND, (100 - 21) / 10);

    host.end(ours(1), 61 * SECOND, EXPIRED, Span::Known(60 * SECOND));
    host.change(ours(21), 61 * SECOND, TOLD, Some(SynSent), Close, None);
    let port = &host.report(62 * SECOND).ports[0];
    assert_eq!((port.time_wait, port.otherwise), (19, 0));
    assert_eq!(port.freed_per_s, Some(0.2));
}

#[test]
fn reuse_is_judged_by_where_a_connection_leads() {
    for (reuse, expected) in [
        (TwReuse::Always, Outlook::TakenOver),
        (TwReuse::Loopback, Outlook::Exhausted),
    ] {
        let mut host = Host::with_ports(40_001..=40_003, reuse);
        for id in 1..=3 {
            host.open_and_wait(ours(id), SECOND);
        }
        let report = host.report(2 * SECOND);
        assert_eq!(report.ports[0].outlook, expected, "{reuse:?}");
    }
}

#[test]
fn a_connect_without_a_port_is_counted_where_it_led() {
    let mut host = Host::with_ports(40_001..=40_001, TwReuse::Never);
    host.open_and_wait(ours(1), SECOND);
    let conn = ours(2);
    host.change(conn, SECOND, TOLD, Some(SynSent), Close, None);
    host.timeline(conn, Some(Ending::NoPort), 0);
    let report = host.report(2 * SECOND);
    assert_eq!((report.no_port, report.ports[0].no_port), (1, 1));
    assert_eq!(report.ports[0].outlook, Outlook::Exhausted);
}

#[test]
fn an_end_that_nobody_saw_takes_the_socket_off_and_claims_nothing() {
    let mut host = Host::new();
    host.open_and_wait(ours(1), SECOND);
    host.open_and_wait(ours(2), SECOND);
    host.timeline(ours(1), Some(Ending::NotSeen), 0);
    // One that is open at the end is still there.
    host.timeline(ours(2), None, 0);
    let report = host.report(2 * SECOND);
    let figures = &report.time_wait;
    assert_eq!((figures.now, figures.left, figures.unseen), (1, 1, 1));
    assert_eq!((figures.spread.count, figures.spread.unknown), (0, 1));
    assert!(figures.ends.is_empty());
    assert_eq!(report.ports[0].time_wait, 1);
}

#[test]
fn memory_is_bounded_by_letting_the_oldest_go() {
    let mut host = Host::new();
    host.figures = TimeWait::new(START, 2);
    for id in 1..=3 {
        host.open_and_wait(ours(id), SECOND);
    }
    let report = host.report(2 * SECOND);
    assert_eq!((report.time_wait.now, report.time_wait.unseen), (2, 1));
    assert_eq!(report.ports[0].time_wait, 2);
    // It comes back to tell of its end: it was counted, and is not there any more.
    host.end(ours(1), 61 * SECOND, EXPIRED, Span::Known(60 * SECOND));
    assert_eq!(host.report(62 * SECOND).time_wait.now, 2);
}

#[test]
fn what_was_refused_or_lost_is_counted() {
    let mut host = Host::new();
    host.timeline(ours(1), Some(Ending::TimeWaitRefused), 0);
    host.figures.add(&Output::Loss(Loss {
        beside: 0,
        cause: LossCause::Recursion,
        lost: 4,
        since: START,
        until: START,
    }));
    let report = host.report(SECOND);
    assert_eq!((report.refused, report.lost), (1, 4));
}

#[test]
fn listeners_have_no_part_in_it() {
    let mut host = Host::with_ports(32_768..=60_999, TwReuse::Never);
    host.change(ours(1), 0, Origin::Snapshot, None, Listen, None);
    host.change(ours(2), 0, TOLD, Some(Close), Listen, None);
    let report = host.report(SECOND);
    assert_eq!(report.ports, []);
    assert_eq!(report.time_wait.found, 0);
}

#[test]
fn the_timer_wheel_says_how_long_is_usual() {
    let host = Host::new();
    let takes = |hz| host.figures.report(START, Terms { rows: 1, hz }).timer_ns;
    assert_eq!(takes(Some(250)), (60 * SECOND, 62_048_000_000));
    assert_eq!(takes(Some(1000)), (60 * SECOND, 64_096_000_000));
    // Whatever it is, no kernel takes longer.
    assert_eq!(takes(None), (60 * SECOND, 65_120_000_000));
}

#[test]
fn a_time_wait_that_shows_only_as_it_ends_was_there_too() {
    let mut host = Host::new();
    host.change(ours(1), SECOND, TOLD, Some(FinWait1), FinWait2, None);
    let span = Span::Unknown(Unknown::Missed);
    host.end(ours(1), 61 * SECOND, EXPIRED, span);
    let figures = host.report(62 * SECOND).time_wait;
    assert_eq!((figures.entered, figures.left, figures.now), (1, 1, 0));
    assert_eq!(figures.spread.unknown, 1);
    assert_eq!(figures.ends[&TimewaitEnd::Expired], 1);
}
