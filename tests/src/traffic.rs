//! TCP sockets with exact control over each step, and the connections that the tests make of them.
//!
//! Every call that could wait for ever waits at most [`PATIENCE`]. Unless its name says otherwise, a
//! method panics when the kernel refuses: then the test has no traffic to judge by.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, Shutdown, SocketFlags, SocketType, sockopt};

use crate::PATIENCE;
use crate::host::{Host, Pair};

/// A TCP socket.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl Socket {
    /// Makes a socket of the IPv4 family in the calling thread's network namespace.
    pub fn ipv4() -> Self {
        Self::new(AddressFamily::INET)
    }

    /// Makes a socket of the IPv6 family, open to IPv4 too, in the calling thread's network
    /// namespace.
    pub fn ipv6() -> Self {
        let socket = Self::new(AddressFamily::INET6);
        sockopt::set_ipv6_v6only(&socket.0, false).expect("open the socket to IPv4");
        socket
    }

    fn new(family: AddressFamily) -> Self {
        let fd = net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)
            .expect("make a socket");
        Self::bounded(fd)
    }

    /// Bounds what may wait: accept and receive, connect and send.
    fn bounded(fd: OwnedFd) -> Self {
        for kind in [sockopt::Timeout::Recv, sockopt::Timeout::Send] {
            sockopt::set_socket_timeout(&fd, kind, Some(PATIENCE)).expect("bound the waiting");
        }
        Self(fd)
    }

    /// Takes up a socket that somebody else made.
    pub(crate) fn from_fd(fd: OwnedFd) -> Self {
        Self::bounded(fd)
    }

    /// Returns its descriptor.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Returns its descriptor, which stays open.
    pub(crate) fn into_fd(self) -> OwnedFd {
        self.0
    }

    /// Lets others listen on the same address who do the same.
    pub fn share_port(&self) {
        sockopt::set_socket_reuseport(&self.0, true).expect("share the port");
    }

    /// Binds to an address whose last user may be in TIME_WAIT.
    pub fn bind(&self, addr: SocketAddr) {
        sockopt::set_socket_reuseaddr(&self.0, true).expect("allow the address again");
        net::bind(&self.0, &addr).unwrap_or_else(|error| panic!("bind to {addr}: {error}"));
    }

    /// Listens; the queue of connections that nobody accepted holds `backlog` + 1.
    pub fn listen(&self, backlog: i32) {
        net::listen(&self.0, backlog).expect("listen");
    }

    /// Takes the next connection.
    pub fn accept(&self) -> Self {
        let fd = net::accept_with(&self.0, SocketFlags::CLOEXEC).expect("accept a connection");
        Self::bounded(fd)
    }

    /// Connects and waits for the end of it.
    pub fn connect(&self, remote: SocketAddr) {
        self.try_connect(remote)
            .unwrap_or_else(|error| panic!("connect to {remote}: {error}"));
    }

    /// Connects and waits for the end of it, which may be a refusal.
    ///
    /// # Errors
    ///
    /// Returns why there is no connection.
    pub fn try_connect(&self, remote: SocketAddr) -> io::Result<()> {
        Ok(net::connect(&self.0, &remote)?)
    }

    /// Sends the SYN and returns; what becomes of it is seen elsewhere.
    pub fn start_connect(&self, remote: SocketAddr) {
        rustix::io::ioctl_fionbio(&self.0, true).expect("make the socket nonblocking");
        match net::connect(&self.0, &remote) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => panic!("start to connect to {remote}: {error}"),
        }
    }

    /// Dissolves the connection at once (`connect` to `AF_UNSPEC`); the socket can connect again.
    pub fn disconnect(&self) {
        net::connect_unspec(&self.0).expect("disconnect");
    }

    /// Gives up when nothing was acknowledged for so long.
    pub fn give_up_after(&self, timeout: Duration) {
        let millis = u32::try_from(timeout.as_millis()).expect("a short time");
        sockopt::set_tcp_user_timeout(&self.0, millis).expect("set TCP_USER_TIMEOUT");
    }

    /// Asks after a silent peer: first after `idle`, and gives up when one probe was not answered for `interval`.
    pub fn keep_alive(&self, idle: Duration, interval: Duration) {
        sockopt::set_socket_keepalive(&self.0, true).expect("set SO_KEEPALIVE");
        sockopt::set_tcp_keepidle(&self.0, idle).expect("set TCP_KEEPIDLE");
        sockopt::set_tcp_keepintvl(&self.0, interval).expect("set TCP_KEEPINTVL");
        sockopt::set_tcp_keepcnt(&self.0, 1).expect("set TCP_KEEPCNT");
    }

    /// Takes in little that is not read. To be called before it is connected; on a listener, for those that come.
    pub fn shrink(&self) {
        sockopt::set_socket_recv_buffer_size(&self.0, 4096).expect("set SO_RCVBUF");
    }

    /// Sends until there is no more room, at this end and the other, and returns how much it was.
    pub fn fill(&self) -> usize {
        let mut sent = 0;
        loop {
            let flags = net::SendFlags::NOSIGNAL | net::SendFlags::DONTWAIT;
            match net::send(&self.0, &[b'x'; 1 << 14], flags) {
                Ok(more) => sent += more,
                Err(Errno::AGAIN) => return sent,
                Err(error) => panic!("send: {error}"),
            }
        }
    }

    /// Receives whatever is there, and returns how much it was.
    pub fn drain(&self) -> usize {
        let mut buffer = [0; 1 << 14];
        let mut received = 0;
        loop {
            match net::recv(&self.0, &mut buffer[..], net::RecvFlags::DONTWAIT) {
                Ok((_, 0)) | Err(Errno::AGAIN) => return received,
                Ok((_, more)) => received += more,
                Err(error) => panic!("receive: {error}"),
            }
        }
    }

    /// Ends the sending direction: FIN.
    pub fn shutdown_write(&self) {
        net::shutdown(&self.0, Shutdown::Write).expect("shut the sending direction down");
    }

    /// Returns the same socket by another descriptor, for another process.
    pub fn again(&self) -> OwnedFd {
        self.0.try_clone().expect("another descriptor")
    }

    /// Closes. FIN, unless data was left unread.
    pub fn close(self) {
        drop(self);
    }

    /// Closes with RST.
    pub fn reset(self) {
        sockopt::set_socket_linger(&self.0, Some(Duration::ZERO)).expect("set SO_LINGER to 0");
        drop(self);
    }

    /// Sends all of it.
    pub fn send(&self, data: &[u8]) {
        let sent = net::send(&self.0, data, net::SendFlags::NOSIGNAL).expect("send");
        assert_eq!(sent, data.len(), "a short send");
    }

    /// Receives exactly as much as was sent; nothing is the other end's FIN.
    pub fn receive(&self, expected: &[u8]) {
        let mut buffer = vec![0; expected.len().max(1)];
        let mut len = 0;
        while len < buffer.len() {
            let (_, more) =
                net::recv(&self.0, &mut buffer[len..], net::RecvFlags::empty()).expect("receive");
            if more == 0 {
                break;
            }
            len += more;
        }
        assert_eq!(&buffer[..len], expected, "received");
    }

    /// Waits until so much is there, and leaves it unread.
    ///
    /// # Panics
    ///
    /// Panics when it does not come.
    pub fn await_data(&self, len: usize) {
        let mut buffer = vec![0; len];
        let flags = net::RecvFlags::PEEK | net::RecvFlags::WAITALL;
        let (_, got) = net::recv(&self.0, &mut buffer[..], flags).expect("wait for data");
        assert_eq!(got, len, "bytes that are there");
    }

    /// Takes the next connection if there is one.
    pub fn try_accept(&self) -> Option<Self> {
        rustix::io::ioctl_fionbio(&self.0, true).expect("make the socket nonblocking");
        let taken = net::accept_with(&self.0, SocketFlags::CLOEXEC);
        rustix::io::ioctl_fionbio(&self.0, false).expect("make the socket blocking");
        match taken {
            Ok(fd) => Some(Self::bounded(fd)),
            Err(Errno::AGAIN) => None,
            Err(error) => panic!("accept a connection: {error}"),
        }
    }

    /// Receives nothing but the other end's RST.
    pub fn receive_reset(&self) {
        let got = net::recv(&self.0, &mut [0; 1][..], net::RecvFlags::empty());
        assert_eq!(
            got.map(|(_, len)| len),
            Err(Errno::CONNRESET),
            "a reset was due"
        );
    }

    /// Returns its end.
    pub fn local(&self) -> SocketAddr {
        let addr = net::getsockname(&self.0).expect("ask for the local address");
        fold(addr.try_into().expect("an internet address"))
    }

    /// Returns the other end of a connection.
    pub fn remote(&self) -> SocketAddr {
        let addr = net::getpeername(&self.0).expect("ask for the remote address");
        let addr = addr.expect("an address").try_into();
        fold(addr.expect("an internet address"))
    }

    /// Returns the socket's cookie as the kernel tells it.
    pub fn cookie(&self) -> u64 {
        sockopt::socket_cookie(&self.0).expect("ask for the cookie")
    }
}

