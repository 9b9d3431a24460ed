//! A disk in memory, which fails when it is told to.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::store::error::{StoreError, Trouble};
use crate::store::files::Disk;

/// A disk in memory.
#[derive(Clone, Default)]
pub(super) struct Shelf(Rc<RefCell<Content>>);

#[derive(Default)]
struct Content {
    /// Files in their order; removed ones are empty.
    files: Vec<Vec<u8>>,
    removed: usize,
    prepared: bool,
    /// What the next appends answer.
    trouble: Option<fn() -> Trouble>,
    /// Whether no new file can be made.
    refuses: bool,
    /// Whether nothing can be written once a new file was made.
    fails_when_prepared: bool,
}

impl Shelf {
    /// Puts bytes where no recorder is asked.
    pub(super) fn put(&self, bytes: &[u8]) {
        self.0.borrow_mut().files.push(bytes.to_vec());
    }

    /// Lets every append fail, or none.
    pub(super) fn fail(&self, trouble: Option<fn() -> Trouble>) {
        self.0.borrow_mut().trouble = trouble;
    }

    /// Lets no new file be made, or lets it again.
    pub(super) fn refuse(&self, refuses: bool) {
        self.0.borrow_mut().refuses = refuses;
    }

    /// Lets every append fail from the moment on in which a new file was made, or not.
    pub(super) fn fail_when_prepared(&self, fails: bool) {
        self.0.borrow_mut().fails_when_prepared = fails;
    }

    /// Whether a new file was made that nothing is written to.
    pub(super) fn is_prepared(&self) -> bool {
        self.0.borrow().prepared
    }

    /// The files that are there.
    pub(super) fn files(&self) -> Vec<Vec<u8>> {
        let content = self.0.borrow();
        content.files[content.removed..].to_vec()
    }
}

/// What a full disk answers.
pub(super) fn full() -> Trouble {
    Trouble::Write(io::ErrorKind::StorageFull.into())
}

impl Disk for Shelf {
    fn prepare(&mut self) -> Result<(), StoreError> {
        let mut content = self.0.borrow_mut();
        if content.refuses {
            let path = PathBuf::from("next");
            return Err(StoreError::Exists { path });
        }
        content.prepared = true;
        if content.fails_when_prepared {
            content.trouble = Some(full);
        }
        Ok(())
    }

    fn advance(&mut self) {
        let mut content = self.0.borrow_mut();
        assert!(content.prepared, "nothing was prepared");
        content.prepared = false;
        content.files.push(Vec::new());
    }

    fn abandon(&mut self) {
        let mut content = self.0.borrow_mut();
        assert!(content.prepared, "nothing was prepared");
        content.prepared = false;
    }

    fn append(&mut self, frame: &[u8]) -> Result<(), Trouble> {
        let mut content = self.0.borrow_mut();
        if let Some(trouble) = content.trouble {
            return Err(trouble());
        }
        let last = content.files.last_mut().expect("a file");
        last.extend_from_slice(frame);
        Ok(())
    }

    fn look(&mut self) -> Result<(), Trouble> {
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Trouble> {
        Ok(())
    }

    fn len(&self) -> u64 {
        let content = self.0.borrow();
        content.files.last().map_or(0, |last| last.len() as u64)
    }

    fn total(&self) -> u64 {
        let content = self.0.borrow();
        content.files[content.removed..]
            .iter()
            .map(|file| file.len() as u64)
            .sum()
    }

    fn keep(&mut self, most: u32) -> Result<(), (PathBuf, io::Error)> {
        let mut content = self.0.borrow_mut();
        content.removed = content.files.len().saturating_sub(most as usize);
        Ok(())
    }

    fn path(&self) -> &Path {
        Path::new("a.tev")
    }

    fn paths(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}
