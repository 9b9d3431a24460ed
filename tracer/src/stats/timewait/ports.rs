//! Local ports in use towards each remote end: only this host's own connects choose among them.
//!
//! # Kernel
//!
//! A connect may take any local port that is free towards its own remote end: the same port can be
//! in use once for each (local address, remote address, remote port).

use std::net::{IpAddr, SocketAddr};

use super::outlook::{Outlook, Trend};
use super::rate::Rate;
use crate::model::{TcpSettings, Tuple};
use crate::stats::bounded::{Bounded, Figure};

/// Remote ends that are told apart.
const ENDS: usize = 8192;

/// What a connect chooses a local port for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Towards {
    /// Inode number of the network namespace.
    pub netns: Option<u32>,
    /// Local address.
    pub local: IpAddr,
    /// Remote end.
    pub remote: SocketAddr,
}

impl Towards {
    /// Returns what a connection goes towards, if that is known.
    pub(in crate::stats) fn of(netns: Option<u32>, tuple: &Tuple) -> Option<Self> {
        Some(Self {
            netns,
            local: tuple.local.addr?,
            remote: SocketAddr::new(tuple.remote.addr?, tuple.remote.port?),
        })
    }
}

/// Whose a local port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// A connect of this host chose it.
    Chosen,
    /// A connection holds it of which it is not known who opened it.
    Perhaps,
    /// A connect of this host holds one that is not chosen from.
    Given,
}

/// The local ports in use towards one end.
#[derive(Clone, Debug, PartialEq)]
pub struct PortUse {
    /// Towards what.
    pub towards: Towards,
    /// In TIME_WAIT now.
    pub time_wait: u64,
    /// In use otherwise.
    pub otherwise: u64,
    /// How many of these are in use by connections that are older than the trace, or whose
    /// beginning was not seen. They count as if this host had opened them, which two towards one
    /// end make likely.
    pub perhaps: u64,
    /// In use, and not among those that connects choose from.
    pub given: u64,
    /// How many there are to choose from; `None` where a setting is not known.
    pub usable: Option<u64>,
    /// Ports taken in a second, over the last ten; `None` in the first second.
    pub taken_per_s: Option<f64>,
    /// Ports that came free in a second, likewise.
    pub freed_per_s: Option<f64>,
    /// Connects that found no free port.
    pub no_port: u64,
    /// What becomes of it.
    pub outlook: Outlook,
}

impl PortUse {
    /// Returns how many are in use of those to choose from.
    pub fn in_use(&self) -> u64 {
        self.time_wait + self.otherwise
    }
}

#[derive(Debug, Default)]
struct Uses {
    time_wait: u64,
    otherwise: u64,
    perhaps_time_wait: u64,
    perhaps_otherwise: u64,
    given: u64,
    no_port: u64,
    ever: u64,
    taken: Rate,
    waiting: Rate,
    freed: Rate,
    freed_from_waiting: Rate,
}

impl Figure for Uses {
    fn is_over(&self) -> bool {
        let Self {
            time_wait,
            otherwise,
            perhaps_time_wait,
            perhaps_otherwise,
            given,
            ..
        } = self;
        time_wait + otherwise + perhaps_time_wait + perhaps_otherwise + given == 0
    }

    fn weight(&self) -> u64 {
        self.ever
    }
}

impl Uses {
    fn count(&mut self, taken: Taken, time_wait: bool) -> &mut u64 {
        match (taken, time_wait) {
            (Taken::Chosen, true) => &mut self.time_wait,
            (Taken::Chosen, false) => &mut self.otherwise,
            (Taken::Perhaps, true) => &mut self.perhaps_time_wait,
            (Taken::Perhaps, false) => &mut self.perhaps_otherwise,
            (Taken::Given, _) => &mut self.given,
        }
    }
}

/// Counts the local ports in use towards each end.
#[derive(Debug)]
pub(super) struct Ports {
    ends: Bounded<Towards, Uses>,
    /// Connections that found no room here.
    unlisted: u64,
    no_port: u64,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            ends: Bounded::new(ENDS),
            unlisted: 0,
            no_port: 0,
        }
    }
}

impl Ports {
    /// Counts a port; returns whether it is listed, without which it must not be told of again.
    /// `second` is when it was taken, if that was seen.
    pub(super) fn take(
        &mut self,
        towards: Towards,
        taken: Taken,
        time_wait: bool,
        second: Option<u64>,
    ) -> bool {
        let Some(uses) = self.ends.get_or_add(towards, drop) else {
            self.unlisted += 1;
            return false;
        };
        *uses.count(taken, time_wait) += 1;
        uses.ever += 1;
        if let (Taken::Chosen, Some(second)) = (taken, second) {
            uses.taken.add(second);
        }
        true
    }

