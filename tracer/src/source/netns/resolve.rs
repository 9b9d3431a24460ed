//! What a person calls a network namespace, and which one that is.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::{io, panic, thread};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{NetNs, NetNsError, find, inode_of};

/// Where `ip netns` keeps its names.
const NAMES: &str = "/run/netns";

/// Most process ids that a kernel can have (`PID_MAX_LIMIT`); inode numbers of namespaces are far
/// above it, around 4026531840.
const LAST_PID: u32 = 4 << 20;

/// The namespace that a word stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// It exists, and a file leads to it.
    NetNs(NetNs),
    /// An inode number to which nothing leads, now or as far as may be seen.
    Inode(u32),
}

impl Resolved {
    /// Returns the inode number.
    pub fn inode(&self) -> u32 {
        match self {
            Self::NetNs(netns) => netns.inode,
            Self::Inode(inode) => *inode,
        }
    }
}

/// Finds the namespace that a word stands for.
///
/// | word | stands for |
/// | --- | --- |
/// | `/run/docker/netns/default` | the namespace that this file is |
/// | `1234` | the namespace of process 1234 |
/// | `4026531840` | the namespace with this inode number |
/// | `blue` | `/run/netns/blue`, as `ip netns` names it |
///
/// No number is both a process id and an inode number: the ones end at 4194304, the others begin
/// far above. A name of digits only is taken for a number; its path, `/run/netns/1234`, is not.
///
/// # Errors
///
/// Nothing is there, it may not be looked at, or it is no network namespace.
pub fn resolve(text: &str) -> Result<Resolved, NetNsError> {
    if text.starts_with('/') {
        return look(PathBuf::from(text), "see `ip netns list` and `lsns -t net`");
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return resolve_number(text);
    }
    let is_name = !text.contains('/') && !matches!(text, "" | "." | "..");
    if !is_name {
        return Err(NetNsError::Word {
            text: text.to_owned(),
        });
    }
    look(
        Path::new(NAMES).join(text),
        "see `ip netns list` for the names that there are",
    )
}

fn resolve_number(text: &str) -> Result<Resolved, NetNsError> {
    let number: u32 = text.parse().map_err(|_| NetNsError::Word {
        text: text.to_owned(),
    })?;
    if number <= LAST_PID {
        return look(
            PathBuf::from(format!("/proc/{number}/ns/net")),
            "a number this small is a process id, and that process must be running",
        );
    }
    Ok(find::by_inode(number).map_or(Resolved::Inode(number), Resolved::NetNs))
}

/// Returns the namespace that a file is.
fn look(path: PathBuf, next: &'static str) -> Result<Resolved, NetNsError> {
    // PATH first: whatever else it may be, it must not be opened; a device would notice that.
    let found = open(&path, OFlags::PATH).and_then(|file| {
        let inode = inode_of(&file)?;
        Ok(match inode {
            Some(inode) if is_network(&open(&path, OFlags::RDONLY)?)? => Some(inode),
            _ => None,
        })
    });
    match found {
        Ok(Some(inode)) => Ok(Resolved::NetNs(NetNs { inode, path })),
        Ok(None) => Err(NetNsError::Other { path }),
        Err(cause) => {
            let next = match cause.kind() {
                io::ErrorKind::PermissionDenied => "run as root",
                _ => next,
            };
            Err(NetNsError::Path { path, cause, next })
        }
    }
}

fn open(path: &Path, how: OFlags) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(
        path,
        how | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

/// Returns whether a namespace is one of networks.
///
/// # Kernel
///
/// `setns` looks at the kind before it looks at privileges. A thread that then is inside has
/// nothing left to do.
fn is_network(namespace: &OwnedFd) -> io::Result<bool> {
    thread::scope(|scope| {
        let attempt = || {
            let network = LinkNameSpaceType::Network;
            move_into_link_name_space(namespace.as_fd(), Some(network)) != Err(Errno::INVAL)
        };
        let thread = thread::Builder::new().spawn_scoped(scope, attempt)?;
        Ok(thread
            .join()
            .unwrap_or_else(|payload| panic::resume_unwind(payload)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_a_process_and_an_inode_find_the_same_namespace() {
        let own = NetNs::own().expect("the own namespace").inode;
        let pid = std::process::id();
        for word in [
            "/proc/self/ns/net".to_owned(),
            pid.to_string(),
            own.to_string(),
        ] {
            let resolved = resolve(&word).unwrap_or_else(|error| panic!("{word}: {error}"));
            assert_eq!(resolved.inode(), own, "{word}");
        }
    }

    #[test]
    fn an_inode_number_that_nothing_leads_to_stays_a_number() {
        let resolved = resolve("4294967295").expect("a number");
        assert_eq!(resolved, Resolved::Inode(u32::MAX));
    }

    #[test]
    fn what_cannot_be_a_namespace_is_refused_with_a_next_step() {
        for (word, expected) in [
            ("", "names no network namespace"),
            ("..", "names no network namespace"),
            ("a/b", "names no network namespace"),
            ("4294967296", "names no network namespace"),
            ("0", "process id"),
            ("no such name", "`ip netns list`"),
            ("/nowhere/at/all", "`ip netns list`"),
            ("/dev/null", "is not a network namespace"),
            ("/proc/self/ns/mnt", "is not a network namespace"),
        ] {
            let error = resolve(word).expect_err(word).to_string();
            assert!(error.contains(expected), "{word}: {error}");
        }
    }

    #[test]
    fn a_name_never_reaches_the_terminal_raw() {
        for word in ["a\u{1b}[31mb", "/a\u{1b}[31mb", "a/\u{1b}[31mb"] {
            let error = resolve(word).expect_err("there is none").to_string();
            assert!(!error.contains(char::is_control), "{error:?}");
            assert!(error.contains(r"\u{1b}[31mb"), "{error}");
        }
    }
}
