//! What goes wrong with files, in words that say what to do next.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use thiserror::Error;

use super::owner::Owner;
use crate::model::printable;

/// Why a recording cannot begin.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Something of this name exists.
    #[error(
        "cannot create {}: it exists already, and evidence never replaces anything; choose another name",
        printable(path)
    )]
    Exists {
        /// The name.
        path: PathBuf,
    },
    /// The name is a link's.
    #[error(
        "cannot create {}: it is a symbolic link, and none is followed; give the name of a new file",
        printable(path)
    )]
    Link {
        /// The name.
        path: PathBuf,
    },
    /// The owner cannot make the file there.
    #[error(
        "cannot create {} as {owner}: {cause}; {}",
        printable(path),
        next(cause)
    )]
    Create {
        /// The name.
        path: PathBuf,
        /// Whose it should be.
        owner: Box<Owner>,
        /// What the kernel answered.
        cause: io::Error,
    },
    /// The file was made, but not even its first frame fits.
    #[error("cannot write to {}: {trouble}; {}", printable(path), trouble.next())]
    Write {
        /// The name.
        path: PathBuf,
        /// What happened.
        trouble: Trouble,
    },
}

impl StoreError {
    /// Says why a file could not be made.
    pub(super) fn creating(path: &Path, owner: &Owner, cause: io::Error) -> Self {
        let path = path.to_owned();
        if cause.kind() != io::ErrorKind::AlreadyExists {
            let owner = Box::new(owner.clone());
            return Self::Create { path, owner, cause };
        }
        match path.symlink_metadata() {
            Ok(found) if found.is_symlink() => Self::Link { path },
            _ => Self::Exists { path },
        }
    }

    /// Returns what the kernel answered, where it was asked.
    pub fn cause(&self) -> Option<&io::Error> {
        match self {
            Self::Exists { .. } | Self::Link { .. } => None,
            Self::Create { cause, .. } => Some(cause),
            Self::Write { trouble, .. } => match trouble {
                Trouble::Write(cause) => Some(cause),
                Trouble::Removed | Trouble::Cut => None,
            },
        }
    }
}

/// Why a frame is not in its file.
#[derive(Debug, Error)]
pub enum Trouble {
    /// It could not be written; nothing of it counts.
    #[error("{0}")]
    Write(#[source] io::Error),
    /// No name leads to the file any more: what is in it is lost, and so would be what is written.
    #[error("somebody has removed it")]
    Removed,
    /// The file is shorter than what was written.
    #[error("somebody has cut it short")]
    Cut,
}

impl Trouble {
    /// What the user can do.
    pub(super) fn next(&self) -> &'static str {
        match self {
            Self::Write(cause) => next(cause),
            Self::Removed | Self::Cut => "leave the files of a running trace alone",
        }
    }
}

/// What a user can do about an error of the file system.
fn next(cause: &io::Error) -> &'static str {
    let Some(errno) = cause.raw_os_error().map(Errno::from_raw_os_error) else {
        return "choose another place";
    };
    match errno {
        Errno::NOSPC => "free some space there, or choose another place",
        Errno::DQUOT => "free some of the user's space there, or have the quota raised",
        Errno::FBIG => "raise the limit of file sizes (`ulimit -f`), or use --rotate",
        Errno::ROFS => "mount it writable, or choose another place",
        Errno::IO | Errno::NXIO | Errno::NODEV => {
            "the disk may be broken: see the kernel's log (`dmesg`)"
        }
        Errno::STALE | Errno::TIMEDOUT => "see whether the file server can be reached",
        Errno::NOENT | Errno::NOTDIR => "make its directory first",
        Errno::ACCESS | Errno::PERM => "choose a directory that this user may write to",
        Errno::NAMETOOLONG => "choose a shorter name",
        Errno::LOOP => "choose a path without a circle of links",
        _ => "choose another place",
    }
}
