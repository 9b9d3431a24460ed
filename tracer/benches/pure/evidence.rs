//! Evidence, read into memory.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use tracer::evidence::{Entry, Head, Reader, Turn};

/// A small file.
const EXAMPLE: &[u8] = include_bytes!("../../../tests/fuzz/corpus/reader/version_2");

/// Returns the head of a file, for evidence that nobody reads.
///
/// # Errors
///
/// The example is none.
pub(super) fn any_head() -> Result<Box<Head>> {
    match Reader::open(EXAMPLE)?.next().transpose()? {
        Some(Entry::Head(head)) => Ok(head),
        _ => bail!("the example does not begin with a head"),
    }
}

/// What is taken of a file.
pub(super) struct Evidence {
    pub(super) head: Box<Head>,
    pub(super) turns: Vec<Turn>,
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
            Entry::Turn(turn) => turns.push(turn),
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
