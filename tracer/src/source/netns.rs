//! Network namespaces: which there are, what a person calls them, and how to work inside one.
//!
//! **Owns:** the only `setns`.
//! **Never:** a move of a thread that others use; a namespace kept alive for the sake of looking at it.

mod find;
mod resolve;

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::{fs, io, panic, thread};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use thiserror::Error;

pub use find::{Namespaces, NotEntered, all, processes};
pub use resolve::{Resolved, resolve};

use crate::model::printable;

/// Where the agent's own namespace is found.
///
/// # Kernel
///
/// `/proc/self` would be the main thread's namespace, whichever thread asks.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace, by the number that names it and a file through which it can be entered.
///
/// The file may stop leading there: its process ends, its mount goes. Nothing is held open, since
/// an open file would keep the namespace, and every TIME_WAIT in it, alive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetNs {
    /// Inode number: what `readlink /proc/PID/ns/net` and `lsns` show.
    pub inode: u32,
    /// `/proc/PID/ns/net`, or a mount of the namespace such as `/run/netns/NAME`.
    pub path: PathBuf,
}

/// Why a network namespace cannot be named, found or entered.
#[derive(Debug, Error)]
pub enum NetNsError {
    /// The agent cannot tell where it is itself.
    #[error("cannot tell the own network namespace from {OWN}: {cause}; /proc must be mounted")]
    Own {
        /// What the kernel answered.
        cause: io::Error,
    },
    /// Nothing leads to the namespace any more.
    #[error(
        "network namespace {inode} is gone: {} no longer leads to it, and no process or mount does",
        printable(path)
    )]
    Gone {
        /// The namespace.
        inode: u32,
        /// What led to it.
        path: PathBuf,
    },
    /// The file that leads to the namespace cannot be opened.
    #[error(
        "cannot open network namespace {inode} at {}: {cause}; run as root, or with CAP_SYS_PTRACE \
         where the file is another process's",
        printable(path)
    )]
    Open {
        /// The namespace.
        inode: u32,
        /// What leads to it.
        path: PathBuf,
        /// What the kernel answered.
        cause: io::Error,
    },
    /// The kernel refuses `setns`.
    #[error(
        "cannot enter network namespace {inode} at {}: {cause}; run as root, or with CAP_SYS_ADMIN",
        printable(path)
    )]
    Enter {
        /// The namespace.
        inode: u32,
        /// What leads to it.
        path: PathBuf,
        /// What the kernel answered.
        cause: io::Error,
    },
    /// There is no thread to enter it with.
    #[error(
        "cannot start a thread for network namespace {inode}: {cause}; see `ulimit -u` and the \
         cgroup's pids.max"
    )]
    Thread {
        /// The namespace.
        inode: u32,
        /// What the kernel answered.
        cause: io::Error,
    },
    /// A file that was named cannot be looked at.
    #[error(
        "cannot open {} as a network namespace: {cause}; {next}",
        printable(path)
    )]
    Path {
        /// The file.
        path: PathBuf,
        /// What the kernel answered.
        cause: io::Error,
        /// What to try.
        next: &'static str,
    },
    /// A file that was named is something else.
    #[error(
        "{} is not a network namespace; give a file such as /run/netns/NAME or /proc/PID/ns/net",
        printable(path)
    )]
    Other {
        /// The file.
        path: PathBuf,
    },
    /// A word that can be no name, path, process id or inode number.
    #[error(
        "`{}` names no network namespace; give a name from `ip netns list`, an absolute path, a \
         process id, or an inode number as `lsns -t net` shows it",
        printable(text)
    )]
    Word {
        /// The word.
        text: String,
    },
}

impl NetNs {
    /// Returns the namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// `/proc` is not mounted.
    pub fn own() -> Result<Self, NetNsError> {
        let inode = inode_at(Path::new(OWN)).map_err(|cause| NetNsError::Own { cause })?;
        let path = PathBuf::from(OWN);
        Ok(Self { inode, path })
    }
}

