//! Reading a timewait or a request socket, from whichever hook leads to it.
//!
//! **Owns:** the record of both kinds, and the mark of the last timer that was set.

use aya_ebpf::{
    EbpfContext,
    helpers::{
        bpf_probe_read_kernel,
        generated::{bpf_jiffies64, bpf_ktime_get_ns},
    },
    macros::map,
    maps::PerCpuArray,
};
use tracer_ebpf::{KIND_REQUEST, KIND_TIMEWAIT, MinisockRecord, minisock_known as known, what};

use crate::{
    emit::{emit, now_ns},
    filter::{Halves, mapped, passes_netns, passes_remote},
    loaded::{configured, present},
    typed::{ipv4_bytes, write_halves},
};

const AF_INET6: u16 = 10;

/// Cookie of the timewait socket whose timer was set last on this CPU.
#[map]
static LAST_ARMED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Returns the cookie of the timewait socket whose timer was set last on this CPU, or zero.
#[inline(always)]
pub(crate) fn last_armed() -> u64 {
    LAST_ARMED.get(0).map_or(0, |cookie| *cookie)
}

/// Address of the timewait socket whose timer's function runs on this CPU.
#[map]
static EXPIRING: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Marks the timewait socket whose time is over.
#[inline(always)]
pub(crate) fn set_expiring(address: u64) {
    if let Some(place) = EXPIRING.get_ptr_mut(0) {
        // SAFETY: the pointer is to this CPU's element of the map, which outlives the program.
        unsafe { *place = address };
    }
}

/// Returns whether a timewait socket ends because its time is over, and takes the mark away.
#[inline(always)]
pub(crate) fn take_expiring(address: u64) -> bool {
    match EXPIRING.get_ptr_mut(0) {
        // SAFETY: as above.
        Some(place) => unsafe {
            let expiring = *place == address;
            *place = 0;
            expiring
        },
        None => false,
    }
}

/// How long the kernel takes at most from making a connection of a request socket to taking that out, in nanoseconds.
const HANDOVER_NS: u64 = 1_000_000;

/// A listener's child as it is made: its ends, by which the request socket is known that it was made of.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Child {
    /// Address of the network namespace.
    pub(crate) netns: u64,
    /// Remote address, as in a record.
    pub(crate) remote_addr: Halves,
    pub(crate) remote_port: u16,
    pub(crate) local_port: u16,
    pub(crate) family: u32,
}

/// The child that was made last on a CPU, and when; no time for none.
#[repr(C)]
struct Made {
    at_ns: u64,
    child: Child,
}

#[map]
static LAST_CHILD: PerCpuArray<Made> = PerCpuArray::with_max_entries(1, 0);

/// Notes that a child is made.
///
/// # Kernel
///
/// `tcp_check_req` makes it (`syn_recv_sock`, which changes LISTEN to SYN_RECV), and takes its request socket out at once
/// (`inet_csk_complete_hashdance`), on the same CPU.
#[inline(always)]
pub(crate) fn note_child(child: Child, at_ns: u64) {
    if let Some(last) = LAST_CHILD.get_ptr_mut(0) {
        // SAFETY: the pointer is to this CPU's element of the map, which outlives the program.
        unsafe { last.write(Made { at_ns, child }) };
    }
}

/// Forgets the last child: a socket closed, which may be that one.
#[inline(always)]
pub(crate) fn forget_child() {
    if let Some(last) = LAST_CHILD.get_ptr_mut(0) {
        // SAFETY: as above.
        unsafe { (*last).at_ns = 0 };
    }
}

