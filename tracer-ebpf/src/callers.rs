//! Which function of the kernel is at work, by the addresses on the stack.
//!
//! **Never:** a guess: where no known function is found, the answer says so.

use aya_ebpf::{EbpfContext, helpers::generated::bpf_get_stack};
use tracer_ebpf::{CALLER_RANGES, caller};

use crate::loaded::configured;

/// How deep is looked: a timer's tracepoint lies some seven frames below the function that matters.
const FRAMES: usize = 16;

/// Returns the innermost function that is one of those the agent named, other than marks. Where
/// `mark` is not [`caller::UNKNOWN`], it must be on the stack inside of that function (but for one
/// that the compiler builds it into), or else the answer is `None`. So it is where the stack cannot be walked.
#[inline(always)]
pub(crate) fn innermost<C: EbpfContext>(ctx: &C, mark: u32) -> Option<u32> {
    let mut frames = [0; FRAMES];
    walk(ctx, &mut frames)?;
    let mut marked = mark == caller::UNKNOWN;
    let mut frame = 0;
    while frame < FRAMES {
        let found = function_at(frames[frame]);
        if found == mark {
            marked = true;
        } else if (marked && is_reason(found)) || found == caller::NETNS_EXIT {
            return Some(found);
        }
        frame += 1;
    }
    marked.then_some(caller::UNKNOWN)
}

/// Returns which functions are on the stack, a [`bit`] each, or `None` where the stack cannot be
/// walked.
#[inline(always)]
pub(crate) fn on_stack<C: EbpfContext>(ctx: &C) -> Option<u64> {
    let mut frames = [0; FRAMES];
    walk(ctx, &mut frames)?;
    let mut found = 0;
    let mut frame = 0;
    while frame < FRAMES {
        found |= bit(function_at(frames[frame]));
        frame += 1;
    }
    Some(found)
}

/// The bit of a function in what [`on_stack`] returns.
#[inline(always)]
pub(crate) fn bit(function: u32) -> u64 {
    1 << (function & 63)
}

/// Returns whether a function tells why something happens, rather than that it does.
#[inline(always)]
fn is_reason(found: u32) -> bool {
    !matches!(
        found,
        caller::UNKNOWN
            | caller::TIMEWAIT_REMOVE
            | caller::REQUEST_REMOVE
            | caller::TIME_WAIT
            | caller::FIN
            | caller::DONE
    )
}

/// Fills in the return addresses, innermost first, and leaves the rest zero where the stack is shorter; `None` where it cannot
/// be walked.
#[inline(always)]
fn walk<C: EbpfContext>(ctx: &C, frames: &mut [u64; FRAMES]) -> Option<()> {
    // SAFETY: the buffer is as large as the helper is told.
    let len = unsafe {
        bpf_get_stack(
            ctx.as_ptr(),
            frames.as_mut_ptr().cast(),
            size_of::<[u64; FRAMES]>() as u32,
            0,
        )
    };
    (len > 0).then_some(())
}

/// Returns which function holds an address.
///
/// A global function, which the verifier checks once and by itself: followed from every place that
/// calls it, its comparisons took half a second.
#[inline(never)]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn function_at(address: u64) -> u32 {
    let mut slot = 0;
    while slot < CALLER_RANGES {
        // A return address may lie just behind the call that ends its function.
        let start = configured!(minisock.callers[slot].start);
        let end = configured!(minisock.callers[slot].end);
        if address > start && address <= end {
            return configured!(minisock.callers[slot].caller) as u32;
        }
        slot += 1;
    }
    caller::UNKNOWN
}
