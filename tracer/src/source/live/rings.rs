//! The ring buffers of all CPUs, read into one order.
//!
//! **Owns:** the agent's side of [`tracer_ebpf::RingEnds`]: how much is read, and when it is.
//! **Never:** what a record says beyond its size and its time.
//!
//! # Order
//!
//! Records of one ring lie in the order in which they were written; those of several are put in the order of their times. That is not all: a
//! record can be written before one on another CPU that follows from it, and be seen later, where that CPU's ring was
//! looked into first. So nothing is handed over that is younger than the moment before the first look: what follows from a record
//! that was not there yet is younger than that, and waits with it for the next time.
//!
//! (Times of one ring need not rise: an interrupt between a program's look at the clock and its writing comes first there. It changes no
//! socket that the program holds.)

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::atomic::{Ordering, fence};

use aya::util::{nr_cpus, online_cpus};
use tracer_ebpf::{PAGE_BYTES, PAGE_ENDS, RingConfig, RingEnds, RingPlace, last_pages_for};

use super::mapped::MappedArray;
use crate::model::{Batch, MonoNs};

const WORD: u64 = size_of::<u64>() as u64;
const PAGE: u64 = PAGE_BYTES as u64;
const ENDS_WORDS: usize = size_of::<RingEnds>() / size_of::<u64>();
const HEAD: usize = std::mem::offset_of!(RingEnds, head) / size_of::<u64>();
const TAIL: usize = std::mem::offset_of!(RingEnds, tail) / size_of::<u64>();
/// The header with which each record begins.
const HEADER_BYTES: u64 = 16;
/// How far the clock of one CPU may be behind that of another, or a look into memory come before the look at the clock that stands
/// before it: by a wide margin. In nanoseconds.
pub const CLOCK_MARGIN_NS: u64 = 1_000;

/// Bytes of all CPUs' rings together where nobody says.
const USUAL_BYTES: u32 = 8 << 20;
/// Bytes of each CPU's then, at least.
const USUAL_BYTES_OF_CPU: u32 = 512 << 10;

/// Returns how large the rings shall be of which the first ones of all CPUs have so many bytes together, or as many as is
/// usual: no more, but that each has a page. The others come on top.
pub(super) fn ring_config(bytes: Option<u32>) -> RingConfig {
    // One that appears later shares another one's.
    let highest = online_cpus().ok().and_then(|cpus| cpus.into_iter().max());
    // All that there may ever be, where these cannot be told.
    let possible = || nr_cpus().ok().and_then(|count| u32::try_from(count).ok());
    let cpus = highest.map(|highest| highest + 1).or_else(possible);
    config_for(bytes, cpus.unwrap_or(1))
}

fn config_for(bytes: Option<u32>, cpus: u32) -> RingConfig {
    let of_cpu = match bytes {
        Some(bytes) => bytes / cpus,
        None => (USUAL_BYTES / cpus).max(USUAL_BYTES_OF_CPU),
    };
    let pages = 1 << (of_cpu / PAGE_BYTES as u32).max(1).ilog2();
    RingConfig {
        cpus,
        pages,
        stores_in_order: u32::from(cfg!(target_arch = "x86_64")),
        last_pages: last_pages_for(pages),
    }
}

/// All rings, as they are mapped.
pub(super) struct Rings {
    ends: MappedArray,
    pages: MappedArray,
    sleeping: MappedArray,
    rings: Vec<Ring>,
    /// Of each ring that holds something to hand over, the next record.
    waiting: BinaryHeap<Reverse<Next>>,
}

/// One ring.
#[derive(Clone, Copy)]
struct Ring {
    /// Where its pages begin, in words.
    first_word: usize,
    bytes: u64,
    tail: u64,
    /// As far as it was written when it was looked into.
    head: u64,
}

/// The next record of a ring. The oldest is the least; of two of the same moment the larger one, as a process, told with the
/// moment of the change that showed it, comes before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Next {
    at: MonoNs,
    bytes: Reverse<u64>,
    ring: usize,
    /// Where it begins, in words from the begin of all pages.
    word: usize,
}

impl Rings {
    /// Takes the maps: the ends, the pages, and the word that says whether the agent sleeps.
    pub(super) fn new(
        config: &RingConfig,
        ends: MappedArray,
        pages: MappedArray,
        sleeping: MappedArray,
    ) -> Self {
        let rings = (0..config.rings()).map(|ring| {
            let RingPlace { first, pages, .. } = config.place(ring);
            Ring {
                first_word: first as usize * PAGE_BYTES / size_of::<u64>(),
                bytes: u64::from(pages) * PAGE,
                tail: 0,
                head: 0,
            }
        });
        Self {
            ends,
            pages,
            sleeping,
            rings: rings.collect(),
            waiting: BinaryHeap::new(),
        }
    }

