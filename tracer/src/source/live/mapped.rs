//! An array of the kernel side, mapped into memory.
//!
//! **Owns:** the mapping, which stays when every privilege is gone: a look into a map by `bpf()` takes
//! CAP_BPF before Linux 5.19, where unprivileged use of it is off.
//! **Never:** the meaning of the words.

use std::io;
use std::os::fd::AsFd;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU64, Ordering};

use aya::maps::{Map, MapData};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// The words of an array whose elements are whole words.
///
/// # Kernel
///
/// `BPF_F_MMAPABLE` (Linux 5.5) of an array: its elements lie one behind the other, each rounded up to
/// eight bytes.
pub(in crate::source) struct MappedArray {
    start: NonNull<AtomicU64>,
    words: usize,
    // Its descriptor is not needed for the mapping; the map goes with the agent's last hold on it. A test has none.
    _map: Option<MapData>,
}

impl MappedArray {
    /// Maps an array of so many words in all.
    pub(super) fn new(map: Map, words: usize) -> io::Result<Self> {
        let Map::Array(map) = map else {
            return Err(io::Error::other("it is no array"));
        };
        // SAFETY: no address is asked for, so no mapping is replaced.
        let start = unsafe {
            mmap(
                null_mut(),
                words * size_of::<u64>(),
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                map.fd().as_fd(),
                0,
            )
        }?;
        let start = NonNull::new(start.cast())
            .ok_or_else(|| io::Error::other("it was mapped to address zero"))?;
        Ok(Self {
            start,
            words,
            _map: Some(map),
        })
    }

    /// Memory that no kernel side writes into: a test does.
    #[cfg(test)]
    pub(in crate::source) fn without_map(words: usize) -> Self {
        let bytes = words * size_of::<u64>();
        // SAFETY: no address is asked for, so no mapping is replaced.
        let start = unsafe {
            rustix::mm::mmap_anonymous(
                null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
            )
        };
        let start = start.expect("there is memory");
        Self {
            start: NonNull::new(start.cast()).expect("it has an address"),
            words,
            _map: None,
        }
    }

    /// Reads a word as it is now; `None` behind the last one.
    pub(in crate::source) fn load(&self, index: usize) -> Option<u64> {
        self.word(index).map(|word| word.load(Ordering::Acquire))
    }

    /// The bytes from a word on, as they lie there; none where there are not so many.
    ///
    /// # Safety
    ///
    /// Nobody writes them as long as they are looked at.
    pub(super) unsafe fn bytes(&self, index: usize, count: usize) -> &[u8] {
        let words = count.div_ceil(size_of::<u64>());
        if index.checked_add(words).is_none_or(|end| end > self.words) {
            return &[];
        }
        // SAFETY: the mapping holds them, as was checked, and lives as long as `self`; the caller promises that nobody writes.
        unsafe { std::slice::from_raw_parts(self.start.add(index).cast().as_ptr(), count) }
    }

    /// Writes a word, if it is there.
    pub(in crate::source) fn store(&self, index: usize, value: u64) {
        if let Some(word) = self.word(index) {
            word.store(value, Ordering::Release);
        }
    }

    fn word(&self, index: usize) -> Option<&AtomicU64> {
        if index >= self.words {
            return None;
        }
        // SAFETY: the mapping holds `words` words, begins at a page, and lives as long as `self`. The
        // kernel side writes whole words, which an atomic allows for.
        Some(unsafe { self.start.add(index).as_ref() })
    }
}

impl Drop for MappedArray {
    fn drop(&mut self) {
        let bytes = self.words * size_of::<u64>();
        // SAFETY: it was mapped with this start and this length, and nobody holds a word of it.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), bytes) };
        debug_assert!(unmapped.is_ok(), "what was mapped can be unmapped");
    }
}
