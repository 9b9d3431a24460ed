//! cgroups of version 2: what a person calls one, and where it stands.
//!
//! **Never:** a level counted from a part of the hierarchy: the kernel side counts from its root.
//!
//! # Kernel
//!
//! The id that the kernel gives a cgroup (`kernfs_node.id`) is the inode number of its directory,
//! on 64-bit machines the whole of it (Linux 5.5). The root of the hierarchy has 1
//! (`cgroup_setup_root` warns of any other); a mount made inside a cgroup namespace, or bound from
//! a cgroup, begins further down, and nothing in it tells how far.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::mount_table::unescape;
use crate::model::{Cgroup, printable};

/// The most cgroups that are listed.
const MOST_LISTED: usize = 16 << 10;

/// The id of the hierarchy's root.
const ROOT_ID: u64 = 1;

/// Why a cgroup cannot be found.
#[derive(Debug, Error)]
pub enum CgroupError {
    /// No hierarchy of version 2 is mounted.
    #[error(
        "cannot look up cgroup `{}`: no cgroup2 filesystem is mounted here; mount one, such as \
         `mount -t cgroup2 none /mnt`",
        printable(text)
    )]
    NotMounted {
        /// What was typed.
        text: String,
    },
    /// Only a part of the hierarchy is mounted.
    #[error(
        "cannot look up cgroup `{}`: {} begins inside the hierarchy, as in a cgroup namespace, so \
         where a cgroup stands in the whole cannot be told; run on the host, with \
         `nsenter --target 1 --mount --cgroup` where its processes are seen, or filter by `--netns` \
         or `--pid`",
        printable(text),
        printable(mount)
    )]
    Part {
        /// What was typed.
        text: String,
        /// Where the part is mounted.
        mount: PathBuf,
    },
    /// There is no such directory.
    #[error(
        "cannot find cgroup `{}` at {}: {cause}; give a path below {} (see `systemd-cgls`) or an id",
        printable(text),
        printable(path),
        printable(root)
    )]
    Path {
        /// What was typed.
        text: String,
        /// Where it was looked for.
        path: PathBuf,
        /// Where the hierarchy is mounted.
        root: PathBuf,
        /// What the kernel answered.
        cause: io::Error,
    },
    /// No cgroup has that id.
    #[error(
        "no cgroup below {} has the id {id}; see `ls -di {}/*`, and give one whose name is a number \
         as `./{id}`",
        printable(root),
        printable(root)
    )]
    Id {
        /// The id.
        id: u64,
        /// Where the hierarchy is mounted.
        root: PathBuf,
    },
}

/// Finds the cgroup that a person means: a path as `/proc/PID/cgroup` prints it or below the mount,
/// or an id. Digits alone are an id; `./123` is the directory of that name.
///
/// # Errors
///
/// The hierarchy is not mounted from its root on, or nothing is there.
pub fn resolve(text: &str) -> Result<Cgroup, CgroupError> {
    let root = hierarchy(text)?;
    if text.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(id) = text.parse()
    {
        return find(&root, id, 0)
            .map(|level| Cgroup { id, level })
            .ok_or(CgroupError::Id { id, root });
    }
    let inside = Path::new(text)
        .strip_prefix(&root)
        .unwrap_or(Path::new(text));
    let path = root.join(inside.strip_prefix("/").unwrap_or(inside));
    let found = path
        .canonicalize()
        .and_then(|path| Ok((fs::metadata(&path)?.ino(), path)));
    let failed = |cause| CgroupError::Path {
        text: text.to_owned(),
        path: path.clone(),
        root: root.clone(),
        cause,
    };
    let (id, canonical) = found.map_err(failed)?;
    let below = canonical
        .strip_prefix(&root)
        .map_err(|_| failed(io::ErrorKind::NotFound.into()))?;
    if !canonical.is_dir() {
        return Err(failed(io::ErrorKind::NotADirectory.into()));
    }
    Ok(Cgroup {
        id,
        level: below.components().count() as u32,
    })
}

/// Where the whole hierarchy is mounted, if it is: what [`paths`] reads.
pub fn mount() -> Option<PathBuf> {
    hierarchy("").ok()
}

/// Finds the paths of cgroups as `/proc/PID/cgroup` prints them, by id. One that is not there, or no
/// longer, is left out; so are all where the hierarchy is not mounted from its root on.
pub fn paths(ids: &[u64]) -> BTreeMap<u64, String> {
    let mut found = BTreeMap::new();
    if let (false, Ok(root)) = (ids.is_empty(), hierarchy("")) {
        collect(&root, &root, ids, &mut found);
    }
    found
}

/// Lists every cgroup with its path, as [`paths`] tells them; of more than so many, those found first.
pub fn all() -> Vec<(u64, String)> {
    let Ok(root) = hierarchy("") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop()
        && found.len() < MOST_LISTED
    {
        let id = fs::metadata(&directory).map(|metadata| metadata.ino());
        if let (Ok(id), Ok(below)) = (id, directory.strip_prefix(&root)) {
            found.push((id, format!("/{}", below.to_string_lossy())));
        }
        let entries = fs::read_dir(&directory).into_iter().flatten();
        let inside = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        directories.extend(inside.map(|entry| entry.path()));
    }
    found
}

