//! Connections that end with RST, by either side.

use tests::host::Pair;
use tests::life::Life;
use tests::matcher::Story;
use tests::trace::Trace;
use tests::tracer::{Hook, Tracer};
use tests::traffic::{Connection, Ends};

both_hooks!(
    reset_by_client,
    reset_by_server,
    reset_of_a_closing_connection
);

fn reset_by_client(hook: Hook) {
    let (trace, ends) = traced(hook, |_, Connection { client, server, .. }| {
        client.reset();
        server.receive_reset();
    });
    let mut story = Story::of(&trace);
    let client = story.client(ends);
    client
        .states("CLOSE SYN_SENT ESTABLISHED CLOSE")
        .ended(hook, "aborted")
        .opened("active");
    not_closed_by("remote", &client);
    let server = story.server(ends);
    server
        .states("LISTEN SYN_RECV ESTABLISHED CLOSE")
        .ended(hook, "reset by the peer")
        .opened("passive");
    not_closed_by("local", &server);
    story.nothing_else(hook);
}

fn reset_by_server(hook: Hook) {
    let (trace, ends) = traced(hook, |_, Connection { client, server, .. }| {
        server.reset();
        client.receive_reset();
    });
    let mut story = Story::of(&trace);
    let client = story.client(ends);
    client
        .states("CLOSE SYN_SENT ESTABLISHED CLOSE")
        .ended(hook, "reset by the peer")
        .opened("active");
    not_closed_by("local", &client);
    let server = story.server(ends);
    server
        .states("LISTEN SYN_RECV ESTABLISHED CLOSE")
        .ended(hook, "aborted")
        .opened("passive");
    not_closed_by("remote", &server);
    story.nothing_else(hook);
}

/// The server says that it has said all, and the client, instead of reading on, resets.
fn reset_of_a_closing_connection(hook: Hook) {
    let (trace, ends) = traced(
        hook,
        |pair,
         Connection {
             client,
             server,
             ends,
         }| {
            server.shutdown_write();
            client.receive(b"");
            ends.wait_server(&pair.server, "FIN_WAIT2");
            client.reset();
            server.receive_reset();
        },
    );
    let mut story = Story::of(&trace);
    story
        .client(ends)
        .states("CLOSE SYN_SENT ESTABLISHED CLOSE_WAIT CLOSE")
        .ended(hook, "aborted")
        .opened("active")
        .closed_first("remote");
    story
        .server(ends)
        .states("LISTEN SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE")
        .ended(hook, "reset by the peer")
        .opened("passive")
        .closed_first("local");
    story.nothing_else(hook);
}

/// Who reset may be unknown, but it was not the other one.
fn not_closed_by(side: &str, life: &Life<'_>) {
    let said = life.timeline().closed_first.as_deref();
    assert_ne!(said, Some(side), "{}", life.told());
}

fn traced(hook: Hook, end: impl FnOnce(&Pair, Connection)) -> (Trace, Ends) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut tracer = Tracer::watch(hook, &pair, &[]);
    let connection = Connection::open(&pair, &listener);
    let ends = connection.ends;
    end(&pair, connection);
    tracer.wait_ended(2);
    (tracer.stop(), ends)
}
