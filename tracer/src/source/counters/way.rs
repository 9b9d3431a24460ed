//! Ways to a namespace's counters that need no privilege when they are taken, and hold no namespace alive.
//!
//! # Kernel
//!
//! `/proc/PID/net` shows the namespace that the process is in at that moment, to anybody who sees the process; a
//! hold on the directory is one on the process's number alone. Its files have an inode number that belongs to one
//! namespace as long as that lives (`proc_dir_entry.low_ino`): a process that moved away meanwhile is told by it.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::{CounterFiles, CountersError, NAMES, Reading};
use crate::source::netns::NetNs;

/// A way to the counters of one namespace.
#[derive(Debug)]
pub struct CounterWay {
    netns: u32,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// Of the own namespace, which lives as long as the agent.
    Open(CounterFiles),
    /// Through a process, and the numbers that the files have.
    Process {
        directory: OwnedFd,
        path: PathBuf,
        numbers: [u64; NAMES.len()],
    },
}

impl CounterWay {
    /// The way to those of the own namespace.
    ///
    /// # Errors
    ///
    /// Its files cannot be opened.
    pub fn own(netns: &NetNs) -> Result<Self, CountersError> {
        Ok(Self {
            netns: netns.inode,
            way: Way::Open(CounterFiles::open(netns)?),
        })
    }

    /// The way to those of another namespace through a process that is in it; `None` if it is in another one by
    /// now.
    ///
    /// # Errors
    ///
    /// The files cannot be opened in the namespace.
    pub fn through(netns: &NetNs, pid: u32) -> Result<Option<Self>, CountersError> {
        let numbers = CounterFiles::open(netns)?.numbers()?;
        let path = PathBuf::from(format!("/proc/{pid}/net"));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(directory) = openat(CWD, &path, flags, Mode::empty()) else {
            return Ok(None);
        };
        let way = Self {
            netns: netns.inode,
            way: Way::Process {
                directory,
                path,
                numbers,
            },
        };
        Ok(way.files().is_some().then_some(way))
    }

    /// Inode number of the namespace.
    pub fn netns(&self) -> u32 {
        self.netns
    }

    /// The directory that is read, where it is not open already.
    pub fn reads(&self) -> Option<&Path> {
        match &self.way {
            Way::Open(_) => None,
            Way::Process { path, .. } => Some(path),
        }
    }

    /// Reads the counters as they are now; `None` where the way leads there no longer.
    pub fn read(&mut self) -> Option<Reading> {
        match &mut self.way {
            Way::Open(files) => files.read().ok(),
            Way::Process { .. } => self.files()?.read().ok(),
        }
    }

    /// Opens the files through the process, if they are still those of the namespace.
    fn files(&self) -> Option<CounterFiles> {
        let Way::Process {
            directory, numbers, ..
        } = &self.way
        else {
            return None;
        };
        let open = |name| {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            openat(directory.as_fd(), name, flags, Mode::empty()).map(File::from)
        };
        let [snmp, netstat] = NAMES.map(open);
        let files = CounterFiles {
            netns: self.netns,
            files: [snmp.ok()?, netstat.ok()?],
        };
        (files.numbers().ok()? == *numbers).then_some(files)
    }
}
