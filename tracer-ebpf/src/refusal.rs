//! Whether a socket that closes was to go on as a timewait socket and got none.

use aya_ebpf::programs::BtfTracePointContext;
use tracer_ebpf::{caller, known};

use crate::{
    callers,
    loaded::{configured, present},
    minisocks::{last_armed, probe},
    typed::{Typed, read},
};

const TCP_FIN_WAIT1: i32 = 4;
const TCP_FIN_WAIT2: i32 = 5;
const TCP_CLOSE: i32 = 7;
const TCP_CLOSING: i32 = 11;

/// Looks whether a socket that closes was to go on as a timewait socket and got none; returns the
/// flags that say so.
///
/// # Kernel
///
/// `tcp_time_wait` makes a timewait socket, or finds that there are too many, and closes the full
/// one either way (`tcp_done`). Where one was made, its timer was set just before, on this CPU. Where
/// none was, either `tcp_time_wait` is on the stack, or, if the compiler let it jump to `tcp_done`,
/// `tcp_fin`, which in FIN_WAIT2 does nothing else; or else the count of timewait sockets has
/// reached its limit still.
#[inline(always)]
pub(crate) unsafe fn timewait_refused(
    ctx: &BtfTracePointContext,
    socket: Typed,
    old_state: i32,
    new_state: i32,
) -> u32 {
    if new_state != TCP_CLOSE
        || configured!(minisock.tells_refusal) == 0
        || !matches!(old_state, TCP_FIN_WAIT1 | TCP_FIN_WAIT2 | TCP_CLOSING)
    {
        return 0;
    }
    let Some(at) = present(configured!(offsets.cookie)) else {
        return 0;
    };
    let cookie: u64 = unsafe { read(socket, at) };
    if cookie != 0 && last_armed() == cookie {
        return known::TIMEWAIT;
    }
    // In any other state a FIN leads elsewhere.
    let fin = match old_state {
        TCP_FIN_WAIT2 => caller::FIN,
        _ => caller::TIME_WAIT,
    };
    if callers::find_either(ctx, caller::TIME_WAIT, fin) || unsafe { no_bucket_left(socket) } {
        return known::TIMEWAIT | known::TIMEWAIT_REFUSED;
    }
    known::TIMEWAIT
}

/// Returns whether the socket's namespace has as many timewait sockets as it may have, and the socket
/// itself did not ask for none (`TCP_LINGER2` below zero).
#[inline(always)]
unsafe fn no_bucket_left(socket: Typed) -> bool {
    let full = (|| unsafe {
        let netns: Typed = read(socket, present(configured!(offsets.netns))?);
        let count: u32 = probe(netns as u64, configured!(minisock.offsets.timewait_count))?;
        let limit: u32 = probe(netns as u64, configured!(minisock.offsets.timewait_limit))?;
        let time: i32 = probe(socket as u64, configured!(minisock.offsets.fin_wait2_time))?;
        Some(count.wrapping_sub(1) >= limit && time >= 0)
    })();
    full.unwrap_or(false)
}
