//! How connections open, or do not.

use std::io::ErrorKind;
use std::time::Duration;

use tests::clock::{last_tick, now};
use tests::host::Pair;
use tests::matcher::Story;
use tests::tracer::{Hook, Tracer};
use tests::traffic::{Connection, Ends};

both_hooks!(simultaneous_open, refused, timed_out, open_at_the_end);

/// Both SYNs are held back until both are sent, so that they cross.
fn simultaneous_open(hook: Hook) {
    let pair = Pair::new();
    let mut tracer = Tracer::watch(hook, &pair, &[]);

    let (client, server) = (pair.client.socket(), pair.server.socket());
    let ends = Ends {
        client: pair.client.at(5000),
        server: pair.server.at(6000),
    };
    client.bind(ends.client);
    server.bind(ends.server);
    pair.client.hold_frames();
    pair.server.hold_frames();
    client.start_connect(ends.server);
    server.start_connect(ends.client);
    ends.wait_client(&pair.client, "SYN_SENT");
    ends.wait_server(&pair.server, "SYN_SENT");
    pair.client.release_frames();
    pair.server.release_frames();
    ends.wait_client(&pair.client, "ESTABLISHED");
    ends.wait_server(&pair.server, "ESTABLISHED");
    Connection {
        client,
        server,
        ends,
    }
    .close_client_first(&pair);

    tracer.wait_ended(2);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    story
        .client(ends)
        .states("CLOSE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE")
        .opened("active")
        .closed_first("local");
    story
        .server(ends)
        .states("CLOSE SYN_SENT SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE")
        .opened("active")
        .closed_first("remote");
    story.nothing_else(hook);
}

/// The server has no socket at that port, so it has nothing to tell.
fn refused(hook: Hook) {
    let pair = Pair::new();
    let mut tracer = Tracer::watch(hook, &pair, &[]);

    let client = pair.client.socket();
    let ends = Ends {
        client: pair.client.at(5000),
        server: pair.server.at(8000),
    };
    client.bind(ends.client);
    let error = client.try_connect(ends.server).expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);

    tracer.wait_ended(1);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    story
        .client(ends)
        .states("CLOSE SYN_SENT CLOSE")
        .ended(hook, "refused")
        .opened("active");
    story.nothing_else(hook);
}

/// Every SYN is lost.
fn timed_out(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut tracer = Tracer::watch(hook, &pair, &[]);

    pair.client.lose_frames();
    let client = pair.client.socket();
    let ends = Ends {
        client: pair.client.at(5000),
        server: listener.local(),
    };
    client.bind(ends.client);
    client.give_up_after(Duration::from_millis(100));
    let ticked = last_tick();
    client.start_connect(ends.server);
    let ticks_late = now() - ticked;

    tracer.wait_ended(1);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    let client = story.client(ends);
    client
        .states("CLOSE SYN_SENT CLOSE")
        .ended(hook, "timed out")
        .opened("active");
    let in_syn_sent = client.timeline().segments[0].ns.expect("a known time");
    // RFC 6298: the first SYN is sent again after a second at the earliest, which counts from a tick.
    assert!(
        in_syn_sent + ticks_late >= 1_000_000_000,
        "{in_syn_sent} + {ticks_late}\n{trace}"
    );
    story.nothing_else(hook);
}

/// The trace ends before the connection does.
fn open_at_the_end(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut tracer = Tracer::watch(hook, &pair, &[]);

    let connection = Connection::open(&pair, &listener);
    let ends = connection.ends;
    tracer.wait_changes(4);
    let trace = tracer.stop();

    let mut story = Story::of(&trace);
    for (life, script) in [
        (story.client(ends), "CLOSE SYN_SENT ESTABLISHED"),
        (story.server(ends), "LISTEN SYN_RECV ESTABLISHED"),
    ] {
        life.states(script).nobody_closed_first();
    }
    story.nothing_else(hook);
}
