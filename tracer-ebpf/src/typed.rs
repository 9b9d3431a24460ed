//! The hook where the kernel has BTF: a raw tracepoint with the typed socket.
//!
//! # Kernel
//!
//! `trace_inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`,
//! since Linux 4.16. Offsets are displacements in the instructions of the loaded object, so the verifier checks every read
//! against the kernel's own types: a wrong offset is refused, not read.

use aya_ebpf::{
    helpers::{
        bpf_probe_read_kernel,
        generated::{bpf_get_socket_cookie, bpf_skc_to_tcp_sock},
    },
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use tracer_ebpf::{
    ABSENT, KIND_STATE_CHANGE, KIND_TRAFFIC, STATE_CHANGE_SIZE, StateChangeRecord, TRAFFIC_SIZE,
    known,
};

use crate::{
    closing::write_traffic,
    emit::{begin, count_lost, now_ns, say_full},
    filter::{Halves, mapped, passes_netns, passes_remote},
    follow::is_followed,
    loaded::{configured, placed, present},
    minisocks::{Child, forget_child, note_child},
    processes::Task,
    refusal::timewait_fate,
    rings::{Between, reserve, submit},
    users,
};

const AF_INET6: u16 = 10;
const IPPROTO_TCP: u16 = 6;
const TCP_SYN_RECV: i32 = 3;
const TCP_CLOSE: i32 = 7;
const TCP_LISTEN: i32 = 10;

/// A pointer whose type the verifier knows.
pub(crate) type Typed = *const u8;

/// Reads a field at an offset that the verifier knows as a constant.
///
/// Volatile, so that each read stays one load of the field's own size, as the verifier wants it.
#[inline(always)]
pub(crate) unsafe fn read<T: Copy>(object: Typed, offset: usize) -> T {
    // SAFETY: a load through a typed pointer cannot fault: the kernel gives zero for an address
    // that is not mapped.
    unsafe { core::ptr::read_volatile(object.wrapping_add(offset).cast()) }
}

/// Runs on every state change of every inet socket.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub(crate) fn state_change_typed(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the verifier checks every access that follows.
    let _ = unsafe { state_change(&ctx) };
    0
}

#[inline(always)]
unsafe fn state_change(ctx: &BtfTracePointContext) -> Option<()> {
    let mono_ns = now_ns();
    let socket: Typed = ctx.arg(0);
    let old_state: i32 = ctx.arg(1);
    let new_state: i32 = ctx.arg(2);

    unsafe {
        let wanted = wanted(socket)?;
        if configured!(minisock.request_handler) != 0 {
            note_children(socket, &wanted, (old_state, new_state), mono_ns);
        }
        let fate = timewait_fate(ctx, socket, old_state, new_state);
        let holds = read::<u32>(socket, placed!(offsets.lock_owned)) != 0;
        let task = Task::current();
        if holds {
            task.tell(mono_ns);
        }
        // What a connection carried is told just before it closes, in the same piece of the ring.
        let closes = new_state == TCP_CLOSE && old_state != TCP_LISTEN;
        let before = if closes { TRAFFIC_SIZE } else { 0 };
        let Some(room) = reserve(before + STATE_CHANGE_SIZE, Between::Interrupts) else {
            if closes {
                count_lost(KIND_TRAFFIC, mono_ns);
            }
            count_lost(KIND_STATE_CHANGE, mono_ns);
            say_full(ctx);
            return None;
        };
        let record: *mut StateChangeRecord = room.at.wrapping_add(before).cast();
        begin(record, KIND_STATE_CHANGE, mono_ns);
        (*record).socket = socket as u64;
        (*record).old_state = old_state as u16;
        (*record).new_state = new_state as u16;
        (*record).tgid = task.tgid;
        (*record).tid = task.tid;
        (*record).incarnation = task.incarnation;
        task.write_name(&raw mut (*record).comm);

        let unnamed_child =
            old_state == TCP_LISTEN && new_state == TCP_SYN_RECV && wanted.remote_port == 0;
        let cookie = match unnamed_child {
            true => 0,
            false => cookie(socket),
        };
        let mut flags = configured!(offsets.known) | fate | task.flags();
        if holds {
            flags |= known::HOLDS_SOCKET;
            if is_followed(task.tgid) {
                flags |= known::FOLLOWED;
            }
        }
        write_socket(socket, &wanted, cookie, flags, record);
        if closes {
            write_traffic(
                room.at.cast(),
                mono_ns,
                socket,
                wanted.tcp,
                cookie,
                old_state,
            );
        }
        // Of a change that is lost nobody learns who uses the socket, so a later use is to be told.
        users::note(cookie, holds.then_some(&task));
        submit(room);
    }
    Some(())
}

