//! Whose the sockets are that exist when a trace begins: whichever process has them open.
//!
//! **Owns:** the one walk through `/proc`, and who is told of where several have a socket open.
//! **Never:** a guess: a socket that processes hold of whom none is the others' ancestor has no owner; a
//! failure of the whole.
//!
//! # Kernel
//!
//! `readlink` of a descriptor of a socket, below `/proc/PID/fd`, gives `socket:[INODE]`. All sockets have their
//! files in one place (sockfs), so a number stands for one socket whatever network namespace it is in; it is
//! what `sock_diag` tells as `idiag_inode`.

mod line;
mod stat;
mod walk;
mod who;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;

use crate::model::{Existing, Process};
use stat::Stat;

/// The number of the pid namespace by which the kernel's hooks number processes.
///
/// # Kernel
///
/// `PROC_PID_INIT_INO` (`include/linux/proc_ns.h`).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// Each owner once, by its number.
    pub processes: Vec<Process>,
    /// How it was looked for.
    pub notes: Vec<String>,
    /// What is therefore not known.
    pub missing: Vec<String>,
}

/// Finds who has the sockets open, and writes it into each; `inodes` are those of their files, in the same order.
///
/// Where one process has a socket open, that is the owner. Of several, it is the one that all others
/// descend from: a server that opened it, and left it to its workers. The first process of the host is not counted
/// where others have a socket open: it keeps what it opened in their stead.
///
/// Costs a `readlink` for each open file of each process, and nothing where no socket is open.
pub fn find(existing: &mut [Existing], inodes: &[Option<u32>]) -> Owners {
    let wanted: HashSet<u32> = inodes.iter().copied().flatten().collect();
    if wanted.is_empty() {
        return Owners::default();
    }
    if !is_numbered_like_the_kernel() {
        let why = "/proc numbers processes otherwise than the kernel does, as in a container; run on the host, or \
                   with `--pid=host`";
        return Owners {
            missing: vec![format!("which processes hold existing connections ({why})")],
            ..Owners::default()
        };
    }
    let walked = match walk::walk(&wanted) {
        Ok(walked) => walked,
        Err(cause) => {
            return Owners {
                missing: vec![format!(
                    "which processes hold existing connections (cannot list processes: {cause}; /proc must be mounted)"
                )],
                ..Owners::default()
            };
        }
    };

    let mut line = line::Line::new(walked.stats, |pid| Stat::of(pid).ok());
    let owners: HashMap<u32, u32> = walked
        .holders
        .iter()
        .filter_map(|(&inode, pids)| Some((inode, line.owner(pids)?)))
        .collect();
    let distinct: BTreeSet<u32> = owners.values().copied().collect();
    let processes: Vec<Process> = distinct
        .into_iter()
        .filter_map(|pid| who::describe(pid, line.stat(pid)?))
        .collect();
    for (one, inode) in existing.iter_mut().zip(inodes) {
        let owner = inode.and_then(|inode| owners.get(&inode));
        let is_told = |pid: &&u32| processes.binary_search_by_key(*pid, |one| one.pid).is_ok();
        one.holder = owner.filter(is_told).copied();
    }
    let mut found = Owners {
        processes,
        notes: vec![format!(
            "which processes hold existing connections was looked for in {} processes",
            walked.looked_at
        )],
        missing: Vec::new(),
    };
    if let Some(refused) = walked.refused {
        // Whom nobody else holds, one of those may.
        match wanted.len() - walked.holders.len() {
            0 => found.notes.push(refused),
            unheld => found.missing.push(format!(
                "who holds {unheld} of {} existing sockets ({refused})",
                wanted.len()
            )),
        }
    }
    found
}

/// Returns whether `/proc` numbers processes as the kernel's hooks do.
fn is_numbered_like_the_kernel() -> bool {
    let is_initial = |link: &str| {
        fs::read_link(link).is_ok_and(|target| target == Path::new(INITIAL_PID_NAMESPACE))
    };
    // Whoever is in the initial namespace can be seen only by those that number alike. Whoever is in another may
    // look at the host's, of which the first process is the first of the initial one.
    is_initial("/proc/self/ns/pid") || is_initial("/proc/1/ns/pid")
}
