//! Handing a record over, or counting it as lost.

use aya_ebpf::{
    EbpfContext,
    bindings::BPF_F_MMAPABLE,
    helpers::{bpf_get_smp_processor_id, generated::bpf_ktime_get_boot_ns},
    macros::map,
    maps::Array,
};
use aya_log_ebpf::debug;
use tracer_ebpf::{LossCounter, PAGE_BYTES, is_beside};

use crate::rings::{Between, add, replace, reserve, submit};

/// What each CPU lost, by its number; the agent makes room for each before loading, and reads it as memory.
#[map]
static LOSSES: Array<LossCounter> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Which reading of [`LOSSES`] the agent waits for next; it alone writes here.
#[map]
static EPOCH: Array<u64> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Returns the boot-time clock in nanoseconds.
#[inline(always)]
pub(crate) fn now_ns() -> u64 {
    // SAFETY: the helper takes nothing and only reads a clock. Since Linux 5.8.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// How every record begins.
#[repr(C)]
struct Header {
    kind: u16,
    size: u16,
    cpu: u32,
    mono_ns: u64,
}

/// Reserves a record, lets `fill` write it, and submits it; or counts it as lost. Returns which.
///
/// `fill` gets a record whose kind, size, CPU and time are written and must write all the rest.
#[inline(always)]
pub(crate) fn emit<C: EbpfContext, R: 'static>(
    ctx: &C,
    kind: u16,
    mono_ns: u64,
    fill: impl FnOnce(*mut R),
) -> bool {
    emit_between(ctx, Between::Interrupts, kind, mono_ns, fill)
}

/// The same, where it is said what can come between while the program writes.
#[inline(always)]
pub(crate) fn emit_between<C: EbpfContext, R: 'static>(
    ctx: &C,
    between: Between,
    kind: u16,
    mono_ns: u64,
    fill: impl FnOnce(*mut R),
) -> bool {
    let sent = emit_silently(between, kind, mono_ns, fill);
    if !sent {
        say_full(ctx);
    }
    sent
}

/// Says in the kernel side's own log that there was no room.
///
/// By itself, so that what it says takes no room on the stack of all else: a program and what it calls may have 512 bytes in all.
#[inline(never)]
pub(crate) fn say_full<C: EbpfContext>(ctx: &C) {
    // SAFETY: the helper takes nothing and only reads a number.
    debug!(ctx, "ring buffer full on cpu {}", unsafe {
        bpf_get_smp_processor_id()
    });
}

/// The same without a word in the kernel side's own log, where there is no context to say it with.
#[inline(always)]
pub(crate) fn emit_silently<R: 'static>(
    between: Between,
    kind: u16,
    mono_ns: u64,
    fill: impl FnOnce(*mut R),
) -> bool {
    const { assert!(size_of::<R>() < PAGE_BYTES && size_of::<R>().is_multiple_of(8)) };
    let Some(room) = reserve(size_of::<R>(), between) else {
        count_lost(kind, mono_ns);
        return false;
    };
    let record: *mut R = room.at.cast();
    // SAFETY: there is room for a record, and it begins at a multiple of eight bytes.
    unsafe { begin(record, kind, mono_ns) };
    fill(record);
    submit(room);
    true
}

/// Writes how a record begins.
#[inline(always)]
pub(crate) unsafe fn begin<R>(record: *mut R, kind: u16, mono_ns: u64) {
    // SAFETY: the caller has room for a record, aligned to eight bytes, and every record begins with a header.
    unsafe {
        record.cast::<Header>().write(Header {
            kind,
            size: size_of::<R>() as u16,
            cpu: bpf_get_smp_processor_id(),
            mono_ns,
        });
    }
}

/// Counts a record that found no room.
#[inline(always)]
pub(crate) fn count_lost(kind: u16, mono_ns: u64) {
    count_lost_one(u64::from(is_beside(kind)), mono_ns);
}

/// Counts a record that found no room, of a change or beside them.
///
/// Another program of this CPU may come between any two steps and count its own, so numbers are added to in one step, and the
/// moment of the last loss is never set back. The agent may read between any two of them: a count without its time would be a loss
/// that nobody places, so the count comes after its time. Had the agent begun a new interval meanwhile, the count may belong to that one, which
/// then begins here.
///
/// A global function, for the reasons of [`find_room`](crate::rings): it is rarely called.
#[inline(never)]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn count_lost_one(is_beside: u64, mono_ns: u64) -> u64 {
    // SAFETY: the helper takes nothing and only reads a number.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let Some(counter) = LOSSES.get_ptr_mut(cpu) else {
        return 0;
    };
    // SAFETY: the pointer is to this CPU's element of the map, which outlives the program.
    unsafe {
        if (*counter).changes == 0 && (*counter).beside == 0 {
            (&raw mut (*counter).since_ns).write_volatile(mono_ns);
        }
        begin_interval(counter, mono_ns);
        not_before(&raw mut (*counter).until_ns, mono_ns);
        match is_beside {
            0 => add(&raw mut (*counter).changes, 1),
            _ => add(&raw mut (*counter).beside, 1),
        }
        begin_interval(counter, mono_ns);
    }
    0
}

/// Begins an interval of losses if the agent asked for a new one since the last.
#[inline(always)]
unsafe fn begin_interval(counter: *mut LossCounter, mono_ns: u64) {
    let Some(epoch) = EPOCH.get_ptr(0) else {
        return;
    };
    // SAFETY: the caller has this CPU's element of the map, and the other one is the agent's.
    unsafe {
        let epoch = epoch.read_volatile();
        if (*counter).epoch != epoch {
            (&raw mut (*counter).since_ns).write_volatile(mono_ns);
            (&raw mut (*counter).epoch).write_volatile(epoch);
        }
    }
}

/// Sets a moment, unless it is later already.
#[inline(always)]
unsafe fn not_before(moment: *mut u64, mono_ns: u64) {
    // Who comes between is later, and does not come between for ever.
    const TRIES: u32 = 4;
    for _ in 0..TRIES {
        // SAFETY: the caller has a word of a map.
        unsafe {
            let there = moment.read_volatile();
            if there >= mono_ns || replace(moment, there, mono_ns) == there {
                return;
            }
        }
    }
}
