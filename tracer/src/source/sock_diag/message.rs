//! One socket as `sock_diag` tells it, and the requests that ask for it or for many.

use std::net::IpAddr;

use netlink_packet_core::{
    DecodeError, Emitable, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NlasIterator, Parseable,
};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, INET_DIAG_SHUTDOWN, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::{
    ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags,
};

use crate::model::{Endpoint, Existing, Family, Found, MonoNs, Question, TcpState, Tuple};

/// `idiag_timer` of a timewait socket.
const TIMER_TIMEWAIT: u8 = 3;
/// Where `struct inet_diag_msg` has `idiag_timer` and `idiag_expires`. The parser of the header
/// leaves out the latter for timewait sockets.
const TIMER_AT: usize = 2;
const EXPIRES_AT: usize = 52;
/// The attribute that carries a filter's program (`INET_DIAG_REQ_BYTECODE`).
const BYTECODE: u16 = 1;

/// What of the sockets of a namespace is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All.
    All,
    /// Timewait sockets that are bound to a network interface.
    BoundTimewait,
}

/// One socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sock {
    pub(super) cookie: u64,
    pub(super) state: TcpState,
    /// Whether it is neither a timewait nor a request socket.
    pub(super) full_socket: bool,
    pub(super) tuple: Tuple,
    /// Index of the network interface that it is bound to, or zero.
    pub(super) interface: u32,
    pub(super) uid: Option<u32>,
    /// Inode number of the file behind it, unique among all sockets of the kernel; one that is closed, or
    /// not accepted yet, has none.
    pub(super) inode: Option<u32>,
    pub(super) left_ns: Option<u64>,
}

impl Sock {
    /// Reads one socket.
    ///
    /// # Kernel
    ///
    /// `inet_diag_msg_attrs_fill` attaches INET_DIAG_SHUTDOWN to every full socket, asked for or not
    /// (since Linux 3.8); a timewait and a request socket never have it. State, timer and inode
    /// number do not tell these apart: a request socket looks like a full SYN_RECV one that
    /// retransmits and was not accepted, and FIN_WAIT2 may be held by either kind.
    ///
    /// The owner is asked of the file behind the socket. Where there is none (inode number 0:
    /// closed, or not accepted yet), kernels before 6.16 answer root.
    ///
    /// `inet_twsk_diag_fill` tells how many ticks are left until the time that the timer is set
    /// for, in whole milliseconds, and zero from then on until the timer runs out.
    pub(super) fn read(payload: &[u8]) -> Result<Self, DecodeError> {
        let header = InetResponseHeader::parse(payload)?;
        let mut full_socket = false;
        for attribute in NlasIterator::new(payload.get(header.buffer_len()..).unwrap_or_default()) {
            full_socket |= attribute?.kind() == INET_DIAG_SHUTDOWN;
        }

        let id = &header.socket_id;
        let state = TcpState::from_kernel(u16::from(header.state));
        let nonzero = |port: u16| (port != 0).then_some(port);
        let remote = match state {
            TcpState::Listen => Endpoint::default(),
            _ => Endpoint::new(Some(id.destination_address), nonzero(id.destination_port)),
        };
        let expires = payload.get(EXPIRES_AT..).and_then(<[u8]>::first_chunk);
        let is_timewait = payload.get(TIMER_AT) == Some(&TIMER_TIMEWAIT);
        Ok(Self {
            cookie: cookie(id.cookie),
            state,
            full_socket,
            tuple: Tuple {
                local: Endpoint::new(Some(id.source_address), nonzero(id.source_port)),
                remote,
            },
            interface: id.interface_id,
            uid: (full_socket && header.inode != 0).then_some(header.uid),
            inode: (header.inode != 0).then_some(header.inode),
            left_ns: expires
                .filter(|_| is_timewait)
                .map(|&ms| u64::from(u32::from_ne_bytes(ms)) * 1_000_000),
        })
    }

    pub(super) fn found(&self) -> Found {
        Found {
            state: self.state,
            left_ns: self.left_ns,
            interface: self.interface,
        }
    }

    pub(super) fn existing(self, at: MonoNs, netns: u32) -> Existing {
        Existing {
            at,
            cookie: self.cookie,
            state: self.state,
            full_socket: self.full_socket,
            tuple: self.tuple,
            netns,
            uid: self.uid,
            holder: None,
            left_ns: self.left_ns,
            age_ns: None,
        }
    }
}

