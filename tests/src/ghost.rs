//! A host that is only a script: it has an address on the wire and no kernel, so every segment is sent
//! or kept back as the test wants, and nobody answers for it.
//!
//! # Kernel
//!
//! The ghost's address is nobody's. The server is told that the client has it; the client, which does
//! not forward, drops what comes for it, after a packet socket has seen it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, recv, sendto,
    socket_with, sockopt,
};

use crate::PATIENCE;
use crate::host::Pair;
use crate::netlink;
use crate::segment::{Segment, flag};

/// `ETH_P_IP` in the byte order of the wire.
const IPV4_FRAMES: u32 = 0x0800_u16.to_be() as u32;

/// Where the ghost's own sequence numbers begin.
const FIRST_SEQ: u32 = 1_000_000;

/// How a ghost sends and hears.
#[derive(Debug)]
struct Wire {
    out: OwnedFd,
    incoming: OwnedFd,
}

/// One end of one connection, led by the test.
#[derive(Debug)]
pub struct Ghost {
    wire: Arc<Wire>,
    /// The ghost's end.
    pub local: SocketAddrV4,
    /// The server's end.
    pub remote: SocketAddrV4,
    /// The next sequence number that it sends.
    seq: u32,
    /// The next sequence number that it has not heard.
    heard: u32,
}

impl Ghost {
    /// Makes an end at `local`, which must be one of [`Pair::ghost`]'s addresses, towards the server.
    ///
    /// # Panics
    ///
    /// Panics, naming the step, when the kernel refuses one.
    pub fn new(pair: &Pair, local: SocketAddrV4, remote: SocketAddrV4) -> Self {
        let home = &pair.client;
        pair.server
            .netns
            .run(|| netlink::set_neighbour((*local.ip()).into(), home.mac()))
            .expect("name the ghost as a neighbour");
        let (out, incoming) = home.netns.run(|| {
            let out = socket_with(
                AddressFamily::INET,
                SocketType::RAW,
                SocketFlags::CLOEXEC,
                Some(ipproto::RAW),
            );
            let frames = NonZeroU32::new(IPV4_FRAMES).map(Protocol::from_raw);
            let incoming = socket_with(
                AddressFamily::PACKET,
                SocketType::DGRAM,
                SocketFlags::CLOEXEC,
                frames,
            );
            (
                out.expect("make a raw socket"),
                incoming.expect("make a packet socket"),
            )
        });
        sockopt::set_socket_timeout(&incoming, sockopt::Timeout::Recv, Some(PATIENCE))
            .expect("bound the waiting");
        Self {
            wire: Arc::new(Wire { out, incoming }),
            local,
            remote,
            seq: FIRST_SEQ,
            heard: 0,
        }
    }

    /// Makes another end at the same address, at another port. Only one of them can hear at a time.
    pub fn sibling(&self, port: u16) -> Self {
        Self {
            wire: Arc::clone(&self.wire),
            local: SocketAddrV4::new(*self.local.ip(), port),
            remote: self.remote,
            seq: FIRST_SEQ,
            heard: 0,
        }
    }

    /// Sends the next segment.
    pub fn send(&mut self, flags: u8, data: &[u8]) {
        let sent = self.send_at(self.seq, flags, data);
        self.seq = sent.next_seq();
    }

    /// Sends a segment from somewhere in the sequence, again or early.
    ///
    /// # Panics
    ///
    /// Panics when the kernel refuses.
    pub fn send_at(&self, seq: u32, flags: u8, data: &[u8]) -> Segment {
        let acknowledges = flags & flag::ACK != 0;
        let segment = Segment {
            from: self.local,
            to: self.remote,
            seq,
            ack: if acknowledges { self.heard } else { 0 },
            flags,
            data: data.to_vec(),
        };
        let packet = segment.to_packet();
        let to = SocketAddrV4::new(*self.remote.ip(), 0);
        let sent = sendto(&self.wire.out, &packet, SendFlags::empty(), &to).expect("send a packet");
        assert_eq!(sent, packet.len(), "a short packet");
        segment
    }

    /// Returns the next sequence number that it sends.
    pub fn next_seq(&self) -> u32 {
        self.seq
    }

    /// Waits for a segment of the server's with exactly these control bits, and takes all until it.
    ///
    /// # Panics
    ///
    /// Panics when it does not come.
    pub fn hear(&mut self, flags: u8) -> Segment {
        const SHOWN: u8 = flag::FIN | flag::SYN | flag::RST | flag::ACK;
        let mut packet = [0; 2048];
        loop {
            let got = recv(&self.wire.incoming, &mut packet[..], RecvFlags::empty());
            let (_, len) = got.unwrap_or_else(|error| panic!("hear {flags:#x}: {error}"));
            let Some(segment) = Segment::from_packet(&packet[..len]) else {
                continue;
            };
            if (segment.from, segment.to) != (self.remote, self.local) {
                continue;
            }
            self.heard = segment.next_seq();
            if segment.flags & SHOWN == flags {
                return segment;
            }
        }
    }

    /// Connects, all three segments of it.
    pub fn connect(&mut self) {
        self.send(flag::SYN, b"");
        self.hear(flag::SYN | flag::ACK);
        self.send(flag::ACK, b"");
    }
}

impl Pair {
    /// Returns an address on the wire that is no host's, one of a hundred.
    ///
    /// # Panics
    ///
    /// Panics for a number that is not below a hundred.
    pub fn ghost(&self, number: u8) -> Ipv4Addr {
        assert!(number < 100, "a hundred ghosts at most");
        let [a, b, c, _] = self.client.ipv4.octets();
        Ipv4Addr::new(a, b, c, 100 + number)
    }
}
