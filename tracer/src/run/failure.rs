//! Why a verb failed, and which exit code that is.

use std::io;

use thiserror::Error;

use super::command::CommandError;
use crate::cli::exit::Exit;
use crate::model::DecodeError;
use crate::privilege::PrivilegeError;
use crate::source::cgroup::CgroupError;
use crate::source::live::LiveError;
use crate::source::netns::NetNsError;
use crate::store::StoreError;

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
    #[error(transparent)]
    Privilege(#[from] PrivilegeError),
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The output cannot be written.
    #[error("cannot write to standard output: {0}")]
    Write(#[source] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Evidence cannot be read or written.
    #[error("{0}")]
    Evidence(String),
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
            Self::Usage(_) => Exit::Usage,
            Self::NetNs(error) => of_netns(error),
            Self::Cgroup(error) => of_cgroup(error),
            Self::Store(error) => of_store(error),
            Self::Command(error) => error.exit(),
            Self::NotAllowed(_)
            | Self::Live(
                LiveError::Attach { .. }
                | LiveError::Neither { .. }
                | LiveError::Method(_)
                | LiveError::Follow { .. },
            ) => Exit::NotAllowed,
            Self::Privilege(_)
            | Self::Live(_)
            | Self::Write(_)
            | Self::Evidence(_)
            | Self::System { .. }
            | Self::Decode(_) => Exit::Failed,
        }
    }

    /// Returns whether whoever read the output has gone: they have seen enough.
    pub(super) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

fn of_cgroup(error: &CgroupError) -> Exit {
    match error {
        CgroupError::NotMounted { .. } | CgroupError::Part { .. } => Exit::NotAllowed,
        CgroupError::Path { cause, .. } => of_path(cause),
        CgroupError::Id { .. } => Exit::Usage,
    }
}

fn of_netns(error: &NetNsError) -> Exit {
    match error {
        NetNsError::Own { .. } | NetNsError::Open { .. } | NetNsError::Enter { .. } => {
            Exit::NotAllowed
        }
        NetNsError::Path { cause, .. } => of_path(cause),
        NetNsError::Gone { .. } | NetNsError::Other { .. } | NetNsError::Word { .. } => Exit::Usage,
        NetNsError::Thread { .. } => Exit::Failed,
    }
}

fn of_store(error: &StoreError) -> Exit {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
    match error {
        StoreError::Exists { .. } | StoreError::Link { .. } => Exit::Usage,
        StoreError::Create { cause, .. } => match cause.kind() {
            NotFound | NotADirectory => Exit::Usage,
            PermissionDenied | ReadOnlyFilesystem => Exit::NotAllowed,
            _ => Exit::Failed,
        },
        StoreError::Write { .. } => Exit::Failed,
    }
}

/// A path that may not be looked at is the host's affair; one that is not there was typed wrong.
fn of_path(cause: &io::Error) -> Exit {
    match cause.kind() {
        io::ErrorKind::PermissionDenied => Exit::NotAllowed,
        _ => Exit::Usage,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_the_host_lacks_is_no_wrong_usage() {
        let text = || "a".to_owned();
        let path = |kind: io::ErrorKind| CgroupError::Path {
            text: text(),
            path: PathBuf::new(),
            root: PathBuf::new(),
            cause: kind.into(),
        };
        let part = CgroupError::Part {
            text: text(),
            mount: PathBuf::new(),
        };
        for (error, expected) in [
            (CgroupError::NotMounted { text: text() }, Exit::NotAllowed),
            (part, Exit::NotAllowed),
            (path(io::ErrorKind::PermissionDenied), Exit::NotAllowed),
            (path(io::ErrorKind::NotFound), Exit::Usage),
        ] {
            let said = error.to_string();
            assert_eq!(Failure::from(error).exit(), expected, "{said}");
        }
        let denied = NetNsError::Path {
            path: PathBuf::from("/a"),
            cause: io::ErrorKind::PermissionDenied.into(),
            next: "run as root",
        };
        assert_eq!(Failure::from(denied).exit(), Exit::NotAllowed);
        let word = NetNsError::Word { text: text() };
        assert_eq!(Failure::from(word).exit(), Exit::Usage);
    }
}
