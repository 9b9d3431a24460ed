//! A cgroup (version 2) of the test's own.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::{fs, process};

/// Tells apart the cgroups of tests that run side by side.
static MADE: AtomicU16 = AtomicU16::new(0);

/// A cgroup made for the test, removed at its end.
#[derive(Debug)]
pub struct Cgroup(PathBuf);

impl Cgroup {
    /// Makes a cgroup; `None` where there is no hierarchy of version 2 to make it in.
    pub fn new() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
        let root = mounts.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            (fields.get(2) == Some(&"cgroup2")).then(|| PathBuf::from(fields[1]))
        })?;
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = root.join(format!("tracer-test-{}-{number}", process::id()));
        fs::create_dir(&path).ok()?;
        Some(Self(path))
    }

    /// Makes a cgroup below this one. It has to be dropped before.
    ///
    /// # Panics
    ///
    /// Panics when the kernel refuses.
    pub fn inner(&self) -> Self {
        let path = self.0.join("inner");
        fs::create_dir(&path).expect("make a cgroup in a cgroup");
        Self(path)
    }

    /// Moves a process into it.
    ///
    /// # Panics
    ///
    /// Panics when the kernel refuses.
    pub fn enter(&self, pid: u32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).expect("enter the cgroup");
    }

    /// Returns its directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns its id, which is its inode number.
    ///
    /// # Panics
    ///
    /// Panics when it is gone.
    pub fn id(&self) -> u64 {
        fs::metadata(&self.0)
            .expect("ask for the cgroup's id")
            .ino()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A drop during a failing test must not hide the failure behind its own.
        let _ = fs::remove_dir(&self.0);
    }
}
