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

use crate::rings::{Between, add, reserve, submit};

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
///
/// Another program of this CPU may come between any two steps and count its own, so numbers are added to in one step, and the
/// moment of the last loss is never set back.
#[inline(always)]
pub(crate) fn count_lost(kind: u16, mono_ns: u64) {
    // SAFETY: the helper takes nothing and only reads a number.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let Some(counter) = LOSSES.get_ptr_mut(cpu) else {
        return;
    };
    let epoch = EPOCH.get(0).map_or(0, |epoch| *epoch);
    // SAFETY: the pointer is to this CPU's element of the map, which outlives the program.
    unsafe {
        if (*counter).lost == 0 || (*counter).epoch != epoch {
            (&raw mut (*counter).epoch).write_volatile(epoch);
            (&raw mut (*counter).since_ns).write_volatile(mono_ns);
        }
        // The agent may read between any two of these writes: a count without its time would be a
        // loss that nobody places, so the count comes last.
        let until = &raw mut (*counter).until_ns;
        if until.read_volatile() < mono_ns {
            until.write_volatile(mono_ns);
        }
        if is_beside(kind) {
            add(&raw mut (*counter).beside, 1);
        }
        add(&raw mut (*counter).lost, 1);
    }
}
