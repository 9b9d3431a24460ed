//! Records with other names in them: what of a record names something, replaced in its place.
//!
//! **Owns:** where in a record addresses, names and kernel addresses stand.
//! **Never:** what they are replaced by.

use std::mem::offset_of;
use std::net::IpAddr;

use tracer_ebpf::{
    KIND_PROCESS, KIND_SEGMENT, KIND_STATE_CHANGE, KIND_TRAFFIC, KIND_USE, MINISOCK_SIZE,
    MinisockRecord, STATE_CHANGE_SIZE, SegmentRecord, StateChangeRecord, TrafficRecord, UseRecord,
};

use super::{DecodeError, Family, Socket, decode, family, process, sixteen};
use crate::model::endpoint::address_from_bytes;
use crate::model::event::Comm;
use crate::model::{Event, Process};

/// What of a record names something, for whoever replaces it.
#[derive(Debug, PartialEq, Eq)]
pub enum Named<'a> {
    /// An address of either end; of another family than before, it is not taken.
    Address(&'a mut IpAddr),
    /// The name of a task.
    Task(&'a mut Comm),
    /// Where the socket lies in the kernel's memory.
    Socket(&'a mut Socket),
    /// A process: its name, and the texts that say what it was started as.
    Process(&'a mut Process),
}

/// Where a kind of record holds what.
struct Places {
    /// The family, and the addresses that are of it.
    ends: Option<(usize, [usize; 2])>,
    socket: usize,
    task: Option<usize>,
}

const STATE_CHANGE: Places = Places {
    ends: Some((
        offset_of!(StateChangeRecord, family),
        [
            offset_of!(StateChangeRecord, local_addr),
            offset_of!(StateChangeRecord, remote_addr),
        ],
    )),
    socket: offset_of!(StateChangeRecord, socket),
    task: Some(offset_of!(StateChangeRecord, comm)),
};

const MINISOCK: Places = Places {
    ends: Some((
        offset_of!(MinisockRecord, family),
        [
            offset_of!(MinisockRecord, local_addr),
            offset_of!(MinisockRecord, remote_addr),
        ],
    )),
    socket: offset_of!(MinisockRecord, address),
    task: None,
};

const USE: Places = Places {
    ends: None,
    socket: offset_of!(UseRecord, socket),
    task: Some(offset_of!(UseRecord, comm)),
};

const SEGMENT: Places = Places {
    ends: None,
    socket: offset_of!(SegmentRecord, socket),
    task: None,
};

const TRAFFIC: Places = Places {
    ends: None,
    socket: offset_of!(TrafficRecord, socket),
    task: None,
};

// What is below takes no place that a record does not have.
const _: () = {
    assert!(STATE_CHANGE_SIZE >= offset_of!(StateChangeRecord, comm) + 16);
    assert!(MINISOCK_SIZE >= offset_of!(MinisockRecord, remote_addr) + 16);
};

/// Hands everything in a record that names something to `rename`, and writes back what comes of it.
///
/// Bytes that mean nothing are not left either: what stands behind an IPv4 address, and behind the end of
/// a task's name, becomes zero.
///
/// # Errors
///
/// The record cannot be decoded, so that nobody knows what is in it. It is as it was.
pub fn rewrite(record: &mut [u8], mut rename: impl FnMut(Named<'_>)) -> Result<(), DecodeError> {
    // A record that decodes has the size of its kind.
    let event = decode(record)?;
    let places = match u16_at(record, 0) {
        KIND_STATE_CHANGE => &STATE_CHANGE,
        KIND_USE => &USE,
        KIND_SEGMENT => &SEGMENT,
        KIND_TRAFFIC => &TRAFFIC,
        KIND_PROCESS => {
            if let Event::Process(mut seen) = event {
                rename(Named::Process(&mut seen.process));
                process::write(record, &seen.process);
            }
            return Ok(());
        }
        _ => &MINISOCK,
    };
    if let Some((family, addresses)) = places.ends {
        rename_ends(record, family, addresses, &mut rename)?;
    }

    let mut raw = [0; 8];
    raw.copy_from_slice(&record[places.socket..][..8]);
    let mut socket = Socket(u64::from_ne_bytes(raw));
    rename(Named::Socket(&mut socket));
    record[places.socket..][..8].copy_from_slice(&socket.0.to_ne_bytes());

    if let Some(at) = places.task {
        let mut task = Comm(sixteen(record, at));
        rename(Named::Task(&mut task));
        let mut bytes = [0; 16];
        let name = task.bytes();
        bytes[..name.len()].copy_from_slice(name);
        record[at..][..16].copy_from_slice(&bytes);
    }
    Ok(())
}

fn rename_ends(
    record: &mut [u8],
    family_at: usize,
    addresses: [usize; 2],
    rename: &mut impl FnMut(Named<'_>),
) -> Result<(), DecodeError> {
    let number = u16_at(record, family_at);
    let Some(family) = family(number) else {
        return Err(DecodeError::Field {
            field: "family",
            offset: family_at,
            value: u64::from(number),
        });
    };
    for at in addresses {
        let mut addr = address_from_bytes(family, sixteen(record, at));
        rename(Named::Address(&mut addr));
        let mut bytes = [0; 16];
        match (family, addr) {
            (Family::Ipv4, IpAddr::V4(addr)) => bytes[..4].copy_from_slice(&addr.octets()),
            (Family::Ipv6, IpAddr::V6(addr)) => bytes = addr.octets(),
            _ => {}
        }
        record[at..][..16].copy_from_slice(&bytes);
    }
    Ok(())
}

fn u16_at(record: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([record[at], record[at + 1]])
}
