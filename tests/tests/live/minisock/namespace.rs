//! A network namespace goes when nothing holds it any more, and its timewait sockets do not hold it.
//!
//! Apart from the other scenes: its number is given to somebody else's namespace, and a trace of it
//! then tells of that one too.

use std::fs;

use tests::clock::Window;
use tests::host::Pair;
use tests::matcher::Story;
use tests::method::Method;
use tests::tracer::{Hook, Tracer};
use tests::traffic::Connection;
use tests::truth::Truth;
use tests::{ask_until, attempt, require_live};

use super::stage::{close_server_first, gone, linger};

/// How long the kernel may be busy with the rest of a namespace.
const CLEANUP_NS: u64 = 2_000_000_000;

#[test]
fn fentry() {
    namespace_gone(Method::Fentry);
}

#[test]
fn timer() {
    namespace_gone(Method::Timer);
}

#[test]
fn diag() {
    namespace_gone(Method::Diag);
}

fn namespace_gone(method: Method) {
    require_live!(Hook::Btf);
    match method.missing() {
        Some(reason) => eprintln!("not run: {reason}"),
        None => attempt::until_conclusive(|| scene(method)),
    }
}

fn scene(method: Method) {
    let pair = Pair::new();
    pair.client.never_hurry();
    pair.server.never_hurry();
    let listener = pair.server.listen(8000, 4);
    let mut tracer = Tracer::watch(Hook::Btf, &pair, &["--time-wait", method.name()]);

    let connection = Connection::open(&pair, &listener);
    let ends = connection.ends;
    let began = close_server_first(&pair, connection);
    gone(&pair.client, ends.client, ends.server);
    drop(listener);
    linger();
    let Pair { client, server } = pair;
    // An interface goes with its namespace, and so does the other end of the wire.
    let has_wire = || {
        let devices = fs::read_to_string("/proc/thread-self/net/dev");
        devices.expect("list the interfaces").contains("veth0")
    };
    let (unplugged, mut vanished) = Window::of(|| {
        drop(server);
        client
            .netns
            .run(|| ask_until(|| (!has_wire()).then_some(())))
    });
    assert!(unplugged.is_some(), "somebody holds the namespace");
    // Interfaces go first; nothing that can be seen goes after the sockets.
    vanished.to += CLEANUP_NS;

    tracer.wait_ended(2);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    let truths = [
        Truth::client(ends, "CLOSE SYN_SENT ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE"),
        Truth::server(
            ends,
            "LISTEN rq:SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 tw:TIME_WAIT tw:CLOSE",
        )
        .when("tw:TIME_WAIT", began)
        .when("tw:CLOSE", vanished)
        .time_wait_ended("netns_gone"),
    ];
    for truth in truths {
        truth.is_told(&story.conn(truth.local, truth.remote), method);
    }
}
