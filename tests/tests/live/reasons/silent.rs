//! Connections whose other end says nothing any more.
//!
//! The client's frames are lost from some moment on, and its host is told to lose patience soon. Which timer runs
//! out is the difference.

use std::time::Duration;

use tests::counters::Counters;
use tests::life::Life;
use tests::traffic::{Connection, Ends, Socket};

use super::{DOWN, HOOK, Scene, Traced, UP, ended, tells_reset_reasons};

btf_only!(
    no_answer_to_the_syn,
    no_acknowledgement,
    no_answer_to_keepalive,
    user_timeout,
    window_stays_closed,
);

/// Bytes that are lost on the way.
const LOST: usize = 11;

/// A connection whose client's end has timed out.
struct TimedOut {
    traced: Traced,
    ends: Ends,
}

impl Scene {
    /// Waits for the client's end, lets frames through again and closes the server's end, which is told then that nobody
    /// knows it.
    fn time_out(mut self, connection: Connection) -> TimedOut {
        let Connection {
            client,
            server,
            ends,
        } = connection;
        self.tracer.wait_all_ended(3);
        self.pair.client.release_frames();
        server.shutdown_write();
        let traced = self.stop(2);
        drop((client, server));
        TimedOut { traced, ends }
    }
}

impl TimedOut {
    /// Demands what each end carried and how it ended, and lets the client's be judged further.
    fn judge(&self, text: &str, (sent, arrived): (usize, usize), more: impl FnOnce(&Life<'_>)) {
        let mut story = self.traced.story();
        let client = story.client(self.ends);
        client
            .states("CLOSE SYN_SENT ESTABLISHED CLOSE")
            .carried(HOOK, sent, DOWN)
            .nobody_closed_first();
        ended(&client, text);
        more(&client);
        let server = story.server(self.ends);
        server
            .states("LISTEN SYN_RECV ESTABLISHED FIN_WAIT1 CLOSE")
            .carried(HOOK, DOWN, arrived)
            .events(&["reset_received FIN_WAIT1"]);
        ended(&server, "reset by the peer");
        story.nothing_else(HOOK);
    }
}

fn no_answer_to_the_syn() {
    let scene = Scene::new(&[]);
    let host = &scene.pair.client;
    host.netns.set_sysctl("net/ipv4/tcp_syn_retries", "1");
    host.netns
        .set_sysctl_where_known("net/ipv4/tcp_syn_linear_timeouts", "0");
    host.lose_frames();
    let client = host.socket();
    let ends = Ends {
        client: host.at(5000),
        server: scene.listener.local(),
    };
    client.bind(ends.client);
    client.start_connect(ends.server);
    let traced = scene.stop(1);
    let mut story = traced.story();
    let client = story.client(ends);
    client
        .states("CLOSE SYN_SENT CLOSE")
        .carried(HOOK, 0, 0)
        .events(&["retransmitted SYN_SENT"]);
    assert_eq!(client.times_of("retransmitted"), 1, "{}", client.told());
    ended(&client, "timed out: no answer to the SYN");
    story.nothing_else(HOOK);
}

fn no_acknowledgement() {
    let scene = Scene::new(&[]);
    scene
        .pair
        .client
        .netns
        .set_sysctl("net/ipv4/tcp_retries2", "2");
    let connection = scene.open();
    lose(&scene, &connection.client);
    scene
        .time_out(connection)
        .judge("timed out: no acknowledgement", (UP + LOST, UP), sent_again);
}

/// Data that is not acknowledged, and a limit that the program set.
fn user_timeout() {
    let scene = Scene::new(&[]);
    let connection = scene.open();
    connection.client.give_up_after(Duration::from_millis(700));
    lose(&scene, &connection.client);
    scene
        .time_out(connection)
        .judge("timed out: TCP_USER_TIMEOUT", (UP + LOST, UP), sent_again);
}

/// Sends what does not arrive.
fn lose(scene: &Scene, client: &Socket) {
    scene.pair.client.lose_frames();
    client.send(&[b'l'; LOST]);
}

fn sent_again(client: &Life<'_>) {
    client.events(&["retransmitted ESTABLISHED"]);
    let carried = client.timeline().carried.as_ref().expect("just seen");
    let again = client.times_of("retransmitted");
    assert_eq!(
        (carried.retransmits, carried.bytes_retransmitted),
        (Some(again as u32), Some((again * LOST) as u64)),
        "sent again\n{}",
        client.told()
    );
}

/// Nothing is on its way, and nobody answers whether the connection is still known.
fn no_answer_to_keepalive() {
    const SECOND: Duration = Duration::from_secs(1);
    let scene = Scene::new(&[]);
    let connection = scene.open();
    connection.client.keep_alive(SECOND, SECOND);
    scene.pair.client.lose_frames();
    scene.time_out(connection).judge(
        "timed out: no answer to keepalive probes",
        (UP, UP),
        |client| {
            client
                .events(&["reset_sent ESTABLISHED"])
                .reset_reason(tells_reset_reasons(), "tcp_keepalive_timeout");
        },
    );
}

/// The server reads nothing until there is no room, and then the probes of its window are lost.
fn window_stays_closed() {
    let mut scene = Scene::new(&[]);
    let netns = &scene.pair.client.netns;
    netns.set_sysctl("net/ipv4/tcp_retries2", "2");
    scene.listener.shrink();
    let connection = scene.open();
    let ends = connection.ends;
    let host = &scene.pair.client;
    let before = Counters::of(host);
    connection.client.fill();
    host.wait_sockets("a closed window", |sockets| {
        let mut sockets = sockets.iter();
        sockets.any(|one| one.local == ends.client && one.waits_for_window)
    });
    host.lose_frames();
    scene.tracer.wait_all_ended(3);
    let arrived = UP + connection.server.drain();
    let counters = Counters::of(&scene.pair.client);
    let again = counters.since(&before, "Tcp.RetransSegs");
    scene.time_out(connection).judge(
        "timed out: no answer to zero-window probes",
        (arrived, arrived),
        |client| {
            // The last segment that went may have been one too many, and was sent again when there was room. One sending again
            // may be of several segments; how many these were, the kernel counts, too.
            let timeline = client.timeline();
            let told = timeline.events.len() as i64;
            let dropped = timeline
                .events
                .iter()
                .all(|event| event.what == "retransmitted");
            let carried = timeline.carried.as_ref().expect("it was just seen");
            assert!(
                dropped && told <= again.min(1) && (told > 0) == (again > 0),
                "{again} segments were sent again\n{}",
                client.told()
            );
            assert_eq!(
                carried.retransmits.map(i64::from),
                Some(again),
                "{}",
                client.told()
            );
        },
    );
}
