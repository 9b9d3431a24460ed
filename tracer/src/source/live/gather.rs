//! What takes long to read of this kernel, read while other things are done.
//!
//! **Owns:** the threads that do it; they have ended before a hook is attached or a privilege given up.

use std::panic::resume_unwind;
use std::thread::{self, JoinHandle};

use aya::EbpfLoader;

use crate::source::minisocks::{self, Addresses};

/// What is being read.
pub(super) struct Gathering {
    loader: Option<JoinHandle<EbpfLoader<'static>>>,
    wants_addresses: bool,
    addresses: Option<JoinHandle<Addresses>>,
}

impl Gathering {
    /// Begins to read, the addresses of functions only where they are wanted: some 30 ms of the processor.
    pub(super) fn begin(wants_addresses: bool) -> Self {
        Self {
            loader: started(loader),
            wants_addresses,
            addresses: wants_addresses
                .then(|| started(minisocks::addresses))
                .flatten(),
        }
    }

    /// Returns a loader, and where functions lie, if anybody wanted to know.
    pub(super) fn end(mut self) -> (EbpfLoader<'static>, Option<Addresses>) {
        let loader = self.loader.take().map(ended);
        let addresses = self.addresses.take().map(ended);
        let wanted = || self.wants_addresses.then(minisocks::addresses);
        (
            loader.unwrap_or_else(self::loader),
            addresses.or_else(wanted),
        )
    }
}

/// Where what was read is of no use any more, it is waited for all the same.
impl Drop for Gathering {
    fn drop(&mut self) {
        let _ = self.loader.take().map(JoinHandle::join);
        let _ = self.addresses.take().map(JoinHandle::join);
    }
}

/// Makes a loader. That reads and parses the kernel's types, for relocations of a kind that our object has none of.
fn loader() -> EbpfLoader<'static> {
    let mut loader = EbpfLoader::new();
    loader.btf(None);
    // It would look as it loads.
    aya::features();
    loader
}

/// Starts a thread, unless this user may have no more (`ulimit -u`, `pids.max`): then it is done later, without one.
fn started<T: Send + 'static>(work: fn() -> T) -> Option<JoinHandle<T>> {
    thread::Builder::new().spawn(work).ok()
}

fn ended<T>(thread: JoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