/// Returns whether a request socket that is taken out became the child that was just made; which is then forgotten.
#[inline(always)]
pub(crate) unsafe fn became_child(socket: u64, now_ns: u64) -> bool {
    let Some(last) = LAST_CHILD.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: `probe` reads any address without a fault; the pointer is as above.
    let is_it = unsafe {
        if (*last).at_ns == 0 || now_ns.wrapping_sub((*last).at_ns) > HANDOVER_NS {
            return false;
        }
        (|| {
            let family: u16 = probe(socket, configured!(minisock.offsets.family))?;
            let remote_port: u16 = probe(socket, configured!(minisock.offsets.remote_port))?;
            Some(
                Child {
                    netns: probe(socket, configured!(minisock.offsets.netns))?,
                    remote_addr: remote_bytes(socket, family == AF_INET6),
                    remote_port: u16::from_be(remote_port),
                    local_port: probe(socket, configured!(minisock.offsets.local_port))?,
                    family: u32::from(family),
                } == (*last).child,
            )
        })()
    };
    if is_it == Some(true) {
        forget_child();
    }
    is_it == Some(true)
}

/// What a hook tells of a minisock.
pub(crate) struct Told {
    /// [`KIND_TIMEWAIT`] or [`KIND_REQUEST`].
    pub(crate) kind: u16,
    /// One of [`what`].
    pub(crate) what: u16,
    /// One of [`tracer_ebpf::caller`].
    pub(crate) caller: u32,
    /// Address of the minisock.
    pub(crate) address: u64,
    /// Ticks that the timer is about to be set for, where it is not set yet.
    pub(crate) timeout: Option<i32>,
}

/// Reads a field of an object at an address that the verifier knows nothing of.
#[inline(always)]
pub(crate) unsafe fn probe<T>(object: u64, offset: u32) -> Option<T> {
    let place = object + present(offset)? as u64;
    // SAFETY: the helper reads any address and fails where nothing is mapped.
    unsafe { bpf_probe_read_kernel(place as *const T).ok() }
}

/// Hands a minisock's record over, if the filter lets it pass.
#[inline(always)]
pub(crate) unsafe fn tell<C: EbpfContext>(ctx: &C, told: &Told) -> Option<()> {
    let mono_ns = now_ns();
    let socket = told.address;
    // SAFETY: `probe` reads any address without a fault, and a record is a reserved one.
    unsafe {
        let family: u16 = probe(socket, configured!(minisock.offsets.family))?;
        let ipv6 = family == AF_INET6;
        let remote_port: u16 = probe(socket, configured!(minisock.offsets.remote_port))?;
        let remote_port = u16::from_be(remote_port);
        let cookie: u64 = probe(socket, configured!(minisock.offsets.cookie)).unwrap_or(0);
        if told.kind == KIND_TIMEWAIT
            && told.what == what::ARMED
            && let Some(last) = LAST_ARMED.get_ptr_mut(0)
        {
            *last = cookie;
        }
        if !passes_remote(ipv6, remote_port, || remote_address(socket, ipv6)) {
            return None;
        }
        let netns = netns_inode(socket);
        if let Some(inode) = netns
            && !passes_netns(inode)
        {
            return None;
        }

        emit(ctx, told.kind, mono_ns, |record: *mut MinisockRecord| {
            let mut flags = 0;
            (*record).address = socket;
            (*record).cookie = cookie;
            if cookie != 0 {
                flags |= known::COOKIE;
            }
            (*record).netns = netns.unwrap_or(0);
            if netns.is_some() {
                flags |= known::NETNS;
            }
            (*record).what = told.what;
            (*record).caller = told.caller as u16;
            (*record).family = family;
            (*record).remote_port = remote_port;
            (*record).local_port =
                probe(socket, configured!(minisock.offsets.local_port)).unwrap_or(0);
            (*record).reserved = [0; 3];
            let local = address(
                socket,
                ipv6,
                configured!(minisock.offsets.local_addr4),
                configured!(minisock.offsets.local_addr6),
            );
            write_halves(&raw mut (*record).local_addr, local);
            write_halves(&raw mut (*record).remote_addr, remote_bytes(socket, ipv6));
            timer(told, record);
            match told.kind {
                KIND_REQUEST => request(socket, record, &mut flags),
                _ => timewait(socket, record, &mut flags),
            }
            (*record).known = flags;
        });
    }
    Some(())
}