/// Folds an IPv4-mapped address.
fn fold(addr: SocketAddr) -> SocketAddr {
    (addr.ip().to_canonical(), addr.port()).into()
}

/// One connection between the hosts of a pair, by both of its sockets.
#[derive(Debug)]
pub struct Connection {
    /// The socket that connected.
    pub client: Socket,
    /// The socket that was accepted.
    pub server: Socket,
    /// Both ends, as the client sees them.
    pub ends: Ends,
}

/// The ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Address of the one that connected.
    pub client: SocketAddr,
    /// Address of the one that accepted.
    pub server: SocketAddr,
}

impl Connection {
    /// Connects the client to a listener of the server, and accepts.
    pub fn open(pair: &Pair, listener: &Socket) -> Self {
        Self::open_from(pair.client.socket(), listener)
    }

    /// Connects a given socket to a listener, and accepts.
    pub fn open_from(client: Socket, listener: &Socket) -> Self {
        client.connect(listener.local());
        let server = listener.accept();
        let ends = Ends {
            client: client.local(),
            server: listener.local(),
        };
        assert_eq!(ends.client, server.remote(), "the ends of one connection");
        Self {
            client,
            server,
            ends,
        }
    }

    /// Closes the client first and the server when it knows.
    pub fn close_client_first(self, pair: &Pair) {
        let ends = self.ends;
        self.client.close();
        ends.wait_server(&pair.server, "CLOSE_WAIT");
        self.server.close();
    }

    /// Closes the server first and the client when it knows.
    pub fn close_server_first(self, pair: &Pair) {
        let ends = self.ends;
        self.server.close();
        ends.wait_client(&pair.client, "CLOSE_WAIT");
        self.client.close();
    }
}

impl Ends {
    /// Waits for a state of the client's socket.
    pub fn wait_client(&self, host: &Host, state: &str) {
        host.wait_state(self.client, self.server, state);
    }

    /// Waits for a state of the server's socket.
    pub fn wait_server(&self, host: &Host, state: &str) {
        host.wait_state(self.server, self.client, state);
    }
}
