//! Who uses a socket between its state changes: told when that is somebody else than before.
//!
//! **Owns:** the memory of who was seen using which socket last.
//! **Never:** a use of a socket whose changes nobody wants: it is not remembered, so it is not known here.
//!
//! # Kernel
//!
//! * `tcp_rcv_space_adjust` runs each time data is handed to a reader, by the reader, who holds the socket's lock
//!   (`tcp_recvmsg_locked`, `tcp_read_sock`).
//! * `inet_csk_accept` returns the socket that it took from a listener, to the task that accepts.

use aya_ebpf::{
    EbpfContext,
    helpers::generated::bpf_get_func_ret,
    macros::{btf_tracepoint, fexit, map},
    maps::Array,
    programs::{BtfTracePointContext, FExitContext},
};
use tracer_ebpf::{KIND_USE, UseRecord, known, usage, usage_known};

use crate::{
    emit::{emit_between, now_ns},
    follow::is_followed,
    loaded::{configured, placed},
    minisocks::probe,
    processes::{Task, current_program},
    rings::Between,
    typed::{Typed, read},
};

/// How many sockets are remembered; of two in the same slot, the one that changed
/// last is.
const SLOTS: u32 = 1 << 17;

/// A socket and who used it last.
#[repr(C)]
struct User {
    cookie: u64,
    /// As [`Task::program`] says; zero for nobody.
    program: u64,
}

/// By the low bits of the cookie, which each CPU counts up in batches of 4,096 numbers.
#[map]
static USERS: Array<User> = Array::with_max_entries(SLOTS, 0);

#[inline(always)]
fn place(cookie: u64) -> Option<*mut User> {
    USERS.get_ptr_mut(cookie as u32 & (SLOTS - 1))
}

/// Remembers that a socket is wanted and, where that was seen, who uses it.
#[inline(always)]
pub(crate) fn note(cookie: u64, task: Option<&Task>) {
    if configured!(usage.tells_processes) == 0 || cookie == 0 {
        return;
    }
    let Some(user) = place(cookie) else {
        return;
    };
    // SAFETY: the pointer is to an element of the map, which outlives the program. Where two CPUs write it at once,
    // a use is told again, or not told.
    unsafe {
        let is_new = (*user).cookie != cookie;
        if is_new {
            (*user).cookie = cookie;
        }
        match task {
            Some(task) if !task.is_kernel => (*user).program = task.program(),
            _ if is_new => (*user).program = 0,
            _ => {}
        }
    }
}

/// `tcp_rcv_space_adjust(sk)`
#[btf_tracepoint(function = "tcp_rcv_space_adjust")]
pub(crate) fn received(ctx: BtfTracePointContext) -> i32 {
    let socket: Typed = ctx.arg(0);
    // SAFETY: offsets come from the kernel's own types, and the verifier checks them.
    let _ = unsafe {
        (|| {
            let cookie: u64 = read(socket, placed!(offsets.cookie));
            let user = changed(cookie)?;
            if read::<u32>(socket, placed!(offsets.lock_owned)) == 0 {
                return None;
            }
            let task = Task::current();
            task.tell(now_ns());
            let (socket, between) = (socket as u64, Between::Interrupts);
            if tell(&ctx, between, &task, socket, cookie, usage::RECEIVED)? {
                // As in `note`.
                (*user).program = task.program();
            }
            Some(())
        })()
    };
    0
}

/// `inet_csk_accept(sk, …)`, as it returns.
#[fexit(function = "inet_csk_accept")]
pub(crate) fn accepted(ctx: FExitContext) -> i32 {
    let mut socket = 0_u64;
    // SAFETY: the helper writes what the function returned.
    if unsafe { bpf_get_func_ret(ctx.as_ptr(), &raw mut socket) } != 0 || socket == 0 {
        return 0;
    }
    // SAFETY: `probe` reads any address without a fault.
    let _ = unsafe {
        (|| {
            let cookie: u64 = probe(socket, configured!(offsets.cookie))?;
            changed(cookie)?;
            // It may be interrupted by another task's program, so what that process is is told when it reads or closes.
            let (task, between) = (Task::current(), Between::Tasks);
            tell(&ctx, between, &task, socket, cookie, usage::ACCEPTED).map(drop)
        })()
    };
    0
}

/// Returns the place of a socket that is wanted and was used by somebody else than the current process before, or by
/// another program of it.
#[inline(always)]
unsafe fn changed(cookie: u64) -> Option<*mut User> {
    let user = place(cookie)?;
    // SAFETY: the pointer is to an element of the map, which outlives the program.
    let (known, last) = unsafe { ((*user).cookie, (*user).program) };
    (cookie != 0 && known == cookie && last != current_program()).then_some(user)
}

/// Tells a use; returns whether there was room for it, and nothing of a thread of the kernel's own.
#[inline(always)]
unsafe fn tell<C: EbpfContext>(
    ctx: &C,
    between: Between,
    task: &Task,
    socket: u64,
    cookie: u64,
    what: u16,
) -> Option<bool> {
    if task.is_kernel {
        return None;
    }
    let mono_ns = now_ns();
    Some(emit_between(
        ctx,
        between,
        KIND_USE,
        mono_ns,
        |record: *mut UseRecord| {
            // SAFETY: the record is a reserved one.
            unsafe {
                (*record).socket = socket;
                (*record).cookie = cookie;
                (*record).known = usage_known::COOKIE
                    | usage_known::INCARNATION
                    | match is_followed(task.tgid) {
                        true => known::FOLLOWED,
                        false => 0,
                    };
                (*record).tgid = task.tgid;
                (*record).tid = task.tid;
                (*record).what = what;
                (*record).incarnation = task.incarnation;
                task.write_name(&raw mut (*record).comm);
            }
        },
    ))
}
