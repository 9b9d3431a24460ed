//! Why a verb failed, and which exit code that is.

use std::io;

use thiserror::Error;

use crate::cli::exit::Exit;
use crate::model::DecodeError;
use crate::source::cgroup::CgroupError;
use crate::source::live::LiveError;
use crate::source::netns::NetNsError;

/// Why a verb failed.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// What was typed cannot be done.
    #[error("{0}")]
    Usage(String),
    /// This host or user does not allow it.
    #[error("{0}")]
    NotAllowed(String),
    #[error(transparent)]
    NetNs(#[from] NetNsError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The output cannot be written.
    #[error("cannot write to standard output: {0}")]
    Write(#[source] io::Error),
    /// Something of the operating system failed.
    #[error("cannot {what}: {cause}")]
    System {
        what: &'static str,
        cause: io::Error,
    },
    /// The kernel side wrote what it never writes.
    #[error("cannot decode a record of the kernel side: {0}; this is a fault of the build")]
    Decode(#[from] DecodeError),
}

impl Failure {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::NetNs(_) | Self::Cgroup(_) => Exit::Usage,
            Self::NotAllowed(_)
            | Self::Live(LiveError::Attach { .. } | LiveError::Neither { .. }) => Exit::NotAllowed,
            Self::Live(_) | Self::Write(_) | Self::System { .. } | Self::Decode(_) => Exit::Failed,
        }
    }

    /// Returns whether whoever read the output has gone: they have seen enough.
    pub(super) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
