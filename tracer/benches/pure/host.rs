//! A host that is not there: connections that live and close, and the records that its kernel would write of them.

use tracer::model::TcpState::{
    self, CloseWait, Established, FinWait1, FinWait2, LastAck, Listen, SynRecv, SynSent,
};
use tracer::model::decode::Batch;

use super::records::{self, By, Socket};

/// Between two records.
const STEP_NS: u64 = 1_000;
const ECONNRESET: u32 = 104;

/// How a connection is opened and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// This host connects, and closes first; the connection goes on in TIME_WAIT.
    Closing,
    /// This host connects, and resets.
    Resetting,
    /// A listener accepts, and the other end closes first.
    Closed,
    /// A listener accepts, and the other end resets.
    Reset,
}

/// All kinds.
pub(super) const KINDS: [Kind; 4] = [Kind::Closing, Kind::Resetting, Kind::Closed, Kind::Reset];

/// A connection that is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    kind: Kind,
    socket: Socket,
}

/// Makes records, always the same ones.
pub(super) struct Host {
    /// The moment of the next record.
    now: u64,
    /// Connections opened so far.
    opened: u64,
    /// Addresses of sockets that are free again, which the kernel gives away first.
    free: Vec<u64>,
    random: u64,
}

impl Host {
    /// Begins, and tells of the process that all sockets belong to.
    pub(super) fn new(batch: &mut Batch) -> Self {
        let mut host = Self {
            now: 1_000_000_000,
            opened: 0,
            free: Vec::new(),
            random: 1,
        };
        batch.push(&records::process(host.tick()));
        host
    }

    /// Opens a connection, up to ESTABLISHED: two changes, or three.
    pub(super) fn open(&mut self, kind: Kind, batch: &mut Batch) -> Open {
        let number = self.opened;
        self.opened += 1;
        let address = self
            .free
            .pop()
            .unwrap_or(0xffff_8880_0000_0000 + number * 2_368);
        let port = 1_024 + (number % 60_000) as u16;
        let [.., a, b, c] = (number / 60_000).to_be_bytes();
        let far = [10, a, b, c];
        let socket = match kind {
            Kind::Closing | Kind::Resetting => Socket {
                address,
                cookie: number + 1,
                local: ([192, 0, 2, 1], port),
                remote: (far, 443),
            },
            Kind::Closed | Kind::Reset => Socket {
                address,
                cookie: number + 1,
                local: ([192, 0, 2, 1], 443),
                remote: (far, port),
            },
        };
        match kind {
            Kind::Closing | Kind::Resetting => {
                self.change(batch, &socket, TcpState::Close, SynSent, By::Program);
                self.change(batch, &socket, SynSent, Established, By::Anybody);
            }
            Kind::Closed | Kind::Reset => {
                batch.push(&records::request(self.tick(), &socket));
                self.change(batch, &socket, Listen, SynRecv, By::Anybody);
                batch.push(&records::completed(self.tick(), &socket));
                self.change(batch, &socket, SynRecv, Established, By::Anybody);
                batch.push(&records::accepted(self.tick(), &socket));
            }
        }
        Open { kind, socket }
    }

    /// Closes a connection, as its kind does.
    pub(super) fn close(&mut self, open: Open, batch: &mut Batch) {
        let Open { kind, socket } = &open;
        match kind {
            Kind::Closing => {
                self.change(batch, socket, Established, FinWait1, By::Program);
                self.change(batch, socket, FinWait1, FinWait2, By::Anybody);
                batch.push(&records::time_wait(self.tick(), socket));
                self.last(batch, socket, FinWait2, By::Anybody, 0);
                batch.push(&records::time_wait_over(self.tick(), socket));
            }
            Kind::Resetting => {
                self.last(batch, socket, Established, By::Program, 0);
                batch.push(&records::reset_sent(self.tick(), socket, TcpState::Close));
            }
            Kind::Closed => {
                self.change(batch, socket, Established, CloseWait, By::Anybody);
                self.change(batch, socket, CloseWait, LastAck, By::Program);
                self.last(batch, socket, LastAck, By::Anybody, 0);
            }
            Kind::Reset => self.last(batch, socket, Established, By::Anybody, ECONNRESET),
        }
        self.free.push(socket.address);
    }

    /// Returns a number below `limit`.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        // Marsaglia's xorshift64: any generator would do that is the same everywhere.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % limit as u64) as usize
    }

    fn change(&mut self, batch: &mut Batch, socket: &Socket, from: TcpState, to: TcpState, by: By) {
        batch.push(&records::change(self.tick(), socket, from, to, by, 0));
    }

    /// What it carried, and its change to CLOSE.
    fn last(&mut self, batch: &mut Batch, socket: &Socket, from: TcpState, by: By, error: u32) {
        batch.push(&records::traffic(self.tick(), socket, from));
        batch.push(&records::change(
            self.tick(),
            socket,
            from,
            TcpState::Close,
            by,
            error,
        ));
    }

    fn tick(&mut self) -> u64 {
        self.now += STEP_NS;
        self.now
    }
}
