//! Local ports that run short towards one remote end.
//!
//! As in the figures of `time-wait`, a connect has the ports of its namespace's range for each (local address,
//! remote address, remote port). Here the most that were in use at once count: by the end of a trace there may
//! be enough again.
//!
//! A port counts from the moment at which its connection is established, or was found, until its life is told.
//! Where `tcp_tw_reuse` lets a connect take over one in TIME_WAIT, such ones do not count. After changes were
//! lost, only what begins later does: an end that was not seen would be missing for ever.
//!
//! **Never:** anything about one connection: its life says, when it is told, whether it was counted.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::example::{EXAMPLES, Example, Examples};
use super::finding::{Detail, Finding, Judged, Period, PortsShort};
use crate::model::TcpState::{Close, SynSent, TimeWait};
use crate::model::{FindingKind, MonoNs, TcpSettings, Threshold, Thresholds};
use crate::stats::bounded::{Bounded, Figure};
use crate::stats::timewait::Towards;
use crate::track::{Change, Ending, Opened, Origin, Timeline};

/// Remote ends that are told apart.
const ENDS: usize = 8192;
/// Network namespaces whose settings are kept.
const NAMESPACES: usize = 1024;
/// Connections that were there as the trace began and are kept until the settings are known, which is at
/// once.
const MOST_WAITING: usize = 65_536;

/// Judges how many local ports are in use.
#[derive(Debug)]
pub(super) struct PortExhaustion(Option<Counted>);

#[derive(Debug)]
struct Counted {
    percent: u8,
    ends: Bounded<Towards, Uses>,
    namespaces: BTreeMap<u32, Allowed>,
    /// Those that were there, until the settings are known.
    waiting: Vec<Found>,
    /// Whether something is not counted, for want of room.
    is_full: bool,
    lossy_until: Option<MonoNs>,
    no_port: u64,
    /// Those towards an end that is not known.
    no_port_anywhere: u64,
    period: Period,
    examples: Examples,
}

/// What a namespace allows.
#[derive(Debug)]
struct Allowed {
    settings: TcpSettings,
    usable: Option<u64>,
}

/// A connection that was there as the trace began, or that begins.
#[derive(Clone, Copy, Debug)]
struct Found {
    at: MonoNs,
    towards: Towards,
    local_port: u16,
    time_wait: bool,
}

/// Local ports towards one end.
#[derive(Clone, Copy, Debug, Default)]
struct Uses {
    taken: u64,
    time_wait: u64,
    most: Option<Most>,
    no_port: u64,
}

/// When the most were in use.
#[derive(Clone, Copy, Debug)]
struct Most {
    in_use: u64,
    time_wait: u64,
    usable: u64,
}

impl Figure for Uses {
    fn is_over(&self) -> bool {
        self.taken == 0 && self.most.is_none() && self.no_port == 0
    }

    fn weight(&self) -> u64 {
        self.taken
    }
}

impl PortExhaustion {
    pub(super) fn new(thresholds: &Thresholds) -> Self {
        let percent = thresholds.percent(FindingKind::PortExhaustion);
        Self(percent.map(|percent| Counted {
            percent,
            ends: Bounded::new(ENDS),
            namespaces: BTreeMap::new(),
            waiting: Vec::new(),
            is_full: false,
            lossy_until: None,
            no_port: 0,
            no_port_anywhere: 0,
            period: Period::default(),
            examples: Examples::default(),
        }))
    }

    pub(super) fn learn(&mut self, netns: u32, settings: &TcpSettings) {
        let Some(counted) = &mut self.0 else {
            return;
        };
        if counted.namespaces.len() < NAMESPACES {
            let allowed = Allowed {
                usable: settings.usable_ports().map(u64::from),
                settings: settings.clone(),
            };
            counted.namespaces.insert(netns, allowed);
        }
    }

    /// The settings are known: counts what was there.
    pub(super) fn learnt(&mut self) {
        let Some(counted) = &mut self.0 else {
            return;
        };
        for found in std::mem::take(&mut counted.waiting) {
            counted.take(found);
        }
    }

    pub(super) fn lose(&mut self, until: MonoNs) {
        let Some(counted) = &mut self.0 else {
            return;
        };
        counted.lossy_until = counted.lossy_until.max(Some(until));
        counted.waiting = Vec::new();
        for uses in counted.ends.values_mut() {
            uses.taken = 0;
            uses.time_wait = 0;
        }
    }

    pub(super) fn change(&mut self, change: &Change) {
        let Some(counted) = &mut self.0 else {
            return;
        };
        let is_found = change.origin == Origin::Snapshot;
        let is_taken = change.from == Some(SynSent) && change.to != Close;
        let waits = change.to == TimeWait && !is_found;
        if !is_found && !is_taken && !waits {
            return;
        }
        let towards = Towards::of(change.netns, &change.tuple);
        let (Some(towards), Some(local_port)) = (towards, change.tuple.local.port) else {
            return;
        };
        if waits {
            counted.wait(&towards, change.at);
            return;
        }
        let found = Found {
            at: change.at,
            towards,
            local_port,
            time_wait: change.to == TimeWait,
        };
        match is_found {
            true if counted.waiting.len() < MOST_WAITING => counted.waiting.push(found),
            true => counted.is_full = true,
            false => counted.take(found),
        }
    }

