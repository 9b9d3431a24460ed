//! cgroups of version 2: what a person calls one, and where it stands.
//!
//! # Kernel
//!
//! The id that the kernel gives a cgroup (`kernfs_node.id`) is the inode number of its directory,
//! on 64-bit machines the whole of it (Linux 5.5).

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::model::Cgroup;

/// Why a cgroup cannot be found.
#[derive(Debug, Error)]
pub enum CgroupError {
    /// No hierarchy of version 2 is mounted.
    #[error(
        "cannot look up cgroup `{text}`: no cgroup2 filesystem is mounted; mount one: \
         `mount -t cgroup2 cgroup2 /sys/fs/cgroup`"
    )]
    NotMounted {
        /// What was typed.
        text: String,
    },
    /// There is no such directory.
    #[error(
        "cannot find cgroup `{text}` at {}: {cause}; give a path below {} (see `systemd-cgls`) or an id",
        path.display(),
        root.display()
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
    #[error("no cgroup below {} has the id {id}; see `ls -di {}/*`", root.display(), root.display())]
    Id {
        /// The id.
        id: u64,
        /// Where the hierarchy is mounted.
        root: PathBuf,
    },
}

/// Finds the cgroup that a person means: a path as `/proc/PID/cgroup` prints it or below the mount,
/// or an id.
///
/// # Errors
///
/// Nothing is mounted, or nothing is there.
pub fn resolve(text: &str) -> Result<Cgroup, CgroupError> {
    let root = mount_point().ok_or_else(|| CgroupError::NotMounted {
        text: text.to_owned(),
    })?;
    if let Ok(id) = text.parse() {
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

/// Where the hierarchy of version 2 is mounted.
fn mount_point() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mount = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (_, path, kind) = (fields.next()?, fields.next()?, fields.next()?);
        (kind == "cgroup2").then(|| path.replace("\\040", " "))
    })?;
    Some(mount.into())
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
