//! Processes of this host, and which of them started which.
//!
//! **Owns:** what `/proc` says of them, and where the kernel side finds a task's numbers.
//! **Never:** what a process does.
//!
//! # Kernel
//!
//! A process whose parent has ended is another's child from then on, so those that it started before cannot be
//! told from others any more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use tracer_ebpf::FollowConfig;

use super::btf::Btf;

/// Inode number of the first pid namespace (`PROC_PID_INIT_INO`), by whose numbers the kernel side knows
/// processes.
const INITIAL_NAMESPACE: u64 = 0xefff_fffc;

/// Finds what following processes takes in the kernel's BTF.
///
/// # Errors
///
/// The name of a field without which no process can be followed.
pub(super) fn find(btf: &Btf<'_>) -> Result<FollowConfig, &'static str> {
    let task = |name| btf.field("task_struct", &[name]).map(|field| field.offset);
    Ok(FollowConfig {
        is_on: 1,
        task_pid: task("pid").ok_or("task_struct.pid")?,
        task_tgid: task("tgid").ok_or("task_struct.tgid")?,
        reserved: 0,
    })
}

/// Returns whether processes have other numbers here than in the kernel's records: in a container's pid namespace.
/// Where that cannot be told, they are taken to be the same.
pub fn numbers_differ() -> bool {
    fs::metadata("/proc/self/ns/pid").is_ok_and(|about| about.ino() != INITIAL_NAMESPACE)
}

/// Returns the processes of this host, each with its parent.
pub fn parents() -> BTreeMap<u32, u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, parent(&stat)?))
        })
        .collect()
}

/// Returns the children of some processes, and theirs.
pub(super) fn descendants(of: &[u32], parents: &BTreeMap<u32, u32>) -> BTreeSet<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (&child, &parent) in parents {
        children.entry(parent).or_default().push(child);
    }
    let mut found = BTreeSet::new();
    let mut to_look_at = of.to_vec();
    while let Some(parent) = to_look_at.pop() {
        for &child in children.get(&parent).into_iter().flatten() {
            if found.insert(child) {
                to_look_at.push(child);
            }
        }
    }
    found
}

/// Reads the parent in the text of a process's `stat`: behind its name, which may hold anything.
fn parent(stat: &str) -> Option<u32> {
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_pass_for_a_parent() {
        assert_eq!(parent("12 (a) S 7 8 9"), Some(7));
        assert_eq!(parent("12 (a) S 1 2 (b) R 7 8 9"), Some(7));
        assert_eq!(parent("12 (a"), None);
        assert_eq!(parent("12 (a) S"), None);
    }

    #[test]
    fn children_of_children_are_found_and_no_others() {
        let parents = [(1, 0), (2, 0), (5, 1), (6, 5), (7, 6), (8, 2), (9, 8)];
        let parents = BTreeMap::from(parents);
        let found = |of: &[u32]| Vec::from_iter(descendants(of, &parents));
        assert_eq!(found(&[5]), [6, 7]);
        assert_eq!(found(&[1, 8]), [5, 6, 7, 9]);
        assert!(found(&[7, 77]).is_empty());
        // None is its own parent; evidence of a strange kernel must not hold anybody up.
        let round = BTreeMap::from([(3, 4), (4, 3)]);
        assert_eq!(Vec::from_iter(descendants(&[3], &round)), [3, 4]);
    }

    #[test]
    fn this_process_is_found_with_its_parent() {
        let parents = parents();
        let parent = rustix::process::getppid().expect("a parent");
        let own = std::process::id();
        assert_eq!(parents[&own], parent.as_raw_nonzero().get().cast_unsigned());
        assert!(descendants(&[parents[&own]], &parents).contains(&own));
    }
}
