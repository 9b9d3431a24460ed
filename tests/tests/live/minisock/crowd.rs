//! A thousand at once.

use std::net::SocketAddrV4;

use tests::clock::Window;
use tests::counters::Counters;
use tests::ghost::Ghost;
use tests::host::Host;
use tests::segment::flag;
use tests::traffic::{Connection, Ends};
use tests::truth::Truth;

use super::stage::{CLOSED_FIRST, CLOSED_SECOND, MINUTE, Stage, ends_of};

scenes!(a_thousand_time_waits, a_thousand_half_open);

/// How many there are.
const THOUSAND: usize = 1000;

/// Waits until so many sockets are in a state.
fn wait_count(host: &Host, count: usize, state: &str) {
    host.wait_sockets(&format!("{count} in {state}"), |sockets| {
        let there = sockets.iter().filter(|socket| socket.state == state);
        there.count() == count
    });
}

fn a_thousand_time_waits(stage: &Stage) -> Vec<Truth> {
    let listener = stage.listen(4096);
    let connections: Vec<Connection> = (0..THOUSAND)
        .map(|_| Connection::open(&stage.pair, &listener))
        .collect();
    let hosts = [&stage.pair.client, &stage.pair.server];
    let before = hosts.map(Counters::of);
    let all: Vec<Ends> = connections.iter().map(|one| one.ends).collect();
    let ((), began) = Window::of(|| {
        let servers: Vec<_> = connections
            .into_iter()
            .map(|Connection { client, server, .. }| {
                client.close();
                server
            })
            .collect();
        wait_count(&stage.pair.client, THOUSAND, "FIN_WAIT2");
        drop(servers);
        wait_count(&stage.pair.client, THOUSAND, "TIME_WAIT");
    });
    for (host, before) in hosts.into_iter().zip(&before) {
        if Counters::of(host).since(before, "Tcp.RetransSegs") > 0 {
            stage.disturb("segments were sent again, which may begin TIME_WAIT anew");
        }
    }
    all.into_iter()
        .flat_map(|ends| {
            [
                Truth::client(ends, CLOSED_FIRST)
                    .when("tw:TIME_WAIT", began)
                    .expired(MINUTE),
                Truth::server(ends, CLOSED_SECOND),
            ]
        })
        .collect()
}

/// Half of them are never answered, a quarter is reset, a quarter is established.
fn a_thousand_half_open(stage: &Stage) -> Vec<Truth> {
    const FAILED: &str = "LISTEN rq:SYN_RECV rq:CLOSE";
    let host = &stage.pair.server;
    // Given up after 1 + 2 + 4 + 8 seconds: a slow machine has to see all of them waiting at once.
    host.netns.set_sysctl("net/ipv4/tcp_synack_retries", "3");
    let listener = stage.listen(4096);
    let crowd = |number: u8, size: u16| -> Vec<Ghost> {
        let local = SocketAddrV4::new(stage.pair.ghost(number), 9999);
        let remote = SocketAddrV4::new(host.ipv4, listener.local().port());
        let first = Ghost::new(&stage.pair, local, remote);
        (0..size).map(|one| first.sibling(10_000 + one)).collect()
    };
    let mut silent = crowd(1, 500);
    let mut resetting = crowd(2, 250);
    let mut talking = crowd(3, 250);

    talking.iter_mut().for_each(Ghost::connect);
    wait_count(host, talking.len(), "ESTABLISHED");
    let ((), began) = Window::of(|| {
        for ghost in silent.iter_mut().chain(&mut resetting) {
            ghost.send(flag::SYN, b"");
        }
        wait_count(host, silent.len() + resetting.len(), "SYN_RECV");
    });
    let ((), reset) = Window::of(|| {
        for ghost in &mut resetting {
            ghost.send(flag::RST, b"");
        }
        wait_count(host, silent.len(), "SYN_RECV");
    });
    wait_count(host, 0, "SYN_RECV");
    for ghost in &mut talking {
        ghost.send(flag::RST | flag::ACK, b"");
    }
    wait_count(host, 0, "ESTABLISHED");

    let silent = silent.iter().map(|ghost| {
        Truth::server(ends_of(ghost), FAILED)
            .when("rq:SYN_RECV", began)
            .when_seen("rq:CLOSE")
            .half_open_ended("timed_out")
    });
    let resetting = resetting.iter().map(|ghost| {
        Truth::server(ends_of(ghost), FAILED)
            .when("rq:SYN_RECV", began)
            .when("rq:CLOSE", reset)
            .half_open_ended("reset")
    });
    let talking = talking
        .iter()
        .map(|ghost| Truth::server(ends_of(ghost), "LISTEN rq:SYN_RECV ESTABLISHED CLOSE"));
    silent.chain(resetting).chain(talking).collect()
}
