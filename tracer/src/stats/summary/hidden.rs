//! Figures of the states that the tracepoint hides: TIME_WAIT and half-open connections.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::TcpState::{Close, FinWait2, SynRecv, TimeWait};
use crate::model::{RequestEnd, TimewaitEnd};
use crate::track::{Change, ConnId, Ending, Origin, Timeline};

/// Most peers of which failures are counted one by one.
const PEERS: usize = 10_000;
/// Most peers that a summary names.
const NAMED: usize = 10;

/// By which method the hidden states are followed; `None` where they are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Methods {
    /// Timewait sockets.
    pub time_wait: Option<&'static str>,
    /// Request sockets.
    pub half_open: Option<&'static str>,
}

/// Timewait sockets that no change tells of, in FIN_WAIT2 or TIME_WAIT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimewaitSockets {
    /// Those that were there when the trace began.
    pub found: u64,
    /// Those that were there when it ended.
    pub open: u64,
}

/// What became of TIME_WAIT, over the connections shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeWaitFigures {
    /// How often it was entered.
    pub entered: u64,
    /// How often it ended, by reason.
    pub ended: BTreeMap<TimewaitEnd, u64>,
    /// How often a timewait socket ended in FIN_WAIT2, by reason.
    pub fin_wait2_ended: BTreeMap<TimewaitEnd, u64>,
    /// How often it began anew.
    pub rearmed: u64,
    /// How often a connection was to enter it and could not: too many were there.
    pub refused: u64,
    /// Those at both ends of the trace.
    pub sockets: TimewaitSockets,
}

/// What became of half-open connections, over those shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HalfOpenFigures {
    /// How many began: a SYN came.
    pub started: u64,
    /// How many of them became connections.
    pub established: u64,
    /// How many failed, by reason.
    pub failed: BTreeMap<RequestEnd, u64>,
    /// The peers of most failures, at most ten, most failed first and then by address.
    pub peers: Vec<(IpAddr, u64)>,
    /// Failures of all other peers.
    pub others: u64,
}

/// Adds up what is told of the hidden states.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    time_wait: TimeWaitFigures,
    half_open: HalfOpenFigures,
    /// Connections that are half-open now.
    waiting: BTreeSet<ConnId>,
    /// Failures by peer, of as many as there is room for.
    failed_by: BTreeMap<IpAddr, u64>,
}

impl Hidden {
    pub(super) fn add_change(&mut self, change: &Change) {
        match change.origin {
            Origin::Timewait { end: None } => {
                self.time_wait.entered += u64::from(change.to == TimeWait);
            }
            Origin::Timewait { end: Some(end) } => {
                let ended = match change.from {
                    Some(FinWait2) => &mut self.time_wait.fin_wait2_ended,
                    _ => &mut self.time_wait.ended,
                };
                *ended.entry(end).or_default() += 1;
            }
            Origin::Request { end: None } => {
                self.half_open.started += 1;
                self.waiting.insert(change.conn);
            }
            Origin::Request { end: Some(end) } => {
                self.waiting.remove(&change.conn);
                self.add_failure(end, change.tuple.remote.addr);
            }
            Origin::Tracepoint { .. } => {
                let done = change.from == Some(SynRecv) && self.waiting.remove(&change.conn);
                self.half_open.established += u64::from(done && change.to != Close);
            }
            Origin::Snapshot => {}
        }
    }

    pub(super) fn add_timeline(&mut self, timeline: &Timeline) {
        self.waiting.remove(&timeline.conn);
        self.time_wait.rearmed += u64::from(timeline.rearmed);
        self.time_wait.refused += u64::from(timeline.ended == Some(Ending::TimeWaitRefused));
    }

    fn add_failure(&mut self, end: RequestEnd, peer: Option<IpAddr>) {
        *self.half_open.failed.entry(end).or_default() += 1;
        let Some(peer) = peer else {
            return;
        };
        if self.failed_by.len() < PEERS || self.failed_by.contains_key(&peer) {
            *self.failed_by.entry(peer).or_default() += 1;
        }
    }

    pub(super) fn time_wait(&self, sockets: TimewaitSockets) -> TimeWaitFigures {
        TimeWaitFigures {
            sockets,
            ..self.time_wait.clone()
        }
    }

    pub(super) fn half_open(&self) -> HalfOpenFigures {
        let mut peers: Vec<(IpAddr, u64)> = self
            .failed_by
            .iter()
            .map(|(&peer, &failed)| (peer, failed))
            .collect();
        // The sort is stable: equal numbers stay in the order of addresses.
        peers.sort_by_key(|&(_, failed)| std::cmp::Reverse(failed));
        peers.truncate(NAMED);
        let named: u64 = peers.iter().map(|(_, failed)| failed).sum();
        let all: u64 = self.half_open.failed.values().sum();
        HalfOpenFigures {
            others: all - named,
            peers,
            ..self.half_open.clone()
        }
    }
}
