//! Timewait sockets that end before their time, each for another reason, and those that are refused.

use std::thread::sleep;
use std::time::Duration;

use tests::clock::Window;
use tests::counters::Counters;
use tests::ghost::Ghost;
use tests::segment::flag;
use tests::sock_diag;
use tests::traffic::{Connection, Ends, Socket};
use tests::truth::Truth;

use super::stage::{
    CLOSED_FIRST, CLOSED_SECOND, MINUTE, Stage, close_client_first, close_server_first, ends_of,
    gone, in_timewait_socket, linger,
};

scenes!(
    refused_above_the_limit,
    reused_by_a_bound_connect,
    reused_where_ports_have_run_out,
    new_syn_from_the_peer,
    reset_in_time_wait,
    orphan_reset_by_data,
    orphan_reset_by_the_peer,
    killed,
    orphan_killed,
);

/// A client that connects and is reset.
const RESET_CLIENT: &str = "CLOSE SYN_SENT ESTABLISHED CLOSE";
const RESET_SERVER: &str = "LISTEN rq:SYN_RECV ESTABLISHED CLOSE";
const ORPHAN: &str = "CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 tw:CLOSE";
const SERVER_CLOSED_FIRST: &str =
    "LISTEN rq:SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 tw:TIME_WAIT tw:CLOSE";
const CLIENT_CLOSED_SECOND: &str = "CLOSE SYN_SENT ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE";

/// One timewait socket there is, and one is allowed.
fn refused_above_the_limit(stage: &Stage) -> Vec<Truth> {
    let host = &stage.pair.client;
    let (_first_listener, first) = stage.open();
    let admitted = first.ends;
    let began = close_client_first(&stage.pair, first);

    let (
        _listener,
        Connection {
            client,
            server,
            ends,
        },
    ) = stage.open();
    let (_orphan_listener, orphan) = stage.open();
    let before = Counters::of(host);
    let limit = host.netns.with_sysctl("net/ipv4/tcp_max_tw_buckets", "1");
    client.shutdown_write();
    ends.wait_client(host, "FIN_WAIT2");
    let ((), refused) = Window::of(|| {
        server.close();
        gone(host, ends.client, ends.server);
    });
    client.close();
    let ((), orphan_refused) = Window::of(|| {
        orphan.client.close();
        gone(host, orphan.ends.client, orphan.ends.server);
    });
    drop(limit);
    let overflow = Counters::of(host).since(&before, "TcpExt.TCPTimeWaitOverflow");
    assert_eq!(overflow, 2, "two were refused");
    orphan.server.reset();

    const REFUSED: &str = "CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE";
    vec![
        Truth::client(admitted, CLOSED_FIRST)
            .when("tw:TIME_WAIT", began)
            .expired(MINUTE),
        Truth::server(admitted, CLOSED_SECOND),
        Truth::client(ends, REFUSED).refused(refused),
        Truth::server(ends, CLOSED_SECOND),
        Truth::client(orphan.ends, REFUSED).refused(orphan_refused),
        Truth::server(
            orphan.ends,
            "LISTEN rq:SYN_RECV ESTABLISHED CLOSE_WAIT CLOSE",
        ),
    ]
}

/// Whoever names the port gets it at once, whatever `tcp_tw_reuse` says.
fn reused_by_a_bound_connect(stage: &Stage) -> Vec<Truth> {
    let bound = || {
        let client = stage.pair.client.socket();
        client.bind(stage.pair.client.at(4999));
        client
    };
    reused(stage, bound, linger)
}

/// Whoever does not gets one that is in TIME_WAIT for more than a second, where that is allowed.
fn reused_where_ports_have_run_out(stage: &Stage) -> Vec<Truth> {
    let netns = &stage.pair.client.netns;
    let _range = netns.with_sysctl("net/ipv4/ip_local_port_range", "4998 4998");
    let _reuse = netns.with_sysctl("net/ipv4/tcp_tw_reuse", "1");
    let pause = || sleep(Duration::from_millis(2100));
    reused(stage, || stage.pair.client.socket(), pause)
}

fn reused(stage: &Stage, socket: impl Fn() -> Socket, pause: impl Fn()) -> Vec<Truth> {
    let listener = stage.listen(4);
    let first = Connection::open_from(socket(), &listener);
    let ends = first.ends;
    let began = close_client_first(&stage.pair, first);
    pause();
    let before = Counters::of(&stage.pair.client);
    let (second, reused) = Window::of(|| Connection::open_from(socket(), &listener));
    assert_eq!(second.ends, ends, "the same four numbers");
    let recycled = Counters::of(&stage.pair.client).since(&before, "TcpExt.TWRecycled");
    assert_eq!(recycled, 1, "one timewait socket reused");
    second.client.reset();
    second.server.receive_reset();
    vec![
        Truth::client(ends, CLOSED_FIRST)
            .when("tw:TIME_WAIT", began)
            .when("tw:CLOSE", reused)
            .time_wait_ended("reused"),
        Truth::server(ends, CLOSED_SECOND),
        Truth::client(ends, RESET_CLIENT).when("SYN_SENT", reused),
        Truth::server(ends, RESET_SERVER).when("rq:SYN_RECV", reused),
    ]
}

