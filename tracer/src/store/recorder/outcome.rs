//! How far a recording is, and what came of it.

use std::path::PathBuf;

/// How far a recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Records that are in the files.
    pub records: u64,
    /// Bytes of the files that are kept.
    pub bytes: u64,
    /// Records that are in no file, and never will be, or not unless the disk takes something again.
    pub lost: u64,
    /// Whether everything is being written at the moment.
    pub is_writing: bool,
}

/// What came of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether all of it is there: nothing was lost to the disk, and the last file is sealed.
    pub is_whole: bool,
    /// The files that are kept, in order.
    pub files: Vec<PathBuf>,
    /// Bytes in them.
    pub bytes: u64,
    /// Records that were written, those of files that `--keep` removed included.
    pub records: u64,
    /// Records that were not, or whose file somebody has removed.
    pub lost: u64,
    /// Last chain value, in hexadecimal digits: whoever keeps it can tell later that the evidence is this one.
    pub chain: String,
}
