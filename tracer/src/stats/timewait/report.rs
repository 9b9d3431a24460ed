//! The figures at one moment.

use std::net::IpAddr;

use super::{HeldFigures, PortUse, TimeWait, Top};
use crate::model::event::Comm;
use crate::model::minisock::TIMEWAIT_NS;
use crate::model::timer_wheel::Wheel;
use crate::model::{MonoNs, TcpSettings};

/// What a report is to hold, and what it needs to know of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Rows of each list.
    pub rows: usize,
    /// Ticks of this kernel in a second, where they are known.
    pub hz: Option<u32>,
}

/// A process, or that none is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process(pub Option<(u32, Comm)>);

/// The local end of timewait sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LocalPort {
    /// A listener's: the other end connected; or, of a connection that is older than the trace, one
    /// that no connect chooses.
    Listening(u16),
    /// One that a connect of this host chose.
    Chosen,
    /// Who connected is not known.
    Unknown,
}

/// The remote end of timewait sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remote {
    /// Address; `None` where it is not known.
    pub addr: Option<IpAddr>,
    /// Port, where this host connected to it; the other end's own is left out.
    pub port: Option<u16>,
}

/// A network namespace with timewait sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Inode number; `None` where the hook does not tell it.
    pub netns: Option<u32>,
    /// What it allows; `None` where it cannot be looked into.
    pub settings: Option<TcpSettings>,
}

/// Everything that is known of TIME_WAIT at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// When.
    pub at: MonoNs,
    /// Nanoseconds since every change is seen.
    pub duration_ns: u64,
    /// Changes known to be lost, of any connection.
    pub lost: u64,
    /// Ticks of this kernel in a second, where they are known.
    pub hz: Option<u32>,
    /// How long its timer takes for a TIME_WAIT that nothing disturbs, at least and at most,
    /// nanoseconds; of whatever kernel, where its ticks are not known.
    pub timer_ns: (u64, u64),
    /// Timewait sockets in TIME_WAIT.
    pub time_wait: HeldFigures,
    /// Timewait sockets in FIN_WAIT2.
    pub fin_wait2: HeldFigures,
    /// How often a TIME_WAIT began anew, of the connections that have ended.
    pub rearmed: u64,
    /// Connections that were to have a timewait socket and got none (`tcp_max_tw_buckets`).
    pub refused: u64,
    /// Connects that found no free local port.
    pub no_port: u64,
    /// TIME_WAIT by process.
    pub processes: Top<Process>,
    /// TIME_WAIT by local port.
    pub local_ports: Top<LocalPort>,
    /// TIME_WAIT by remote end.
    pub remotes: Top<Remote>,
    /// TIME_WAIT by cgroup id.
    pub cgroups: Top<Option<u64>>,
    /// TIME_WAIT by network namespace.
    pub namespaces: Top<Option<u32>>,
    /// What each namespace of the two lists above and below allows.
    pub settings: Vec<Namespace>,
    /// Local ports in use, those nearest to running out first.
    pub ports: Vec<PortUse>,
    /// How many ends there are ports in use towards.
    pub port_ends: u64,
    /// Connections whose port is in none of these figures, for want of room.
    pub ports_unlisted: u64,
}

pub(super) fn report(figures: &TimeWait, now: MonoNs, terms: Terms) -> Report {
    let Terms { rows, hz } = terms;
    let timer_ns = timer(hz);
    let second = figures.second(now);
    let settings = |netns: Option<u32>| figures.settings.get(&netns);
    // Timers run out by the slot, so what is in TIME_WAIT gathers for as long as the slowest takes.
    let (ports, port_ends) = figures.ports.top(rows, second, timer_ns.1, settings);
    let namespaces = figures.namespaces.top(rows);
    let mut seen: Vec<Option<u32>> = namespaces.rows.iter().map(|&(netns, _)| netns).collect();
    for port in &ports {
        if !seen.contains(&port.towards.netns) {
            seen.push(port.towards.netns);
        }
    }
    Report {
        at: now,
        duration_ns: now.since(figures.start).unwrap_or_default(),
        lost: figures.lost,
        hz,
        timer_ns,
        time_wait: figures.time_wait.figures(second),
        fin_wait2: figures.fin_wait2.figures(second),
        rearmed: figures.rearmed,
        refused: figures.refused,
        no_port: figures.ports.no_port(),
        processes: figures.processes.top(rows),
        local_ports: figures.local_ports.top(rows),
        remotes: figures.remotes.top(rows),
        cgroups: figures.cgroups.top(rows),
        settings: seen
            .into_iter()
            .take(rows)
            .map(|netns| Namespace {
                netns,
                settings: settings(netns).cloned(),
            })
            .collect(),
        namespaces,
        ports,
        port_ends,
        ports_unlisted: figures.ports.unlisted(),
    }
}

/// How long the kernel's timer takes for a TIME_WAIT, at least and at most.
fn timer(hz: Option<u32>) -> (u64, u64) {
    let takes = |wheel: Wheel| wheel.takes(TIMEWAIT_NS);
    match hz.and_then(Wheel::new) {
        Some(wheel) => takes(wheel),
        None => Wheel::usual()
            .map(takes)
            .fold((TIMEWAIT_NS, TIMEWAIT_NS), |(least, most), one| {
                (least.min(one.0), most.max(one.1))
            }),
    }
}