/// Collects the paths of those cgroups that are at or below `directory`, until all are found.
fn collect(root: &Path, directory: &Path, ids: &[u64], found: &mut BTreeMap<u64, String>) {
    if let Ok(id) = fs::metadata(directory).map(|metadata| metadata.ino())
        && ids.contains(&id)
        && let Ok(below) = directory.strip_prefix(root)
    {
        found.insert(id, format!("/{}", below.to_string_lossy()));
    }
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        if found.len() == ids.len() {
            return;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(root, &entry.path(), ids, found);
        }
    }
}

/// Finds where the whole hierarchy is mounted.
fn hierarchy(text: &str) -> Result<PathBuf, CgroupError> {
    let mounts = fs::read("/proc/thread-self/mounts").unwrap_or_default();
    let seen = mount_points(&mounts)
        .filter(|path| is_cgroup2(path))
        .filter_map(|path| Some((fs::metadata(&path).ok()?.ino(), path)));
    choose(seen).map_err(|part| match part {
        Some(mount) => CgroupError::Part {
            text: text.to_owned(),
            mount,
        },
        None => CgroupError::NotMounted {
            text: text.to_owned(),
        },
    })
}

/// Takes the first of the mounts, each with the id of its root, that is whole; if none is, returns
/// one that is not.
fn choose(mounts: impl Iterator<Item = (u64, PathBuf)>) -> Result<PathBuf, Option<PathBuf>> {
    let mut part = None;
    for (id, path) in mounts {
        if id == ROOT_ID {
            return Ok(path);
        }
        part.get_or_insert(path);
    }
    Err(part)
}

/// Returns where filesystems of version 2 are mounted.
fn mount_points(mounts: &[u8]) -> impl Iterator<Item = PathBuf> {
    mounts.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b' ');
        let (_, path, kind) = (fields.next()?, fields.next()?, fields.next()?);
        (kind == b"cgroup2").then(|| PathBuf::from(unescape(path)))
    })
}

/// Returns whether a path leads into a hierarchy of version 2, and not into what was mounted over it:
/// the root of a tmpfs has the inode number 1 too.
fn is_cgroup2(path: &Path) -> bool {
    // include/uapi/linux/magic.h
    const CGROUP2_MAGIC: u64 = 0x6367_7270;
    rustix::fs::statfs(path).is_ok_and(|found| u64::try_from(found.f_type) == Ok(CGROUP2_MAGIC))
}

/// Returns the level of the directory with an inode number, searching below `directory`.
fn find(directory: &Path, id: u64, level: u32) -> Option<u32> {
    if fs::metadata(directory).ok()?.ino() == id {
        return Some(level);
    }
    fs::read_dir(directory)
        .ok()?
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .find_map(|entry| find(&entry.path(), id, level + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mount_of_version_2_is_seen_wherever_it_is() {
        let mounts = b"tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
            cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
            none /mnt/a\\040b\\011c\\134d cgroup2 rw 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n\
            cut\n";
        let found: Vec<PathBuf> = mount_points(mounts).collect();
        assert_eq!(
            found,
            [
                PathBuf::from("/mnt/a b\tc\\d"),
                PathBuf::from("/sys/fs/cgroup/unified")
            ]
        );
    }

    #[test]
    fn a_part_of_the_hierarchy_is_never_taken_for_the_whole() {
        let mount = |id: u64, path: &str| (id, PathBuf::from(path));
        let chosen = |mounts: &[(u64, PathBuf)]| choose(mounts.iter().cloned());
        assert_eq!(chosen(&[]), Err(None));
        assert_eq!(
            chosen(&[mount(77, "/part"), mount(78, "/other")]),
            Err(Some(PathBuf::from("/part")))
        );
        assert_eq!(
            chosen(&[mount(77, "/part"), mount(1, "/whole")]),
            Ok(PathBuf::from("/whole"))
        );
    }

    #[test]
    fn paths_are_told_of_those_that_are_asked_for() {
        let root = tempfile::tempdir().expect("a directory");
        let id = |below: &str| {
            let path = root.path().join(below);
            fs::create_dir_all(&path).expect("to make a directory");
            fs::metadata(&path).expect("it is there").ino()
        };
        let (whole, slice, service) = (id(""), id("a.slice"), id("a.slice/b.service"));
        id("c.slice");
        let mut found = BTreeMap::new();
        let ids = [service, whole, slice, u64::MAX];
        collect(root.path(), root.path(), &ids, &mut found);
        let expected = [
            (whole, "/"),
            (slice, "/a.slice"),
            (service, "/a.slice/b.service"),
        ];
        let expected = expected.map(|(id, path)| (id, path.to_owned()));
        assert_eq!(found, BTreeMap::from(expected));
        assert!(paths(&[]).is_empty());
    }

    #[test]
    fn a_filesystem_of_another_kind_is_no_hierarchy() {
        assert!(!is_cgroup2(Path::new("/proc")));
        assert!(!is_cgroup2(Path::new("/nowhere/at/all")));
    }
}
