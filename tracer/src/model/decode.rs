//! The border: bytes from the kernel become a [`StateChange`], or an error that names the byte.
//!
//! **Owns:** the only reading of [`tracer_ebpf::StateChangeRecord`]'s layout.
//! **Never:** a panic, whatever the bytes; a guess, whatever is missing.

use std::mem::offset_of;

use thiserror::Error;
use tracer_ebpf::{KIND_STATE_CHANGE, STATE_CHANGE_SIZE, StateChangeRecord as Record, known};

use super::event::{Comm, ShownTuple};
use super::{CloseError, Family, MonoNs, Socket, StateChange, Task, TcpState};
use crate::model::endpoint::address_from_bytes;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const IPPROTO_TCP: u16 = 6;

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Fewer or more bytes than a record has.
    #[error("a record of {found} bytes, expected {STATE_CHANGE_SIZE}")]
    Length {
        /// Bytes that there were.
        found: usize,
    },
    /// A field holds what it cannot hold.
    #[error("field `{field}` at byte {offset} holds {value}, which no record can")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// Where it starts in the record.
        offset: usize,
        /// What it holds.
        value: u64,
    },
}

/// Reads a field of the record at the offset that the layout gives it.
macro_rules! field {
    ($bytes:expr, $name:ident : $type:ty) => {{
        let mut raw = [0; size_of::<$type>()];
        raw.copy_from_slice(&$bytes[offset_of!(Record, $name)..][..size_of::<$type>()]);
        <$type>::from_ne_bytes(raw)
    }};
}

macro_rules! refuse {
    ($name:ident, $value:expr) => {
        return Err(DecodeError::Field {
            field: stringify!($name),
            offset: offset_of!(Record, $name),
            value: u64::from($value),
        })
    };
}

/// Decodes one record.
///
/// # Errors
///
/// Any number of bytes but a record's, a kind, size, family or protocol that the kernel side does
/// not write, and a reserved field that is not zero.
pub fn decode(bytes: &[u8]) -> Result<StateChange, DecodeError> {
    // The one length check that makes every slice below lie inside.
    let bytes: &[u8; STATE_CHANGE_SIZE] = bytes
        .try_into()
        .map_err(|_| DecodeError::Length { found: bytes.len() })?;

    let kind = field!(bytes, kind: u16);
    if kind != KIND_STATE_CHANGE {
        refuse!(kind, kind);
    }
    let size = field!(bytes, size: u16);
    if usize::from(size) != STATE_CHANGE_SIZE {
        refuse!(size, size);
    }
    let protocol = field!(bytes, protocol: u16);
    if protocol != IPPROTO_TCP {
        refuse!(protocol, protocol);
    }
    let reserved = field!(bytes, reserved: u16);
    if reserved != 0 {
        refuse!(reserved, reserved);
    }
    let socket_family = match field!(bytes, family: u16) {
        AF_INET => Family::Ipv4,
        AF_INET6 => Family::Ipv6,
        other => refuse!(family, other),
    };

    let flags = field!(bytes, known: u32);
    let has = |flag: u32| flags & flag != 0;
    Ok(StateChange {
        at: MonoNs(field!(bytes, mono_ns: u64)),
        cpu: field!(bytes, cpu: u32),
        socket: Socket(field!(bytes, socket: u64)),
        cookie: has(known::COOKIE).then(|| field!(bytes, cookie: u64)),
        from: TcpState::from_kernel(field!(bytes, old_state: u16)),
        to: TcpState::from_kernel(field!(bytes, new_state: u16)),
        socket_family,
        shown: ShownTuple {
            local_addr: address_from_bytes(
                socket_family,
                sixteen(bytes, offset_of!(Record, local_addr)),
            ),
            local_port: field!(bytes, local_port: u16),
            remote_addr: address_from_bytes(
                socket_family,
                sixteen(bytes, offset_of!(Record, remote_addr)),
            ),
            remote_port: field!(bytes, remote_port: u16),
        },
        bound_port: has(known::BOUND_PORT).then(|| field!(bytes, bound_port: u16)),
        netns: has(known::NETNS).then(|| field!(bytes, netns: u32)),
        cgroup: has(known::CGROUP).then(|| field!(bytes, cgroup: u64)),
        uid: has(known::UID).then(|| field!(bytes, uid: u32)),
        error: has(known::ERROR).then(|| CloseError(field!(bytes, error: u32))),
        task: Task {
            pid: field!(bytes, tgid: u32),
            tid: field!(bytes, tid: u32),
            comm: Comm(sixteen(bytes, offset_of!(Record, comm))),
        },
        task_holds_socket: has(known::LOCK_OWNER).then(|| has(known::HOLDS_SOCKET)),
    })
}

