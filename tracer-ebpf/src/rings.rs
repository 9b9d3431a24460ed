//! Writing into this CPU's ring buffers, and waking the agent.

use core::arch::asm;
use core::sync::atomic::{Ordering, compiler_fence};

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    helpers::bpf_get_smp_processor_id,
    macros::map,
    maps::{Array, RingBuf},
};
use tracer_ebpf::{PAGE_BYTES, PAGE_ENDS, Page, RINGS_OF_CPU, RingConfig, RingEnds, RingPlace};

use crate::loaded::configured;

/// The pages of all rings; the agent says how many before loading, and reads them as memory.
#[map]
static PAGES: Array<Page> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The ends of all rings.
#[map]
static ENDS: Array<RingEnds> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Whether the agent sleeps and has to be woken, which is not zero then.
#[map]
static SLEEPING: Array<u64> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// What wakes it: the kernel's own ring buffer, in which nothing but that is said.
#[map]
static BELL: RingBuf = RingBuf::with_byte_size(PAGE_BYTES as u32, 0);

/// The last byte of a page, and which bits of a position say where in its page it is.
const LAST: u64 = PAGE_BYTES as u64 - 1;

/// What [`find_room`] returns: that it found room, the number of the ring, where in the page, and which of all pages.
const FOUND: u64 = 1 << 63;
const RING: u32 = 44;
const OFFSET: u32 = 32;

/// Room for records in a ring that is taken until they are submitted.
pub(crate) struct Room {
    /// Where they go.
    pub(crate) at: *mut u8,
    ends: *mut RingEnds,
}

/// What can come between on this CPU while a program has a ring.
#[derive(Clone, Copy)]
pub(crate) enum Between {
    /// Interrupts, whose programs have ended when this one goes on: it is on a tracepoint, or on a function that is called
    /// with softirqs off. (A kernel with PREEMPT_RT lets other tasks come between here, too, and so may kernels that are newer
    /// than those that were tried: their records then find less room.)
    Interrupts,
    /// Other tasks, for as long as the scheduler likes: it is on another function (`__bpf_prog_enter_recur` keeps it on its CPU, no
    /// more). So it leaves the first ring, through which most goes, to the others while it can.
    Tasks,
}

/// Takes a ring of this CPU and finds `size` bytes in it, a multiple of eight and less than a page; `None` where there is no
/// room. Whoever has room submits it, whatever happens: until then the ring takes nothing else.
#[inline(always)]
pub(crate) fn reserve(size: usize, between: Between) -> Option<Room> {
    let found = find_room(size as u64, u64::from(matches!(between, Between::Tasks)));
    if found == 0 {
        return None;
    }
    // Neither is ever missing, and the room lies in the page; but the verifier does not look into another function.
    let ends = ENDS.get_ptr_mut(((found & !FOUND) >> RING) as u32)?;
    let page: *mut u8 = PAGES.get_ptr_mut(found as u32)?.cast();
    let offset = (found >> OFFSET & LAST) as usize;
    if offset > PAGE_BYTES - size {
        return None;
    }
    Some(Room {
        at: page.wrapping_add(offset),
        ends,
    })
}

/// Takes a ring of this CPU in which there is room for so many bytes, and says where; zero where there is none. Programs that other
/// tasks may interrupt begin with the last.
///
/// A global function, which the verifier checks once for each program and by itself: followed from every place that calls it, it was half of
/// the time that the programs took to load.
#[inline(never)]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn find_room(size: u64, from_last: u64) -> u64 {
    // SAFETY: the helper takes nothing and only reads a number.
    let mut cpu = unsafe { bpf_get_smp_processor_id() };
    let cpus = configured!(rings.cpus);
    if cpu >= cpus {
        cpu = cpu.checked_rem(cpus).unwrap_or(0);
    }
    for step in 0..RINGS_OF_CPU {
        let nth = match from_last {
            0 => step,
            _ => RINGS_OF_CPU - 1 - step,
        };
        if let Some(found) = in_ring(size, cpu, nth) {
            return found;
        }
    }
    0
}

/// Finds room in one of the rings of a CPU, unless another program has that ring.
#[inline(always)]
fn in_ring(size: u64, cpu: u32, nth: u32) -> Option<u64> {
    let rings = RingConfig {
        cpus: configured!(rings.cpus),
        pages: configured!(rings.pages),
        stores_in_order: 0,
        last_pages: configured!(rings.last_pages),
    };
    let RingPlace { ring, first, pages } = rings.place_of(cpu, nth);
    within(size, ring, first, pages)
}

