//! Whose the sockets are that are older than the trace: whichever process has them open.

use std::net::SocketAddr;

use tests::host::Pair;
use tests::life::Life;
use tests::matcher::Story;
use tests::peer::Peer;
use tests::schema::Endpoint;
use tests::trace::Trace;
use tests::tracer::{Hook, Tracer};

use super::SECOND_PROCESS;
use super::two_processes::TwoProcesses;

both_hooks!(
    connections_have_theirs_before_they_change,
    one_that_nobody_accepted_has_none,
    a_listener_that_was_inherited,
    a_name_with_escape_sequences
);

fn connections_have_theirs_before_they_change(hook: Hook) {
    let pair = Pair::new();
    let mut two = TwoProcesses::start(&pair);
    two.listen();
    let ends = two.open();

    let mut tracer = Tracer::watch(hook, &pair, &[]);
    two.client.close();
    ends.wait_server(&pair.server, "CLOSE_WAIT");
    two.server.close();
    tracer.wait_ended(2);
    let trace = tracer.stop();

    let mut story = Story::of(&trace);
    let (client, server) = (story.client(ends), story.server(ends));
    always_owned_by(&client, two.client.pid());
    always_owned_by(&server, two.server.pid());
    story.nothing_else(hook);
}

fn one_that_nobody_accepted_has_none(hook: Hook) {
    let pair = Pair::new();
    let mut two = TwoProcesses::start(&pair);
    two.listen();
    let server = pair.server.at(8000);
    let client = two.client.connect(server);
    pair.server.wait_state(server, client, "ESTABLISHED");

    let trace = Tracer::watch(hook, &pair, &[]).stop();
    assert_eq!(found(&trace, client, server), Some(two.client.pid()));
    assert_eq!(found(&trace, server, client), None, "{trace}");
}

/// A listener of which the parent, its children, both or none of them are left.
fn a_listener_that_was_inherited(hook: Hook) {
    let pair = Pair::new();
    let mut parent = Peer::start(SECOND_PROCESS, &pair.server);
    let owner = || {
        let trace = Tracer::watch(hook, &pair, &["-l"]).stop();
        found_by(&trace, |local, _| local.port == Some(8000))
    };
    parent.listen(pair.server.at(8000));
    assert_eq!(owner(), Some(parent.pid()), "alone");
    let child = parent.share();
    assert_eq!(owner(), Some(parent.pid()), "the parent, over its child");
    parent.tell("unlisten");
    assert_eq!(owner(), Some(child), "the child is left alone");

    parent.listen(pair.server.at(8001));
    let owner = || {
        let trace = Tracer::watch(hook, &pair, &["-l"]).stop();
        found_by(&trace, |local, _| local.port == Some(8001))
    };
    parent.share();
    parent.share();
    assert_eq!(owner(), Some(parent.pid()), "the parent, over two");
    parent.tell("unlisten");
    assert_eq!(owner(), None, "two of whom none is the other's parent");
}

fn a_name_with_escape_sequences(hook: Hook) {
    let pair = Pair::new();
    let mut process = Peer::start(SECOND_PROCESS, &pair.server);
    process.tell("process-name a\u{1b}[31mb\u{202e}c");
    process.listen(pair.server.at(8000));
    let trace = Tracer::watch(hook, &pair, &["-l"]).stop();
    let comms: Vec<_> = trace
        .changes()
        .filter_map(|change| change.owner.as_ref()?.comm.as_deref())
        .collect();
    assert_eq!(comms, ["a\u{1b}[31mb\u{202e}c"], "{trace}");
    for (line, _) in &trace.lines {
        assert!(!line.contains('\u{1b}'), "{line}");
    }
}

/// Demands that every line tells the process, that it was found included.
fn always_owned_by(life: &Life<'_>, pid: u32) {
    let owners = life.changes().map(|change| &change.owner);
    for owner in owners.chain([&life.timeline().owner]) {
        let said = owner.as_ref().and_then(|owner| owner.pid);
        assert_eq!(said, Some(pid), "{}", life.told());
    }
}

/// Returns the process that a connection was found with.
fn found(trace: &Trace, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    let ends = (Endpoint::from(local), Endpoint::from(remote));
    found_by(trace, |local, remote| (*local, *remote) == ends)
}

/// Returns the process that the one socket was found with whose ends are as wanted.
fn found_by(trace: &Trace, is_it: impl Fn(&Endpoint, &Endpoint) -> bool) -> Option<u32> {
    let found: Vec<_> = trace
        .changes()
        .filter(|change| change.source == "snapshot" && is_it(&change.local, &change.remote))
        .collect();
    assert_eq!(found.len(), 1, "found once\n{trace}");
    found[0].owner.as_ref().and_then(|owner| owner.pid)
}