fn new_syn_from_the_peer(stage: &Stage) -> Vec<Truth> {
    let listener = stage.listen(4);
    let open = || {
        let client = stage.pair.client.socket();
        client.bind(stage.pair.client.at(4997));
        Connection::open_from(client, &listener)
    };
    let first = open();
    let ends = first.ends;
    let began = close_server_first(&stage.pair, first);
    linger();
    let (second, ended) = Window::of(open);
    second.client.reset();
    second.server.receive_reset();
    vec![
        Truth::client(ends, CLIENT_CLOSED_SECOND),
        Truth::server(ends, SERVER_CLOSED_FIRST)
            .when("tw:TIME_WAIT", began)
            .when("tw:CLOSE", ended)
            .time_wait_ended("new_syn"),
        Truth::client(ends, RESET_CLIENT).when("SYN_SENT", ended),
        Truth::server(ends, RESET_SERVER).when("rq:SYN_RECV", ended),
    ]
}

/// Brings the server into TIME_WAIT towards a ghost.
fn time_wait_towards(ghost: &mut Ghost, listener: &Socket) -> Window {
    ghost.connect();
    listener.accept().close();
    ghost.hear(flag::FIN | flag::ACK);
    let ((), began) = Window::of(|| {
        ghost.send(flag::FIN | flag::ACK, b"");
        ghost.hear(flag::ACK);
    });
    began
}

/// Only with `tcp_rfc1337` off, as it usually is.
fn reset_in_time_wait(stage: &Stage) -> Vec<Truth> {
    let host = &stage.pair.server;
    assert_eq!(host.netns.sysctl("net/ipv4/tcp_rfc1337").trim(), "0");
    let listener = stage.listen(4);
    let mut ghost = stage.ghost(&listener);
    let ends = ends_of(&ghost);
    let began = time_wait_towards(&mut ghost, &listener);
    linger();
    let ((), reset) = Window::of(|| {
        ghost.send(flag::RST, b"");
        gone(host, ends.server, ends.client);
    });
    vec![
        Truth::server(ends, SERVER_CLOSED_FIRST)
            .when("tw:TIME_WAIT", began)
            .when("tw:CLOSE", reset)
            .time_wait_ended("reset"),
    ]
}

/// Nobody is there to read it: what comes is answered with a reset.
fn orphan_reset_by_data(stage: &Stage) -> Vec<Truth> {
    orphan_ended_by(stage, "reset", |connection| {
        connection.server.send(b"too late");
        connection.server
    })
}

fn orphan_reset_by_the_peer(stage: &Stage) -> Vec<Truth> {
    orphan_ended_by(stage, "reset", |connection| {
        connection.server.reset();
        stage.pair.server.socket()
    })
}

/// Leaves the client's end an orphan in FIN_WAIT2, and ends it.
fn orphan_ended_by(
    stage: &Stage,
    end: &'static str,
    act: impl FnOnce(Halves) -> Socket,
) -> Vec<Truth> {
    let host = &stage.pair.client;
    let (
        _listener,
        Connection {
            client,
            server,
            ends,
        },
    ) = stage.open();
    let ((), closed) = Window::of(|| {
        client.close();
        in_timewait_socket(host, ends.client, ends.server, "FIN_WAIT2");
    });
    linger();
    let (_kept, ended) = Window::of(|| {
        let kept = act(Halves { server, ends });
        gone(host, ends.client, ends.server);
        kept
    });
    gone(&stage.pair.server, ends.server, ends.client);
    vec![
        Truth::client(ends, ORPHAN)
            .when("FIN_WAIT2", closed)
            .when("tw:CLOSE", ended)
            .time_wait_ended(end),
        Truth::server(ends, "LISTEN rq:SYN_RECV ESTABLISHED CLOSE_WAIT CLOSE"),
    ]
}

/// What is left of a connection when the client's end is an orphan.
struct Halves {
    server: Socket,
    ends: Ends,
}

fn killed(stage: &Stage) -> Vec<Truth> {
    let host = &stage.pair.client;
    let (_listener, connection) = stage.open();
    let ends = connection.ends;
    let began = close_client_first(&stage.pair, connection);
    linger();
    let ((), killed) = Window::of(|| {
        let killed = host.netns.run(|| sock_diag::kill(ends.client, ends.server));
        killed.expect("kill a timewait socket");
    });
    gone(host, ends.client, ends.server);
    vec![
        Truth::client(ends, CLOSED_FIRST)
            .when("tw:TIME_WAIT", began)
            .when("tw:CLOSE", killed)
            .time_wait_ended("killed"),
        Truth::server(ends, CLOSED_SECOND),
    ]
}

fn orphan_killed(stage: &Stage) -> Vec<Truth> {
    orphan_ended_by(stage, "killed", |connection| {
        let ends = connection.ends;
        let netns = &stage.pair.client.netns;
        let killed = netns.run(|| sock_diag::kill(ends.client, ends.server));
        killed.expect("kill a timewait socket");
        connection.server.reset();
        stage.pair.server.socket()
    })
}
