//! What surrounds a trace: the namespaces there are, and the kernel's own counters in each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::evidence::Namespace;
use crate::model::Reading;
use crate::source::counters::{self, CounterWay};
use crate::source::netns::{self, NetNs, Resolved};
use crate::source::port_settings;

/// Namespaces of others whose counters are read at the end without privileges: each takes two open files.
const MOST_WAYS: usize = 256;

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
                    let this = format!("{inode} ");
                    let refused = found.not_entered.iter();
                    let mut refused = refused.filter(|one| one.what.starts_with(&this));
                    let why = refused.next().map_or("nothing leads there", |one| &one.reason);
                    format!(
                        "cannot look into network namespace {inode}: {why}; its existing connections and \
                         its counters are not known"
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
            Ok(read) => readings.push(reading(netns.inode, read)),
            Err(error) => notes.push(error.to_string()),
        }
    }
    (readings, notes)
}

fn reading(netns: u32, read: counters::Reading) -> Reading {
    Reading {
        netns,
        before: read.before,
        after: read.after,
        counters: read.counters,
    }
}

/// How the kernel's counters are read when the trace ends.
pub(super) enum Counting {
    /// Namespaces are found and entered again: those that were asked for, or all.
    Entering(Option<Vec<Resolved>>),
    /// By ways that take no privilege.
    Ways(Vec<CounterWay>),
}

impl Counting {
    /// Finds ways that take no privilege; tells where there is none.
    pub(super) fn ways(namespaces: &[NetNs]) -> (Self, Vec<String>) {
        let own = NetNs::own().ok().map(|own| own.inode);
        let others = namespaces.iter().any(|netns| Some(netns.inode) != own);
        let processes = match others {
            true => netns::processes(),
            false => BTreeMap::new(),
        };
        let mut ways = Vec::new();
        let mut without = Vec::new();
        for netns in namespaces {
            let way = match processes.get(&netns.inode) {
                _ if Some(netns.inode) == own => CounterWay::own(netns).ok(),
                Some(&pid) if ways.len() < MOST_WAYS => {
                    CounterWay::through(netns, pid).ok().flatten()
                }
                _ => None,
            };
            match way {
                Some(way) => ways.push(way),
                None => without.push(netns.inode.to_string()),
            }
        }
        let note = (!without.is_empty()).then(|| {
            format!(
                "the kernel's counters of {} are not compared: no process leads there, and all else takes \
                 CAP_SYS_ADMIN, which --keep-privileges keeps",
                list(&without)
            )
        });
        (Self::Ways(ways), note.into_iter().collect())
    }

    /// What is opened at the end.
    pub(super) fn reads(&self) -> Vec<PathBuf> {
        match self {
            Self::Entering(_) => Vec::new(),
            Self::Ways(ways) => {
                let paths = ways.iter().filter_map(CounterWay::reads);
                paths.map(PathBuf::from).collect()
            }
        }
    }

    /// Describes the namespaces as they are now, which `earlier` described before: what cannot be read again stays
    /// as it was.
    pub(super) fn describe_again(&self, earlier: &[Namespace]) -> Vec<Namespace> {
        match self {
            Self::Entering(asked) => described(&namespaces(asked.as_deref()).0),
            Self::Ways(_) => {
                let own = NetNs::own().ok();
                let again = own.map(|own| described(&[own])).unwrap_or_default();
                let latest = |one: &Namespace| {
                    let found = again.iter().find(|again| again.inode == one.inode);
                    Namespace {
                        settings: found.map_or(&one.settings, |found| &found.settings).clone(),
                        ..one.clone()
                    }
                };
                earlier.iter().map(latest).collect()
            }
        }
    }

    /// Leaves out of what will not be read again what is true of one moment alone.
    pub(super) fn lasting(&self, described: &mut [Namespace]) {
        let Self::Ways(_) = self else {
            return;
        };
        let own = NetNs::own().ok().map(|own| own.inode);
        for one in described.iter_mut().filter(|one| Some(one.inode) != own) {
            if let Some(settings) = &mut one.settings {
                settings.timewait_sockets = None;
            }
        }
    }

    /// Reads the counters. A namespace that cannot be read any more is left out.
    pub(super) fn read(&mut self) -> Vec<Reading> {
        match self {
            Self::Entering(asked) => {
                let (namespaces, _) = namespaces(asked.as_deref());
                readings(&namespaces).0
            }
            Self::Ways(ways) => {
                let read = |way: &mut CounterWay| Some(reading(way.netns(), way.read()?));
                ways.iter_mut().filter_map(read).collect()
            }
        }
    }
}

/// Names some namespaces, and says how many more there are.
fn list(inodes: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = inodes.iter().take(SHOWN).cloned().collect::<Vec<_>>();
    let noun = match inodes.len() {
        1 => "network namespace",
        _ => "network namespaces",
    };
    match inodes.len().saturating_sub(SHOWN) {
        0 => format!("{noun} {}", shown.join(", ")),
        more => format!("{noun} {} and {more} more", shown.join(", ")),
    }
}
