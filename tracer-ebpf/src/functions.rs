//! The functions through which timewait and request sockets pass, hooked themselves.
//!
//! # Kernel
//!
//! * A timewait socket begins in `inet_twsk_hashdance_schedule` since Linux 6.11, and in
//!   `__inet_twsk_schedule` before, which also sets its timer anew; it ends in `inet_twsk_kill`,
//!   called by `tw_timer_handler` or by `inet_twsk_deschedule_put`
//!   (`net/ipv4/inet_timewait_sock.c`). Where the compiler built `inet_twsk_kill` into its callers,
//!   these are hooked; an end may then be told twice, and the first counts.
//! * A request socket begins in `inet_csk_reqsk_queue_hash_add`; it becomes a connection in
//!   `inet_csk_complete_hashdance`, or dies in `__inet_csk_reqsk_queue_drop`, which has that name
//!   since Linux 6.12 and in stable branches (`net/ipv4/inet_connection_sock.c`).

use aya_ebpf::{
    EbpfContext,
    helpers::generated::bpf_get_func_ret,
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use tracer_ebpf::{KIND_REQUEST, KIND_TIMEWAIT, caller, what};

use crate::{
    callers,
    loaded::{configured, present},
    minisocks::{Told, set_expiring, take_expiring, tell},
};

#[inline(always)]
fn told<C: EbpfContext>(
    ctx: &C,
    kind: u16,
    what: u16,
    caller: u32,
    address: u64,
    timeout: Option<i32>,
) -> i32 {
    let told = Told {
        kind,
        what,
        caller,
        address,
        timeout,
    };
    // SAFETY: the address is read with a helper that fails where nothing is mapped.
    let _ = unsafe { tell(ctx, &told) };
    0
}

/// `inet_twsk_hashdance_schedule(tw, sk, hashinfo, timeo)`
#[fentry(function = "inet_twsk_hashdance_schedule")]
pub(crate) fn timewait_begins(ctx: FEntryContext) -> i32 {
    let (address, timeout) = (ctx.arg::<u64>(0), ctx.arg::<i32>(3));
    told(
        &ctx,
        KIND_TIMEWAIT,
        what::ARMED,
        caller::UNKNOWN,
        address,
        Some(timeout),
    )
}

/// `__inet_twsk_schedule(tw, timeo, rearm)`
#[fentry(function = "__inet_twsk_schedule")]
pub(crate) fn timewait_scheduled(ctx: FEntryContext) -> i32 {
    let (address, timeout) = (ctx.arg::<u64>(0), ctx.arg::<i32>(1));
    let again = ctx.arg::<u8>(2) != 0;
    if !again && configured!(minisock.dance_schedules) != 0 {
        return 0;
    }
    told(
        &ctx,
        KIND_TIMEWAIT,
        what::ARMED,
        caller::UNKNOWN,
        address,
        Some(timeout),
    )
}

/// `tw_timer_handler(timer)`
#[fentry(function = "tw_timer_handler")]
pub(crate) fn timewait_expires(ctx: FEntryContext) -> i32 {
    let Some(offset) = present(configured!(minisock.offsets.timewait_timer)) else {
        return 0;
    };
    let address = ctx.arg::<u64>(0) - offset as u64;
    if configured!(minisock.kill_tells_ends) != 0 {
        set_expiring(address);
        return 0;
    }
    told(
        &ctx,
        KIND_TIMEWAIT,
        what::EXPIRED,
        caller::UNKNOWN,
        address,
        None,
    )
}

/// `inet_twsk_kill(tw)`
#[fentry(function = "inet_twsk_kill")]
pub(crate) fn timewait_killed(ctx: FEntryContext) -> i32 {
    let address = ctx.arg::<u64>(0);
    if take_expiring(address) {
        return told(
            &ctx,
            KIND_TIMEWAIT,
            what::EXPIRED,
            caller::UNKNOWN,
            address,
            None,
        );
    }
    let by = callers::innermost(&ctx, caller::UNKNOWN).unwrap_or(caller::UNKNOWN);
    told(&ctx, KIND_TIMEWAIT, what::REMOVED, by, address, None)
}

/// `inet_twsk_deschedule_put(tw)`
#[fentry(function = "inet_twsk_deschedule_put")]
pub(crate) fn timewait_removed(ctx: FEntryContext) -> i32 {
    let by = callers::innermost(&ctx, caller::UNKNOWN).unwrap_or(caller::UNKNOWN);
    let address = ctx.arg::<u64>(0);
    told(&ctx, KIND_TIMEWAIT, what::REMOVED, by, address, None)
}

/// `inet_csk_reqsk_queue_hash_add(sk, req, timeout)`, as it returns whether it took the request socket:
/// for a SYN that came twice at once it does not. Before Linux 6.10 and in stable branches it returns
/// nothing, and always did.
#[fexit(function = "inet_csk_reqsk_queue_hash_add")]
pub(crate) fn request_begins(ctx: FExitContext) -> i32 {
    let mut taken = 0_u64;
    // SAFETY: the helper writes what the function returned, if it returns anything.
    let returns = unsafe { bpf_get_func_ret(ctx.as_ptr(), &raw mut taken) } == 0;
    if returns && taken & 1 == 0 {
        return 0;
    }
    let address = ctx.arg::<u64>(1);
    told(
        &ctx,
        KIND_REQUEST,
        what::ARMED,
        caller::UNKNOWN,
        address,
        None,
    )
}

/// `inet_csk_complete_hashdance(sk, child, req, own_req)`
#[fentry(function = "inet_csk_complete_hashdance")]
pub(crate) fn request_completed(ctx: FEntryContext) -> i32 {
    // Another CPU may have been faster; then this child is thrown away.
    if ctx.arg::<u8>(3) == 0 {
        return 0;
    }
    let address = ctx.arg::<u64>(2);
    let by = caller::REQUEST_COMPLETE;
    told(&ctx, KIND_REQUEST, what::REMOVED, by, address, None)
}

/// `__inet_csk_reqsk_queue_drop(sk, req, from_timer)`, as it returns whether the request socket died
/// by this call, and not by becoming a full one.
#[fexit(function = "__inet_csk_reqsk_queue_drop")]
pub(crate) fn request_dropped(ctx: FExitContext) -> i32 {
    if ctx.arg::<u8>(3) == 0 {
        return 0;
    }
    let by = callers::innermost(&ctx, caller::UNKNOWN).unwrap_or(caller::UNKNOWN);
    let address = ctx.arg::<u64>(1);
    told(&ctx, KIND_REQUEST, what::REMOVED, by, address, None)
}
