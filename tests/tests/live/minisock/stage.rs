//! Where scenes are played: two hosts that the tracers watch.

use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread::sleep;
use std::time::Duration;

use tests::clock::Window;
use tests::ghost::Ghost;
use tests::host::{Host, Pair};
use tests::traffic::{Connection, Ends, Socket};

use super::older::Older;

/// How long `TIME_WAIT` is (`TCP_TIMEWAIT_LEN`).
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// How long a state lasts that a scene ends: whoever asks for it now and then should have found it.
const A_WHILE: Duration = Duration::from_millis(400);

/// Two hosts, and what is made for scenes before the tracers start.
#[derive(Debug)]
pub(super) struct Stage {
    /// The hosts of most scenes.
    pub(super) pair: Pair,
    /// Connections that are older than the trace.
    pub(super) older: Mutex<Option<Older>>,
    next_port: AtomicU16,
    disturbed: AtomicBool,
}

impl Stage {
    /// Makes the two hosts.
    pub(super) fn new() -> Self {
        let pair = Pair::new();
        pair.client.never_hurry();
        pair.server.never_hurry();
        let netns = &pair.server.netns;
        // What is never answered is given up after 1 + 2 seconds.
        netns.set_sysctl("net/ipv4/tcp_synack_retries", "1");
        netns.set_sysctl("net/ipv4/tcp_max_syn_backlog", "4096");
        Self {
            pair,
            older: Mutex::new(None),
            next_port: AtomicU16::new(8001),
            disturbed: AtomicBool::new(false),
        }
    }

    /// Makes what has to be there before the tracers start.
    pub(super) fn prepare(&self) {
        let older = Older::new(&self.pair);
        *self.older.lock().expect("a lock that nobody broke") = Some(older);
    }

    /// Notes that something else happened than was meant to: all is to be played again.
    pub(super) fn disturb(&self, why: &str) {
        eprintln!("disturbed: {why}");
        self.disturbed.store(true, Ordering::Relaxed);
    }

    /// Returns whether something else happened than was meant to.
    pub(super) fn is_disturbed(&self) -> bool {
        self.disturbed.load(Ordering::Relaxed)
    }

    /// Returns a port that nobody else is given.
    pub(super) fn port(&self) -> u16 {
        self.next_port.fetch_add(1, Ordering::Relaxed)
    }

    /// Listens at the server, at a port of the scene's own.
    pub(super) fn listen(&self, backlog: i32) -> Socket {
        self.pair.server.listen(self.port(), backlog)
    }

    /// Opens a connection to a listener of the scene's own.
    pub(super) fn open(&self) -> (Socket, Connection) {
        let listener = self.listen(4);
        let connection = Connection::open(&self.pair, &listener);
        (listener, connection)
    }

    /// Returns a script for the other end of a connection.
    pub(super) fn ghost(&self, listener: &Socket) -> Ghost {
        let SocketAddr::V4(remote) = listener.local() else {
            panic!("ghosts talk IPv4");
        };
        let local = SocketAddrV4::new(self.pair.ghost(0), self.port());
        Ghost::new(&self.pair, local, remote)
    }
}

/// Lets a state last for a while.
pub(super) fn linger() {
    sleep(A_WHILE);
}

/// Waits until the kernel lists a connection no more, and returns when that was, from now on.
pub(super) fn gone(host: &Host, local: SocketAddr, remote: SocketAddr) -> Window {
    let what = format!("the end of {local} -> {remote}");
    let ((), window) = Window::of(|| {
        host.wait_sockets(&what, |sockets| {
            let mut ours = sockets.iter();
            !ours.any(|socket| (socket.local, socket.remote) == (local, remote))
        });
    });
    window
}

/// Waits until a timewait socket stands for a connection, in this state.
pub(super) fn in_timewait_socket(host: &Host, local: SocketAddr, remote: SocketAddr, state: &str) {
    let what = format!("a timewait socket in {state} for {local} -> {remote}");
    host.wait_sockets(&what, |sockets| {
        sockets.iter().any(|socket| {
            (socket.local, socket.remote, socket.state) == (local, remote, state)
                && socket.timewait_left.is_some()
        })
    });
}

/// Closes the client and then the server; returns when the client's TIME_WAIT began.
pub(super) fn close_client_first(pair: &Pair, connection: Connection) -> Window {
    let Connection {
        client,
        server,
        ends,
    } = connection;
    let (near, far) = (&pair.client, &pair.server);
    close_in_order((near, client), (far, server), (ends.client, ends.server))
}

/// Closes the server and then the client; returns when the server's TIME_WAIT began.
pub(super) fn close_server_first(pair: &Pair, connection: Connection) -> Window {
    let Connection {
        client,
        server,
        ends,
    } = connection;
    let (near, far) = (&pair.server, &pair.client);
    close_in_order((near, server), (far, client), (ends.server, ends.client))
}

/// The second one closes when nothing of the first one's is under way any more: an acknowledgement that
/// comes after the FIN would begin TIME_WAIT anew.
fn close_in_order(
    (near, first): (&Host, Socket),
    (far, second): (&Host, Socket),
    (local, remote): (SocketAddr, SocketAddr),
) -> Window {
    first.close();
    in_timewait_socket(near, local, remote, "FIN_WAIT2");
    far.wait_state(remote, local, "CLOSE_WAIT");
    let ((), window) = Window::of(|| {
        second.close();
        in_timewait_socket(near, local, remote, "TIME_WAIT");
    });
    window
}

/// What the one that closes first goes through, having connected.
pub(super) const CLOSED_FIRST: &str =
    "CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 tw:TIME_WAIT tw:CLOSE";

/// What the other one goes through, having accepted.
pub(super) const CLOSED_SECOND: &str = "LISTEN rq:SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE";

/// Returns the ends of a connection from a ghost.
pub(super) fn ends_of(ghost: &Ghost) -> Ends {
    Ends {
        client: ghost.local.into(),
        server: ghost.remote.into(),
    }
}