    pub(super) fn timeline(&mut self, timeline: &Timeline, ended_at: Option<MonoNs>) {
        let Some(counted) = &mut self.0 else {
            return;
        };
        match timeline.ended {
            None => {}
            Some(Ending::NoPort) => counted.refuse(timeline, ended_at),
            Some(_) => counted.free(timeline),
        }
    }

    pub(super) fn judge(self) -> Option<Judged> {
        let counted = self.0?;
        let is_short = |uses: &Uses| uses.most.is_some() || uses.no_port > 0;
        let ends = counted.ends.into_figures().into_iter();
        let mut short: Vec<PortsShort> = ends
            .filter(|(_, uses)| is_short(uses))
            .map(|(towards, uses)| PortsShort {
                towards,
                most: uses.most.map_or(uses.taken, |most| most.in_use),
                time_wait: uses.most.map_or(uses.time_wait, |most| most.time_wait),
                usable: uses.most.map(|most| most.usable),
                no_port: uses.no_port,
            })
            .collect();
        // The sort is stable: equal ones stay in the order of their ends.
        short.sort_by_key(|one| Reverse((one.no_port, one.most)));
        let count = short.len() as u64 + u64::from(counted.no_port_anywhere > 0);
        short.truncate(EXAMPLES);
        (count > 0).then(|| {
            Judged(Finding {
                kind: FindingKind::PortExhaustion,
                count,
                is_least: counted.is_full,
                since: counted.period.since,
                until: counted.period.until,
                threshold: Threshold::Share {
                    percent: counted.percent,
                },
                connections: counted.examples.into_vec(),
                detail: Detail::Ports {
                    ends: short,
                    no_port: counted.no_port,
                },
            })
        })
    }
}

impl Counted {
    /// Counts a port, if it is one that connects choose from.
    fn take(&mut self, found: Found) {
        let Found {
            at,
            towards,
            local_port,
            time_wait,
        } = found;
        let is_past = self.lossy_until.is_some_and(|until| at <= until);
        let allowed = towards.netns.and_then(|netns| self.namespaces.get(&netns));
        let Some(allowed) = allowed.filter(|_| !is_past) else {
            return;
        };
        if allowed.settings.is_chosen_from(local_port) != Some(true) {
            return;
        }
        let Some(uses) = self.ends.get_or_add(towards, drop) else {
            self.is_full = true;
            return;
        };
        uses.taken += 1;
        uses.time_wait += u64::from(time_wait);
        let reuse = allowed.settings.tw_reuse;
        let taken_over =
            reuse.is_some_and(|reuse| reuse.allows(towards.local, towards.remote.ip()));
        let in_use = match taken_over {
            true => uses.taken.saturating_sub(uses.time_wait),
            false => uses.taken,
        };
        let Some(usable) = allowed.usable else {
            return;
        };
        if in_use == 0 || in_use * 100 < usable * u64::from(self.percent) {
            return;
        }
        self.period.include(at);
        if uses.most.is_none_or(|most| most.in_use < in_use) {
            uses.most = Some(Most {
                in_use,
                time_wait: if taken_over { 0 } else { uses.time_wait },
                usable,
            });
        }
    }

    /// A port goes into TIME_WAIT, if it is one that is counted.
    fn wait(&mut self, towards: &Towards, at: MonoNs) {
        let is_past = self.lossy_until.is_some_and(|until| at <= until);
        if let Some(uses) = self.ends.get_mut(towards)
            && !is_past
        {
            uses.time_wait += 1;
        }
    }

    /// A connection's life is over: its port is free, if it was counted.
    fn free(&mut self, timeline: &Timeline) {
        let is_after = |at: Option<MonoNs>| match (at, self.lossy_until) {
            (_, None) => true,
            (at, Some(until)) => at.is_some_and(|at| at > until),
        };
        let was_taken = match timeline.opened {
            Opened::Active => {
                let established = timeline.segments.get(1);
                established.is_some_and(|segment| is_after(segment.start))
            }
            Opened::BeforeTrace => self.lossy_until.is_none(),
            _ => false,
        };
        let waited = timeline
            .segments
            .iter()
            .any(|segment| segment.state == TimeWait && is_after(segment.start));
        let towards = Towards::of(timeline.netns, &timeline.tuple);
        let Some(uses) = towards.and_then(|towards| self.ends.get_mut(&towards)) else {
            return;
        };
        uses.taken = uses.taken.saturating_sub(u64::from(was_taken));
        uses.time_wait = uses.time_wait.saturating_sub(u64::from(waited));
    }

    /// A connect found no port.
    fn refuse(&mut self, timeline: &Timeline, ended_at: Option<MonoNs>) {
        self.no_port += 1;
        if let Some(at) = ended_at {
            self.period.include(at);
        }
        self.examples.keep_first(Example::of_timeline(timeline));
        let towards = Towards::of(timeline.netns, &timeline.tuple);
        match towards.and_then(|towards| self.ends.get_or_add(towards, drop)) {
            Some(uses) => uses.no_port += 1,
            None => self.no_port_anywhere += 1,
        }
    }
}
