//! Connections that this host gives up, of which the other end learns by a reset.

use rustix::io::Errno;
use tests::require::skip;
use tests::sock_diag;
use tests::traffic::{Connection, Ends};

use super::{DOWN, HOOK, Scene, UP, ended, tells_reset_reasons};

btf_only!(
    unread_data,
    linger_of_zero,
    listener_gone,
    killed,
    after_all_was_read
);

/// What the client did not read.
const UNREAD: usize = 9;

/// Demands what both ends tell where the client gave up.
fn judge(
    scene: Scene,
    ends: Ends,
    (text, reason): (&str, &str),
    (client_received, server_sent): (usize, usize),
) {
    let traced = scene.stop(2);
    let mut story = traced.story();
    let client = story.client(ends);
    client
        .carried(HOOK, UP, client_received)
        .events(&["reset_sent CLOSE"])
        .reset_reason(tells_reset_reasons(), reason)
        .closed_first("local");
    ended(&client, text);
    let server = story.server(ends);
    server
        .carried(HOOK, server_sent, UP)
        .events(&["reset_received ESTABLISHED"])
        .closed_first("remote");
    ended(&server, "reset by the peer");
    story.nothing_else(HOOK);
}

/// A close while data was not read.
fn unread_data() {
    let scene = Scene::new(&[]);
    let Connection {
        client,
        server,
        ends,
    } = scene.open();
    server.send(&[b'x'; UNREAD]);
    client.await_data(UNREAD);
    client.close();
    server.receive_reset();
    let all = DOWN + UNREAD;
    judge(
        scene,
        ends,
        (
            "aborted by this host: 9 bytes were not read",
            "tcp_abort_on_close",
        ),
        (all, all),
    );
}

fn linger_of_zero() {
    let scene = Scene::new(&[]);
    let Connection {
        client,
        server,
        ends,
    } = scene.open();
    client.reset();
    server.receive_reset();
    judge(
        scene,
        ends,
        ("aborted by this host: SO_LINGER of zero", "tcp_state"),
        (DOWN, DOWN),
    );
}

/// A close after everything was read is none of these, whatever else was set.
fn after_all_was_read() {
    let scene = Scene::new(&[]);
    let connection = scene.open();
    let ends = connection.ends;
    connection.server.send(&[b'x'; UNREAD]);
    connection.client.await_data(UNREAD);
    connection.client.receive(&[b'x'; UNREAD]);
    connection.close_client_first(&scene.pair);
    let traced = scene.stop(2);
    let mut story = traced.story();
    let client = story.client(ends);
    client.carried(HOOK, UP, DOWN + UNREAD).uneventful();
    ended(&client, "in a timewait socket or closed: not known which");
    let server = story.server(ends);
    server.carried(HOOK, DOWN + UNREAD, UP).uneventful();
    ended(&server, "closed");
    story.nothing_else(HOOK);
}

/// The listener closes while nobody has accepted.
fn listener_gone() {
    let scene = Scene::new(&[]);
    let other = scene.pair.server.listen(8001, 4);
    let client = scene.pair.client.socket();
    client.connect(other.local());
    let ends = Ends {
        client: client.local(),
        server: other.local(),
    };
    client.send(&[b'u'; UP]);
    scene.pair.server.wait_unread(ends.server, ends.client, UP);
    other.close();
    client.receive_reset();
    let traced = scene.stop(2);
    let mut story = traced.story();
    let server = story.server(ends);
    server
        .states("LISTEN SYN_RECV ESTABLISHED CLOSE")
        .carried(HOOK, 0, UP)
        .events(&["reset_sent CLOSE"])
        .closed_first("local");
    ended(
        &server,
        "aborted by this host: its listener closed before it was accepted",
    );
    let client = story.client(ends);
    client
        .carried(HOOK, UP, 0)
        .events(&["reset_received ESTABLISHED"]);
    ended(&client, "reset by the peer");
    story.nothing_else(HOOK);
}

/// `ss -K`.
fn killed() {
    let scene = Scene::new(&[]);
    let Connection {
        client,
        server,
        ends,
    } = scene.open();
    let kill = || sock_diag::kill(ends.client, ends.server);
    if let Err(error) = scene.pair.client.netns.run(kill) {
        let is_not_built = error.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error());
        assert!(is_not_built, "kill a socket: {error}");
        skip("the kernel was built without CONFIG_INET_DIAG_DESTROY");
        return;
    }
    server.receive_reset();
    drop(client);
    let traced = scene.stop(2);
    let mut story = traced.story();
    let client = story.client(ends);
    client
        .carried(HOOK, UP, DOWN)
        .events(&["reset_sent ESTABLISHED"]);
    ended(&client, "killed: ss -K, or a BPF program");
    let server = story.server(ends);
    server
        .carried(HOOK, DOWN, UP)
        .events(&["reset_received ESTABLISHED"]);
    ended(&server, "reset by the peer");
    story.nothing_else(HOOK);
}
