//! What takes long to read of this kernel, read at the same time.
//!
//! **Owns:** the threads that do it; they have ended before a hook is attached or a privilege given up.

use std::fs;
use std::io;
use std::panic::resume_unwind;
use std::thread::{self, ScopedJoinHandle};

use aya::{Btf as KernelBtf, BtfError, EbpfLoader};

use super::attach::BTF_PATH;
use crate::source::minisocks::{self, Addresses};

/// What was read.
pub(super) struct Gathered {
    /// The kernel's types as they are.
    pub(super) types: io::Result<Vec<u8>>,
    /// The same as aya wants them, to find what a program is to be attached to.
    pub(super) attachable: Result<KernelBtf, BtfError>,
    /// A loader. Making one reads the types another time: it would use them for relocations, which our object has none of.
    pub(super) loader: EbpfLoader<'static>,
    /// Where functions lie, if anybody wants to know.
    pub(super) addresses: Option<Addresses>,
}

/// Reads all of it, the addresses of functions only where they are wanted: some 30 ms each of the processor.
pub(super) fn gather(wants_addresses: bool) -> Gathered {
    thread::scope(|scope| {
        let addresses = wants_addresses.then(|| scope.spawn(minisocks::addresses));
        let attachable = scope.spawn(KernelBtf::from_sys_fs);
        let loader = scope.spawn(EbpfLoader::new);
        Gathered {
            types: fs::read(BTF_PATH),
            attachable: ended(attachable),
            loader: ended(loader),
            addresses: addresses.map(ended),
        }
    })
}

fn ended<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