/// Notes a child that a listener makes, where the timers of request sockets are followed.
#[inline(always)]
unsafe fn note_children(
    socket: Typed,
    wanted: &Wanted,
    (old_state, new_state): (i32, i32),
    mono_ns: u64,
) {
    if new_state == TCP_CLOSE {
        return forget_child();
    }
    // Before Linux 6.15 it does not show its ends yet.
    if old_state != TCP_LISTEN || new_state != TCP_SYN_RECV || wanted.remote_port == 0 {
        return;
    }
    // SAFETY: the verifier checks every read.
    unsafe {
        note_new_child(
            socket,
            wanted.tcp,
            wanted.family,
            wanted.remote_port,
            mono_ns,
        )
    };
}

/// Notes a child that shows its ends.
///
/// By itself, so that what it puts together takes no room on the stack of all else: a program and what it calls may have 512 bytes
/// in all.
#[inline(never)]
unsafe fn note_new_child(socket: Typed, tcp: Typed, family: u16, remote_port: u16, mono_ns: u64) {
    // SAFETY: the verifier checks every read.
    let child = unsafe {
        Child {
            netns: read(tcp, placed!(offsets.netns)),
            remote_addr: remote_bytes(socket, family == AF_INET6),
            remote_port,
            local_port: read(socket, placed!(offsets.bound_port)),
            family: u32::from(family),
        }
    };
    note_child(child, mono_ns);
}

/// Writes what a socket is, and the flags with what of it is known.
#[inline(always)]
unsafe fn write_socket(
    socket: Typed,
    wanted: &Wanted,
    cookie: u64,
    mut flags: u32,
    record: *mut StateChangeRecord,
) {
    let tcp = wanted.tcp;
    let ipv6 = wanted.family == AF_INET6;
    // SAFETY: the verifier checks every read, and the record is a reserved one.
    unsafe {
        (*record).family = wanted.family;
        (*record).protocol = wanted.protocol;
        (*record).remote_port = wanted.remote_port;
        (*record).cookie = cookie;
        if cookie != 0 {
            flags |= known::COOKIE;
        }
        (*record).netns = wanted.netns.unwrap_or(0);
        if wanted.netns.is_some() {
            flags |= known::NETNS;
        }
        (*record).cgroup = cgroup_id(tcp, &mut flags);
        (*record).uid = read(socket, placed!(offsets.uid));
        (*record).error = read(socket, placed!(offsets.error));
        (*record).bound_port = read(socket, placed!(offsets.bound_port));
        local_end(socket, tcp, ipv6, record);
        write_halves(&raw mut (*record).remote_addr, remote_bytes(socket, ipv6));
        (*record).known = flags;
    }
}

/// A TCP socket that the filters let pass, and what they had to look at.
pub(crate) struct Wanted {
    /// The socket as the wider type. The verifier trusts it less than the hook's own pointer, and so does not look
    /// through all types of the kernel (`btf_nested_type_is_trusted`) for each pointer that is read from it, on every way
    /// through the program: that was two thirds of the time that it took.
    pub(crate) tcp: Typed,
    protocol: u16,
    family: u16,
    remote_port: u16,
    netns: Option<u32>,
}

/// Returns what a full socket is that the filters let pass, or that they do not know enough of.
#[inline(always)]
pub(crate) unsafe fn wanted(socket: Typed) -> Option<Wanted> {
    unsafe {
        let protocol = match configured!(offsets.protocol_size) {
            1 => u16::from(read::<u8>(socket, placed!(offsets.protocol))),
            _ => read::<u16>(socket, placed!(offsets.protocol)),
        };
        if protocol != IPPROTO_TCP {
            return None;
        }
        // The local end is in `struct inet_sock`, which only the wider type reaches.
        let tcp: Typed = bpf_skc_to_tcp_sock(socket.cast_mut().cast()).cast();
        if tcp.is_null() {
            return None;
        }
        let family: u16 = read(socket, placed!(offsets.family));
        let ipv6 = family == AF_INET6;
        let remote_port = u16::from_be(read(socket, placed!(offsets.remote_port)));
        if !passes_remote(ipv6, remote_port, || remote_address(socket, ipv6)) {
            return None;
        }
        let netns = netns_inode(tcp);
        if let Some(inode) = netns
            && !passes_netns(inode)
        {
            return None;
        }
        inside_cgroup(tcp).then_some(Wanted {
            tcp,
            protocol,
            family,
            remote_port,
            netns,
        })
    }
}

/// The socket's cookie, made now if it has none; zero where this kernel tells none.
///
/// The helper, which may have to make one, is called only where the socket shows none.
///
/// Before Linux 6.15 a listener's child shows no remote port at its first change, still has the listener's cookie,
/// and is given its own afterwards (`inet_csk_clone_lock`): neither that cookie nor one made there
/// would be its own, so it is not to be asked for.
#[inline(always)]
pub(crate) unsafe fn cookie(socket: Typed) -> u64 {
    // SAFETY: the verifier knows that the socket is one, and checks the read.
    unsafe {
        match read::<u64>(socket, placed!(offsets.cookie)) {
            0 if configured!(offsets.cookie) == ABSENT => 0,
            0 => bpf_get_socket_cookie(socket.cast_mut().cast()),
            made => made,
        }
    }
}

