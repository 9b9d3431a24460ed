//! Evidence, read into memory.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use tracer::evidence::{Entry, Head, Reader};
use tracer::model::decode::Batch;

/// What is taken of a file.
pub(super) struct Evidence {
    pub(super) head: Box<Head>,
    /// The records of each turn.
    pub(super) turns: Vec<Batch>,
    /// Bytes of the file.
    pub(super) bytes: u64,
}

/// Reads a file.
///
/// # Errors
///
/// It cannot be read, or is damaged.
pub(super) fn read(file: &Path) -> Result<Evidence> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut reader =
        Reader::open(&*bytes).with_context(|| format!("cannot read {}", file.display()))?;
    let (mut head, mut turns) = (None, Vec::new());
    while let Some(entry) = reader.next() {
        match entry.with_context(|| format!("cannot read {}", file.display()))? {
            Entry::Head(told) => head = Some(told),
            Entry::Turn(turn) => turns.push(turn.batch),
            _ => {}
        }
    }
    let head = head.with_context(|| format!("{} has no head", file.display()))?;
    Ok(Evidence {
        head,
        turns,
        bytes: bytes.len() as u64,
    })
}
