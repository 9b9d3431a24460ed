//! The hook where the kernel has no BTF: the classic tracepoint, whose fields are where its
//! `format` file says.
//!
//! **Never:** anything but those fields and the current task. The socket is an address here, not a
//! type, so cookie, namespace, cgroup, uid, error and lock stay unknown.

use aya_ebpf::{
    EbpfContext, helpers::bpf_probe_read_kernel, macros::tracepoint, programs::TracePointContext,
};
use tracer_ebpf::{CLASSIC_ENTRY_SIZE, KIND_STATE_CHANGE, StateChangeRecord};

use crate::{
    emit::{emit, now_ns},
    filter::{Halves, mapped, passes_remote},
    loaded::{configured, present},
    processes::Task,
};

const AF_INET6: u16 = 10;
const IPPROTO_TCP: u16 = 6;

/// A copy of the tracepoint's entry.
type Entry = [u64; CLASSIC_ENTRY_SIZE / 8];

/// Reads a field of the copy.
#[inline(always)]
unsafe fn read<T: Copy>(entry: &Entry, offset: usize) -> T {
    // SAFETY: the agent refuses offsets that do not lie inside the copy, and the verifier knows
    // them as constants.
    unsafe { core::ptr::read_unaligned(entry.as_ptr().cast::<u8>().add(offset).cast()) }
}

/// Runs on every state change of every inet socket.
#[tracepoint(category = "sock", name = "inet_sock_set_state")]
pub(crate) fn state_change_classic(ctx: TracePointContext) -> u32 {
    // SAFETY: the verifier checks every access that follows.
    let _ = unsafe { state_change(&ctx) };
    0
}

#[inline(always)]
unsafe fn state_change(ctx: &TracePointContext) -> Option<()> {
    let mono_ns = now_ns();
    unsafe {
        let entry: Entry = bpf_probe_read_kernel(ctx.as_ptr().cast()).ok()?;

        let protocol = match configured!(classic.protocol_size) {
            1 => u16::from(read::<u8>(&entry, present(configured!(classic.protocol))?)),
            _ => read::<u16>(&entry, present(configured!(classic.protocol))?),
        };
        if protocol != IPPROTO_TCP {
            return None;
        }
        let family: u16 = read(&entry, present(configured!(classic.family))?);
        let ipv6 = family == AF_INET6;
        let remote_port: u16 = read(&entry, present(configured!(classic.remote_port))?);
        let remote = address(
            &entry,
            ipv6,
            configured!(classic.remote_addr4),
            configured!(classic.remote_addr6),
        );
        let passes = passes_remote(ipv6, remote_port, || {
            if ipv6 {
                return remote;
            }
            let [a, b, c, d, ..] = remote[0].to_ne_bytes();
            mapped([a, b, c, d])
        });
        if !passes {
            return None;
        }

        let socket: u64 = read(&entry, present(configured!(classic.socket))?);
        let old_state: u32 = read(&entry, present(configured!(classic.old_state))?);
        let new_state: u32 = read(&entry, present(configured!(classic.new_state))?);
        let local_port: u16 = read(&entry, present(configured!(classic.local_port))?);
        let local = address(
            &entry,
            ipv6,
            configured!(classic.local_addr4),
            configured!(classic.local_addr6),
        );

        emit(
            ctx,
            KIND_STATE_CHANGE,
            mono_ns,
            |record: *mut StateChangeRecord| {
                (*record).socket = socket;
                (*record).cookie = 0;
                (*record).cgroup = 0;
                (*record).known = 0;
                (*record).netns = 0;
                (*record).uid = 0;
                (*record).error = 0;
                (*record).old_state = old_state as u16;
                (*record).new_state = new_state as u16;
                (*record).family = family;
                (*record).protocol = protocol;
                (*record).local_port = local_port;
                (*record).remote_port = remote_port;
                (*record).bound_port = 0;
                (*record).incarnation = 0;
                (&raw mut (*record).local_addr)
                    .cast::<Halves>()
                    .write(local);
                (&raw mut (*record).remote_addr)
                    .cast::<Halves>()
                    .write(remote);
                let task = Task::current();
                (*record).tgid = task.tgid;
                (*record).tid = task.tid;
                task.write_name(&raw mut (*record).comm);
            },
        );
    }
    Some(())
}

/// An address as a record holds it: IPv4 in the first four bytes.
#[inline(always)]
unsafe fn address(entry: &Entry, ipv6: bool, offset4: u32, offset6: u32) -> Halves {
    unsafe {
        if ipv6 {
            let Some(at) = present(offset6) else {
                return [0, 0];
            };
            return [read(entry, at), read(entry, at + 8)];
        }
        let Some(at) = present(offset4) else {
            return [0, 0];
        };
        let [a, b, c, d] = read::<u32>(entry, at).to_ne_bytes();
        [u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0]), 0]
    }
}