    /// A port goes into TIME_WAIT.
    pub(super) fn wait(&mut self, towards: &Towards, taken: Taken, second: u64) {
        let Some(uses) = self.ends.get_mut(towards) else {
            return;
        };
        if taken == Taken::Given {
            return;
        }
        *uses.count(taken, false) -= 1;
        *uses.count(taken, true) += 1;
        uses.waiting.add(second);
    }

    /// A port is free again.
    pub(super) fn free(&mut self, towards: &Towards, taken: Taken, time_wait: bool, second: u64) {
        let Some(uses) = self.ends.get_mut(towards) else {
            return;
        };
        *uses.count(taken, time_wait) -= 1;
        if taken == Taken::Given {
            return;
        }
        uses.freed.add(second);
        if time_wait {
            uses.freed_from_waiting.add(second);
        }
    }

    /// A connect found no free port.
    pub(super) fn refuse(&mut self, towards: Option<&Towards>) {
        self.no_port += 1;
        if let Some(uses) = towards.and_then(|towards| self.ends.get_mut(towards)) {
            uses.no_port += 1;
        }
    }

    /// Returns how many connects found no free port, towards whatever.
    pub(super) fn no_port(&self) -> u64 {
        self.no_port
    }

    /// Returns how many connections are in none of the figures, for want of room.
    pub(super) fn unlisted(&self) -> u64 {
        self.unlisted
    }

    /// Returns the ends with the most ports in use, and how many ends there are.
    ///
    /// One of which nothing but a single port of unknown origin is known is none of them: it is as
    /// likely a client of this host.
    pub(super) fn top<'a>(
        &self,
        rows: usize,
        second: u64,
        time_wait_ns: u64,
        settings: impl Fn(Option<u32>) -> Option<&'a TcpSettings>,
    ) -> (Vec<PortUse>, u64) {
        let mut all: Vec<(&Towards, &Uses)> = self
            .ends
            .iter()
            .filter(|(_, uses)| {
                let perhaps = uses.perhaps_time_wait + uses.perhaps_otherwise;
                uses.time_wait + uses.otherwise > 0 || uses.no_port > 0 || perhaps > 1
            })
            .collect();
        let in_use = |uses: &Uses| {
            uses.time_wait + uses.otherwise + uses.perhaps_time_wait + uses.perhaps_otherwise
        };
        all.sort_by(|(one, a), (other, b)| in_use(b).cmp(&in_use(a)).then_with(|| one.cmp(other)));
        let count = all.len() as u64;
        let rows = all.into_iter().take(rows).map(|(&towards, uses)| {
            let settings = settings(towards.netns);
            port_use(towards, uses, second, time_wait_ns, settings)
        });
        (rows.collect(), count)
    }
}

fn port_use(
    towards: Towards,
    uses: &Uses,
    second: u64,
    time_wait_ns: u64,
    settings: Option<&TcpSettings>,
) -> PortUse {
    let rate = |rate: &Rate| rate.per_second(second);
    let usable = settings.and_then(TcpSettings::usable_ports).map(u64::from);
    let (taken, freed) = (rate(&uses.taken), rate(&uses.freed));
    let (waiting, back) = (rate(&uses.waiting), rate(&uses.freed_from_waiting));
    let grows = match (taken, freed, waiting, back) {
        (Some(taken), Some(freed), Some(waiting), Some(back)) => {
            Some(taken - (freed - back) - waiting)
        }
        _ => None,
    };
    let reuse = settings.and_then(|settings| settings.tw_reuse);
    let trend = Trend {
        usable,
        otherwise: uses.otherwise + uses.perhaps_otherwise,
        time_wait: uses.time_wait + uses.perhaps_time_wait,
        otherwise_grows_per_s: grows,
        into_time_wait_per_s: waiting,
        out_of_time_wait_per_s: back,
        time_wait_ns,
        taken_over: reuse.is_some_and(|reuse| reuse.allows(towards.local, towards.remote.ip())),
    };
    PortUse {
        towards,
        time_wait: trend.time_wait,
        otherwise: trend.otherwise,
        perhaps: uses.perhaps_time_wait + uses.perhaps_otherwise,
        given: uses.given,
        usable,
        taken_per_s: taken,
        freed_per_s: freed,
        no_port: uses.no_port,
        outlook: trend.outlook(),
    }
}
