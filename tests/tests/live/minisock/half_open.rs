//! Request sockets: how long a connection was half-open, and what became of it.

use tests::clock::Window;
use tests::counters::Counters;
use tests::ghost::Ghost;
use tests::segment::flag;
use tests::sock_diag;
use tests::traffic::{Connection, Ends, Socket};
use tests::truth::Truth;

use super::stage::{Stage, ends_of, gone, linger};

scenes!(
    established_after_a_while,
    established_after_a_while_ipv6,
    established_by_the_second_answer,
    never_answered,
    half_open_reset,
    accept_queue_full,
    listener_closed,
    half_open_killed,
    syn_cookie,
);

const FAILED: &str = "LISTEN rq:SYN_RECV rq:CLOSE";
const RESET_CLIENT: &str = "CLOSE SYN_SENT ESTABLISHED CLOSE";
const RESET_SERVER: &str = "LISTEN rq:SYN_RECV ESTABLISHED CLOSE";

/// Sends a SYN and waits until it is half-open; returns when that was.
fn half_open(stage: &Stage, client: &Socket, ends: Ends) -> Window {
    let ((), began) = Window::of(|| {
        client.start_connect(ends.server);
        ends.wait_server(&stage.pair.server, "SYN_RECV");
    });
    began
}

/// The SYN-ACK is held back for a while.
fn established_after_a_while(stage: &Stage) -> Vec<Truth> {
    let host = &stage.pair.server;
    let listener = stage.listen(4);
    let client = stage.pair.client.socket();
    let ends = Ends {
        client: stage.pair.client.at(4996),
        server: listener.local(),
    };
    client.bind(ends.client);
    host.hold_frames();
    let began = half_open(stage, &client, ends);
    linger();
    let (server, done) = Window::of(|| {
        host.release_frames();
        listener.accept()
    });
    reset(client, &server);
    vec![
        Truth::client(ends, RESET_CLIENT).when("ESTABLISHED", done),
        Truth::server(ends, RESET_SERVER)
            .when("rq:SYN_RECV", began)
            .when("ESTABLISHED", done),
    ]
}

/// The SYN-ACK is lost, and sent again.
fn established_after_a_while_ipv6(stage: &Stage) -> Vec<Truth> {
    let host = &stage.pair.server;
    let port = stage.listen(1).local().port();
    let listener = host.socket6();
    listener.bind(host.at6(port));
    listener.listen(4);
    let client = stage.pair.client.socket6();
    let ends = Ends {
        client: stage.pair.client.at6(4996),
        server: listener.local(),
    };
    client.bind(ends.client);
    host.lose_frames();
    let began = half_open(stage, &client, ends);
    let (server, done) = Window::of(|| {
        host.release_frames();
        listener.accept()
    });
    reset(client, &server);
    vec![
        Truth::client(ends, RESET_CLIENT).when("ESTABLISHED", done),
        Truth::server(ends, RESET_SERVER)
            .when("rq:SYN_RECV", began)
            .when("ESTABLISHED", done),
    ]
}

/// The kernel gives up waiting and answers again; only then it hears.
fn established_by_the_second_answer(stage: &Stage) -> Vec<Truth> {
    let listener = stage.listen(4);
    let mut ghost = stage.ghost(&listener);
    let ((), began) = Window::of(|| {
        ghost.send(flag::SYN, b"");
        ghost.hear(flag::SYN | flag::ACK);
    });
    ghost.hear(flag::SYN | flag::ACK);
    let (server, done) = Window::of(|| {
        ghost.send(flag::ACK, b"");
        listener.accept()
    });
    ghost.send(flag::RST | flag::ACK, b"");
    server.receive_reset();
    vec![
        Truth::server(ends_of(&ghost), RESET_SERVER)
            .when("rq:SYN_RECV", began)
            .when("ESTABLISHED", done),
    ]
}

fn never_answered(stage: &Stage) -> Vec<Truth> {
    let listener = stage.listen(4);
    let mut ghost = stage.ghost(&listener);
    let before = Counters::of(&stage.pair.server);
    let ((), began) = Window::of(|| {
        ghost.send(flag::SYN, b"");
        ghost.hear(flag::SYN | flag::ACK);
    });
    ghost.hear(flag::SYN | flag::ACK);
    let ends = ends_of(&ghost);
    gone(&stage.pair.server, ends.server, ends.client);
    let counters = Counters::of(&stage.pair.server);
    assert_eq!(counters.since(&before, "Tcp.PassiveOpens"), 0, "no child");
    vec![
        Truth::server(ends, FAILED)
            .when("rq:SYN_RECV", began)
            .when_seen("rq:CLOSE")
            .half_open_ended("timed_out"),
    ]
}

