//! What surrounds the figures: the settings of network namespaces, and the names of cgroups.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::source::netns::{self, NetNs};
use crate::source::{cgroup, port_settings};
use crate::stats::timewait::{Report, TimeWait};

/// How often a namespace is looked for that nothing led to.
const SEARCH: Duration = Duration::from_secs(10);

/// What surrounds the figures: network namespaces and their settings, and the names of cgroups.
#[derive(Debug, Default)]
pub(super) struct Around {
    namespaces: BTreeMap<u32, NetNs>,
    searched: Option<Instant>,
    /// Paths of cgroups.
    pub(super) cgroups: BTreeMap<u64, String>,
    /// cgroups that were looked for, found or not.
    sought: BTreeSet<u64>,
}

impl Around {
    /// Learns what each namespace allows.
    pub(super) fn begin(&mut self, namespaces: &[NetNs], figures: &mut TimeWait) {
        self.searched = Some(Instant::now());
        self.know(namespaces);
        for netns in namespaces {
            learn(netns, figures);
        }
    }

    fn know(&mut self, namespaces: &[NetNs]) {
        let by_inode = |netns: &NetNs| (netns.inode, netns.clone());
        self.namespaces = namespaces.iter().map(by_inode).collect();
    }

    /// Looks at what the figures name; returns whether that tells more.
    pub(super) fn look(&mut self, report: &Report, figures: &mut TimeWait) -> bool {
        self.look_for_cgroups(report);
        let wanted: Vec<u32> = report
            .settings
            .iter()
            .filter_map(|namespace| namespace.netns)
            .collect();
        let is_due = self.searched.is_none_or(|at| at.elapsed() >= SEARCH);
        if is_due
            && wanted
                .iter()
                .any(|inode| !self.namespaces.contains_key(inode))
        {
            self.searched = Some(Instant::now());
            self.know(&netns::all().entered);
        }
        let mut any = false;
        for netns in wanted.iter().filter_map(|inode| self.namespaces.get(inode)) {
            any |= learn(netns, figures);
        }
        any
    }

    fn look_for_cgroups(&mut self, report: &Report) {
        let named = report.cgroups.rows.iter().filter_map(|&(cgroup, _)| cgroup);
        let new: Vec<u64> = named.filter(|&id| self.sought.insert(id)).collect();
        self.cgroups.extend(cgroup::paths(&new));
    }
}

/// Reads a namespace's settings; one that is gone keeps those that it had.
fn learn(netns: &NetNs, figures: &mut TimeWait) -> bool {
    let read = port_settings::read(netns);
    let is_read = read.is_ok();
    if let Ok(settings) = read {
        figures.learn(Some(netns.inode), settings);
    }
    is_read
}
