//! What surrounds a trace: the namespaces there are, and the kernel's own counters in each.

use crate::evidence::Namespace;
use crate::model::Reading;
use crate::source::netns::{self, NetNs, Resolved};
use crate::source::{counters, port_settings};

/// The namespaces to look into, and why others are not.
pub(super) fn namespaces(asked: Option<&[Resolved]>) -> (Vec<NetNs>, Vec<String>) {
    let found = netns::all();
    match asked {
        None => {
            let notes = found
                .not_entered
                .iter()
                .map(|one| format!("cannot look into {}: {}", one.what, one.reason));
            (found.entered, notes.collect())
        }
        Some(asked) => {
            let wanted = |one: &NetNs| asked.iter().any(|asked| asked.inode() == one.inode);
            let entered: Vec<NetNs> = found.entered.into_iter().filter(wanted).collect();
            let missing = asked
                .iter()
                .map(Resolved::inode)
                .filter(|inode| entered.iter().all(|one| one.inode != *inode));
            let notes = missing
                .map(|inode| {
                    format!(
                        "cannot look into network namespace {inode}: nothing leads there; its \
                         existing connections and its counters are not known"
                    )
                })
                .collect();
            (entered, notes)
        }
    }
}

/// What evidence keeps of each namespace: what it is called, and its settings.
pub(super) fn described(namespaces: &[NetNs]) -> Vec<Namespace> {
    let describe = |netns: &NetNs| Namespace {
        inode: netns.inode,
        name: Some(netns.path.to_string_lossy().into_owned()),
        settings: port_settings::read(netns).ok(),
    };
    namespaces.iter().map(describe).collect()
}

/// The kernel's counters of each namespace, and why some are missing.
pub(super) fn readings(namespaces: &[NetNs]) -> (Vec<Reading>, Vec<String>) {
    let mut readings = Vec::new();
    let mut notes = Vec::new();
    for netns in namespaces {
        match counters::read(netns) {
            Ok(read) => readings.push(Reading {
                netns: netns.inode,
                before: read.before,
                after: read.after,
                counters: read.counters,
            }),
            Err(error) => notes.push(error.to_string()),
        }
    }
    (readings, notes)
}
