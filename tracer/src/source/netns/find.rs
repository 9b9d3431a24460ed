//! Finding network namespaces: through processes, and through mounts.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fs, io, thread};

use rustix::io::Errno;

use super::{NetNs, NetNsError, enter, inode_at, parse_link};
use crate::model::printable;
use crate::source::mount_table::unescape;

/// The namespaces of this host, as far as it lets itself be seen.
///
/// # Kernel
///
/// A namespace lives as long as a process, a mount, an open file or a socket holds it. Those that
/// a process or a mount holds are found; there is no list of the others.
#[derive(Debug, Default)]
pub struct Namespaces {
    /// Each one that was entered, by inode number; the own one is among them.
    pub entered: Vec<NetNs>,
    /// What could not be looked at, or not be entered.
    pub not_entered: Vec<NotEntered>,
}

/// A namespace, or what may have led to one, that stays unseen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotEntered {
    /// An inode number and a path, or the path alone.
    pub what: String,
    /// Why, and what to try.
    pub reason: String,
}

/// What leads to namespaces.
#[derive(Default)]
struct Found {
    paths: BTreeMap<u32, PathBuf>,
    unseen: Vec<NotEntered>,
}

/// Finds the namespaces of every process and every mount, and tries to enter each.
///
/// Processes that end meanwhile are no error. Costs a `readlink` for each process, and a thread.
pub fn all() -> Namespaces {
    let found = find();
    let mut namespaces = Namespaces {
        entered: Vec::with_capacity(found.paths.len()),
        not_entered: found.unseen,
    };
    let own = NetNs::own().ok();
    let mut others = Vec::new();
    for (inode, path) in found.paths {
        if own.as_ref().is_some_and(|own| own.inode == inode) {
            continue;
        }
        others.push(NetNs { inode, path });
    }
    // One thread passes through all of them; it can go nowhere else than to its end.
    let tried = thread::scope(|scope| {
        let attempt = || others.iter().map(enter).collect::<Vec<_>>();
        match thread::Builder::new().spawn_scoped(scope, attempt) {
            Ok(thread) => thread.join().map_err(|_| "the thread panicked".to_owned()),
            Err(cause) => Err(format!("cannot start a thread: {cause}")),
        }
    });
    match tried {
        Ok(tried) => {
            for (netns, result) in others.into_iter().zip(tried) {
                match result {
                    Ok(()) => namespaces.entered.push(netns),
                    // It ended between the two looks.
                    Err(NetNsError::Gone { .. }) => {}
                    Err(error) => namespaces.not_entered.push(NotEntered {
                        what: describe(&netns),
                        reason: error.to_string(),
                    }),
                }
            }
        }
        Err(reason) => namespaces
            .not_entered
            .extend(others.iter().map(|netns| NotEntered {
                what: describe(netns),
                reason: reason.clone(),
            })),
    }
    namespaces.entered.extend(own);
    namespaces.entered.sort();
    namespaces
}

/// Finds another file that leads to the namespace.
pub(super) fn elsewhere(netns: &NetNs) -> Option<NetNs> {
    let path = find().paths.remove(&netns.inode)?;
    Some(NetNs {
        inode: netns.inode,
        path,
    })
}

/// Finds a process in each namespace that has one: the one with the lowest number, which tends to be the oldest.
pub fn processes() -> BTreeMap<u32, u32> {
    let mut found = Found::default();
    find_processes(&mut found);
    let pid_of = |path: &Path| path.iter().nth(2)?.to_str()?.parse().ok();
    found
        .paths
        .iter()
        .filter_map(|(&inode, path)| Some((inode, pid_of(path)?)))
        .collect()
}

/// Finds the file of a namespace by its inode number, whether it can be entered or not.
pub(super) fn by_inode(inode: u32) -> Option<NetNs> {
    let path = find().paths.remove(&inode)?;
    Some(NetNs { inode, path })
}

fn describe(netns: &NetNs) -> String {
    format!("{} ({})", netns.inode, printable(&netns.path))
}

/// Looks at every mount, then at every process. A mount outlives processes, so its path is kept.
fn find() -> Found {
    let mut found = Found::default();
    find_mounts(&mut found);
    find_processes(&mut found);
    found
}

