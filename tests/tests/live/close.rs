//! How connections close: who is first, and both at once.

use std::time::Instant;

use tests::host::Pair;
use tests::matcher::Story;
use tests::tracer::{Hook, Tracer};
use tests::traffic::Connection;

both_hooks!(
    active_close,
    passive_close,
    simultaneous_close,
    half_close_for_a_while
);

fn active_close(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut tracer = Tracer::watch(hook, &pair, &[]);

    let connection = Connection::open(&pair, &listener);
    let ends = connection.ends;
    let cookies = (connection.client.cookie(), connection.server.cookie());
    connection.close_client_first(&pair);

    tracer.wait_ended(2);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    story
        .client(ends)
        .states("CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE")
        .ended(hook, "timewait")
        .opened("active")
        .closed_first("local")
        .socket(hook, cookies.0, pair.client.netns.inode());
    story
        .server(ends)
        .states("LISTEN SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE")
        .ended(hook, "closed")
        .opened("passive")
        .closed_first("remote")
        .socket(hook, cookies.1, pair.server.netns.inode());
    story.nothing_else(hook);
}

fn passive_close(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut tracer = Tracer::watch(hook, &pair, &[]);

    let connection = Connection::open(&pair, &listener);
    let ends = connection.ends;
    connection.client.send(b"a question");
    connection.server.receive(b"a question");
    connection.close_server_first(&pair);

    tracer.wait_ended(2);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    story
        .client(ends)
        .states("CLOSE SYN_SENT ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE")
        .ended(hook, "closed")
        .opened("active")
        .closed_first("remote");
    story
        .server(ends)
        .states("LISTEN SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE")
        .ended(hook, "timewait")
        .opened("passive")
        .closed_first("local");
    story.nothing_else(hook);
}

/// Both FINs are held back until both are sent, so that they cross.
fn simultaneous_close(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut tracer = Tracer::watch(hook, &pair, &[]);

    let connection = Connection::open(&pair, &listener);
    let ends = connection.ends;
    pair.client.hold_frames();
    pair.server.hold_frames();
    connection.client.close();
    connection.server.close();
    ends.wait_client(&pair.client, "FIN_WAIT1");
    ends.wait_server(&pair.server, "FIN_WAIT1");
    pair.client.release_frames();
    pair.server.release_frames();

    tracer.wait_ended(2);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    story
        .client(ends)
        .states("CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 CLOSING CLOSE")
        .ended(hook, "timewait")
        .opened("active")
        .closed_first("both");
    story
        .server(ends)
        .states("LISTEN SYN_RECV ESTABLISHED FIN_WAIT1 CLOSING CLOSE")
        .ended(hook, "timewait")
        .opened("passive")
        .closed_first("both");
    story.nothing_else(hook);
}

/// The client has said all, the server has not; the time in between is the one that the test took.
fn half_close_for_a_while(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut tracer = Tracer::watch(hook, &pair, &[]);

    let Connection {
        client,
        server,
        ends,
    } = Connection::open(&pair, &listener);
    let before = Instant::now();
    client.shutdown_write();
    ends.wait_client(&pair.client, "FIN_WAIT2");
    let half_closed = Instant::now();
    server.receive(b"");
    for answer in [b"one", b"two", b"six"] {
        server.send(answer);
        client.receive(answer);
    }
    let at_least = half_closed.elapsed().as_nanos();
    server.close();
    client.receive(b"");
    tracer.wait_ended(2);
    let at_most = before.elapsed().as_nanos();
    client.close();

    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    let client = story.client(ends);
    client
        .states("CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE")
        .ended(hook, "timewait")
        .opened("active")
        .closed_first("local");
    let server = story.server(ends);
    server
        .states("LISTEN SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE")
        .ended(hook, "closed")
        .opened("passive")
        .closed_first("remote");
    for (life, state) in [(client, "FIN_WAIT2"), (server, "CLOSE_WAIT")] {
        let segment = life
            .timeline()
            .segments
            .iter()
            .find(|one| one.state == state);
        let lasted = segment.and_then(|one| one.ns).map(u128::from);
        let between = lasted.is_some_and(|ns| (at_least..=at_most).contains(&ns));
        assert!(
            between,
            "{state} {at_least}..={at_most} ns\n{}",
            life.told()
        );
    }
    story.nothing_else(hook);
}
