//! The ring buffers through which records leave the kernel side: how they lie in memory, and who moves which end.
//!
//! Every CPU has some of its own, so none takes a lock and none waits for another CPU. The kernel side writes behind the head
//! and then moves it; the agent, which has all of it mapped, reads from the tail to the head and then moves the tail. Records
//! of one ring lie in the order in which they were written; between rings their times tell.
//!
//! A ring is a row of [`Page`]s. A record lies in one page; where none fits any more, [`PAGE_ENDS`] stands in its place, and
//! the next one begins with the next page.

use core::mem::{offset_of, size_of};

/// Bytes of a page.
pub const PAGE_BYTES: usize = 4096;

/// What stands where a page holds no more records: no record has this kind and this size.
pub const PAGE_ENDS: u64 = 0;

/// Rings of each CPU. A program takes the next one where another program writes into the first, or where that is full.
pub const RINGS_OF_CPU: u32 = 3;

/// Pages of the second ring of each CPU, and of the third at least.
pub const INNER_PAGES: u32 = 4;

/// A page of a ring.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Page(pub [u64; PAGE_BYTES / 8]);

/// How far a ring is written and read. 128 bytes: what either side writes has a cache line of its own, where these have 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct RingEnds {
    /// Bytes that were ever written, page ends included.
    pub head: u64,
    /// Whether a program is writing.
    pub is_taken: u64,
    /// Where the head will be when what is being written has been handed over.
    pub next: u64,
    /// Nothing.
    pub kernel_side_rest: [u64; 5],
    /// Bytes that were ever read; the agent alone writes it.
    pub tail: u64,
    /// Nothing.
    pub agent_rest: [u64; 7],
}

/// How large the rings are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct RingConfig {
    /// How many CPUs have rings. One with a greater number, which appeared later, shares those of another.
    pub cpus: u32,
    /// Pages of the first ring of each: a power of two.
    pub pages: u32,
    /// Whether stores of one CPU are seen by others in their order, as on x86, so that no barrier is needed.
    pub stores_in_order: u32,
    /// Pages of the third ring of each, a power of two: see [`last_pages_for`].
    pub last_pages: u32,
}

/// Returns how many pages the third ring of a CPU has, whose first has so many: a quarter. Programs take it first that
/// other tasks may interrupt, and these have little to tell.
pub const fn last_pages_for(pages: u32) -> u32 {
    let quarter = pages / 4;
    if quarter > INNER_PAGES {
        quarter
    } else {
        INNER_PAGES
    }
}

/// Where a ring lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingPlace {
    /// Its number among all.
    pub ring: u32,
    /// Its first page, of all.
    pub first: u32,
    /// How many pages it has.
    pub pages: u32,
}

impl RingConfig {
    /// How many rings there are: first the first ones of all CPUs, then the others, CPU by CPU.
    pub const fn rings(&self) -> u32 {
        self.cpus * RINGS_OF_CPU
    }

    /// Where a ring lies.
    pub const fn place(&self, ring: u32) -> RingPlace {
        if ring < self.cpus {
            return self.place_of(ring, 0);
        }
        let others = RINGS_OF_CPU - 1;
        let other = ring - self.cpus;
        self.place_of(other / others, 1 + other % others)
    }

    /// Where a ring of a CPU lies, the first, second or third.
    #[inline(always)]
    pub const fn place_of(&self, cpu: u32, nth: u32) -> RingPlace {
        if nth == 0 {
            return RingPlace {
                ring: cpu,
                first: cpu * self.pages,
                pages: self.pages,
            };
        }
        let ring = self.cpus + cpu * (RINGS_OF_CPU - 1) + nth - 1;
        let first = self.cpus * self.pages + cpu * (INNER_PAGES + self.last_pages);
        let (first, pages) = match nth {
            1 => (first, INNER_PAGES),
            _ => (first + INNER_PAGES, self.last_pages),
        };
        RingPlace { ring, first, pages }
    }

    /// How many pages all rings have.
    pub const fn all_pages(&self) -> u32 {
        self.cpus * (self.pages + INNER_PAGES + self.last_pages)
    }
}

const _: () = {
    assert!(size_of::<Page>() == PAGE_BYTES);
    assert!(size_of::<RingEnds>() == 128);
    assert!(offset_of!(RingEnds, is_taken) == 8);
    assert!(offset_of!(RingEnds, tail) == 64);
    assert!(size_of::<RingConfig>() == 16);
    assert!(INNER_PAGES.is_power_of_two());
    assert!(RINGS_OF_CPU == 3);
};