/// Returns the bytes that ask for many sockets of a family.
///
/// # Kernel
///
/// A program of `struct inet_diag_bc_op` decides on each socket (`inet_diag_bc_run`). One that it
/// leads just behind its last instruction is wanted; one that jumps farther is not.
pub(super) fn request_many(family: Family, wanted: Wanted, sequence: u32) -> Vec<u8> {
    let socket_id = match family {
        Family::Ipv4 => SocketId::new_v4(),
        Family::Ipv6 => SocketId::new_v6(),
    };
    let (states, program) = match wanted {
        Wanted::All => (StateFlags::all(), Vec::new()),
        Wanted::BoundTimewait => (
            StateFlags::FIN_WAIT2 | StateFlags::TIME_WAIT,
            is_bound_to_an_interface(),
        ),
    };
    let flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut bytes = request(family, states, socket_id, flags, sequence);
    if !program.is_empty() {
        bytes.extend((4 + program.len() as u16).to_ne_bytes());
        bytes.extend(BYTECODE.to_ne_bytes());
        bytes.extend(program);
        let length = bytes.len() as u32;
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
    }
    bytes
}

/// A filter's program: those that are bound to an interface.
fn is_bound_to_an_interface() -> Vec<u8> {
    const JUMP: u8 = 1;
    const INTERFACE_IS: u8 = 9;
    // Code, how far to go if so, how far if not.
    let op = |code: u8, yes: u8, no: u16| {
        let [a, b] = no.to_ne_bytes();
        [code, yes, a, b]
    };
    let (none, end) = (0_u32, 12);
    [
        op(INTERFACE_IS, 8, end),
        none.to_ne_bytes(),
        // From its place at byte 8, farther than to the end.
        op(JUMP, 4, 8),
    ]
    .concat()
}

/// Returns the bytes that ask for one socket; `None` if an end is not known, or if the two are of
/// different families.
///
/// # Kernel
///
/// `inet_diag_find_one_icsk` looks established and timewait sockets up by their ends, and then
/// listeners; the cookie is compared afterwards, and whichever of it fails, the answer is ENOENT.
/// An IPv4 connection is found by its IPv4 ends whichever family its socket is of: the look-up
/// compares the IPv4 fields, which an AF_INET6 socket has too. A socket that is bound to an interface
/// is found only if that is named; one that is not bound is found whatever is named.
pub(super) fn request_one(question: &Question, sequence: u32) -> Option<Vec<u8>> {
    let Tuple { local, remote } = question.tuple;
    let (source_address, destination_address) = (local.addr?, remote.addr?);
    let family = match (source_address, destination_address) {
        (IpAddr::V4(_), IpAddr::V4(_)) => Family::Ipv4,
        (IpAddr::V6(_), IpAddr::V6(_)) => Family::Ipv6,
        _ => return None,
    };
    let socket_id = SocketId {
        source_port: local.port?,
        destination_port: remote.port?,
        source_address,
        destination_address,
        interface_id: question.interface.unwrap_or(0),
        cookie: cookie_bytes(question.cookie),
    };
    let states = StateFlags::all();
    Some(request(family, states, socket_id, NLM_F_REQUEST, sequence))
}

fn request(
    family: Family,
    states: StateFlags,
    socket_id: SocketId,
    flags: u16,
    sequence: u32,
) -> Vec<u8> {
    let mut message = NetlinkMessage::from(SockDiagMessage::InetRequest(InetRequest {
        family: match family {
            Family::Ipv4 => AF_INET,
            Family::Ipv6 => AF_INET6,
        },
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states,
        socket_id,
    }));
    message.header.flags = flags;
    message.header.sequence_number = sequence;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Puts a cookie together: two words, the lower one first, each in this machine's byte order.
fn cookie([a, b, c, d, e, f, g, h]: [u8; 8]) -> u64 {
    let low = u32::from_ne_bytes([a, b, c, d]);
    let high = u32::from_ne_bytes([e, f, g, h]);
    u64::from(high) << 32 | u64::from(low)
}

/// Takes a cookie apart in the same way.
fn cookie_bytes(cookie: u64) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&(cookie as u32).to_ne_bytes());
    bytes[4..].copy_from_slice(&((cookie >> 32) as u32).to_ne_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_its_two_words() {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&0x89ab_cdef_u32.to_ne_bytes());
        bytes[4..].copy_from_slice(&0x0123_4567_u32.to_ne_bytes());
        assert_eq!(cookie(bytes), 0x0123_4567_89ab_cdef);
        assert_eq!(cookie_bytes(0x0123_4567_89ab_cdef), bytes);
    }

    #[test]
    fn what_is_not_known_whole_is_not_asked() {
        let whole = Question {
            netns: 1,
            tuple: Tuple {
                local: Endpoint::new(Some([10, 0, 0, 5].into()), Some(40_112)),
                remote: Endpoint::new(Some([10, 0, 0, 9].into()), Some(443)),
            },
            cookie: 7,
            interface: None,
        };
        assert!(request_one(&whole, 1).is_some());
        for end in [
            Endpoint::default(),
            Endpoint::new(Some([10, 0, 0, 9].into()), None),
            Endpoint::new(Some(IpAddr::V6([1; 16].into())), Some(443)),
        ] {
            let mut partial = whole;
            partial.tuple.remote = end;
            assert_eq!(request_one(&partial, 1), None, "{end}");
        }
    }
}