/// Runs `work` inside the namespace: on a thread of its own, which ends with it.
///
/// In the namespace where the caller is already, `work` runs on the calling thread, and needs no
/// privileges. Sockets that it makes stay in the namespace wherever they are taken.
///
/// # Errors
///
/// The namespace is gone, or may not be entered; `work` has then not run.
///
/// # Panics
///
/// If `work` does.
pub fn within<T: Send>(netns: &NetNs, work: impl FnOnce() -> T + Send) -> Result<T, NetNsError> {
    if NetNs::own()?.inode == netns.inode {
        return Ok(work());
    }
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, || {
                enter_however(netns)?;
                Ok(work())
            })
            .map_err(|cause| NetNsError::Thread {
                inode: netns.inode,
                cause,
            })?;
        thread
            .join()
            .unwrap_or_else(|payload| panic::resume_unwind(payload))
    })
}

/// Moves the calling thread into the namespace, by another file if its own leads there no longer.
fn enter_however(netns: &NetNs) -> Result<(), NetNsError> {
    match enter(netns) {
        Err(gone @ NetNsError::Gone { .. }) => match find::elsewhere(netns) {
            Some(found) => enter(&found),
            None => Err(gone),
        },
        other => other,
    }
}

/// Moves the calling thread into the namespace.
fn enter(netns: &NetNs) -> Result<(), NetNsError> {
    let NetNs { inode, ref path } = *netns;
    let gone = || NetNsError::Gone {
        inode,
        path: path.clone(),
    };
    // NONBLOCK: should something else be there by now, a pipe must not hold us up.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::SRCH | Errno::NOTDIR) => return Err(gone()),
        Err(errno) => {
            return Err(NetNsError::Open {
                inode,
                path: path.clone(),
                cause: errno.into(),
            });
        }
    };
    // A process id is reused, a name is given anew: what was opened tells what it is.
    if inode_of(file.as_fd()).ok().flatten() != Some(inode) {
        return Err(gone());
    }
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).map_err(|errno| {
        NetNsError::Enter {
            inode,
            path: path.clone(),
            cause: errno.into(),
        }
    })
}

/// Returns the number of the namespace that an open file is, or `None` if it is something else.
///
/// Of whatever kind that namespace is: numbers are unique among all of them.
fn inode_of(file: impl AsFd) -> io::Result<Option<u32>> {
    // include/uapi/linux/magic.h
    const NSFS_MAGIC: u64 = 0x6e73_6673;
    if u64::try_from(rustix::fs::fstatfs(&file)?.f_type) != Ok(NSFS_MAGIC) {
        return Ok(None);
    }
    Ok(u32::try_from(rustix::fs::fstat(&file)?.st_ino).ok())
}

/// Returns the namespace that a link below `/proc` names; nothing is opened.
fn inode_at(link: &Path) -> io::Result<u32> {
    parse_link(fs::read_link(link)?.as_os_str())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no network namespace"))
}

/// Reads the kernel's own name of a network namespace, `net:[4026531840]`.
fn parse_link(text: &OsStr) -> Option<u32> {
    let digits = text.to_str()?.strip_prefix("net:[")?.strip_suffix(']')?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kernels_name_of_a_network_namespace_is_one() {
        assert_eq!(
            parse_link(OsStr::new("net:[4026531840]")),
            Some(4_026_531_840)
        );
        for other in [
            "mnt:[4026531840]",
            "net:[]",
            "net:[1",
            "net:[-1]",
            "net:[4294967296]",
            "",
        ] {
            assert_eq!(parse_link(OsStr::new(other)), None, "{other}");
        }
    }

    #[test]
    fn the_own_namespace_is_worked_in_on_the_calling_thread() {
        let here = thread::current().id();
        let own = NetNs::own().expect("the own namespace");
        let there = within(&own, || thread::current().id()).expect("to be there");
        assert_eq!(there, here);
    }

    #[test]
    fn a_file_that_leads_elsewhere_is_never_entered() {
        // The file exists, is a namespace, and is not the one that is meant.
        let stranger = NetNs {
            inode: 1,
            path: PathBuf::from("/proc/self/ns/net"),
        };
        let answer = within(&stranger, || panic!("worked in the wrong namespace"));
        assert!(
            matches!(answer, Err(NetNsError::Gone { inode: 1, .. })),
            "{answer:?}"
        );
    }
}
