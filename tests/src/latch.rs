//! What lets a shell go on: a shell waits at it, and a test opens it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

/// A named pipe, at which one shell waits.
#[derive(Debug)]
pub struct Latch {
    directory: TempDir,
    pipe: File,
}

impl Latch {
    /// Makes one that is closed.
    ///
    /// # Panics
    ///
    /// Panics when the kernel refuses.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("make a directory");
        let path = directory.path().join("latch");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("make a pipe");
        // For both directions, so that nobody need be there at the other end.
        let pipe = OpenOptions::new().read(true).write(true).open(path);
        Self {
            pipe: pipe.expect("open the pipe"),
            directory,
        }
    }

    /// Returns words with which a shell waits.
    pub fn wait(&self) -> String {
        format!("read -r line <{}/latch", self.directory.path().display())
    }

    /// Lets the shell go on that waits, or will.
    ///
    /// # Panics
    ///
    /// Panics when the kernel refuses.
    pub fn open(&mut self) {
        self.pipe.write_all(b"\n").expect("write to the pipe");
    }
}

impl Default for Latch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Latch {
    fn drop(&mut self) {
        // A shell that waits still must not do so for ever.
        let _ = self.pipe.write_all(b"\n");
    }
}
