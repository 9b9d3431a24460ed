//! The kernel's own counters, read from a namespace's `/proc/net`.
//!
//! **Owns:** which files, and the moments between which they were read.
//! **Never:** their meaning: that is `model::counters`.

mod way;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;

use thiserror::Error;

pub use way::CounterWay;

use super::clock::boot_time;
use super::netns::{NetNs, NetNsError, within};
use crate::model::{KernelCounters, MonoNs};

/// What is read, in this order.
const NAMES: [&str; 2] = ["snmp", "netstat"];
/// Where that is of the calling thread's namespace.
const FILES: [&str; NAMES.len()] = [
    "/proc/thread-self/net/snmp",
    "/proc/thread-self/net/netstat",
];

/// The counters of one namespace, and when they were so.
///
/// The kernel adds up a counter over the CPUs while others count on: none is older than `before` or
/// newer than `after`, and two need not belong to the same moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Before the first was read.
    pub before: MonoNs,
    /// After the last was read.
    pub after: MonoNs,
    /// The counters.
    pub counters: KernelCounters,
}

/// Why there are no counters.
#[derive(Debug, Error)]
pub enum CountersError {
    /// The namespace cannot be entered.
    #[error("cannot read the kernel's counters: {0}")]
    NetNs(#[from] NetNsError),
    /// A file cannot be opened or read.
    #[error(
        "cannot read the kernel's counters of network namespace {netns} from {path}: {cause}; /proc \
         must be mounted, with all of its files visible"
    )]
    File {
        /// The namespace.
        netns: u32,
        /// The file.
        path: &'static str,
        /// What the kernel answered.
        cause: io::Error,
    },
}

/// The files of one namespace, open: read again and again, from any thread, without privileges.
///
/// # Kernel
///
/// An open file of `/proc/net` keeps its namespace alive, with all TIME_WAIT sockets in it. Hold
/// one only of a namespace that will not end, such as the own one, or for a short while.
#[derive(Debug)]
pub struct CounterFiles {
    netns: u32,
    files: [File; FILES.len()],
}

impl CounterFiles {
    /// Opens the files inside the namespace.
    ///
    /// # Errors
    ///
    /// The namespace cannot be entered, or a file not be opened.
    pub fn open(netns: &NetNs) -> Result<Self, CountersError> {
        let open = |path| {
            File::open(path).map_err(|cause| CountersError::File {
                netns: netns.inode,
                path,
                cause,
            })
        };
        let [snmp, netstat] = within(netns, || FILES.map(open))?;
        Ok(Self {
            netns: netns.inode,
            files: [snmp?, netstat?],
        })
    }

    /// The inode numbers of the files, which those of no other living namespace have.
    fn numbers(&self) -> Result<[u64; FILES.len()], CountersError> {
        let mut numbers = [0; FILES.len()];
        for ((number, file), path) in numbers.iter_mut().zip(&self.files).zip(FILES) {
            let metadata = file.metadata().map_err(|cause| CountersError::File {
                netns: self.netns,
                path,
                cause,
            })?;
            *number = metadata.ino();
        }
        Ok(numbers)
    }

    /// Reads the counters as they are now.
    ///
    /// # Errors
    ///
    /// A file cannot be read.
    pub fn read(&mut self) -> Result<Reading, CountersError> {
        let netns = self.netns;
        let before = boot_time();
        let mut text = String::new();
        for (file, path) in self.files.iter_mut().zip(FILES) {
            file.rewind()
                .and_then(|()| file.read_to_string(&mut text))
                .map_err(|cause| CountersError::File { netns, path, cause })?;
        }
        let after = boot_time();
        Ok(Reading {
            before,
            after,
            counters: KernelCounters::parse(&text),
        })
    }
}

/// Reads the counters of a namespace once; nothing stays open.
///
/// # Errors
///
/// The namespace cannot be entered, or a file not be read.
pub fn read(netns: &NetNs) -> Result<Reading, CountersError> {
    CounterFiles::open(netns)?.read()
}
