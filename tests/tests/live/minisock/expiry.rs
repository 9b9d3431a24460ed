//! Timewait sockets that live until their timer runs out.

use std::net::Ipv6Addr;
use std::thread::sleep;
use std::time::Duration;

use tests::clock::{Window, wheel_slot_ns};
use tests::counters::Counters;
use tests::segment::flag;
use tests::traffic::{Connection, Ends};
use tests::truth::Truth;

use super::stage::{
    CLOSED_FIRST, CLOSED_SECOND, MINUTE, Stage, close_client_first, close_server_first, ends_of,
    gone, in_timewait_socket, linger,
};

scenes!(
    active_close,
    active_close_ipv6,
    active_close_of_a_mapped_address,
    half_close_and_then_the_rest,
    orphan_becomes_time_wait,
    simultaneous_close,
    rearmed_by_a_late_fin,
    orphan_expires,
);

fn active_close(stage: &Stage) -> Vec<Truth> {
    let before = Counters::of(&stage.pair.client);
    let (_listener, connection) = stage.open();
    let ends = connection.ends;
    let began = close_client_first(&stage.pair, connection);
    let counters = Counters::of(&stage.pair.client);
    assert_eq!(
        counters.since(&before, "TcpExt.TW"),
        1,
        "one timewait socket"
    );
    vec![
        Truth::client(ends, CLOSED_FIRST)
            .when("tw:TIME_WAIT", began)
            .expired(MINUTE),
        Truth::server(ends, CLOSED_SECOND),
    ]
}

fn active_close_ipv6(stage: &Stage) -> Vec<Truth> {
    let port = stage.listen(1).local().port();
    let listener = stage.pair.server.socket6();
    listener.bind(stage.pair.server.at6(port));
    listener.listen(4);
    let connection = Connection::open_from(stage.pair.client.socket6(), &listener);
    let ends = connection.ends;
    let began = close_client_first(&stage.pair, connection);
    vec![
        Truth::client(ends, CLOSED_FIRST)
            .when("tw:TIME_WAIT", began)
            .expired(MINUTE),
        Truth::server(ends, CLOSED_SECOND),
    ]
}

/// The end that accepted closes first, and knows its IPv4 addresses as IPv6 ones.
fn active_close_of_a_mapped_address(stage: &Stage) -> Vec<Truth> {
    let port = stage.listen(1).local().port();
    let listener = stage.pair.server.socket6();
    listener.bind((Ipv6Addr::UNSPECIFIED, port).into());
    listener.listen(4);
    let client = stage.pair.client.socket();
    client.connect(stage.pair.server.at(port));
    let ends = Ends {
        client: client.local(),
        server: stage.pair.server.at(port),
    };
    let connection = Connection {
        client,
        server: listener.accept(),
        ends,
    };
    let began = close_server_first(&stage.pair, connection);
    vec![
        Truth::client(ends, "CLOSE SYN_SENT ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE"),
        Truth::server(
            ends,
            "LISTEN rq:SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 tw:TIME_WAIT tw:CLOSE",
        )
        .when("tw:TIME_WAIT", began)
        .expired(MINUTE),
    ]
}

/// The full socket stays for FIN_WAIT2, and the timewait socket begins in TIME_WAIT.
fn half_close_and_then_the_rest(stage: &Stage) -> Vec<Truth> {
    let (_listener, connection) = stage.open();
    let Connection {
        client,
        server,
        ends,
    } = connection;
    let ((), half_closed) = Window::of(|| {
        client.shutdown_write();
        ends.wait_client(&stage.pair.client, "FIN_WAIT2");
    });
    linger();
    let ((), began) = Window::of(|| {
        server.close();
        in_timewait_socket(&stage.pair.client, ends.client, ends.server, "TIME_WAIT");
    });
    client.receive(b"");
    client.close();
    vec![
        Truth::client(ends, CLOSED_FIRST)
            .when("FIN_WAIT2", half_closed)
            .when("tw:TIME_WAIT", began)
            .expired(MINUTE),
        Truth::server(ends, CLOSED_SECOND),
    ]
}

/// Nobody has the socket any more, so a timewait socket holds FIN_WAIT2 too.
fn orphan_becomes_time_wait(stage: &Stage) -> Vec<Truth> {
    let (_listener, connection) = stage.open();
    let Connection {
        client,
        server,
        ends,
    } = connection;
    let ((), closed) = Window::of(|| {
        client.close();
        in_timewait_socket(&stage.pair.client, ends.client, ends.server, "FIN_WAIT2");
    });
    linger();
    let ((), began) = Window::of(|| {
        server.close();
        in_timewait_socket(&stage.pair.client, ends.client, ends.server, "TIME_WAIT");
    });
    vec![
        Truth::client(ends, CLOSED_FIRST)
            .when("FIN_WAIT2", closed)
            .when("tw:TIME_WAIT", began)
            .expired(MINUTE),
        Truth::server(ends, CLOSED_SECOND),
    ]
}