#[inline(always)]
unsafe fn netns_inode(socket: Typed) -> Option<u32> {
    present(configured!(offsets.netns))?;
    present(configured!(offsets.netns_inode))?;
    unsafe {
        let netns: Typed = read(socket, placed!(offsets.netns));
        Some(read(netns, placed!(offsets.netns_inode)))
    }
}

#[inline(always)]
unsafe fn cgroup_id(socket: Typed, flags: &mut u32) -> u64 {
    // What the first two tell is followed, so they are read only where they are there.
    let is_there = [
        configured!(offsets.cgroup),
        configured!(offsets.cgroup_node),
    ];
    if is_there.contains(&ABSENT) {
        return 0;
    }
    // SAFETY: the verifier checks the reads.
    let id = unsafe {
        let cgroup: Typed = read(socket, placed!(offsets.cgroup));
        let node: Typed = read(cgroup, placed!(offsets.cgroup_node));
        read::<u64>(node, placed!(offsets.cgroup_id))
    };
    if id != 0 {
        *flags |= known::CGROUP;
    }
    id
}

/// Returns whether the socket belongs to the filter's cgroup or to one below it.
#[inline(always)]
unsafe fn inside_cgroup(socket: Typed) -> bool {
    match configured!(filter.cgroup) {
        0 => true,
        // SAFETY: as below.
        wanted => unsafe { inside(socket, wanted) },
    }
}

/// Returns whether the socket belongs to a cgroup or to one below it. By itself, as [`note_new_child`] is.
#[inline(never)]
unsafe fn inside(socket: Typed, wanted: u64) -> bool {
    let found = (|| unsafe {
        let cgroup: Typed = read(socket, present(configured!(offsets.cgroup))?);
        let level: i32 = read(cgroup, present(configured!(offsets.cgroup_level))?);
        let wanted_level = configured!(filter.cgroup_level);
        if level < wanted_level as i32 {
            return Some(false);
        }
        // An array of pointers at the end of the structure: the verifier follows no type there.
        let slot = cgroup
            .wrapping_add(present(configured!(offsets.cgroup_ancestors))?)
            .wrapping_add(wanted_level as usize * size_of::<Typed>());
        let ancestor: Typed = bpf_probe_read_kernel(slot.cast()).ok()?;
        let node_place = ancestor.wrapping_add(present(configured!(offsets.cgroup_node))?);
        let node: Typed = bpf_probe_read_kernel(node_place.cast()).ok()?;
        let id_place = node.wrapping_add(present(configured!(offsets.cgroup_id))?);
        let id: u64 = bpf_probe_read_kernel(id_place.cast()).ok()?;
        Some(id == wanted)
    })();
    found.unwrap_or(false)
}

#[inline(always)]
unsafe fn remote_address(socket: Typed, ipv6: bool) -> Halves {
    unsafe {
        let bytes = remote_bytes(socket, ipv6);
        if ipv6 {
            return bytes;
        }
        let [a, b, c, d, ..] = bytes[0].to_ne_bytes();
        mapped([a, b, c, d])
    }
}

/// The remote address as a record holds it: IPv4 in the first four bytes.
#[inline(always)]
unsafe fn remote_bytes(socket: Typed, ipv6: bool) -> Halves {
    unsafe {
        if !ipv6 {
            return ipv4_bytes(read(socket, placed!(offsets.remote_addr4)));
        }
        let at = placed!(offsets.remote_addr6);
        [read(socket, at), read(socket, at + 8)]
    }
}

#[inline(always)]
unsafe fn local_end(socket: Typed, tcp: Typed, ipv6: bool, record: *mut StateChangeRecord) {
    unsafe {
        (*record).local_port = u16::from_be(read(tcp, placed!(offsets.local_port)));
        let local = if ipv6 {
            let at = placed!(offsets.local_addr6);
            [read(socket, at), read(socket, at + 8)]
        } else {
            ipv4_bytes(read(tcp, placed!(offsets.local_addr4)))
        };
        write_halves(&raw mut (*record).local_addr, local);
    }
}

#[inline(always)]
pub(crate) fn ipv4_bytes(addr: u32) -> Halves {
    let [a, b, c, d] = addr.to_ne_bytes();
    [u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0]), 0]
}

#[inline(always)]
pub(crate) unsafe fn write_halves(place: *mut [u8; 16], halves: Halves) {
    // SAFETY: the record's addresses are sixteen bytes at a multiple of eight.
    unsafe { place.cast::<Halves>().write(halves) }
}
