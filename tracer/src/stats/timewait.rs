//! TIME_WAIT on its own: how many, how long, whose, towards whom, why each ended, and how near the
//! local ports are to running out.
//!
//! Everything is told from what the tracker lets out, so that it is about the connections shown.
//!
//! **Never:** a clock: the moments come with the outputs, and with the asking.

mod held;
mod life;
mod outlook;
mod ports;
mod ranking;
mod rate;
mod report;
mod spread;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::model::{MonoNs, TcpSettings, TcpState};
use crate::track::{self, Change, ConnId, Ending, Origin, Output, Span, Timeline, Unknown};

pub use held::HeldFigures;
pub use outlook::Outlook;
pub use ports::{PortUse, Towards};
pub use ranking::{Tally, Top};
pub use report::{LocalPort, Namespace, Process, Remote, Report, Terms};
pub use spread::{Class, Spread};

use held::{Held, Left};
use life::{Life, Listed};
use ports::Ports;
use ranking::Ranking;

/// Network namespaces whose settings are kept.
const NAMESPACES: usize = 1024;

/// Collects the figures.
#[derive(Debug)]
pub struct TimeWait {
    start: MonoNs,
    /// Connections that live, in the order in which they were first seen.
    lives: BTreeMap<ConnId, Life>,
    most_lives: usize,
    settings: BTreeMap<Option<u32>, TcpSettings>,
    time_wait: Held,
    fin_wait2: Held,
    processes: Ranking<Process>,
    local_ports: Ranking<LocalPort>,
    remotes: Ranking<Remote>,
    cgroups: Ranking<Option<u64>>,
    namespaces: Ranking<Option<u32>>,
    ports: Ports,
    rearmed: u64,
    refused: u64,
    lost: u64,
    /// Second of the newest change.
    newest: u64,
}

impl TimeWait {
    /// Begins at the first moment at which every change is seen. At most so many connections are
    /// followed: no fewer than the tracker follows.
    pub fn new(start: MonoNs, most_lives: usize) -> Self {
        Self {
            start,
            lives: BTreeMap::new(),
            most_lives: most_lives.max(1),
            settings: BTreeMap::new(),
            time_wait: Held::default(),
            fin_wait2: Held::default(),
            processes: Ranking::default(),
            local_ports: Ranking::default(),
            remotes: Ranking::default(),
            cgroups: Ranking::default(),
            namespaces: Ranking::default(),
            ports: Ports::default(),
            rearmed: 0,
            refused: 0,
            lost: 0,
            newest: 0,
        }
    }

    /// Takes in the settings of a namespace as they are now.
    pub fn learn(&mut self, netns: Option<u32>, settings: TcpSettings) {
        let is_new = !self.settings.contains_key(&netns);
        if is_new && self.settings.len() >= NAMESPACES {
            self.settings.pop_first();
        }
        self.settings.insert(netns, settings);
    }

    /// Takes in an output.
    pub fn add(&mut self, output: &Output) {
        match output {
            Output::Change(change) => self.change(change),
            Output::Timeline(timeline) => self.timeline(timeline),
            Output::Loss(loss) => self.lost = self.lost.saturating_add(loss.lost),
            Output::Held(held) => self.hold(*held),
        }
    }

    /// A timewait socket holds a connection from now on, which stays in FIN_WAIT2.
    fn hold(&mut self, held: track::Held) {
        let second = self.second(held.at);
        if let Some(life) = self.lives.get_mut(&held.conn) {
            match life.is_found {
                true => self.fin_wait2.find(),
                false => self.fin_wait2.enter(second),
            }
            life.held = Some(TcpState::FinWait2);
            life.held_since = (!life.is_found).then_some(held.at);
        }
    }

    /// Returns the figures as of `now`.
    pub fn report(&self, now: MonoNs, terms: Terms) -> Report {
        report::report(self, now, terms)
    }

    fn change(&mut self, change: &Change) {
        if change.is_listener() {
            return;
        }
        let second = self.second(change.at);
        self.newest = self.newest.max(second);
        let mut life = self
            .lives
            .remove(&change.conn)
            .unwrap_or_else(|| Life::begin(change));
        self.leave(&mut life, change, second);
        if change.to == TcpState::Close {
            self.free(&mut life, second);
            return;
        }
        self.hold_port(&mut life, change, second);
        self.enter(&mut life, change, second);
        self.lives.insert(change.conn, life);
        if self.lives.len() > self.most_lives
            && let Some((_, oldest)) = self.lives.pop_first()
        {
            self.let_go(oldest, second);
        }
    }

