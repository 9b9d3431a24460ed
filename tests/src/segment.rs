//! One TCP segment in one IPv4 packet, as RFC 791 and RFC 9293 write it.
//!
//! **Never:** options; the kernel does without.

use std::net::{Ipv4Addr, SocketAddrV4};

/// The control bits.
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// A connection begins.
    pub const SYN: u8 = 0x02;
    /// The connection is over at once.
    pub const RST: u8 = 0x04;
    /// The acknowledgement number means something.
    pub const ACK: u8 = 0x10;
}

const IP_HEADER: usize = 20;
const TCP_HEADER: usize = 20;
/// A header of five words, in the upper half of its byte.
const DATA_OFFSET: u8 = 5 << 4;
const PROTOCOL_TCP: u8 = 6;

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Sender.
    pub from: SocketAddrV4,
    /// Receiver.
    pub to: SocketAddrV4,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; zero without [`flag::ACK`].
    pub ack: u32,
    /// Bits of [`flag`].
    pub flags: u8,
    /// Data.
    pub data: Vec<u8>,
}

impl Segment {
    /// Returns the sequence number behind it.
    pub fn next_seq(&self) -> u32 {
        let len = u32::try_from(self.data.len()).expect("a short segment");
        let bits = [flag::SYN, flag::FIN].map(|bit| u32::from(self.flags & bit != 0));
        self.seq.wrapping_add(len + bits[0] + bits[1])
    }

    /// Writes the packet. The kernel fills in the IP checksum.
    pub fn to_packet(&self) -> Vec<u8> {
        let total =
            u16::try_from(IP_HEADER + TCP_HEADER + self.data.len()).expect("a short packet");
        let mut packet = vec![0x45, 0];
        packet.extend(total.to_be_bytes());
        // Number 0: the kernel chooses one. Not to be fragmented; 64 hops; no checksum yet.
        packet.extend([0, 0, 0x40, 0, 64, PROTOCOL_TCP, 0, 0]);
        packet.extend(self.from.ip().octets());
        packet.extend(self.to.ip().octets());

        packet.extend(self.from.port().to_be_bytes());
        packet.extend(self.to.port().to_be_bytes());
        packet.extend(self.seq.to_be_bytes());
        packet.extend(self.ack.to_be_bytes());
        packet.extend([DATA_OFFSET, self.flags]);
        packet.extend(u16::MAX.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(&self.data);
        let checksum = self.checksum(&packet[IP_HEADER..]);
        packet[IP_HEADER + 16..][..2].copy_from_slice(&checksum.to_be_bytes());
        packet
    }

    /// The checksum over the segment and the pseudo header.
    fn checksum(&self, tcp: &[u8]) -> u16 {
        let len = u16::try_from(tcp.len()).expect("a short segment");
        let mut bytes = [self.from.ip().octets(), self.to.ip().octets()].concat();
        bytes.extend([0, PROTOCOL_TCP]);
        bytes.extend(len.to_be_bytes());
        bytes.extend(tcp);
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        let words = bytes.chunks_exact(2);
        let mut sum: u32 = words
            .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
            .sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::try_from(sum).expect("folded")
    }

    /// Reads a packet; `None` where it is not TCP or not whole.
    pub fn from_packet(packet: &[u8]) -> Option<Self> {
        let header = usize::from(packet.first()? & 0x0f) * 4;
        let total = usize::from(u16::from_be_bytes(*packet.get(2..)?.first_chunk()?));
        if *packet.get(9)? != PROTOCOL_TCP {
            return None;
        }
        let addr = |at: usize| {
            packet
                .get(at..)?
                .first_chunk::<4>()
                .map(|&ip| Ipv4Addr::from(ip))
        };
        let (from, to) = (addr(12)?, addr(16)?);
        let tcp = packet.get(header..total)?;
        let word = |at: usize| {
            tcp.get(at..)?
                .first_chunk()
                .map(|&bytes| u16::from_be_bytes(bytes))
        };
        let long = |at: usize| {
            tcp.get(at..)?
                .first_chunk()
                .map(|&bytes| u32::from_be_bytes(bytes))
        };
        Some(Self {
            from: SocketAddrV4::new(from, word(0)?),
            to: SocketAddrV4::new(to, word(2)?),
            seq: long(4)?,
            ack: long(8)?,
            flags: *tcp.get(13)?,
            data: tcp.get(usize::from(tcp.get(12)? >> 4) * 4..)?.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment() -> Segment {
        Segment {
            from: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 40000),
            to: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80),
            seq: u32::MAX,
            ack: 7,
            flags: flag::FIN | flag::ACK,
            data: b"odd".to_vec(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let segment = segment();
        let packet = segment.to_packet();
        assert_eq!(Segment::from_packet(&packet), Some(segment.clone()));
        assert_eq!(
            segment.next_seq(),
            3,
            "three bytes and the FIN, past the end of the numbers"
        );
        for len in 0..packet.len() {
            assert_eq!(
                Segment::from_packet(&packet[..len]),
                None,
                "{len} bytes of it"
            );
        }
    }

    #[test]
    fn the_checksum_of_what_holds_its_checksum_is_zero() {
        let packet = segment().to_packet();
        assert_eq!(segment().checksum(&packet[IP_HEADER..]), 0);
    }
}
