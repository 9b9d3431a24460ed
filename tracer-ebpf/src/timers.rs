//! The timers of timewait and request sockets, where their functions cannot be hooked: the kernel's
//! timer tracepoints, filtered by the function that a timer calls.
//!
//! # Kernel
//!
//! * `timer_start` comes when a timer is put into the timer wheel, `timer_cancel` when it is taken
//!   out, which happens also when it runs out and when it is set anew; `timer_expire_entry` comes
//!   before its function is called (`kernel/time/timer.c`).
//! * A timer that is set anew for a time in the same slot of the wheel is left where it is, and no
//!   tracepoint comes. A FIN that turns FIN_WAIT2 into TIME_WAIT within the first seconds does
//!   that. But a segment that a timewait socket took in is freed with that socket named, since
//!   Linux 6.11: `kfree_skb(skb, location, reason, rx_sk)`.
//! * They come for every timer of the machine, so what is not ours must cost next to nothing: one
//!   load and two comparisons.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use tracer_ebpf::{ABSENT, KIND_REQUEST, KIND_TIMEWAIT, caller, what};

use crate::{
    callers,
    emit::now_ns,
    loaded::{configured, placed},
    minisocks::{Told, became_child, probe, tell},
    typed::{Typed, read},
};

const TCP_TIME_WAIT: u8 = 6;

/// Returns the kind and the address of the minisock that a timer belongs to.
#[inline(always)]
unsafe fn minisock(timer: Typed) -> Option<(u16, u64)> {
    // SAFETY: the verifier knows a timer's type; what holds it is read without a fault.
    let function: u64 = unsafe { read(timer, placed!(minisock.offsets.timer_function)) };
    let (kind, offset) = if function == configured!(minisock.timewait_handler) {
        (KIND_TIMEWAIT, configured!(minisock.offsets.timewait_timer))
    } else if function == configured!(minisock.request_handler) {
        (KIND_REQUEST, configured!(minisock.offsets.request_timer))
    } else {
        return None;
    };
    (offset != ABSENT && function != 0).then(|| (kind, timer as u64 - u64::from(offset)))
}

/// A timer is set.
#[btf_tracepoint(function = "timer_start")]
pub(crate) fn timer_started(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the verifier checks every access that follows.
    let _ = unsafe { timer(&ctx, what::ARMED) };
    0
}

/// A timer runs out.
#[btf_tracepoint(function = "timer_expire_entry")]
pub(crate) fn timer_expired(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: as above.
    let _ = unsafe { timer(&ctx, what::EXPIRED) };
    0
}

#[inline(always)]
unsafe fn timer(ctx: &BtfTracePointContext, what: u16) -> Option<()> {
    // SAFETY: the verifier knows a timer's type; what holds it is read without a fault.
    unsafe {
        let (kind, address) = minisock(ctx.arg(0))?;
        let told = Told {
            kind,
            what,
            caller: caller::UNKNOWN,
            address,
            timeout: None,
        };
        tell(ctx, &told)
    }
}

/// A timer is taken out: because its socket is, or only to be set anew or to run out, which the
/// stack tells apart.
#[btf_tracepoint(function = "timer_cancel")]
pub(crate) fn timer_cancelled(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: as above.
    let _ = unsafe { cancelled(&ctx) };
    0
}

#[inline(always)]
unsafe fn cancelled(ctx: &BtfTracePointContext) -> Option<()> {
    // SAFETY: the verifier knows a timer's type; what holds it is read without a fault.
    unsafe {
        let (kind, address) = minisock(ctx.arg(0))?;
        let mark = match kind {
            KIND_REQUEST => caller::REQUEST_REMOVE,
            _ => caller::TIMEWAIT_REMOVE,
        };
        // Nearly every request socket becomes a connection, and walking the stack to see that takes a microsecond.
        let caller = match kind {
            KIND_REQUEST if became_child(address, now_ns()) => caller::REQUEST_COMPLETE,
            _ => callers::innermost(ctx, mark)?,
        };
        let told = Told {
            kind,
            what: what::REMOVED,
            caller,
            address,
            timeout: None,
        };
        tell(ctx, &told)
    }
}

/// A packet is freed that was not delivered: perhaps one that a timewait socket took in, which set
/// that socket's timer anew.
#[btf_tracepoint(function = "kfree_skb")]
pub(crate) fn packet_freed(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the verifier checks every access that follows.
    let _ = unsafe { freed(&ctx) };
    0
}

#[inline(always)]
unsafe fn freed(ctx: &BtfTracePointContext) -> Option<()> {
    let socket = ctx.arg::<Typed>(3) as u64;
    if socket == 0 {
        return None;
    }
    // SAFETY: the verifier knows a timer's type; what holds it is read without a fault.
    unsafe {
        let state: u8 = probe(socket, configured!(minisock.offsets.state))?;
        if state != TCP_TIME_WAIT {
            return None;
        }
        let timer = socket + u64::from(configured!(minisock.offsets.timewait_timer));
        let function: u64 = probe(timer, configured!(minisock.offsets.timer_function))?;
        let pending: u64 = probe(timer, configured!(minisock.offsets.timer_pending))?;
        // One that has ended is no more: its memory may be another's at any moment.
        if function != configured!(minisock.timewait_handler) || function == 0 || pending == 0 {
            return None;
        }
        let told = Told {
            kind: KIND_TIMEWAIT,
            what: what::ARMED,
            caller: caller::UNKNOWN,
            address: socket,
            timeout: None,
        };
        tell(ctx, &told)
    }
}
