//! The border: bytes from the kernel become an [`Event`], or an error that names the byte.
//!
//! **Owns:** the only reading of the records' layouts in [`tracer_ebpf`].
//! **Never:** a panic, whatever the bytes; a guess, whatever is missing.

use std::mem::offset_of;

use thiserror::Error;
use tracer_ebpf::{
    KIND_PROCESS, KIND_REQUEST, KIND_SEGMENT, KIND_STATE_CHANGE, KIND_TIMEWAIT, KIND_TRAFFIC,
    KIND_USE, STATE_CHANGE_SIZE, StateChangeRecord as Record, known,
};

use super::event::{Comm, ShownTuple};
use super::{CloseError, Event, Family, MonoNs, Socket, StateChange, Task, TcpState};
use crate::model::endpoint::address_from_bytes;

pub use batch::{Batch, Taker};
pub use rewrite::{Named, rewrite};
pub(crate) use rows::Rows;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const IPPROTO_TCP: u16 = 6;

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Fewer or more bytes than a record has.
    #[error("a record of {found} bytes, expected {expected}")]
    Length {
        /// Bytes that there were.
        found: usize,
        /// Bytes that a record of its kind has.
        expected: usize,
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

/// Returns an error that names the field and what it holds.
macro_rules! refuse {
    ($name:ident, $value:expr) => {
        return Err(DecodeError::Field {
            field: stringify!($name),
            offset: offset_of!(Record, $name),
            value: u64::from($value),
        })
    };
}

// Behind the macros, which it uses.
mod batch;
mod between;
mod minisock;
mod process;
mod rewrite;
mod rows;
mod traffic;

/// Decodes one record.
///
/// # Errors
///
/// Any number of bytes but a record's, a kind, size, family or protocol that the kernel side does
/// not write, and a reserved field that is not zero.
pub fn decode(bytes: &[u8]) -> Result<Event, DecodeError> {
    // Each makes the whole event, so that it is written once, where it is to be.
    let kind = bytes.first_chunk().copied().map(u16::from_ne_bytes);
    match kind {
        Some(KIND_TIMEWAIT) => minisock::timewait(whole(bytes)?),
        Some(KIND_REQUEST) => minisock::request(whole(bytes)?),
        Some(KIND_PROCESS) => process::process(whole(bytes)?),
        Some(KIND_USE) => between::used(whole(bytes)?),
        Some(KIND_SEGMENT) => between::segment(whole(bytes)?),
        Some(KIND_TRAFFIC) => traffic::traffic(whole(bytes)?),
        _ => state_change(whole(bytes)?),
    }
}

/// Returns whether a record tells of no change of a state; false of one that is too short to say.
pub fn is_beside(record: &[u8]) -> bool {
    let kind = record.first_chunk().copied().map(u16::from_ne_bytes);
    kind.is_some_and(tracer_ebpf::is_beside)
}

/// Returns of which socket a record is, where it says so; else whatever stands there.
fn socket_of(record: &[u8]) -> Option<Socket> {
    let (_, socket) = record.split_at_checked(offset_of!(Record, socket))?;
    let socket = socket.first_chunk().copied()?;
    Some(Socket(u64::from_ne_bytes(socket)))
}

/// The one length check that makes every slice of a record lie inside.
fn whole<const SIZE: usize>(bytes: &[u8]) -> Result<&[u8; SIZE], DecodeError> {
    bytes.try_into().map_err(|_| DecodeError::Length {
        found: bytes.len(),
        expected: SIZE,
    })
}

fn state_change(bytes: &[u8; STATE_CHANGE_SIZE]) -> Result<Event, DecodeError> {
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
    let Some(socket_family) = family(field!(bytes, family: u16)) else {
        refuse!(family, field!(bytes, family: u16));
    };

    let flags = field!(bytes, known: u32);
    let has = |flag: u32| flags & flag != 0;
    let incarnation = field!(bytes, incarnation: u16);
    if incarnation != 0 && !has(known::INCARNATION) {
        refuse!(incarnation, incarnation);
    }
    Ok(Event::StateChange(StateChange {
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
            incarnation: has(known::INCARNATION).then_some(incarnation),
            is_kernel: has(known::INCARNATION) && has(known::KERNEL_TASK),
            is_exiting: has(known::INCARNATION) && has(known::EXITING_TASK),
        },
        task_holds_socket: has(known::LOCK_OWNER).then(|| has(known::HOLDS_SOCKET)),
        task_is_followed: has(known::LOCK_OWNER)
            && has(known::HOLDS_SOCKET)
            && has(known::FOLLOWED),
        timewait_refused: has(known::TIMEWAIT).then(|| has(known::TIMEWAIT_REFUSED)),
        timewait_made: has(known::TIMEWAIT) && has(known::TIMEWAIT_MADE),
    }))
}

fn family(number: u16) -> Option<Family> {
    match number {
        AF_INET => Some(Family::Ipv4),
        AF_INET6 => Some(Family::Ipv6),
        _ => None,
    }
}

fn sixteen(bytes: &[u8], offset: usize) -> [u8; 16] {
    let mut raw = [0; 16];
    raw.copy_from_slice(&bytes[offset..][..16]);
    raw
}

#[cfg(test)]
mod tests;
