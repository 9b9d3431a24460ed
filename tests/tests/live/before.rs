//! Connections that are older than the trace.

use tests::host::Pair;
use tests::life::Life;
use tests::matcher::Story;
use tests::trace::Trace;
use tests::tracer::{Hook, Tracer};
use tests::traffic::Connection;

both_hooks!(
    older_than_the_trace,
    older_and_half_closed,
    older_and_untouched
);

fn older_than_the_trace(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let connection = Connection::open(&pair, &listener);
    let ends = connection.ends;

    let mut tracer = Tracer::watch(hook, &pair, &[]);
    connection.close_client_first(&pair);
    tracer.wait_ended(2);
    let trace = tracer.stop();

    let mut story = Story::of(&trace);
    found(
        &story.client(ends),
        "ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE",
        Some("local"),
    );
    found(
        &story.server(ends),
        "ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE",
        Some("remote"),
    );
    story.nothing_else(hook);
}

/// Who closed first was decided before anyone looked, but the states tell it.
fn older_and_half_closed(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let Connection {
        client,
        server,
        ends,
    } = Connection::open(&pair, &listener);
    client.shutdown_write();
    ends.wait_client(&pair.client, "FIN_WAIT2");

    let mut tracer = Tracer::watch(hook, &pair, &[]);
    server.close();
    tracer.wait_ended(2);
    client.close();
    let trace = tracer.stop();

    let mut story = Story::of(&trace);
    found(&story.client(ends), "FIN_WAIT2 CLOSE", Some("local"));
    found(
        &story.server(ends),
        "CLOSE_WAIT LAST_ACK CLOSE",
        Some("remote"),
    );
    story.nothing_else(hook);
}

/// What never changes has no timeline.
fn older_and_untouched(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let _untouched = Connection::open(&pair, &listener);
    let trace = Tracer::watch(hook, &pair, &[]).stop();
    trace.demand_whole();
    assert_eq!(trace.timelines().count(), 0, "{trace}");
    assert_eq!(trace.summary().changes, 0, "{trace}");
    only_established(&trace);
}

/// Demands that what was found, if it is told, was found in the state that it was in.
fn only_established(trace: &Trace) {
    for change in trace.changes() {
        let said = (
            change.source.as_str(),
            change.from.as_deref(),
            change.to.as_str(),
        );
        assert_eq!(said, ("snapshot", None, "ESTABLISHED"), "{trace}");
        assert_eq!(change.in_from_ns, None, "{trace}");
    }
}

/// Demands that a connection was found in the first state of the script, begun nobody knows when,
/// and went through the others.
fn found(life: &Life<'_>, script: &str, closed_first: Option<&str>) {
    let states: Vec<&str> = script.split(' ').collect();
    let told = || life.told();
    let snapshots: Vec<_> = life
        .changes()
        .filter(|one| one.source == "snapshot")
        .collect();
    assert_eq!(snapshots.len(), 1, "found once\n{}", told());
    let found = snapshots[0];
    assert_eq!(
        (found.from.as_deref(), found.to.as_str(), found.in_from_ns),
        (None, states[0], None),
        "as found\n{}",
        told()
    );
    let seen: Vec<_> = life
        .changes()
        .filter(|one| one.source != "snapshot")
        .collect();
    let to: Vec<&str> = seen.iter().map(|one| one.to.as_str()).collect();
    assert_eq!(to, states[1..], "changes\n{}", told());
    assert_eq!(
        seen[0].from.as_deref(),
        Some(states[0]),
        "first change\n{}",
        told()
    );
    assert_eq!(
        seen[0].in_from_ns,
        None,
        "nobody saw that state begin\n{}",
        told()
    );

    let timeline = life.timeline();
    assert_eq!(
        timeline.opened.as_deref(),
        Some("before_trace"),
        "{}",
        told()
    );
    assert_eq!(
        timeline.closed_first.as_deref(),
        closed_first,
        "closed first\n{}",
        told()
    );
    let segments: Vec<_> = timeline
        .segments
        .iter()
        .map(|one| one.state.as_str())
        .collect();
    assert_eq!(segments, states[..states.len() - 1], "segments\n{}", told());
    let (first, rest) = timeline.segments.split_first().expect("a segment");
    assert_eq!(
        (first.known, first.ns),
        (false, None),
        "first segment\n{}",
        told()
    );
    assert!(
        rest.iter().all(|one| one.known && one.ns.is_some()),
        "the rest\n{}",
        told()
    );
}
