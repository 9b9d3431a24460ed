//! One dump of TCP sockets by `sock_diag`, of one family, in the namespace of the calling thread.
//!
//! **Owns:** the netlink messages, and what their fields are worth.
//! **Never:** a panic, whatever the bytes; a socket that the kernel did not send whole.

use std::io;

use netlink_packet_core::{
    DecodeError, DoneBuffer, Emitable, ErrorBuffer, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST,
    NLMSG_ALIGNTO, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NetlinkBuffer, NetlinkMessage,
    NlasIterator, Parseable,
};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{
    AF_INET, AF_INET6, INET_DIAG_SHUTDOWN, IPPROTO_TCP, SOCK_DIAG_BY_FAMILY,
};
use netlink_packet_sock_diag::inet::{
    ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags,
};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use thiserror::Error;

use super::clock::boot_time;
use crate::model::{Endpoint, Existing, Family, MonoNs, TcpState, Tuple};

/// The kernel fills at most 32 KiB at a time.
const BUFFER_SIZE: usize = 64 << 10;

/// Any number will do: a socket asks only once.
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

/// Every socket of one family.
#[derive(Debug, Default)]
pub(super) struct Dump {
    /// In the kernel's order; one that moved meanwhile may be there twice.
    pub(super) existing: Vec<Existing>,
    /// Whether the kernel says that sockets changed so much meanwhile that some may be missing.
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

    let at = boot_time();
    socket
        .send(&request(family), 0)
        .map_err(DumpError::failed("ask for TCP sockets"))?;

    let mut dump = Dump::default();
    let mut buffer = Vec::with_capacity(BUFFER_SIZE);
    loop {
        receive(&socket, &mut buffer)?;
        if read_datagram(&buffer, at, netns, &mut dump)? {
            return Ok(dump);
        }
    }
}

/// Returns the bytes of the request.
fn request(family: Family) -> Vec<u8> {
    let (family, socket_id) = match family {
        Family::Ipv4 => (AF_INET, SocketId::new_v4()),
        Family::Ipv6 => (AF_INET6, SocketId::new_v6()),
    };
    let mut message = NetlinkMessage::from(SockDiagMessage::InetRequest(InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all(),
        socket_id,
    }));
    message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.header.sequence_number = SEQUENCE;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Receives one datagram, whole.
fn receive(socket: &Socket, buffer: &mut Vec<u8>) -> Result<(), DumpError> {
    // With TRUNC the kernel tells how long the datagram was, not how much of it was copied.
    let flags = RecvFlags::TRUNC.bits().cast_signed();
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
    Ok(())
}

/// Reads the messages of one datagram; returns whether the dump ended with them.
fn read_datagram(
    mut bytes: &[u8],
    at: MonoNs,
    netns: u32,
    dump: &mut Dump,
) -> Result<bool, DumpError> {
    if bytes.is_empty() {
        let what = "a datagram of no bytes".to_owned();
        return Err(DumpError::Malformed { what });
    }
    while !bytes.is_empty() {
        let message =
            NetlinkBuffer::new_checked(bytes).map_err(|error| DumpError::malformed(&error))?;
        let length = usize::try_from(message.length()).unwrap_or(usize::MAX);
        let next = length.next_multiple_of(usize::from(NLMSG_ALIGNTO));
        bytes = bytes.get(next..).unwrap_or_default();
        if message.sequence_number() != SEQUENCE {
            continue;
        }
        dump.interrupted |= message.flags() & NLM_F_DUMP_INTR != 0;
        if read_message(&message, at, netns, dump)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads one message; returns whether the dump ended with it.
fn read_message(
    message: &NetlinkBuffer<&[u8]>,
    at: MonoNs,
    netns: u32,
    dump: &mut Dump,
) -> Result<bool, DumpError> {
    let payload = message.payload();
    match message.message_type() {
        SOCK_DIAG_BY_FAMILY => {
            let existing =
                read_socket(payload, at, netns).map_err(|error| DumpError::malformed(&error))?;
            dump.existing.push(existing);
            Ok(false)
        }
        NLMSG_NOOP => Ok(false),
        // A dump that fails once it began tells so at its end.
        NLMSG_DONE => match DoneBuffer::new_checked(payload).map(|done| done.code()) {
            Ok(0) => Ok(true),
            Ok(code) => Err(DumpError::answered(code)),
            Err(error) => Err(DumpError::malformed(&error)),
        },
        NLMSG_ERROR => match ErrorBuffer::new_checked(payload).map(|error| error.code()) {
            Ok(Some(code)) => Err(DumpError::answered(code.get())),
            Ok(None) => Ok(false),
            Err(error) => Err(DumpError::malformed(&error)),
        },
        other => {
            let what = format!("a message of type {other}");
            Err(DumpError::Malformed { what })
        }
    }
}

/// Reads one socket.
///
/// # Kernel
///
/// `inet_diag_msg_attrs_fill` attaches INET_DIAG_SHUTDOWN to every full socket, asked for or not
/// (since Linux 3.8); a timewait and a request socket never have it. State, timer and inode number do not
/// tell these apart: a request socket looks like a full SYN_RECV one that retransmits and was not
/// accepted, and FIN_WAIT2 may be held by either kind.
///
/// The owner is asked of the file behind the socket. Where there is none (inode number 0: closed,
/// or not accepted yet), kernels before 6.16 answer root.
fn read_socket(payload: &[u8], at: MonoNs, netns: u32) -> Result<Existing, DecodeError> {
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
    Ok(Existing {
        at,
        cookie: cookie(id.cookie),
        state,
        full_socket,
        tuple: Tuple {
            local: Endpoint::new(Some(id.source_address), nonzero(id.source_port)),
            remote,
        },
        netns,
        uid: (full_socket && header.inode != 0).then_some(header.uid),
        left_ns: None,
        age_ns: None,
    })
}

/// Puts a cookie together: two words, the lower one first, each in this machine's byte order.
fn cookie([a, b, c, d, e, f, g, h]: [u8; 8]) -> u64 {
    let low = u32::from_ne_bytes([a, b, c, d]);
    let high = u32::from_ne_bytes([e, f, g, h]);
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests;
