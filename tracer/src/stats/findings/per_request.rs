//! A connection for each request, where one could have been kept for all of them.
//!
//! What counts is a connect of a process to an end that the same process has just closed a short connection
//! to, in good order: it could have gone on with that one. So connections that are open side by side do not
//! count, nor those of one process after another, nor long ones, nor those that a reset ended.
//!
//! **Never:** anything about one connection: a process and an end have a few figures together.

use std::net::SocketAddr;

use super::burst::Burst;
use super::example::{EXAMPLES, Example, Examples};
use super::finding::{Detail, Finding, Judged, Period, Service};
use crate::model::TcpState::{CloseWait, Established, FinWait1, SynSent};
use crate::model::event::Comm;
use crate::model::{FindingKind, MonoNs, Threshold, Thresholds};
use crate::stats::bounded::{Bounded, Figure};
use crate::track::{Change, Span};

/// Processes and ends that are told apart.
const SERVICES: usize = 2048;
/// A connection that was used for longer is none for a single request.
const SHORT_NS: u64 = 1_000_000_000;
/// For how long a connection can be kept without anybody's doing: what servers grant at least.
const KEPT_NS: u64 = 5_000_000_000;

/// Judges which connections could have been one.
#[derive(Debug)]
pub(super) struct PerRequest(Option<Counted>);

#[derive(Debug)]
struct Counted {
    within: (u64, u64),
    services: Bounded<Key, Requests>,
    is_full: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    netns: Option<u32>,
    process: (u32, Comm),
    remote: SocketAddr,
}

impl Key {
    /// Whose connection it is and towards what, where both are known.
    fn of(change: &Change) -> Option<Self> {
        let remote = change.tuple.remote;
        Some(Self {
            netns: change.netns,
            process: change.owner.process?,
            remote: SocketAddr::new(remote.addr?, remote.port?),
        })
    }
}

/// Connections of one process to one end.
#[derive(Debug, Default)]
struct Requests {
    /// How many have been closed of late that nothing has taken the place of.
    spare: u64,
    closed: Option<MonoNs>,
    /// How many could have been done without.
    count: u64,
    burst: Option<Burst>,
    examples: Examples,
}

impl Figure for Requests {
    fn is_over(&self) -> bool {
        self.burst.is_none_or(|burst| burst.count() == 0)
    }

    fn weight(&self) -> u64 {
        self.count
    }
}

impl PerRequest {
    pub(super) fn new(thresholds: &Thresholds) -> Self {
        let within = thresholds.within(FindingKind::ConnectionPerRequest);
        Self(within.map(|within| Counted {
            within,
            services: Bounded::new(SERVICES),
            is_full: false,
        }))
    }

    pub(super) fn change(&mut self, change: &Change) {
        let Some(counted) = &mut self.0 else {
            return;
        };
        match (change.from, change.to) {
            (Some(SynSent), Established) => counted.open(change),
            (Some(Established), FinWait1 | CloseWait) => counted.close(change),
            _ => {}
        }
    }

    pub(super) fn judge(self) -> Option<Judged> {
        let counted = self.0?;
        let (count, ns) = counted.within;
        let mut found: Vec<(Service, Requests)> = Vec::new();
        let mut period = Period::default();
        let mut all = 0;
        for (key, requests) in counted.services.into_figures() {
            let Some(burst) = requests.burst.filter(|burst| burst.count() > 0) else {
                continue;
            };
            all += burst.count();
            let Period { since, until } = burst.period();
            for at in [since, until].into_iter().flatten() {
                period.include(at);
            }
            let service = Service {
                process: key.process,
                remote: key.remote,
                count: burst.count(),
                most: burst.most(),
            };
            found.push((service, requests));
        }
        // The sort is stable: equal ones stay in the order of their names.
        found.sort_by_key(|(service, _)| std::cmp::Reverse(service.count));
        found.truncate(EXAMPLES);
        let services: Vec<Service> = found.iter().map(|(service, _)| *service).collect();
        let (_, worst) = found.into_iter().next()?;
        Some(Judged(Finding {
            kind: FindingKind::ConnectionPerRequest,
            count: all,
            is_least: counted.is_full,
            since: period.since,
            until: period.until,
            threshold: Threshold::Within { count, ns },
            connections: worst.examples.into_vec(),
            detail: Detail::PerRequest { services },
        }))
    }
}

impl Counted {
    fn open(&mut self, change: &Change) {
        let Some(key) = Key::of(change) else {
            return;
        };
        let Some(requests) = self.services.get_or_add(key, drop) else {
            self.is_full = true;
            return;
        };
        let is_late = |closed: MonoNs| change.at.since(closed).is_some_and(|ns| ns > KEPT_NS);
        if requests.closed.is_none_or(is_late) {
            requests.spare = 0;
        }
        if requests.spare == 0 {
            return;
        }
        requests.spare -= 1;
        requests.count += 1;
        let burst = requests
            .burst
            .get_or_insert_with(|| Burst::new(self.within));
        burst.add(change.at);
        burst.keep(&mut requests.examples, Example::of_change(change));
    }

    /// Only what this host opened has its end among those that it opened connections to.
    fn close(&mut self, change: &Change) {
        let is_short = match change.in_from {
            Some(Span::Known(ns)) => ns < SHORT_NS,
            _ => false,
        };
        let key = Key::of(change).filter(|_| is_short);
        let Some(requests) = key.and_then(|key| self.services.get_mut(&key)) else {
            return;
        };
        requests.spare += 1;
        requests.closed = requests.closed.max(Some(change.at));
    }
}
