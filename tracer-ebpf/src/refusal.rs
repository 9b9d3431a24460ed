//! Whether a socket that closes was to go on as a timewait socket and got none.

use core::ffi::c_void;

use aya_ebpf::{EbpfContext as _, programs::BtfTracePointContext};
use tracer_ebpf::{ABSENT, caller, known};

use crate::{
    callers,
    loaded::{configured, placed},
    minisocks::{last_armed, probe},
    typed::{Typed, read},
};

const TCP_FIN_WAIT2: i32 = 5;
const TCP_CLOSE: i32 = 7;
const TCP_CLOSING: i32 = 11;

/// Looks whether a socket that closes goes on as a timewait socket, or was to and got none; returns the
/// flags that say so, and none where that cannot be told.
///
/// # Kernel
///
/// `tcp_time_wait` makes a timewait socket, or finds that there are too many, and closes the full
/// one either way (`tcp_done`). Where one was made, its timer was set just before, on this CPU: it is
/// known by its cookie, which a socket may not have yet. Where none was, either `tcp_time_wait` is on
/// the stack, or, if the compiler let it jump to `tcp_done`, `tcp_fin`, which in FIN_WAIT2 leads
/// nowhere else; or else it is `tcp_done`, without an error, while the count of timewait sockets
/// stands at its limit.
#[inline(always)]
pub(crate) unsafe fn timewait_fate(
    ctx: &BtfTracePointContext,
    socket: Typed,
    old_state: i32,
    new_state: i32,
) -> u32 {
    if new_state != TCP_CLOSE
        || configured!(minisock.tells_refusal) == 0
        || !matches!(old_state, TCP_FIN_WAIT2 | TCP_CLOSING)
    {
        return 0;
    }
    // SAFETY: offsets come from the kernel's own types, and the verifier checks them.
    let (cookie, error) = unsafe {
        let cookie: u64 = read(socket, placed!(offsets.cookie));
        let error: u32 = read(socket, placed!(offsets.error));
        (cookie, error)
    };
    if cookie == 0 || configured!(offsets.error) == ABSENT {
        return 0;
    }
    if last_armed() == cookie {
        return known::TIMEWAIT | known::TIMEWAIT_MADE;
    }
    if error != 0 {
        return known::TIMEWAIT;
    }
    // SAFETY: as above.
    unsafe { told_by_stack(ctx.as_ptr(), socket, old_state) }
}

/// Looks on the stack.
///
/// By itself, so that what it holds takes no room on the stack of those programs that look elsewhere: a program and what it
/// calls may have 512 bytes in all.
#[inline(never)]
unsafe fn told_by_stack(ctx: *mut c_void, socket: Typed, old_state: i32) -> u32 {
    let Some(found) = callers::on_stack(&BtfTracePointContext::new(ctx)) else {
        return 0;
    };
    let by_fin = old_state == TCP_FIN_WAIT2 && found & callers::bit(caller::FIN) != 0;
    // SAFETY: as above.
    let at_limit = found & callers::bit(caller::DONE) != 0 && unsafe { no_bucket_left(socket) };
    if by_fin || at_limit || found & callers::bit(caller::TIME_WAIT) != 0 {
        return known::TIMEWAIT | known::TIMEWAIT_REFUSED;
    }
    known::TIMEWAIT
}

/// Returns whether the socket's namespace has as many timewait sockets as it may have, and the socket
/// itself did not ask for none (`TCP_LINGER2` below zero).
#[inline(always)]
unsafe fn no_bucket_left(socket: Typed) -> bool {
    // SAFETY: as above; what lies beyond the socket is read with a helper that cannot fault.
    let full = (|| unsafe {
        let netns: u64 = probe(socket as u64, configured!(offsets.netns))?;
        let count: u32 = probe(netns, configured!(minisock.offsets.timewait_count))?;
        let limit: u32 = probe(netns, configured!(minisock.offsets.timewait_limit))?;
        let time: i32 = probe(socket as u64, configured!(minisock.offsets.fin_wait2_time))?;
        Some(count.wrapping_sub(1) >= limit && time >= 0)
    })();
    full.unwrap_or(false)
}
