//! What surrounds the figures: the settings of network namespaces, and the names of cgroups.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::source::netns::{self, NetNs};
use crate::source::{cgroup, port_settings};
use crate::stats::timewait::{Report, TimeWait};

/// How often a namespace is looked for that nothing led to.
const SEARCH: Duration = Duration::from_secs(10);

/// Where what surrounds the figures is known from.
#[derive(Debug)]
pub(super) enum Around {
    /// This host tells.
    Here(Here),
    /// Evidence told the paths of cgroups; settings of namespaces went to the figures at once.
    Recorded(BTreeMap<u64, String>),
}

/// Network namespaces of this host and their settings, and the names of cgroups.
#[derive(Debug, Default)]
pub(super) struct Here {
    /// Whether namespaces of others can be entered.
    enters: bool,
    namespaces: BTreeMap<u32, NetNs>,
    searched: Option<Instant>,
    /// Paths of cgroups.
    cgroups: BTreeMap<u64, String>,
    /// cgroups that were looked for, found or not.
    sought: BTreeSet<u64>,
}

impl Around {
    /// Learns what each namespace of this host allows.
    pub(super) fn begin(&mut self, namespaces: &[NetNs], figures: &mut TimeWait) {
        if let Self::Here(here) = self {
            here.begin(namespaces, figures);
        }
    }

    /// Looks at what the figures name; returns whether that tells more.
    pub(super) fn look(&mut self, report: &Report, figures: &mut TimeWait) -> bool {
        match self {
            Self::Here(here) => here.look(report, figures),
            Self::Recorded(_) => false,
        }
    }

    /// Takes in what evidence tells.
    pub(super) fn learn_cgroups(&mut self, told: &[(u64, String)]) {
        if let Self::Recorded(cgroups) = self {
            cgroups.extend(told.iter().cloned());
        }
    }

    /// Paths of cgroups.
    pub(super) fn cgroups(&self) -> &BTreeMap<u64, String> {
        match self {
            Self::Here(here) => &here.cgroups,
            Self::Recorded(cgroups) => cgroups,
        }
    }
}

impl Here {
    /// Knows nothing yet but whether namespaces of others can be entered.
    pub(super) fn new(enters: bool) -> Self {
        Self {
            enters,
            ..Self::default()
        }
    }

    /// Learns what each namespace allows.
    fn begin(&mut self, namespaces: &[NetNs], figures: &mut TimeWait) {
        self.searched = Some(Instant::now());
        self.know(namespaces);
        for netns in self.namespaces.values() {
            learn(netns, figures);
        }
    }

    /// Knows the namespaces that can be entered.
    fn know(&mut self, namespaces: &[NetNs]) {
        let own = NetNs::own().ok();
        let is_open = |netns: &&NetNs| {
            self.enters || own.as_ref().is_some_and(|own| own.inode == netns.inode)
        };
        let namespaces = namespaces.iter().filter(is_open);
        let by_inode = |netns: &NetNs| (netns.inode, netns.clone());
        self.namespaces = namespaces.map(by_inode).collect();
    }

    /// Looks at what the figures name; returns whether that tells more.
    fn look(&mut self, report: &Report, figures: &mut TimeWait) -> bool {
        self.look_for_cgroups(report);
        let wanted: Vec<u32> = report
            .settings
            .iter()
            .filter_map(|namespace| namespace.netns)
            .collect();
        let is_due = self.searched.is_none_or(|at| at.elapsed() >= SEARCH);
        if self.enters
            && is_due
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
