//! Both ends of a connection in processes of their own.
//!
//! The test's process is no owner to judge by: while another test starts a child, that child holds
//! a copy of every socket until it has become another program, and a socket's last close may be
//! the child's.

use std::net::SocketAddr;

use tests::host::Pair;
use tests::peer::Peer;
use tests::traffic::Ends;

use super::SECOND_PROCESS;

/// Port that the server listens on.
const PORT: u16 = 8000;

/// A process at each host.
pub(crate) struct TwoProcesses<'p> {
    pub(crate) client: Peer,
    pub(crate) server: Peer,
    pair: &'p Pair,
}

impl<'p> TwoProcesses<'p> {
    pub(crate) fn start(pair: &'p Pair) -> Self {
        let [client, server] =
            [&pair.client, &pair.server].map(|host| Peer::start(SECOND_PROCESS, host));
        Self {
            client,
            server,
            pair,
        }
    }

    pub(crate) fn listen(&mut self) {
        self.server.listen(self.at_server());
    }

    /// Returns where the server listens.
    pub(crate) fn at_server(&self) -> SocketAddr {
        self.pair.server.at(PORT)
    }

    /// Opens a connection.
    pub(crate) fn open(&mut self) -> Ends {
        let server = self.at_server();
        let ends = Ends {
            client: self.client.connect(server),
            server,
        };
        assert_eq!(
            self.server.accept(),
            ends.client,
            "the ends of one connection"
        );
        ends
    }

    /// Opens a connection, and closes the client's end and then the server's.
    pub(crate) fn close_client_first(&mut self) -> Ends {
        let ends = self.open();
        self.client.close();
        ends.wait_server(&self.pair.server, "CLOSE_WAIT");
        self.server.close();
        ends
    }

    /// Opens a connection, and closes the server's end and then the client's.
    pub(crate) fn close_server_first(&mut self) -> Ends {
        let ends = self.open();
        self.server.close();
        ends.wait_client(&self.pair.client, "CLOSE_WAIT");
        self.client.close();
        ends
    }
}