fn find_mounts(found: &mut Found) {
    const MOUNTS: &str = "/proc/thread-self/mountinfo";
    match fs::read(MOUNTS) {
        Ok(text) => {
            for line in text.split(|&byte| byte == b'\n') {
                if let Some(NetNs { inode, path }) = parse_mount(line) {
                    found.paths.entry(inode).or_insert(path);
                }
            }
        }
        Err(cause) => found.unseen.push(NotEntered {
            what: MOUNTS.to_owned(),
            reason: format!("cannot read the mounts of namespaces: {cause}"),
        }),
    }
}

fn find_processes(found: &mut Found) {
    let entries = match fs::read_dir("/proc") {
        Ok(entries) => entries,
        Err(cause) => {
            found.unseen.push(NotEntered {
                what: "/proc".to_owned(),
                reason: format!("cannot list processes: {cause}; /proc must be mounted"),
            });
            return;
        }
    };
    let mut pids: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    // The lowest, which tend to be the oldest, lead.
    pids.sort_unstable();
    // A user who is not root may look at few processes: one line must tell of all the others.
    let mut refused: Option<(PathBuf, io::Error)> = None;
    let mut refusals = 0_u64;
    for pid in pids {
        let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
        match inode_at(&path) {
            Ok(inode) => {
                found.paths.entry(inode).or_insert(path);
            }
            Err(cause) if is_gone(&cause) => {}
            Err(cause) => {
                refusals += 1;
                refused.get_or_insert((path, cause));
            }
        }
    }
    if let Some((path, cause)) = refused {
        let reason = format!("{cause}; run as root, or with CAP_SYS_PTRACE");
        let what = match refusals {
            1 => path.display().to_string(),
            _ => format!("{refusals} processes, {} the first", path.display()),
        };
        found.unseen.push(NotEntered { what, reason });
    }
}

/// Returns whether an error is how `/proc` tells that a process has ended.
fn is_gone(error: &io::Error) -> bool {
    [Errno::NOENT, Errno::SRCH]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Reads a line of `mountinfo` as a mount of a network namespace.
///
/// # Kernel
///
/// `proc(5)`: the fourth field is what of the file system is mounted, here `net:[INODE]`; the
/// fifth is where, with blanks and backslashes as three octal digits; the type follows a `-`.
fn parse_mount(line: &[u8]) -> Option<NetNs> {
    let mut fields = line.split(|&byte| byte == b' ');
    let inode = parse_link(OsStr::from_bytes(fields.nth(3)?))?;
    let path = unescape(fields.next()?);
    let mut after = fields.skip_while(|field| *field != b"-").skip(1);
    (after.next()? == b"nsfs").then(|| NetNs {
        inode,
        path: Path::new(&path).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(line: &str) -> Option<(u32, String)> {
        let found = parse_mount(line.as_bytes())?;
        Some((found.inode, found.path.display().to_string()))
    }

    #[test]
    fn a_mounted_namespace_is_found_wherever_it_is() {
        let line = "81 25 0:4 net:[4026532281] /run/netns/blue rw shared:7 - nsfs nsfs rw";
        assert_eq!(
            mount(line),
            Some((4_026_532_281, "/run/netns/blue".to_owned()))
        );
        let line = r"82 25 0:4 net:[4026532282] /mnt/a\040b\134c rw - nsfs nsfs rw";
        assert_eq!(mount(line), Some((4_026_532_282, r"/mnt/a b\c".to_owned())));
    }

    #[test]
    fn other_mounts_and_broken_lines_are_not_namespaces() {
        for line in [
            "",
            "22 27 0:21 / /proc rw,relatime - proc proc rw",
            "81 25 0:4 mnt:[4026532281] /mnt/m rw - nsfs nsfs rw",
            "81 25 0:4 net:[4026532281] /mnt/fake rw - tmpfs tmpfs rw",
            "81 25 0:4 net:[4026532281] /mnt/cut rw shared:7",
            "81 25 0:4 net:[4026532281]",
        ] {
            assert_eq!(mount(line), None, "{line}");
        }
    }

    #[test]
    fn the_own_namespace_is_always_there_and_each_only_once() {
        let own = NetNs::own().expect("the own namespace");
        let namespaces = all();
        let inodes: Vec<u32> = namespaces.entered.iter().map(|netns| netns.inode).collect();
        assert!(inodes.contains(&own.inode), "{inodes:?}");
        assert!(inodes.is_sorted_by(|a, b| a < b), "{inodes:?}");
    }
}