    /// How many words its ends take.
    pub(super) fn ends_words(config: &RingConfig) -> usize {
        config.rings() as usize * ENDS_WORDS
    }

    /// How many words its pages take.
    pub(super) fn pages_words(config: &RingConfig) -> usize {
        config.all_pages() as usize * PAGE_BYTES / size_of::<u64>()
    }

    /// Moves the records into `batch` that are older than `now`, a moment before this call, but for the newest, until there are no more or
    /// the batch is full. Returns whether there are no more.
    pub(super) fn drain(&mut self, now: MonoNs, batch: &mut Batch) -> bool {
        let now = MonoNs(now.0.saturating_sub(CLOCK_MARGIN_NS));
        for number in 0..self.rings.len() {
            let head = self.head(number);
            let ring = &mut self.rings[number];
            ring.head = head;
            let next = ring.next(number, now, &self.pages);
            self.waiting.extend(next.map(Reverse));
        }
        while let Some(mut oldest) = self.waiting.peek_mut() {
            let Reverse(next) = *oldest;
            // SAFETY: it lies between the ring's ends: the kernel side has written it, and writes there again only when the tail is
            // behind it, which is told at the end of a drain.
            batch.push(unsafe { self.pages.bytes(next.word, next.bytes.0 as usize) });
            let ring = &mut self.rings[next.ring];
            ring.tail += next.bytes.0;
            match ring.next(next.ring, now, &self.pages) {
                Some(following) => *oldest = Reverse(following),
                None => drop(PeekMut::pop(oldest)),
            }
            if batch.is_full() {
                break;
            }
        }
        self.tell_tails();
        let is_all = self.waiting.is_empty();
        self.waiting.clear();
        is_all
    }

    /// Asks the kernel side to wake the agent when it writes something; returns whether there is something to read already.
    ///
    /// What a program wrote can be seen a moment after it looked at whether to wake anybody; so this is to be asked a second time a
    /// while later, before a long sleep.
    pub(super) fn ask_to_be_woken(&self) -> bool {
        self.sleeping.store(0, 1);
        fence(Ordering::SeqCst);
        self.has_more()
    }

    /// Tells the kernel side that it need not wake the agent.
    pub(super) fn stay_awake(&self) {
        if self.sleeping.load(0) != Some(0) {
            self.sleeping.store(0, 0);
        }
    }

    /// Returns whether something was written that is not read.
    pub(super) fn has_more(&self) -> bool {
        let mut rings = self.rings.iter().enumerate();
        rings.any(|(number, ring)| self.head(number) != ring.tail)
    }

    fn head(&self, number: usize) -> u64 {
        let word = self.ends.load(number * ENDS_WORDS + HEAD);
        word.expect("each ring has its ends")
    }

    /// Tells the kernel side how far it was read.
    fn tell_tails(&self) {
        for (number, ring) in self.rings.iter().enumerate() {
            let word = number * ENDS_WORDS + TAIL;
            if self.ends.load(word) != Some(ring.tail) {
                self.ends.store(word, ring.tail);
            }
        }
    }
}

impl Ring {
    /// Finds its next record, behind the end of a page if there is one; `None` where it has none that is older than `now`.
    fn next(&mut self, number: usize, now: MonoNs, pages: &MappedArray) -> Option<Next> {
        loop {
            if self.tail == self.head {
                return None;
            }
            let word = self.first_word + ((self.tail & (self.bytes - 1)) / WORD) as usize;
            let first = pages.load(word).expect("a ring lies in the pages");
            let rest = (PAGE - self.tail % PAGE).min(self.head - self.tail);
            if first == PAGE_ENDS {
                self.tail += rest;
                continue;
            }
            let [_, _, low, high, ..] = first.to_ne_bytes();
            let size = u64::from(u16::from_ne_bytes([low, high]));
            let is_whole = size >= HEADER_BYTES && size <= rest && size.is_multiple_of(WORD);
            let next = Next {
                at: match is_whole {
                    true => MonoNs(pages.load(word + 1).unwrap_or(0)),
                    false => MonoNs(0),
                },
                ring: number,
                word,
                // What is left of the page then: nobody will decode it, and that is an error.
                bytes: Reverse(if is_whole { size } else { rest }),
            };
            return (next.at < now).then_some(next);
        }
    }
}

#[cfg(test)]
mod tests;