fn half_open_reset(stage: &Stage) -> Vec<Truth> {
    let listener = stage.listen(4);
    let mut ghost = stage.ghost(&listener);
    let before = Counters::of(&stage.pair.server);
    let ((), began) = Window::of(|| {
        ghost.send(flag::SYN, b"");
        ghost.hear(flag::SYN | flag::ACK);
    });
    linger();
    let ends = ends_of(&ghost);
    let ((), reset) = Window::of(|| {
        ghost.send(flag::RST, b"");
        gone(&stage.pair.server, ends.server, ends.client);
    });
    let counters = Counters::of(&stage.pair.server);
    let resets = counters.since(&before, "TcpExt.EmbryonicRsts");
    assert_eq!(resets, 1, "one reset of a half-open connection");
    vec![
        Truth::server(ends, FAILED)
            .when("rq:SYN_RECV", began)
            .when("rq:CLOSE", reset)
            .half_open_ended("reset"),
    ]
}

/// With a backlog of 3, four children fit. Three are there when two more are half-open.
fn accept_queue_full(stage: &Stage) -> Vec<Truth> {
    let host = &stage.pair.server;
    let listener = stage.listen(3);
    let mut ghosts: Vec<_> = (0..5).map(|_| stage.ghost(&listener)).collect();
    let before = Counters::of(host);
    ghosts[..3].iter_mut().for_each(Ghost::connect);
    let began: Vec<Window> = ghosts[3..]
        .iter_mut()
        .map(|ghost| {
            let ((), began) = Window::of(|| {
                ghost.send(flag::SYN, b"");
                ghost.hear(flag::SYN | flag::ACK);
            });
            began
        })
        .collect();
    let all: Vec<Ends> = ghosts.iter().map(ends_of).collect();
    ghosts[3].send(flag::ACK, b"");
    for ends in &all[..4] {
        ends.wait_server(host, "ESTABLISHED");
    }
    ghosts[4].send(flag::ACK, b"");
    ghosts[4].hear(flag::SYN | flag::ACK);
    gone(host, all[4].server, all[4].client);
    let overflows = Counters::of(host).since(&before, "TcpExt.ListenOverflows");
    assert_eq!(overflows, 1, "one acknowledgement without room");
    for (ghost, ends) in ghosts[..4].iter_mut().zip(&all) {
        ghost.send(flag::RST | flag::ACK, b"");
        gone(host, ends.server, ends.client);
    }
    let children = all[..4]
        .iter()
        .map(|&ends| Truth::server(ends, RESET_SERVER));
    let left_out = Truth::server(all[4], FAILED)
        .when("rq:SYN_RECV", began[1])
        .when_seen("rq:CLOSE")
        .half_open_ended("accept_queue_full");
    children.chain([left_out]).collect()
}

/// It stays until somebody asks for its listener: a segment, or its timer.
fn listener_closed(stage: &Stage) -> Vec<Truth> {
    let listener = stage.listen(4);
    let mut ghost = stage.ghost(&listener);
    let ((), began) = Window::of(|| {
        ghost.send(flag::SYN, b"");
        ghost.hear(flag::SYN | flag::ACK);
    });
    listener.close();
    let ends = ends_of(&ghost);
    gone(&stage.pair.server, ends.server, ends.client);
    vec![
        Truth::server(ends, FAILED)
            .when("rq:SYN_RECV", began)
            .when_seen("rq:CLOSE")
            .half_open_ended("listener_closed"),
    ]
}

fn half_open_killed(stage: &Stage) -> Vec<Truth> {
    let host = &stage.pair.server;
    let listener = stage.listen(4);
    let mut ghost = stage.ghost(&listener);
    let ((), began) = Window::of(|| {
        ghost.send(flag::SYN, b"");
        ghost.hear(flag::SYN | flag::ACK);
    });
    linger();
    let ends = ends_of(&ghost);
    let ((), killed) = Window::of(|| {
        let killed = host.netns.run(|| sock_diag::kill(ends.server, ends.client));
        killed.expect("kill a request socket");
    });
    gone(host, ends.server, ends.client);
    vec![
        Truth::server(ends, FAILED)
            .when("rq:SYN_RECV", began)
            .when("rq:CLOSE", killed)
            .half_open_ended("killed"),
    ]
}

/// The kernel keeps nothing of a SYN that it answers with a cookie.
fn syn_cookie(stage: &Stage) -> Vec<Truth> {
    let host = &stage.pair.server;
    let before = Counters::of(host);
    let always = host.netns.with_sysctl("net/ipv4/tcp_syncookies", "2");
    let (
        _listener,
        Connection {
            client,
            server,
            ends,
        },
    ) = stage.open();
    drop(always);
    let cookies = Counters::of(host).since(&before, "TcpExt.SyncookiesRecv");
    assert_eq!(cookies, 1, "one cookie came back");
    reset(client, &server);
    vec![
        Truth::client(ends, RESET_CLIENT),
        Truth::server(ends, "LISTEN SYN_RECV ESTABLISHED CLOSE").syn_recv_unknown("no_request"),
    ]
}

fn reset(client: Socket, server: &Socket) {
    client.reset();
    server.receive_reset();
}
