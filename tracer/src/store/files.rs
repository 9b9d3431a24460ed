//! The files of one recording, one behind the other: their names, and which of them are kept.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::error::{StoreError, Trouble};
use super::file::{EvidenceFile, remove};
use super::owner::Owner;

/// Where frames go: files on disk, or what a test puts in their place.
pub(super) trait Disk {
    /// Makes the next file, beside the one that is written to.
    fn prepare(&mut self) -> Result<(), StoreError>;
    /// Goes on in the file that was prepared.
    fn advance(&mut self);
    /// Removes the file that was prepared.
    fn abandon(&mut self);
    /// Appends a frame to the file that is written to: all of it, or nothing that counts.
    fn append(&mut self, frame: &[u8]) -> Result<(), Trouble>;
    /// Looks whether that file is still what was left there.
    fn look(&mut self) -> Result<(), Trouble>;
    /// Waits until what was written to that file is on the disk itself.
    fn sync(&mut self) -> Result<(), Trouble>;
    /// Bytes in that file.
    fn len(&self) -> u64;
    /// Bytes in all files that are kept.
    fn total(&self) -> u64;
    /// Removes the oldest files until so many are left.
    fn keep(&mut self, most: u32) -> Result<(), (PathBuf, std::io::Error)>;
    /// The file that is written to.
    fn path(&self) -> &Path;
    /// The files that are kept, in order.
    fn paths(&self) -> Vec<PathBuf>;
}

/// Files on disk.
#[derive(Debug)]
pub(super) struct Files {
    first: PathBuf,
    owner: Owner,
    current: EvidenceFile,
    prepared: Option<EvidenceFile>,
    /// Files before the current one, with their sizes.
    older: VecDeque<(PathBuf, u64)>,
    /// Number of the next file.
    next: u32,
}

impl Files {
    /// Makes the first file.
    ///
    /// # Errors
    ///
    /// It exists, or its owner may not make it.
    pub(super) fn create(first: &Path, owner: Owner) -> Result<Self, StoreError> {
        Ok(Self {
            current: EvidenceFile::create(first, &owner)?,
            first: first.to_owned(),
            owner,
            prepared: None,
            older: VecDeque::new(),
            next: 1,
        })
    }

    /// Takes the first file back.
    pub(super) fn withdraw(self) {
        // It stays, empty, where it cannot be removed; that it is of no use has been said.
        let _ = remove(self.current.path(), &self.owner);
    }
}

impl Disk for Files {
    fn prepare(&mut self) -> Result<(), StoreError> {
        let path = numbered(&self.first, self.next);
        let made = EvidenceFile::create(&path, &self.owner);
        if let Err(StoreError::Exists { .. } | StoreError::Link { .. }) = made {
            // Not ours; the one behind it may be free.
            self.next = self.next.saturating_add(1);
        }
        self.prepared = Some(made?);
        Ok(())
    }

    fn advance(&mut self) {
        let Some(next) = self.prepared.take() else {
            return;
        };
        self.next = self.next.saturating_add(1);
        let mut last = std::mem::replace(&mut self.current, next);
        // One that was removed takes no room, and is none of those that are kept.
        if !matches!(last.look(), Err(Trouble::Removed)) {
            self.older.push_back((last.path().to_owned(), last.len()));
        }
    }

    fn abandon(&mut self) {
        if let Some(prepared) = self.prepared.take() {
            // One that cannot be removed is empty, and the next attempt passes it by.
            let _ = remove(prepared.path(), &self.owner);
        }
    }

    fn append(&mut self, frame: &[u8]) -> Result<(), Trouble> {
        self.current.append(frame)
    }

    fn look(&mut self) -> Result<(), Trouble> {
        self.current.look()
    }

    fn sync(&mut self) -> Result<(), Trouble> {
        self.current.sync()
    }

    fn len(&self) -> u64 {
        self.current.len()
    }

    fn total(&self) -> u64 {
        let older = self.older.iter().map(|(_, bytes)| bytes);
        older.sum::<u64>() + self.current.len()
    }

    fn keep(&mut self, most: u32) -> Result<(), (PathBuf, std::io::Error)> {
        while self.older.len() >= most as usize {
            let Some((path, _)) = self.older.pop_front() else {
                break;
            };
            remove(&path, &self.owner).map_err(|cause| (path, cause))?;
        }
        Ok(())
    }

    fn path(&self) -> &Path {
        self.current.path()
    }

    fn paths(&self) -> Vec<PathBuf> {
        let older = self.older.iter().map(|(path, _)| path.clone());
        older.chain([self.current.path().to_owned()]).collect()
    }
}

/// Returns the name of a later file: `FILE.000001`, so that a shell lists the first million in their order.
fn numbered(first: &Path, number: u32) -> PathBuf {
    let mut name = first.as_os_str().to_owned();
    name.push(format!(".{number:06}"));
    name.into()
}
