//! What happens to a connection without a change of its state: retransmissions, resets, errors.
//!
//! # Kernel
//!
//! `tcp_retransmit_skb(sk, skb)`, `tcp_send_reset(sk, skb)` (with a reason since Linux 6.10),
//! `tcp_receive_reset(sk)`, and `inet_sk_error_report(sk)` since Linux 5.14. A reset that answers a segment for which
//! there is no socket has none; one that answers a timewait or a request socket is not a connection's.

use aya_ebpf::{
    EbpfContext, helpers::bpf_probe_read_kernel, macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use tracer_ebpf::{KIND_SEGMENT, SegmentRecord, segment, usage_known};

use crate::{
    emit::{emit, now_ns},
    loaded::{configured, placed, present},
    typed::{Typed, cookie, read, wanted},
};

const TCP_TIME_WAIT: u8 = 6;
const TCP_CLOSE: u8 = 7;
const TCP_LISTEN: u8 = 10;
const TCP_NEW_SYN_RECV: u8 = 12;

/// `tcp_retransmit_skb(sk, skb)`
#[btf_tracepoint(function = "tcp_retransmit_skb")]
pub(crate) fn retransmitted(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the verifier checks every access.
    let _ = unsafe { tell(&ctx, ctx.arg(0), segment::RETRANSMITTED, None) };
    0
}

/// `tcp_send_reset(sk, skb, reason)`
#[btf_tracepoint(function = "tcp_send_reset")]
pub(crate) fn reset_sent(ctx: BtfTracePointContext) -> i32 {
    let reason: Option<u32> = match configured!(usage.tells_reset_reasons) {
        0 => None,
        _ => Some(ctx.arg(2)),
    };
    if !has_socket(&ctx) {
        return 0;
    }
    // SAFETY: the verifier checks every access.
    let _ = unsafe { tell(&ctx, ctx.arg(0), segment::RESET_SENT, reason) };
    0
}

/// `tcp_receive_reset(sk)`
#[btf_tracepoint(function = "tcp_receive_reset")]
pub(crate) fn reset_received(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the verifier checks every access.
    let _ = unsafe { tell(&ctx, ctx.arg(0), segment::RESET_RECEIVED, None) };
    0
}

/// `inet_sk_error_report(sk)`
#[btf_tracepoint(function = "inet_sk_error_report")]
pub(crate) fn error_reported(ctx: BtfTracePointContext) -> i32 {
    let socket: Typed = ctx.arg(0);
    // SAFETY: the verifier checks every access.
    let _ = unsafe {
        (|| {
            let error: u32 = read(socket, placed!(offsets.error));
            let state: u8 = read(socket, placed!(traffic.state));
            // What has closed a socket is told by its change to CLOSE.
            if error == 0 || state == TCP_CLOSE {
                return None;
            }
            tell(&ctx, socket, segment::ERROR, Some(error))
        })()
    };
    0
}

/// Returns whether the first argument is a socket at all.
///
/// # Kernel
///
/// Since Linux 6.10 a reset that no socket sends comes with none. Kernels before 6.13 (and stable branches) take every
/// argument of a raw tracepoint for a valid pointer, and drop a comparison with null as one that never holds; so it is
/// read as a number.
#[inline(always)]
fn has_socket(ctx: &BtfTracePointContext) -> bool {
    // SAFETY: the helper reads any address without a fault.
    let socket = unsafe { bpf_probe_read_kernel(ctx.as_ptr().cast::<u64>()) };
    socket.is_ok_and(|socket| socket != 0)
}

#[inline(always)]
unsafe fn tell(
    ctx: &BtfTracePointContext,
    socket: Typed,
    what: u16,
    reason: Option<u32>,
) -> Option<()> {
    if socket.is_null() {
        return None;
    }
    present(configured!(traffic.state))?;
    let mono_ns = now_ns();
    // SAFETY: offsets come from the kernel's own types, and the verifier checks them.
    unsafe {
        let state: u8 = read(socket, placed!(traffic.state));
        if matches!(state, TCP_TIME_WAIT | TCP_LISTEN | TCP_NEW_SYN_RECV) {
            return None;
        }
        wanted(socket)?;
        let cookie = cookie(socket);
        emit(ctx, KIND_SEGMENT, mono_ns, |record: *mut SegmentRecord| {
            let mut flags = 0;
            (*record).socket = socket as u64;
            (*record).cookie = cookie;
            if cookie != 0 {
                flags |= usage_known::COOKIE;
            }
            (*record).reason = reason.unwrap_or(0);
            if reason.is_some() {
                flags |= usage_known::REASON;
            }
            (*record).what = what;
            (*record).state = u16::from(state);
            (*record).reserved = 0;
            (*record).known = flags;
        });
    }
    Some(())
}