#[inline(always)]
unsafe fn timer(told: &Told, record: *mut MinisockRecord) {
    // SAFETY: `probe` reads any address without a fault, and a record is a reserved one.
    unsafe {
        let now = bpf_jiffies64();
        (*record).jiffies = now;
        (*record).expires = match told.timeout {
            Some(ticks) => now.wrapping_add(ticks as i64 as u64),
            None => {
                let timer = match told.kind {
                    KIND_REQUEST => configured!(minisock.offsets.request_timer),
                    _ => configured!(minisock.offsets.timewait_timer),
                };
                let timer = told.address + u64::from(timer);
                probe(timer, configured!(minisock.offsets.timer_expires)).unwrap_or(0)
            }
        };
    }
}

#[inline(always)]
unsafe fn timewait(socket: u64, record: *mut MinisockRecord, flags: &mut u32) {
    // SAFETY: `probe` reads any address without a fault, and a record is a reserved one.
    unsafe {
        let substate: Option<u8> = probe(socket, configured!(minisock.offsets.timewait_substate));
        (*record).state = u16::from(substate.unwrap_or(0));
        (*record).retransmits = 0;
        let entered: Option<u32> = probe(socket, configured!(minisock.offsets.timewait_entered));
        (*record).age_ms = match entered {
            Some(entered) if entered != 0 => {
                *flags |= known::ENTERED;
                ((bpf_ktime_get_ns() / 1_000_000) as u32).wrapping_sub(entered)
            }
            _ => 0,
        };
    }
}

#[inline(always)]
unsafe fn request(socket: u64, record: *mut MinisockRecord, flags: &mut u32) {
    // SAFETY: `probe` reads any address without a fault, and a record is a reserved one.
    unsafe {
        (*record).age_ms = 0;
        let retransmits: Option<u8> =
            probe(socket, configured!(minisock.offsets.request_retransmits));
        (*record).retransmits = u16::from(retransmits.unwrap_or(0));
        let listener: Option<u64> = probe(socket, configured!(minisock.offsets.request_listener));
        let state: Option<u8> =
            listener.and_then(|listener| probe(listener, configured!(minisock.offsets.state)));
        (*record).state = u16::from(state.unwrap_or(0));
        let acked: Option<u8> = probe(socket, configured!(minisock.offsets.request_acked));
        let defers: Option<u8> = listener
            .and_then(|listener| probe(listener, configured!(minisock.offsets.listener_defers)));
        if let (Some(byte), Some(defers)) = (acked, defers) {
            *flags |= known::HANDSHAKE;
            let acked = u32::from(byte) & configured!(minisock.offsets.request_acked_mask) != 0;
            if acked && defers == 0 {
                *flags |= known::ACKED;
            }
        }
    }
}

#[inline(always)]
unsafe fn netns_inode(socket: u64) -> Option<u32> {
    // SAFETY: `probe` reads any address without a fault, and a record is a reserved one.
    unsafe {
        let netns: u64 = probe(socket, configured!(minisock.offsets.netns))?;
        probe(netns, configured!(minisock.offsets.netns_inode))
    }
}

#[inline(always)]
unsafe fn remote_address(socket: u64, ipv6: bool) -> Halves {
    // SAFETY: `probe` reads any address without a fault, and a record is a reserved one.
    let bytes = unsafe { remote_bytes(socket, ipv6) };
    if ipv6 {
        return bytes;
    }
    let [a, b, c, d, ..] = bytes[0].to_ne_bytes();
    mapped([a, b, c, d])
}

#[inline(always)]
unsafe fn remote_bytes(socket: u64, ipv6: bool) -> Halves {
    // SAFETY: `probe` reads any address without a fault, and a record is a reserved one.
    unsafe {
        address(
            socket,
            ipv6,
            configured!(minisock.offsets.remote_addr4),
            configured!(minisock.offsets.remote_addr6),
        )
    }
}

/// An address as a record holds it: IPv4 in the first four bytes.
#[inline(always)]
unsafe fn address(socket: u64, ipv6: bool, at4: u32, at6: u32) -> Halves {
    // SAFETY: `probe` reads any address without a fault, and a record is a reserved one.
    unsafe {
        match ipv6 {
            true => probe(socket, at6).unwrap_or([0, 0]),
            false => probe(socket, at4).map_or([0, 0], ipv4_bytes),
        }
    }
}
