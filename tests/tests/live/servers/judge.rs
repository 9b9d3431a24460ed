//! A trace held against what the programs at both ends told.

use std::collections::BTreeMap;

use tests::schema::{Change, Owner, Timeline};
use tests::trace::Trace;

use super::Listening;
use super::program::Known;

/// How an end is told that closed first, where nobody follows timewait sockets.
const CLOSED_FIRST: &str = "in a timewait socket or closed: not known which";

/// Whose both ends of a connection are.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    pub(super) client: Known,
    pub(super) server: Known,
    /// Whether it is older than the trace.
    pub(super) is_older: bool,
}

/// What is true of all that a server took.
pub(super) struct Truth {
    /// The port that it listens on.
    pub(super) port: u16,
    /// Who made it listen.
    pub(super) listener: Known,
    pub(super) listening: Listening,
    /// Every connection, by the client's port.
    pub(super) connections: BTreeMap<u16, Ends>,
}

impl Truth {
    /// Demands that the trace tells just that: each connection once from each end.
    pub(super) fn judge(&self, trace: &Trace) {
        trace.demand_whole();
        let mut clients: BTreeMap<u16, &Timeline> = BTreeMap::new();
        let mut servers: BTreeMap<u16, &Timeline> = BTreeMap::new();
        let mut listeners = 0;
        for timeline in trace.timelines() {
            let ends = (timeline.local.port, timeline.remote.port);
            let before = match ends {
                (Some(port), None) if port == self.port => {
                    listeners += 1;
                    self.judge_listener(timeline, trace);
                    None
                }
                (Some(port), Some(remote)) if port == self.port => servers.insert(remote, timeline),
                (Some(local), Some(port)) if port == self.port => clients.insert(local, timeline),
                _ => panic!("nobody caused {timeline:#?}\n{trace}"),
            };
            assert!(before.is_none(), "twice: {timeline:#?}\n{trace}");
        }
        let expected = usize::from(self.listening == Listening::InTheTrace);
        assert_eq!(listeners, expected, "listeners\n{trace}");
        let told: Vec<&u16> = self.connections.keys().collect();
        for side in [&clients, &servers] {
            let traced: Vec<&u16> = side.keys().collect();
            assert_eq!(traced, told, "ports of the clients\n{trace}");
        }

        let mut changes: BTreeMap<u64, Vec<&Change>> = BTreeMap::new();
        for change in trace.changes() {
            changes.entry(change.conn).or_default().push(change);
        }
        for (port, ends) in &self.connections {
            let (client, server) = (clients[port], servers[port]);
            judge_owner(&ends.client, client);
            judge_owner(&ends.server, server);
            let opened = (client.opened.as_deref(), server.opened.as_deref());
            let expected = match ends.is_older {
                true => (Some("before_trace"), Some("before_trace")),
                false => (Some("active"), Some("passive")),
            };
            assert_eq!(opened, expected, "{client:#?}{server:#?}");
            assert_eq!(client.opened_by, None, "{client:#?}");
            self.judge_opener(ends, server);
            for change in &changes[&client.conn] {
                judge_change(change, &[&ends.client]);
            }
            for change in &changes[&server.conn] {
                judge_change(change, &[&ends.server, &self.listener]);
            }
            judge_end(client, server);
            judge_carried(client, server);
        }
        self.judge_summary(trace);
    }

    /// Demands that whoever made it listen opened the connection, and is told where that is another than its owner.
    fn judge_opener(&self, ends: &Ends, server: &Timeline) {
        let told = server.opened_by.as_ref();
        let told = told.map(|opener| (opener.pid, opener.comm.as_str(), opener.exe.as_deref()));
        let Known { pid, comm, exe, .. } = &self.listener;
        let is_other = *pid != ends.server.pid && !ends.is_older;
        let expected = is_other.then(|| (*pid, comm.as_str(), exe.to_str()));
        assert_eq!(told, expected, "who opened it\n{server:#?}");
    }

    /// Demands that the listener is whose it is; a worker that closes it last has used it last.
    fn judge_listener(&self, timeline: &Timeline, trace: &Trace) {
        assert_eq!(
            timeline.ended.as_deref(),
            Some("stopped listening"),
            "{trace}"
        );
        let owner = timeline.owner.as_ref().and_then(|owner| owner.pid);
        let opener = timeline.opened_by.as_ref().map(|opener| opener.pid);
        assert_eq!(
            opener.or(owner),
            Some(self.listener.pid),
            "who opened the listener\n{timeline:#?}"
        );
    }

    fn judge_summary(&self, trace: &Trace) {
        let summary = trace.summary();
        let listeners = u64::from(self.listening == Listening::InTheTrace);
        assert_eq!(
            summary.connections,
            2 * self.connections.len() as u64 + listeners,
            "{summary:#?}"
        );
        assert!(!summary.kernel.is_empty(), "{summary:#?}");
        for counter in summary.kernel.iter().filter(|one| one.traced.is_some()) {
            assert_eq!(counter.agree, Some(true), "{counter:?}\n{trace}");
        }
    }
}

/// Demands the very process, and what is known of it.
fn judge_owner(known: &Known, timeline: &Timeline) {
    let told = timeline.owner.as_ref();
    let told = told.map(|owner| {
        (
            owner.pid,
            owner.comm.as_deref(),
            owner.process.as_ref().and_then(|process| process.ppid),
            owner
                .process
                .as_ref()
                .and_then(|process| process.exe.as_deref()),
        )
    });
    let expected = (
        Some(known.pid),
        Some(known.comm.as_str()),
        Some(known.ppid),
        known.exe.to_str(),
    );
    assert_eq!(told, Some(expected), "owner of {timeline:#?}");
}

/// Demands that a change names one of these, or nobody.
fn judge_change(change: &Change, allowed: &[&Known]) {
    let Some(Owner {
        pid: Some(pid),
        comm,
        ..
    }) = &change.owner
    else {
        return;
    };
    let is_one = allowed
        .iter()
        .any(|known| known.pid == *pid && comm.as_ref() == Some(&known.comm));
    assert!(is_one, "none of {allowed:#?}: {change:#?}");
}

/// Demands that both ends tell the same end.
fn judge_end(client: &Timeline, server: &Timeline) {
    let told = || format!("{client:#?}{server:#?}");
    let first = (
        client.closed_first.as_deref(),
        server.closed_first.as_deref(),
    );
    let ended = (client.ended.as_deref(), server.ended.as_deref());
    let (expected, who) = match first {
        (Some("local"), Some("remote")) => ((Some(CLOSED_FIRST), Some("closed")), true),
        (Some("remote"), Some("local")) => ((Some("closed"), Some(CLOSED_FIRST)), true),
        (Some("both"), Some("both")) => ((Some(CLOSED_FIRST), Some(CLOSED_FIRST)), true),
        _ => (ended, false),
    };
    assert!(who, "who closed first\n{}", told());
    assert_eq!(ended, expected, "how it ended\n{}", told());
}

/// Demands that what one end sent is what the other received.
fn judge_carried(client: &Timeline, server: &Timeline) {
    let bytes = |timeline: &Timeline| {
        let carried = timeline.carried.as_ref()?;
        Some((carried.bytes_sent?, carried.bytes_received?))
    };
    let both = bytes(client).zip(bytes(server));
    let ((sent, received), mirrored) = both
        .unwrap_or_else(|| panic!("nothing is told of what was carried\n{client:#?}{server:#?}"));
    assert_eq!((received, sent), mirrored, "{client:#?}{server:#?}");
    assert!(sent > 0 && received > 0, "{client:#?}{server:#?}");
}
