//! What is wrong with a file of evidence, where, and what was good before.

use std::fmt;

use thiserror::Error;

use crate::model::MonoNs;

/// Why a file cannot be read as evidence at all.
#[derive(Debug, Error)]
pub enum EvidenceError {
    /// It does not begin as evidence does.
    #[error("this is no evidence of tracer: it does not begin with the mark of one")]
    NotEvidence,
    /// It ends within its header.
    #[error("the file ends after {0} bytes, within its header: nothing in it can be read")]
    Cut(usize),
    /// Its header is damaged.
    #[error("the file's header (its first 56 bytes) is damaged: its checksum is wrong")]
    Header,
    /// It is of a later version.
    #[error(
        "the file is of version {0} of the format, and this tracer reads versions 1 to {known}: a later one may read it",
        known = super::layout::VERSION
    )]
    Version(u16),
    /// It could not be read.
    #[error("the file could not be read")]
    Read(#[from] std::io::Error),
}

/// One damage: everything before it is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where the damaged frame begins in the file, in bytes; or where a frame should.
    pub offset: u64,
    /// Number of the frame that is damaged or missing.
    pub frame: u64,
    /// What is wrong.
    pub what: What,
    /// What was good before.
    pub good: Good,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum What {
    /// The file ends within a frame.
    #[error("the file ends within it, {missing} bytes before its end")]
    Cut {
        /// How many bytes are missing at least.
        missing: u64,
    },
    /// There is no frame here.
    #[error("its header is damaged")]
    Header,
    /// The payload is not what was written.
    #[error("its content is damaged: the checksum is wrong")]
    Checksum,
    /// The frame is whole in itself, and is not what was written behind the one before.
    #[error("it was altered, or what came before it was: its chain value is wrong")]
    Chain,
    /// Frames are missing, come again, or in another order.
    #[error("frame {found} stands in its place")]
    Order {
        /// Number of the frame that is there.
        found: u64,
    },
    /// Whole, and yet not to be understood.
    #[error("its content cannot be understood: {0}")]
    Content(String),
    /// More follows the frame that ends the file.
    #[error("it stands behind the file's end")]
    BehindEnd,
    /// The frame that ends the file tells of other contents.
    #[error("it tells of {0}, which is not what was read")]
    Totals(String),
    /// The file goes on where another one ended, and not the one that was expected.
    #[error("it does not go on where the file before ended")]
    Continuation,
    /// The file could not be read any further.
    #[error("the file could not be read any further: {0}")]
    Read(String),
}

/// What was good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Good {
    /// Frames.
    pub frames: u64,
    /// Records of the kernel side.
    pub records: u64,
    /// Latest moment that they tell of, on the boot-time clock.
    pub last: Option<MonoNs>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Good {
            frames, records, ..
        } = self.good;
        write!(
            f,
            "frame {}, at byte {}: {}; good before it: frames {frames}, records {records}",
            self.frame, self.offset, self.what
        )
    }
}

impl std::error::Error for Damage {}
