//! Timewait sockets that are older than the trace.

use std::net::SocketAddrV4;

use tests::clock::Window;
use tests::ghost::Ghost;
use tests::host::Pair;
use tests::segment::flag;
use tests::sock_diag;
use tests::traffic::{Connection, Ends, Socket};
use tests::truth::Truth;

use super::stage::{MINUTE, Stage, close_client_first, ends_of, gone, in_timewait_socket, linger};

scenes!(
    older_and_expires,
    older_and_killed,
    older_orphan,
    older_without_timestamps,
);

/// Connections that closed before anyone looked.
#[derive(Debug)]
pub(super) struct Older {
    expires: (Ends, Window),
    killed: (Ends, Window),
    /// In FIN_WAIT2, and the other end's socket.
    orphan: Option<(Ends, Window, Socket)>,
    /// In TIME_WAIT, and in FIN_WAIT2 for a while before.
    without_timestamps: (Ends, Window),
}

impl Older {
    pub(super) fn new(pair: &Pair) -> Self {
        let listener = pair.server.listen(8000, 4);
        let close = || {
            let connection = Connection::open(pair, &listener);
            let ends = connection.ends;
            (ends, close_client_first(pair, connection))
        };
        let (expires, killed) = (close(), close());
        let Connection {
            client,
            server,
            ends,
        } = Connection::open(pair, &listener);
        let ((), began) = Window::of(|| {
            client.close();
            in_timewait_socket(&pair.client, ends.client, ends.server, "FIN_WAIT2");
        });
        let ghost = SocketAddrV4::new(pair.ghost(0), 8000);
        let remote = SocketAddrV4::new(pair.server.ipv4, 8000);
        let mut ghost = Ghost::new(pair, ghost, remote);
        ghost.connect();
        listener.accept().close();
        ghost.hear(flag::FIN | flag::ACK);
        ghost.send(flag::ACK, b"");
        let silent = ends_of(&ghost);
        in_timewait_socket(&pair.server, silent.server, silent.client, "FIN_WAIT2");
        linger();
        let ((), closed) = Window::of(|| {
            ghost.send(flag::FIN | flag::ACK, b"");
            ghost.hear(flag::ACK);
        });
        Self {
            without_timestamps: (silent, closed),
            expires,
            killed,
            orphan: Some((ends, began, server)),
        }
    }
}

/// Does something with what is older.
fn with<T>(stage: &Stage, act: impl FnOnce(&mut Older) -> T) -> T {
    let mut older = stage.older.lock().expect("a lock that nobody broke");
    act(older.as_mut().expect("a stage that was prepared"))
}

fn older_and_expires(stage: &Stage) -> Vec<Truth> {
    let (ends, began) = with(stage, |older| older.expires);
    vec![
        Truth::client(ends, "found:TIME_WAIT tw:CLOSE")
            .began(began)
            .age_is_kept()
            .expired(MINUTE),
    ]
}

fn older_and_killed(stage: &Stage) -> Vec<Truth> {
    let host = &stage.pair.client;
    let (ends, began) = with(stage, |older| older.killed);
    let ((), killed) = Window::of(|| {
        let killed = host.netns.run(|| sock_diag::kill(ends.client, ends.server));
        killed.expect("kill a timewait socket");
    });
    gone(host, ends.client, ends.server);
    vec![
        Truth::client(ends, "found:TIME_WAIT tw:CLOSE")
            .began(began)
            .age_is_kept()
            .when("tw:CLOSE", killed)
            .time_wait_ended("killed"),
    ]
}

/// Found in FIN_WAIT2; the other end closes while it is watched.
fn older_orphan(stage: &Stage) -> Vec<Truth> {
    let orphan = with(stage, |older| older.orphan.take());
    let (ends, began, server) = orphan.expect("a connection that nobody took");
    let ((), became) = Window::of(|| {
        server.close();
        in_timewait_socket(&stage.pair.client, ends.client, ends.server, "TIME_WAIT");
    });
    vec![
        Truth::client(ends, "found:FIN_WAIT2 tw:TIME_WAIT tw:CLOSE")
            .began(began)
            .when("tw:TIME_WAIT", became)
            .expired(MINUTE),
        Truth::server(ends, "found:CLOSE_WAIT LAST_ACK CLOSE"),
    ]
}

/// The kernel keeps when the timewait socket began, and writes it anew for TIME_WAIT only if the FIN
/// carried a timestamp.
fn older_without_timestamps(stage: &Stage) -> Vec<Truth> {
    let (ends, began) = with(stage, |older| older.without_timestamps);
    vec![
        Truth::server(ends, "found:TIME_WAIT tw:CLOSE")
            .began(began)
            .expired(MINUTE),
    ]
}
