//! The reading of dumps, on messages put together here.

use std::net::IpAddr;

use netlink_packet_core::Emitable;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, INET_DIAG_SHUTDOWN};
use netlink_packet_sock_diag::inet::{InetResponseHeader, SocketId, Timer};

use super::*;
use crate::model::{Endpoint, TcpState};

/// A socket as the kernel would send it.
struct Sent {
    family: u8,
    state: u8,
    timer: Option<Timer>,
    inode: u32,
    local: (&'static str, u16),
    remote: (&'static str, u16),
    attributes: &'static [u16],
    /// Milliseconds, of a timewait socket.
    expires: u32,
}

impl Default for Sent {
    fn default() -> Self {
        Self {
            family: AF_INET,
            state: 1,
            timer: None,
            inode: 12_345,
            local: ("10.0.0.5", 40_112),
            remote: ("10.0.0.9", 443),
            attributes: &[INET_DIAG_SHUTDOWN],
            expires: 0,
        }
    }
}

impl Sent {
    fn bytes(&self) -> Vec<u8> {
        let addr = |text: &str| -> IpAddr { text.parse().expect("an address") };
        let header = InetResponseHeader {
            family: self.family,
            state: self.state,
            timer: self.timer.clone(),
            socket_id: SocketId {
                source_port: self.local.1,
                destination_port: self.remote.1,
                source_address: addr(self.local.0),
                destination_address: addr(self.remote.0),
                interface_id: 0,
                cookie: [0xff; 8],
            },
            recv_queue: 0,
            send_queue: 0,
            uid: 1000,
            inode: self.inode,
        };
        let mut payload = vec![0; header.buffer_len()];
        header.emit(&mut payload);
        if self.timer == Some(Timer::TimeWait) {
            // The last of the header but for four more words; the crate writes zero.
            payload[52..56].copy_from_slice(&self.expires.to_ne_bytes());
        }
        for kind in self.attributes {
            // Five bytes of attribute, and three to the next.
            payload.extend(5_u16.to_ne_bytes());
            payload.extend(kind.to_ne_bytes());
            payload.extend([3, 0, 0, 0]);
        }
        message(SOCK_DIAG_BY_FAMILY, 0, &payload)
    }

    fn read(&self) -> Sock {
        let mut listed = Listed::default();
        let done = read_datagram(&self.bytes(), &mut listed).expect("a socket");
        assert!(!done);
        assert_eq!(listed.sockets.len(), 1);
        listed.sockets.remove(0)
    }
}

fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + payload.len()).expect("a short message");
    let mut bytes = Vec::new();
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(SEQUENCE.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend(payload);
    bytes
}

fn done(code: i32) -> Vec<u8> {
    message(NLMSG_DONE, 0, &code.to_ne_bytes())
}

#[test]
fn a_full_socket_is_told_from_its_lighter_kin() {
    let syn_recv = Sent {
        state: 3,
        timer: Some(Timer::Retransmit(std::time::Duration::from_secs(1), 0)),
        inode: 0,
        ..Sent::default()
    };
    let found = syn_recv.read();
    assert_eq!((found.state, found.full_socket), (TcpState::SynRecv, true));

    // 15 is the mark, which root is told of every kind.
    let request = Sent {
        attributes: &[15],
        ..syn_recv
    };
    let found = request.read();
    assert_eq!((found.state, found.full_socket), (TcpState::SynRecv, false));

    let orphan = Sent {
        state: 5,
        timer: Some(Timer::TimeWait),
        inode: 0,
        attributes: &[],
        ..Sent::default()
    };
    let found = orphan.read();
    assert_eq!(
        (found.state, found.full_socket),
        (TcpState::FinWait2, false)
    );
    assert_eq!(found.uid, None);
}

#[test]
fn only_a_timewait_socket_tells_how_long_it_has_left() {
    let timewait = Sent {
        state: 6,
        timer: Some(Timer::TimeWait),
        attributes: &[],
        expires: 59_980,
        ..Sent::default()
    };
    assert_eq!(timewait.read().left_ns, Some(59_980_000_000));
    let overdue = Sent {
        expires: 0,
        ..timewait
    };
    assert_eq!(overdue.read().left_ns, Some(0));
    let keepalive = Timer::KeepAlive(std::time::Duration::from_secs(7));
    let full = Sent {
        timer: Some(keepalive),
        ..Sent::default()
    };
    assert_eq!(full.read().left_ns, None);
}

#[test]
fn an_owner_is_only_told_where_there_is_one() {
    assert_eq!(Sent::default().read().uid, Some(1000));
    let closed = Sent {
        inode: 0,
        ..Sent::default()
    };
    assert_eq!(closed.read().uid, None);
}

#[test]
fn a_listener_has_no_remote_end_and_keeps_its_wildcard() {
    let listener = Sent {
        family: AF_INET6,
        state: 10,
        local: ("::", 80),
        remote: ("::", 0),
        ..Sent::default()
    };
    let tuple = listener.read().tuple;
    assert_eq!(tuple.local.to_string(), "[::]:80");
    assert_eq!(tuple.remote, Endpoint::default());
}

#[test]
fn ipv4_through_an_ipv6_socket_is_ipv4() {
    let mapped = Sent {
        family: AF_INET6,
        local: ("::ffff:10.0.0.5", 80),
        remote: ("::ffff:10.0.0.9", 5000),
        ..Sent::default()
    };
    let tuple = mapped.read().tuple;
    assert_eq!(tuple.local.to_string(), "10.0.0.5:80");
    assert_eq!(tuple.remote.to_string(), "10.0.0.9:5000");
}

#[test]
fn a_missing_module_is_told_from_a_refusal() {
    let no_entry = -Errno::NOENT.raw_os_error();
    let refused = -Errno::PERM.raw_os_error();
    for (bytes, lacking) in [
        (done(no_entry), true),
        (message(NLMSG_ERROR, 0, &no_entry.to_ne_bytes()), true),
        (done(refused), false),
        (message(NLMSG_ERROR, 0, &refused.to_ne_bytes()), false),
        (done(i32::MIN), false),
    ] {
        let error = read_datagram(&bytes, &mut Listed::default()).expect_err("an error");
        assert_eq!(
            matches!(error, DumpError::Lacking { .. }),
            lacking,
            "{error}"
        );
    }
}

#[test]
fn an_interrupted_dump_says_so() {
    let mut listed = Listed::default();
    let bytes = message(NLMSG_DONE, NLM_F_DUMP_INTR, &0_i32.to_ne_bytes());
    assert!(read_datagram(&bytes, &mut listed).expect("an end"));
    assert!(listed.interrupted);
}

#[test]
fn an_answer_to_somebody_else_is_not_ours() {
    let mut bytes = Sent::default().bytes();
    bytes[8..12].copy_from_slice(&(SEQUENCE + 1).to_ne_bytes());
    let mut listed = Listed::default();
    assert!(!read_datagram(&bytes, &mut listed).expect("nothing"));
    assert_eq!(listed.sockets, []);
}

#[test]
fn a_cut_datagram_is_never_taken_for_a_whole_one() {
    let mut whole = Sent::default().bytes();
    let first = whole.len();
    whole.extend(done(0));
    for length in 1..whole.len() {
        let mut listed = Listed::default();
        let result = read_datagram(&whole[..length], &mut listed);
        if length == first {
            assert!(matches!(result, Ok(false)), "{length}: {result:?}");
        } else {
            assert!(
                matches!(result, Err(DumpError::Malformed { .. })),
                "{length}: {result:?}"
            );
        }
        assert_eq!(
            listed.sockets.len(),
            usize::from(length >= first),
            "{length}"
        );
    }
}

#[test]
fn no_byte_makes_the_reading_panic() {
    let mut whole = Sent::default().bytes();
    whole.extend(done(0));
    for position in 0..whole.len() {
        for value in [0x00, 0x01, 0x03, 0x7f, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[position] = value;
            let mut listed = Listed::default();
            // An error or not: what counts is that it returns.
            drop(read_datagram(&bytes, &mut listed));
            assert!(listed.sockets.len() <= 1);
        }
    }
}