/// Takes a ring and finds room in it; gives it back where there is none.
#[inline(always)]
fn within(size: u64, ring: u32, first: u32, pages: u32) -> Option<u64> {
    let ends = ENDS.get_ptr_mut(ring)?;
    // SAFETY: the pointer is to an element of the map, which outlives the program.
    if unsafe { exchange(&raw mut (*ends).is_taken, 1) } != 0 {
        return None;
    }
    // SAFETY: as above; the agent writes no less than a whole `tail` at once.
    let (head, tail) = unsafe {
        (
            (&raw const (*ends).head).read_volatile(),
            (&raw const (*ends).tail).read_volatile(),
        )
    };
    let start = match (head & LAST) + size <= PAGE_BYTES as u64 {
        true => head,
        false => (head | LAST) + 1,
    };
    let next = start + size;
    if next - tail > u64::from(pages) * PAGE_BYTES as u64 {
        give_back(ends);
        return None;
    }
    let page_of = |at: u64| first + ((at / PAGE_BYTES as u64) as u32 & (pages - 1));
    if start != head
        && let Some(old) = PAGES.get_ptr_mut(page_of(head))
    {
        let at = old.cast::<u8>().wrapping_add((head & (LAST - 7)) as usize);
        // SAFETY: where a page holds no more records, it has eight bytes at least: all are multiples of that.
        unsafe { at.cast::<u64>().write_volatile(PAGE_ENDS) };
    }
    // SAFETY: as above.
    unsafe { (&raw mut (*ends).next).write_volatile(next) };
    let offset = start & LAST;
    Some(FOUND | u64::from(ring) << RING | offset << OFFSET | u64::from(page_of(start)))
}

/// Hands over what was written, and wakes the agent if it sleeps.
#[inline(always)]
pub(crate) fn submit(room: Room) {
    compiler_fence(Ordering::Release);
    // SAFETY: the pointer is to an element of the map.
    unsafe {
        let next = (&raw const (*room.ends).next).read_volatile();
        let head = &raw mut (*room.ends).head;
        match configured!(rings.stores_in_order) {
            0 => drop(exchange(head, next)),
            _ => head.write_volatile(next),
        }
    }
    give_back(room.ends);
    let Some(sleeping) = SLEEPING.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: the pointer is to the element of the map.
    unsafe {
        if sleeping.read_volatile() != 0 {
            sleeping.write_volatile(0);
            wake();
        }
    }
}

/// Lets the agent's wait end; where there is no room for that, one that rang before has done so.
///
/// Who finds the agent asleep clears the word first and rings then: so a word that is cleared late is never the last that it hears.
/// (A program that another task interrupts in between lets it sleep until that task has run; it looks for itself each second.)
#[inline(always)]
fn wake() {
    if let Some(bell) = BELL.reserve::<u64>(0) {
        bell.submit(0);
    }
}

#[inline(always)]
fn give_back(ends: *mut RingEnds) {
    compiler_fence(Ordering::Release);
    // SAFETY: the pointer is to an element of the map, and the ring was taken by this program.
    unsafe { (&raw mut (*ends).is_taken).write_volatile(0) };
}

/// Writes a word and returns what was there, at once and in order with all before and behind it, as a full barrier does.
///
/// # Kernel
///
/// `BPF_XCHG`, since Linux 5.12 (arm64: 5.18). The compiler's own atomics do not have it for this machine.
#[inline(always)]
pub(crate) unsafe fn exchange(place: *mut u64, mut value: u64) -> u64 {
    // SAFETY: the caller has a word of a map.
    unsafe {
        asm!("{value} = xchg_64({place} + 0, {value})", place = in(reg) place, value = inout(reg) value);
    }
    value
}

/// Writes a word where `expected` stands, and returns what stood there, at once and in order with all before and behind it.
///
/// # Kernel
///
/// `BPF_CMPXCHG`, since Linux 5.12 (arm64: 5.18); what is expected stands in r0.
#[inline(always)]
pub(crate) unsafe fn replace(place: *mut u64, mut expected: u64, value: u64) -> u64 {
    // SAFETY: the caller has a word of a map.
    unsafe {
        asm!("r0 = cmpxchg_64({place} + 0, r0, {value})", place = in(reg) place, value = in(reg) value, inout("r0") expected);
    }
    expected
}

/// Adds to a word at once and in order with all before and behind it, as a full barrier does.
///
/// # Kernel
///
/// `BPF_ADD | BPF_FETCH`, since Linux 5.12.
#[inline(always)]
pub(crate) unsafe fn add(place: *mut u64, mut value: u64) {
    // SAFETY: the caller has a word of a map.
    unsafe {
        asm!("{value} = atomic_fetch_add((u64 *)({place} + 0), {value})", place = in(reg) place, value = inout(reg) value);
    }
    let _ = value;
}
