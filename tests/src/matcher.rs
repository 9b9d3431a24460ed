//! A trace compared with the script of what was caused: each connection from each end, every state
//! in order, and nothing else.
//!
//! A connection is found by its ends, as they stand when all that was unknown at first is known. A
//! test claims each connection that it caused, in the order in which they began, and then demands
//! that nothing is left.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::life::Life;
use crate::schema::{Endpoint, Line};
use crate::trace::Trace;
use crate::tracer::Hook;
use crate::traffic::Ends;

/// A trace, of which parts are claimed.
#[derive(Debug)]
pub struct Story<'t> {
    trace: &'t Trace,
    /// The lines of each connection that nobody has claimed.
    unclaimed: BTreeMap<u64, Vec<&'t (String, Line)>>,
    /// Connections by the ends that any of their lines shows.
    by_ends: BTreeMap<(Endpoint, Endpoint), BTreeSet<u64>>,
    claimed: usize,
    changes: usize,
}

impl<'t> Story<'t> {
    /// Begins to compare a trace that has to be whole.
    pub fn of(trace: &'t Trace) -> Self {
        trace.demand_whole();
        let mut story = Self {
            trace,
            unclaimed: BTreeMap::new(),
            by_ends: BTreeMap::new(),
            claimed: 0,
            changes: 0,
        };
        for line in &trace.lines {
            let (conn, ends) = match &line.1 {
                Line::Change(change) => (change.conn, (change.local, change.remote)),
                Line::Timeline(timeline) => (timeline.conn, (timeline.local, timeline.remote)),
                // Told of both ends, each of which tells the same in its own timeline.
                Line::Conversation(_) => continue,
                Line::Session(_)
                | Line::Loss(_)
                | Line::Clock(_)
                | Line::Finding(_)
                | Line::Summary(_) => continue,
            };
            story.unclaimed.entry(conn).or_default().push(line);
            story.by_ends.entry(ends).or_default().insert(conn);
        }
        story
    }

    /// Claims the client's end of a connection, the first one that is not claimed yet.
    pub fn client(&mut self, ends: Ends) -> Life<'t> {
        self.conn(ends.client, ends.server)
    }

    /// Claims the server's end of a connection, the first one that is not claimed yet.
    pub fn server(&mut self, ends: Ends) -> Life<'t> {
        self.conn(ends.server, ends.client)
    }

    /// Claims a connection by its ends, the first one that is not claimed yet.
    pub fn conn(&mut self, local: SocketAddr, remote: SocketAddr) -> Life<'t> {
        let ends = (Endpoint::from(local), Endpoint::from(remote));
        let conns = self.by_ends.get(&ends).cloned().unwrap_or_default();
        self.claim(format!("{local} -> {remote}"), conns)
    }

    /// Claims a listener by its address, the first one that is not claimed yet.
    pub fn listener(&mut self, local: SocketAddr) -> Life<'t> {
        self.conn_by(&format!("{local} listening"), |at_local, at_remote| {
            at_local.known() == Some(local) && at_remote.port.is_none_or(|port| port == 0)
        })
    }

    /// Claims the first connection that is not claimed yet and whose ends are as wanted.
    pub fn conn_by(
        &mut self,
        what: &str,
        is_it: impl Fn(&Endpoint, &Endpoint) -> bool,
    ) -> Life<'t> {
        let fitting = self
            .by_ends
            .iter()
            .filter(|((local, remote), _)| is_it(local, remote));
        let conns = fitting.flat_map(|(_, conns)| conns).copied().collect();
        self.claim(what.to_owned(), conns)
    }

    fn claim(&mut self, what: String, conns: BTreeSet<u64>) -> Life<'t> {
        let trace = self.trace;
        let mut conns = conns.into_iter();
        let found = conns.find_map(|conn| Some((conn, self.unclaimed.remove(&conn)?)));
        let (conn, lines) = found.unwrap_or_else(|| {
            panic!("{what}: not in the trace, or only as often as it was claimed\n{trace}")
        });
        let life = Life::new(trace, conn, what, lines);
        self.claimed += 1;
        self.changes += life.seen().count();
        life
    }

    /// Demands that every line was claimed, that the summary counts the same, and that the kernel
    /// does.
    pub fn nothing_else(self, hook: Hook) {
        self.no_other_lines();
        self.kernel_agrees(hook);
    }

    /// Demands that every line was claimed, and that the summary counts the same.
    pub fn no_other_lines(&self) {
        let trace = self.trace;
        let left = self.unclaimed.values().flatten();
        let left: Vec<&str> = left.map(|(text, _)| text.as_str()).collect();
        assert!(
            left.is_empty(),
            "nobody caused these:\n{}\n{trace}",
            left.join("\n")
        );
        let summary = trace.summary();
        assert_eq!(
            (summary.changes, summary.connections),
            (self.changes as u64, self.claimed as u64),
            "changes and connections in the summary\n{trace}"
        );
    }

    /// Demands that the kernel counted what was traced. The classic hook knows no namespaces, so
    /// there is nothing to compare with.
    fn kernel_agrees(&self, hook: Hook) {
        let trace = self.trace;
        let counters = &trace.summary().kernel;
        if hook == Hook::Classic {
            return;
        }
        assert!(!counters.is_empty(), "no counters of the kernel\n{trace}");
        for counter in counters.iter().filter(|counter| counter.traced.is_some()) {
            assert_eq!(
                counter.kernel, counter.traced,
                "{}\n{trace}",
                counter.counter
            );
            assert_eq!(counter.agree, Some(true), "{}\n{trace}", counter.counter);
        }
    }
}