    /// Takes the connection off the state that it was held in by a timewait socket.
    fn leave(&mut self, life: &mut Life, change: &Change, second: u64) {
        let span = change.in_from.unwrap_or(Span::Unknown(Unknown::Missed));
        let how = match change.origin {
            Origin::Timewait { end: Some(end) } => Left::Ended(end),
            Origin::Timewait { end: None } => Left::WentOn,
            _ => Left::Unseen,
        };
        match life.held.take() {
            Some(TcpState::TimeWait) => {
                self.time_wait.leave(second, span, how);
                self.unrank(life);
            }
            Some(_) => self
                .fin_wait2
                .leave(second, life.in_fin_wait2(change, span), how),
            // The timewait socket tells of its TIME_WAIT only as it leaves.
            None if how != Left::Unseen && change.from == Some(TcpState::TimeWait) => {
                self.time_wait.pass(second, span, how);
            }
            None => {}
        }
    }

    /// Counts the connection in TIME_WAIT.
    fn enter(&mut self, life: &mut Life, change: &Change, second: u64) {
        if change.to != TcpState::TimeWait {
            return;
        }
        let found = change.from.is_none();
        match found {
            true => self.time_wait.find(),
            false => self.time_wait.enter(second),
        }
        life.held = Some(TcpState::TimeWait);
        self.rank(life, change, found);
    }

    fn rank(&mut self, life: &mut Life, change: &Change, found: bool) {
        let settings = self.settings.get(&change.netns);
        let keys = life.keys(change, settings);
        let listed = Listed {
            process: self.processes.enter(keys.process, found),
            local_port: self.local_ports.enter(keys.local_port, found),
            remote: self.remotes.enter(keys.remote, found),
            cgroup: self.cgroups.enter(keys.cgroup, found),
            netns: self.namespaces.enter(keys.netns, found),
        };
        life.ranked = Some(Box::new((keys, listed)));
    }

    fn unrank(&mut self, life: &mut Life) {
        let Some((keys, listed)) = life.ranked.take().map(|ranked| *ranked) else {
            return;
        };
        self.processes.leave(&keys.process, listed.process);
        self.local_ports.leave(&keys.local_port, listed.local_port);
        self.remotes.leave(&keys.remote, listed.remote);
        self.cgroups.leave(&keys.cgroup, listed.cgroup);
        self.namespaces.leave(&keys.netns, listed.netns);
    }

    /// Counts the local port that a connection holds, as soon as its ends are known.
    fn hold_port(&mut self, life: &mut Life, change: &Change, second: u64) {
        let waits = change.to == TcpState::TimeWait;
        if let Some(port) = &mut life.port {
            if waits && !port.waits {
                port.waits = true;
                self.ports.wait(&port.towards, port.taken, second);
            }
            return;
        }
        let settings = self.settings.get(&change.netns);
        let Some(port) = life.port_of(change, settings) else {
            return;
        };
        let taken_at = change.from.is_some().then_some(second);
        if self.ports.take(port.towards, port.taken, waits, taken_at) {
            life.port = Some(Box::new(port));
        } else {
            life.is_portless = true;
        }
    }

    fn free(&mut self, life: &mut Life, second: u64) {
        if let Some(port) = life.port.take() {
            self.ports
                .free(&port.towards, port.taken, port.waits, second);
        }
    }

    /// A connection whose end was not seen, or will not be.
    fn let_go(&mut self, mut life: Life, second: u64) {
        let span = Span::Unknown(Unknown::NotFollowed);
        match life.held.take() {
            Some(TcpState::TimeWait) => {
                self.time_wait.leave(second, span, Left::Unseen);
                self.unrank(&mut life);
            }
            Some(_) => self.fin_wait2.leave(second, span, Left::Unseen),
            None => {}
        }
        self.free(&mut life, second);
    }

    fn timeline(&mut self, timeline: &Timeline) {
        self.rearmed += u64::from(timeline.rearmed);
        match timeline.ended {
            // Still open: what holds it holds it on.
            None => return,
            Some(Ending::TimeWaitRefused) => self.refused += 1,
            Some(Ending::NoPort) => {
                let towards = Towards::of(timeline.netns, &timeline.tuple);
                self.ports.refuse(towards.as_ref());
            }
            Some(_) => {}
        }
        // Its last change took it out, unless nobody saw that change.
        if let Some(life) = self.lives.remove(&timeline.conn) {
            self.let_go(life, self.newest);
        }
    }

    /// Whole seconds since the beginning.
    fn second(&self, at: MonoNs) -> u64 {
        at.since(self.start).unwrap_or_default() / 1_000_000_000
    }
}
