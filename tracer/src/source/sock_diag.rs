//! TCP sockets by `sock_diag`, in the namespace of the calling thread: all of a family, or those asked
//! after.
//!
//! **Owns:** the netlink messages, and what their fields are worth.
//! **Never:** a panic, whatever the bytes; a socket that the kernel did not send whole; a netlink
//! socket that stays open between two calls: it would keep its network namespace, and every
//! timewait socket in it, alive.

mod exact;
mod message;

use std::io;
use std::num::NonZeroI32;

use netlink_packet_core::{
    DecodeError, DoneBuffer, ErrorBuffer, NLM_F_DUMP_INTR, NLMSG_ALIGNTO, NLMSG_DONE, NLMSG_ERROR,
    NLMSG_NOOP, NetlinkBuffer,
};
use netlink_packet_sock_diag::constants::SOCK_DIAG_BY_FAMILY;
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use thiserror::Error;

use super::clock::boot_time;
use crate::model::{Existing, Family};
use message::{Sock, Wanted, request_many};

pub use exact::ask;

/// The kernel fills at most 32 KiB at a time.
const BUFFER_SIZE: usize = 64 << 10;

/// Any number will do: a netlink socket asks for one dump only.
const SEQUENCE: u32 = 1;

/// Why there is no dump.
#[derive(Debug, Error)]
pub(super) enum DumpError {
    /// The kernel cannot list TCP sockets for anyone.
    #[error(
        "this kernel cannot list TCP sockets ({cause}): it lacks the modules inet_diag and tcp_diag; \
         try `modprobe tcp_diag`"
    )]
    Lacking { cause: io::Error },
    /// A system call failed, or the kernel refused the request.
    #[error("cannot {what}: {cause}")]
    Failed {
        what: &'static str,
        cause: io::Error,
    },
    /// What the kernel sent is not what it promises to send.
    #[error("the kernel's answer cannot be read: {what}")]
    Malformed { what: String },
}

/// The sockets of one family that were wanted.
#[derive(Debug, Default)]
struct Listed {
    /// In the kernel's order; one that moved meanwhile may be there twice.
    sockets: Vec<Sock>,
    /// Whether the kernel says that sockets changed so much meanwhile that some may be missing.
    interrupted: bool,
}

/// Every socket of one family.
#[derive(Debug)]
pub(super) struct Dump {
    /// As the kernel lists them, each with the inode number of its file, if it has one; a socket that moved
    /// meanwhile may be there twice.
    pub(super) existing: Vec<(Existing, Option<u32>)>,
    /// Whether some may be missing.
    pub(super) interrupted: bool,
}

impl DumpError {
    fn failed(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |cause| Self::Failed { what, cause }
    }

    fn malformed(error: &DecodeError) -> Self {
        let what = error.to_string();
        Self::Malformed { what }
    }

    fn unexpected(kind: u16) -> Self {
        let what = format!("a message of type {kind}");
        Self::Malformed { what }
    }

    /// Tells apart what the kernel lacks from what it refuses.
    fn answered(code: i32) -> Self {
        let cause = io::Error::from_raw_os_error(code.saturating_abs());
        if cause.raw_os_error() == Some(Errno::NOENT.raw_os_error()) {
            return Self::Lacking { cause };
        }
        let what = "list TCP sockets";
        Self::Failed { what, cause }
    }
}

/// Asks for every TCP socket of a family, in every state, timewait and request sockets included.
///
/// # Kernel
///
/// An AF_INET6 dump holds AF_INET6 sockets alone, with IPv4 through them as IPv4-mapped addresses;
/// the same connection is never in both dumps. No privilege is needed.
pub(super) fn dump(family: Family, netns: u32) -> Result<Dump, DumpError> {
    let at = boot_time();
    let listed = list(family, Wanted::All)?;
    let sockets = listed.sockets.into_iter();
    Ok(Dump {
        existing: sockets
            .map(|sock| (sock.inode, sock.existing(at, netns)))
            .map(|(inode, existing)| (existing, inode))
            .collect(),
        interrupted: listed.interrupted,
    })
}