fn sixteen(bytes: &[u8; STATE_CHANGE_SIZE], offset: usize) -> [u8; 16] {
    let mut raw = [0; 16];
    raw.copy_from_slice(&bytes[offset..][..16]);
    raw
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    /// A record of the first change of a connect, byte for byte as a 6.18 kernel gave it, but for
    /// the socket's address.
    #[cfg(target_endian = "little")]
    const GOLDEN: [u8; STATE_CHANGE_SIZE] = [
        0x01, 0x00, 0x80, 0x00, // kind, size
        0x01, 0x00, 0x00, 0x00, // cpu
        0x4e, 0x61, 0xbc, 0x00, 0xe8, 0x03, 0x00, 0x00, // mono_ns
        0x00, 0x11, 0x22, 0x33, 0x81, 0x88, 0xff, 0xff, // socket
        0x2a, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // cookie
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // cgroup
        0x7f, 0x00, 0x00, 0x80, // known
        0x98, 0x00, 0x00, 0xf0, // netns
        0xe8, 0x03, 0x00, 0x00, // uid
        0x46, 0x21, 0x00, 0x00, // tgid
        0x47, 0x21, 0x00, 0x00, // tid
        0x00, 0x00, 0x00, 0x00, // error
        0x07, 0x00, 0x02, 0x00, // old_state, new_state
        0x02, 0x00, 0x06, 0x00, // family, protocol
        0x00, 0x00, 0xbb, 0x01, // local_port, remote_port
        0x00, 0x00, 0x00, 0x00, // bound_port, reserved
        10, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // local_addr
        93, 184, 216, 34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // remote_addr
        b'c', b'u', b'r', b'l', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // comm
    ];

    #[test]
    #[cfg(target_endian = "little")]
    fn a_record_is_read_as_it_was_written() {
        let change = decode(&GOLDEN).expect("a whole record");
        assert_eq!(change.at, MonoNs(0x03e8_00bc_614e));
        assert_eq!(change.cpu, 1);
        assert_eq!(change.socket, Socket(0xffff_8881_3322_1100));
        assert_eq!(change.cookie, Some(0x102a));
        assert_eq!(
            (change.from, change.to),
            (TcpState::Close, TcpState::SynSent)
        );
        assert_eq!(change.shown.remote_addr, IpAddr::from([93, 184, 216, 34]));
        assert_eq!(
            (change.shown.local_port, change.shown.remote_port),
            (0, 443)
        );
        assert_eq!(change.bound_port, Some(0));
        assert_eq!(change.netns, Some(0xf000_0098));
        assert_eq!((change.cgroup, change.uid), (Some(1), Some(1000)));
        assert_eq!(change.error, Some(CloseError(0)));
        assert_eq!((change.task.pid, change.task.tid), (8518, 8519));
        assert_eq!(change.task.comm.to_string(), "curl");
        assert_eq!(change.task_holds_socket, Some(true));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn what_is_not_known_is_not_read() {
        let mut bytes = GOLDEN;
        bytes[offset_of!(Record, known)..][..4].fill(0);
        let change = decode(&bytes).expect("a whole record");
        assert_eq!(
            (change.cookie, change.netns, change.cgroup),
            (None, None, None)
        );
        assert_eq!(
            (change.uid, change.error, change.bound_port),
            (None, None, None)
        );
        assert_eq!(
            change.task_holds_socket, None,
            "the answer alone says nothing"
        );
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn every_other_length_is_refused() {
        for len in 0..STATE_CHANGE_SIZE {
            assert_eq!(
                decode(&GOLDEN[..len]),
                Err(DecodeError::Length { found: len })
            );
        }
        let longer = [&GOLDEN[..], &[0]].concat();
        assert_eq!(decode(&longer), Err(DecodeError::Length { found: 129 }));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_field_that_holds_what_it_cannot_is_named() {
        let broken = |offset: usize, value: u16| {
            let mut bytes = GOLDEN;
            bytes[offset..][..2].copy_from_slice(&value.to_ne_bytes());
            decode(&bytes).expect_err("it is broken").to_string()
        };
        assert!(broken(0, 9).contains("`kind` at byte 0 holds 9"));
        assert!(broken(2, 64).contains("`size` at byte 2 holds 64"));
        assert!(broken(68, 1).contains("`family` at byte 68 holds 1"));
        assert!(
            broken(70, 132).contains("`protocol` at byte 70 holds 132"),
            "SCTP has other states"
        );
        assert!(broken(78, 1).contains("`reserved` at byte 78 holds 1"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }

        #[test]
        #[cfg(target_endian = "little")]
        fn no_change_to_a_record_makes_it_or_its_reading_panic(
            at in 0..STATE_CHANGE_SIZE,
            byte: u8,
        ) {
            let mut bytes = GOLDEN;
            bytes[at] = byte;
            if let Ok(change) = decode(&bytes) {
                let _ = (change.tuple(), change.task.comm.to_string(), change.to.to_string());
            }
        }
    }
}
