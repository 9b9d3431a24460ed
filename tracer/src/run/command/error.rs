//! Why a command cannot be run.

use std::io;

use thiserror::Error;

use super::gate::{Refusal, Step};
use crate::cli::exit::Exit;

/// Why a command cannot be run.
#[derive(Debug, Error)]
pub(in crate::run) enum CommandError {
    /// No directory of `PATH` has such a program.
    #[error(
        "cannot run `{name}`: there is no such program in PATH ({path}); give its path, such as ./{name}"
    )]
    NotFound {
        /// As it was typed, safe to print.
        name: String,
        /// The directories, safe to print.
        path: String,
    },
    /// There is a file, and it cannot be run.
    #[error("cannot run `{name}`: {cause}; {}", next(.cause))]
    Refused {
        /// As it was typed, safe to print.
        name: String,
        /// What the kernel answered.
        cause: io::Error,
    },
    /// It would have to run as somebody else than the one who typed it.
    #[error(
        "cannot run `{name}` as the user who called sudo: {cause}; run it by itself, and `tracer live --pid PID --follow` \
         beside it"
    )]
    User {
        /// As it was typed, safe to print.
        name: String,
        /// What the kernel answered.
        cause: io::Error,
    },
}

impl CommandError {
    /// Words what came of a command that was to run.
    pub(super) fn of_refusal(name: String, refusal: Refusal) -> Self {
        let Refusal { step, cause } = refusal;
        match step {
            Step::User => Self::User { name, cause },
            Step::Program => Self::Refused { name, cause },
        }
    }

    /// Returns the exit code.
    pub(in crate::run) fn exit(&self) -> Exit {
        use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
        match self {
            Self::NotFound { .. } => Exit::Usage,
            Self::User { .. } => Exit::NotAllowed,
            Self::Refused { cause, .. } => match cause.kind() {
                PermissionDenied => Exit::NotAllowed,
                NotFound | NotADirectory => Exit::Usage,
                _ if cause.raw_os_error() == Some(libc::ENOEXEC) => Exit::Usage,
                _ => Exit::Failed,
            },
        }
    }
}

fn next(cause: &io::Error) -> &'static str {
    match cause.raw_os_error() {
        Some(libc::EACCES) => {
            "it must be a file that the user who runs it may read and execute (`ls -l`)"
        }
        Some(libc::ENOEXEC) => "a script needs a first line such as `#!/bin/sh`",
        Some(libc::ENOENT) => "it, or the program that its first line names, is not there",
        _ => "see whether it runs by itself",
    }
}
