//! A trace compared with the script of what was caused: each connection from each end, every state
//! in order, and nothing else.
//!
//! A connection is found by its ends, as they stand when all that was unknown at first is known. A
//! test claims each connection that it caused, in the order in which they began, and then demands
//! that nothing is left.

use std::collections::BTreeSet;
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
    claimed: BTreeSet<u64>,
    changes: usize,
}

impl<'t> Story<'t> {
    /// Begins to compare a trace that has to be whole.
    pub fn of(trace: &'t Trace) -> Self {
        trace.demand_whole();
        Self {
            trace,
            claimed: BTreeSet::new(),
            changes: 0,
        }
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
        self.claim(&format!("{local} -> {remote}"), |at_local, at_remote| {
            at_local.known() == Some(local) && at_remote.known() == Some(remote)
        })
    }

    /// Claims a listener by its address, the first one that is not claimed yet.
    pub fn listener(&mut self, local: SocketAddr) -> Life<'t> {
        self.claim(&format!("{local} listening"), |at_local, at_remote| {
            at_local.known() == Some(local) && at_remote.port.is_none_or(|port| port == 0)
        })
    }

    /// Claims a connection that was given no port: one end of it is unknown for good.
    pub fn conn_by(
        &mut self,
        what: &str,
        is_it: impl Fn(&Endpoint, &Endpoint) -> bool,
    ) -> Life<'t> {
        self.claim(what, is_it)
    }

    fn claim(&mut self, what: &str, is_it: impl Fn(&Endpoint, &Endpoint) -> bool) -> Life<'t> {
        let trace = self.trace;
        let ends = trace.lines.iter().filter_map(|(_, line)| match line {
            Line::Change(change) => Some((change.conn, &change.local, &change.remote)),
            Line::Timeline(timeline) => Some((timeline.conn, &timeline.local, &timeline.remote)),
            Line::Session(_) | Line::Loss(_) | Line::Summary(_) => None,
        });
        let found = ends
            .filter(|(conn, local, remote)| !self.claimed.contains(conn) && is_it(local, remote))
            .map(|(conn, ..)| conn)
            .min();
        let conn = found.unwrap_or_else(|| {
            panic!("{what}: not in the trace, or only as often as it was claimed\n{trace}")
        });
        self.claimed.insert(conn);
        let life = Life::new(trace, conn, what.to_owned());
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
        let left: Vec<&str> = trace
            .lines
            .iter()
            .filter(|(_, line)| match line {
                Line::Change(change) => !self.claimed.contains(&change.conn),
                Line::Timeline(timeline) => !self.claimed.contains(&timeline.conn),
                Line::Loss(_) | Line::Session(_) | Line::Summary(_) => false,
            })
            .map(|(text, _)| text.as_str())
            .collect();
        assert!(
            left.is_empty(),
            "nobody caused these:\n{}\n{trace}",
            left.join("\n")
        );
        let summary = trace.summary();
        assert_eq!(
            (summary.changes, summary.connections),
            (self.changes as u64, self.claimed.len() as u64),
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
        for counter in counters {
            assert_eq!(
                counter.kernel, counter.traced,
                "{}\n{trace}",
                counter.counter
            );
            assert_eq!(counter.agree, Some(true), "{}\n{trace}", counter.counter);
        }
    }
}
