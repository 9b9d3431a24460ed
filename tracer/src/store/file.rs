//! One file of evidence: made new, appended to, and never left with half a frame at its end where that can
//! be helped.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fchmod, fstat, ftruncate, open, unlink};
use rustix::io::Errno;

use super::error::{StoreError, Trouble};
use super::owner::Owner;

/// A file that this run made.
#[derive(Debug)]
pub(super) struct EvidenceFile {
    file: File,
    path: PathBuf,
    /// Bytes up to which it is as it should be.
    good: u64,
    /// Whether something may be behind them.
    is_torn: bool,
}

impl EvidenceFile {
    /// Makes a file that did not exist, which its owner alone may read and write.
    ///
    /// # Errors
    ///
    /// Something of this name exists, whatever it is: a link is not followed, a pipe or a device not opened.
    /// Or the owner may not make it there.
    pub(super) fn create(path: &Path, owner: &Owner) -> Result<Self, StoreError> {
        let flags = OFlags::CREATE
            | OFlags::EXCL
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC
            | OFlags::APPEND
            | OFlags::WRONLY;
        let mode = Mode::RUSR | Mode::WUSR;
        let made = owner.act(|| {
            let file = open(path, flags, mode)?;
            // The umask may have taken more away.
            fchmod(&file, mode)?;
            Ok(File::from(file))
        });
        let file = made.map_err(|cause| StoreError::creating(path, owner, cause))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            good: 0,
            is_torn: false,
        })
    }

    /// Appends a frame: all of it, or nothing that a reader would take for one.
    pub(super) fn append(&mut self, frame: &[u8]) -> Result<(), Trouble> {
        self.look()?;
        let written = self.file.write_all(frame);
        if let Err(cause) = written {
            // Retried with the next attempt. What cannot be cut off stays, and a reader goes on behind it.
            self.is_torn = ftruncate(&self.file, self.good).is_err();
            return Err(Trouble::Write(cause));
        }
        self.good += frame.len() as u64;
        Ok(())
    }

    /// Looks whether the file is still what was left there.
    pub(super) fn look(&mut self) -> Result<(), Trouble> {
        let found = fstat(&self.file).map_err(|errno| Trouble::Write(errno.into()))?;
        // Only a negative size does not fit, and there is none.
        let size = u64::try_from(found.st_size).unwrap_or(0);
        if found.st_nlink == 0 {
            return Err(Trouble::Removed);
        }
        if size < self.good {
            return Err(Trouble::Cut);
        }
        if size > self.good && !(self.is_torn && ftruncate(&self.file, self.good).is_ok()) {
            self.good = size;
        }
        self.is_torn = false;
        Ok(())
    }

    /// Waits until what was written is on the disk itself.
    pub(super) fn sync(&self) -> Result<(), Trouble> {
        self.file.sync_data().map_err(Trouble::Write)
    }

    /// Bytes in it.
    pub(super) fn len(&self) -> u64 {
        self.good
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Removes a file that this run made.
pub(super) fn remove(path: &Path, owner: &Owner) -> io::Result<()> {
    owner.act(|| match unlink(path) {
        Err(errno) if errno != Errno::NOENT => Err(errno.into()),
        _ => Ok(()),
    })
}
