//! What a worker does: it holds both ends of its connections and takes them in turns.
//!
//! Nothing waits for another thread, so a full accept queue or an unlucky wake-up cannot enter the
//! figures, and no core is idle: user space that reads along has to share one, which is what is to
//! be seen.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use super::{Amount, Kind};

/// Connections of a worker that stay open while there are requests.
pub(super) const KEPT: u32 = 128;
/// Bytes of a request, and of a response.
const MESSAGE: [u8; 64] = [b'.'; 64];
/// Addresses that a worker connects to in turn. A connection in TIME_WAIT keeps its port for a minute,
/// but only against the same address: with so many there are free ports for millions.
const ADDRESSES: u64 = 250;

/// Both ends of a connection.
struct Pair {
    client: TcpStream,
    server: TcpStream,
}

/// One thread's listener, and the connections that it keeps.
pub(super) struct Worker {
    number: u32,
    listener: TcpListener,
    port: u16,
    kept: Vec<Pair>,
}

impl Worker {
    pub(super) fn listen(number: u32) -> io::Result<Self> {
        // All addresses of loopback lead to it, and each has all ports of the other end anew.
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let port = listener.local_addr()?.port();
        Ok(Self {
            number,
            listener,
            port,
            kept: Vec::new(),
        })
    }

    /// Opens connections for requests; returns how many.
    pub(super) fn keep(&mut self) -> io::Result<u64> {
        for _ in 0..KEPT {
            self.kept.push(self.open(Ipv4Addr::LOCALHOST)?);
        }
        Ok(KEPT.into())
    }

    /// Resets them; returns how many.
    pub(super) fn close(&mut self) -> io::Result<u64> {
        let count = self.kept.len() as u64;
        self.kept.drain(..).try_for_each(reset)?;
        Ok(count)
    }

    /// Does so much; returns how many connections or requests that were.
    pub(super) fn load(&self, kind: Kind, amount: Amount) -> io::Result<u64> {
        let start = Instant::now();
        let mut kept = self.kept.iter().cycle();
        let mut done = 0;
        while amount.goes_on(done, start) {
            match kind {
                Kind::Reset => reset(self.open(Ipv4Addr::LOCALHOST)?)?,
                Kind::Orderly => close_in_order(self.open(self.address(done))?)?,
                Kind::Requests => exchange(kept.next().ok_or_else(none_kept)?)?,
            }
            done += 1;
        }
        Ok(done)
    }

    fn open(&self, address: Ipv4Addr) -> io::Result<Pair> {
        let client = TcpStream::connect(SocketAddrV4::new(address, self.port))?;
        let (server, _) = self.listener.accept()?;
        Ok(Pair { client, server })
    }

    /// Another one with each number; each worker has its own.
    fn address(&self, number: u64) -> Ipv4Addr {
        let worker = 1 + (self.number % 250) as u8;
        let one = 1 + (number % ADDRESSES) as u8;
        Ipv4Addr::new(127, worker, 0, one)
    }

    #[cfg(test)]
    pub(super) fn has_nothing_to_accept(&self) -> bool {
        let set = self.listener.set_nonblocking(true);
        let left = self.listener.accept().map_err(|error| error.kind());
        set.is_ok() && left.is_err_and(|kind| kind == io::ErrorKind::WouldBlock)
    }
}

impl Amount {
    fn goes_on(self, done: u64, start: Instant) -> bool {
        match self {
            Self::Count(count) => done < u64::from(count),
            Self::Time(time) => start.elapsed() < time,
        }
    }
}

fn none_kept() -> io::Error {
    io::Error::other("no connection is kept for requests")
}

fn reset(pair: Pair) -> io::Result<()> {
    set_socket_linger(&pair.client, Some(Duration::ZERO))?;
    drop(pair.client);
    drop(pair.server);
    Ok(())
}

/// The client first; the server once it has heard of that.
fn close_in_order(mut pair: Pair) -> io::Result<()> {
    drop(pair.client);
    let read = pair.server.read(&mut [0])?;
    debug_assert_eq!(read, 0, "nobody sent anything");
    drop(pair.server);
    Ok(())
}

fn exchange(pair: &Pair) -> io::Result<()> {
    let (mut client, mut server) = (&pair.client, &pair.server);
    let mut message = MESSAGE;
    client.write_all(&message)?;
    server.read_exact(&mut message)?;
    server.write_all(&message)?;
    client.read_exact(&mut message)
}