/// Lists the sockets of a family that are wanted.
fn list(family: Family, wanted: Wanted) -> Result<Listed, DumpError> {
    let socket = open()?;
    socket
        .send(&request_many(family, wanted, SEQUENCE), 0)
        .map_err(DumpError::failed("ask for TCP sockets"))?;

    let mut listed = Listed::default();
    let mut buffer = Vec::with_capacity(BUFFER_SIZE);
    loop {
        receive(&socket, &mut buffer, RecvFlags::empty())?;
        if read_datagram(&buffer, &mut listed)? {
            return Ok(listed);
        }
    }
}

/// Opens a socket to the kernel's `sock_diag`.
fn open() -> Result<Socket, DumpError> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG).map_err(|cause| {
        match cause.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::PROTONOSUPPORT) => DumpError::Lacking { cause },
            _ => DumpError::failed("open a sock_diag socket")(cause),
        }
    })?;
    socket
        .bind_auto()
        .map_err(DumpError::failed("bind a sock_diag socket"))?;
    // Port 0 is the kernel; from now on nobody else can send here.
    socket
        .connect(&SocketAddr::new(0, 0))
        .map_err(DumpError::failed("connect a sock_diag socket"))?;
    Ok(socket)
}

/// Receives one datagram, whole.
fn receive(socket: &Socket, buffer: &mut Vec<u8>, flags: RecvFlags) -> Result<(), DumpError> {
    // With TRUNC the kernel tells how long the datagram was, not how much of it was copied.
    let flags = (flags | RecvFlags::TRUNC).bits().cast_signed();
    let length = loop {
        buffer.clear();
        match socket.recv(buffer, flags) {
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            result => break result.map_err(DumpError::failed("receive TCP sockets"))?,
        }
    };
    if length > buffer.len() {
        let what = format!("a datagram of {length} bytes, expected at most {BUFFER_SIZE}");
        return Err(DumpError::Malformed { what });
    }
    if length == 0 {
        let what = "a datagram of no bytes".to_owned();
        return Err(DumpError::Malformed { what });
    }
    Ok(())
}

/// Takes the first message off a datagram; `None` if nothing is left of it.
fn next_message<'a>(bytes: &mut &'a [u8]) -> Result<Option<NetlinkBuffer<&'a [u8]>>, DumpError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let message =
        NetlinkBuffer::new_checked(*bytes).map_err(|error| DumpError::malformed(&error))?;
    let length = usize::try_from(message.length()).unwrap_or(usize::MAX);
    let next = length.next_multiple_of(usize::from(NLMSG_ALIGNTO));
    *bytes = bytes.get(next..).unwrap_or_default();
    Ok(Some(message))
}

/// Reads the messages of one datagram of a dump; returns whether it ended with them.
fn read_datagram(mut bytes: &[u8], listed: &mut Listed) -> Result<bool, DumpError> {
    while let Some(message) = next_message(&mut bytes)? {
        if message.sequence_number() != SEQUENCE {
            continue;
        }
        listed.interrupted |= message.flags() & NLM_F_DUMP_INTR != 0;
        if read_message(&message, listed)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads one message of a dump; returns whether it ended with it.
fn read_message(message: &NetlinkBuffer<&[u8]>, listed: &mut Listed) -> Result<bool, DumpError> {
    let payload = message.payload();
    match message.message_type() {
        SOCK_DIAG_BY_FAMILY => {
            let sock = Sock::read(payload).map_err(|error| DumpError::malformed(&error))?;
            listed.sockets.push(sock);
            Ok(false)
        }
        NLMSG_NOOP => Ok(false),
        // A dump that fails once it began tells so at its end.
        NLMSG_DONE => match DoneBuffer::new_checked(payload).map(|done| done.code()) {
            Ok(0) => Ok(true),
            Ok(code) => Err(DumpError::answered(code)),
            Err(error) => Err(DumpError::malformed(&error)),
        },
        NLMSG_ERROR => match error_code(payload)? {
            0 => Ok(false),
            code => Err(DumpError::answered(code)),
        },
        other => Err(DumpError::unexpected(other)),
    }
}

/// Reads the negative errno of an error message; zero is an acknowledgement.
fn error_code(payload: &[u8]) -> Result<i32, DumpError> {
    ErrorBuffer::new_checked(payload)
        .map(|error| error.code().map_or(0, NonZeroI32::get))
        .map_err(|error| DumpError::malformed(&error))
}

#[cfg(test)]
mod tests;
