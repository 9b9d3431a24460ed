//! The sockets that exist when a trace begins, of every namespace.
//!
//! **Owns:** what is done when one of the dumps fails: a note, and the others go on.
//! **Never:** a failure of the whole: a trace without a snapshot still tells every change.

use std::collections::BTreeMap;

use super::netns::{NetNs, NetNsError, within};
use super::sock_diag::{DumpError, dump};
use crate::model::{Existing, Family};

/// How often a dump is asked for that the kernel calls inconsistent.
const ATTEMPTS: usize = 3;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Each socket once, by namespace and then by cookie.
    pub existing: Vec<Existing>,
    /// Of each of them, in the same order, the inode number of the file through which processes have it open;
    /// `None` of one that none has.
    pub inodes: Vec<Option<u32>>,
    /// What is missing or in doubt, and why; empty where nothing is.
    pub notes: Vec<String>,
}

/// Lists every TCP socket of the namespaces, in every state.
///
/// It is no picture of one moment: each dump takes the sockets one hash bucket after the other, so
/// a socket may be shown in a state that it has left since, and one that came or went meanwhile may
/// be missing. Each entry's `at` is before all of that.
///
/// Asking gives each socket a cookie that has none yet.
pub fn take(namespaces: &[NetNs]) -> Snapshot {
    let mut existing = BTreeMap::new();
    let mut notes = Vec::new();
    for netns in namespaces {
        match within(netns, || dump_both(netns.inode)) {
            Ok(Ok(found)) => {
                // Later wins: a socket that turned into a timewait one meanwhile keeps its cookie.
                let keyed = found
                    .existing
                    .into_iter()
                    .map(|one| ((one.0.netns, one.0.cookie), one));
                existing.extend(keyed);
                notes.extend(found.notes);
            }
            Ok(Err(lacking)) => {
                // True of every namespace.
                notes.push(format!(
                    "existing connections cannot be listed: {lacking}; changes are traced all the same"
                ));
                break;
            }
            // What a namespace held goes with it.
            Err(NetNsError::Gone { .. }) => {}
            Err(error) => notes.push(format!("existing connections are missing: {error}")),
        }
    }
    let (existing, inodes) = existing.into_values().unzip();
    Snapshot {
        existing,
        inodes,
        notes,
    }
}

/// The sockets of a namespace, each with the inode number of its file.
#[derive(Default)]
struct Dumped {
    existing: Sockets,
    notes: Vec<String>,
}

/// Dumps both families in the namespace of the calling thread.
///
/// # Errors
///
/// [`DumpError::Lacking`] alone; any other is a note.
fn dump_both(netns: u32) -> Result<Dumped, DumpError> {
    let mut dumped = Dumped::default();
    for (family, name) in [(Family::Ipv4, "IPv4"), (Family::Ipv6, "IPv6")] {
        match dump_steadily(family, netns) {
            Ok((mut existing, steady)) => {
                dumped.existing.append(&mut existing);
                if !steady {
                    dumped.notes.push(format!(
                        "existing {name} connections of network namespace {netns} may be \
                         incomplete: they changed during each of {ATTEMPTS} dumps"
                    ));
                }
            }
            Err(error @ DumpError::Lacking { .. }) => return Err(error),
            Err(error) => dumped.notes.push(format!(
                "existing {name} connections of network namespace {netns} are missing: {error}"
            )),
        }
    }
    Ok(dumped)
}

/// What a dump tells: each socket, and the inode number of its file.
type Sockets = Vec<(Existing, Option<u32>)>;

/// Dumps one family, again where the kernel calls it inconsistent; returns whether the last was not.
fn dump_steadily(family: Family, netns: u32) -> Result<(Sockets, bool), DumpError> {
    let mut last = Vec::new();
    for _ in 0..ATTEMPTS {
        let found = dump(family, netns)?;
        if !found.interrupted {
            return Ok((found.existing, true));
        }
        last = found.existing;
    }
    Ok((last, false))
}