/// Both FINs are held back until both are sent, so that they cross.
fn simultaneous_close(stage: &Stage) -> Vec<Truth> {
    let (client_host, server_host) = (&stage.pair.client, &stage.pair.server);
    let (_listener, connection) = stage.open();
    let ends = connection.ends;
    client_host.hold_frames();
    server_host.hold_frames();
    connection.client.close();
    connection.server.close();
    ends.wait_client(client_host, "FIN_WAIT1");
    ends.wait_server(server_host, "FIN_WAIT1");
    let ((), began) = Window::of(|| {
        client_host.release_frames();
        server_host.release_frames();
        in_timewait_socket(client_host, ends.client, ends.server, "TIME_WAIT");
        in_timewait_socket(server_host, ends.server, ends.client, "TIME_WAIT");
    });
    vec![
        Truth::client(
            ends,
            "CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 CLOSING tw:TIME_WAIT tw:CLOSE",
        )
        .when("tw:TIME_WAIT", began)
        .expired(MINUTE),
        Truth::server(
            ends,
            "LISTEN rq:SYN_RECV ESTABLISHED FIN_WAIT1 CLOSING tw:TIME_WAIT tw:CLOSE",
        )
        .when("tw:TIME_WAIT", began)
        .expired(MINUTE),
    ]
}

/// The FIN comes again, a slot of the timer wheel later: the minute begins anew.
fn rearmed_by_a_late_fin(stage: &Stage) -> Vec<Truth> {
    let listener = stage.listen(4);
    let mut ghost = stage.ghost(&listener);
    ghost.connect();
    let server = listener.accept();
    let ends = ends_of(&ghost);
    server.close();
    ghost.hear(flag::FIN | flag::ACK);
    let fin = ghost.next_seq();
    let ((), began) = Window::of(|| {
        ghost.send(flag::FIN | flag::ACK, b"");
        ghost.hear(flag::ACK);
    });
    let left = || {
        let sockets = stage.pair.server.sockets();
        let ours = sockets
            .iter()
            .find(|socket| (socket.local, socket.remote) == (ends.server, ends.client));
        let ours = ours.and_then(|socket| socket.timewait_left);
        ours.expect("a timewait socket")
    };
    let minute = u64::try_from(MINUTE.as_nanos()).expect("a short time");
    sleep(Duration::from_nanos(wheel_slot_ns(minute)) + Duration::from_millis(100));
    let before = left();
    ghost.send_at(fin, flag::FIN | flag::ACK, b"");
    ghost.hear(flag::ACK);
    assert!(left() > before + 100, "{} after {before}", left());
    vec![
        Truth::server(
            ends,
            "LISTEN rq:SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 tw:TIME_WAIT tw:CLOSE",
        )
        .when("tw:TIME_WAIT", began)
        .when_seen("tw:CLOSE")
        .time_wait_ended("expired")
        .rearmed(),
    ]
}

/// The other end never closes. The kernel waits no shorter than three and a half times as long as
/// before it sends again.
fn orphan_expires(stage: &Stage) -> Vec<Truth> {
    let host = &stage.pair.client;
    let (_listener, connection) = stage.open();
    let Connection {
        client,
        server,
        ends,
    } = connection;
    let before = Counters::of(host);
    let timeout = host.netns.with_sysctl("net/ipv4/tcp_fin_timeout", "4");
    let ((), closed) = Window::of(|| {
        client.close();
        in_timewait_socket(host, ends.client, ends.server, "FIN_WAIT2");
    });
    drop(timeout);
    gone(host, ends.client, ends.server);
    let counters = Counters::of(host);
    let killed = counters.since(&before, "TcpExt.TWKilled");
    assert_eq!(killed, 1, "one timewait socket of four seconds at most");
    server.reset();
    vec![
        Truth::client(
            ends,
            "CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 tw:CLOSE",
        )
        .when("FIN_WAIT2", closed)
        .expired(Duration::from_secs(4)),
        Truth::server(ends, "LISTEN rq:SYN_RECV ESTABLISHED CLOSE_WAIT CLOSE"),
    ]
}
