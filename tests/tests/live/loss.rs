//! Changes that the ring buffer had no room for: counted exactly, placed in time, and never hidden
//! in a duration.

use tests::attempt::inconclusive;
use tests::host::Pair;
use tests::schema::{Line, Loss, Segment, Timeline};
use tests::trace::Trace;
use tests::tracer::{Hook, Tracer};
use tests::traffic::{Connection, Ends};

btf_only!(seen_and_lost_are_all_that_was_caused);

/// Changes of one connection that is opened and closed, at both ends together.
const OPENED: u64 = 4;
const CLOSED: u64 = 6;

/// The agent stands still while more is caused than the ring holds.
fn seen_and_lost_are_all_that_was_caused() {
    const WHILE_FROZEN: u64 = 100;
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let before = Connection::open(&pair, &listener);
    let mut tracer = Tracer::watch(Hook::Btf, &pair, &["--ring-size", "4096"]);

    let across = Connection::open(&pair, &listener);
    let left_open = Connection::open(&pair, &listener);
    tracer.wait_changes(2 * OPENED as usize);
    tracer.freeze();
    let within: Vec<Ends> = (0..WHILE_FROZEN)
        .map(|_| {
            let connection = Connection::open(&pair, &listener);
            let ends = connection.ends;
            connection.close_client_first(&pair);
            ends
        })
        .collect();
    tracer.thaw();
    let told = tracer.wait_for(|line| matches!(line, Line::Loss(_)));

    let ends = (before.ends, across.ends);
    before.close_client_first(&pair);
    across.close_client_first(&pair);
    let clean = Connection::open(&pair, &listener);
    let clean_ends = clean.ends;
    clean.close_client_first(&pair);
    tracer.wait_for(|line| {
        matches!(line, Line::Timeline(one) if one.ended.is_some() && is_server_of(one, clean_ends))
    });
    pair.server
        .wait_sockets("the end of every connection", |sockets| {
            sockets
                .iter()
                .all(|socket| socket.state == "LISTEN" || socket.remote == left_open.ends.client)
        });
    let trace = tracer.stop();

    if trace.losses().any(|loss| loss.cause == "recursion") {
        inconclusive("the kernel kept changes from the hook, whosever they were".to_owned());
    }
    assert!(
        told,
        "a loss is told when it is known, not only at the end\n{trace}"
    );
    let caused = CLOSED + OPENED + (WHILE_FROZEN + 2) * (OPENED + CLOSED);
    let lost: u64 = trace.losses().map(|loss| loss.lost).sum();
    let seen = trace.seen().count() as u64;
    assert!(
        lost > 0,
        "the ring held everything: nothing was tested\n{trace}"
    );
    assert_eq!(seen + lost, caused, "seen {seen} + lost {lost}\n{trace}");
    let summary = trace.summary();
    assert_eq!((summary.changes, summary.lost), (seen, lost), "{trace}");
    assert_eq!(trace.code, Some(1), "changes were lost\n{trace}");

    no_false_duration(&trace);
    for ends in [ends.0, ends.1, left_open.ends] {
        let lives: Vec<_> = both(&trace, ends).collect();
        assert_eq!(lives.len(), 2, "both ends of {ends:?}\n{trace}");
        for life in lives {
            let doubt = life.segments.iter().any(|one| !one.known);
            assert!(doubt, "the loss may have touched it: {life:?}\n{trace}");
        }
    }
    for ends in within {
        for life in both(&trace, ends) {
            let whole = life.segments.iter().all(|one| one.known);
            let clear = trace.losses().all(|loss| is_clear_of(life, loss));
            let losses: Vec<_> = trace.losses().collect();
            assert!(
                !whole || clear,
                "the loss may have touched it: {life:?} {losses:?}\n{trace}"
            );
        }
    }
    let lives: Vec<_> = both(&trace, clean_ends).collect();
    assert_eq!(lives.len(), 2, "{trace}");
    for life in lives {
        assert!(life.ended.is_some(), "{life:?}\n{trace}");
        assert_eq!(life.segments.len(), 4, "{life:?}\n{trace}");
        assert!(
            life.segments.iter().all(|one| one.known),
            "{life:?}\n{trace}"
        );
    }
}

/// Demands that no duration that is said to be known reaches across a loss.
fn no_false_duration(trace: &Trace) {
    for life in trace.timelines() {
        for segment in &life.segments {
            let crossed = trace.losses().any(|loss| overlap(segment, loss));
            assert!(
                !(segment.known && crossed),
                "{segment:?} of {life:?}\n{trace}"
            );
            assert!(
                segment.known || segment.ns.is_none(),
                "{segment:?} of {life:?}\n{trace}"
            );
        }
    }
    let mut ended_at = 0;
    for loss in trace.losses() {
        assert!(
            loss.since_mono_ns <= loss.until_mono_ns,
            "{loss:?}\n{trace}"
        );
        ended_at = ended_at.max(loss.until_mono_ns);
    }
}

fn overlap(segment: &Segment, loss: &Loss) -> bool {
    let (Some(start), Some(ns)) = (segment.start_mono_ns, segment.ns) else {
        return false;
    };
    start < loss.until_mono_ns && loss.since_mono_ns < start + ns
}

/// Whether a life ended before a loss, or began after it: each CPU has losses of its own, and who causes all of
/// this may go on on another one.
fn is_clear_of(life: &Timeline, loss: &Loss) -> bool {
    let end = life
        .segments
        .last()
        .and_then(|last| Some(last.start_mono_ns? + last.ns?));
    let ended_before = life.ended.is_some() && end.is_some_and(|end| end <= loss.since_mono_ns);
    let start = life.segments.first().and_then(|first| first.start_mono_ns);
    ended_before || start.is_some_and(|start| start > loss.until_mono_ns)
}

fn both(trace: &Trace, ends: Ends) -> impl Iterator<Item = &Timeline> {
    trace
        .timelines()
        .filter(move |one| is_server_of(one, ends) || is_client_of(one, ends))
}

fn is_client_of(life: &Timeline, ends: Ends) -> bool {
    (life.local.known(), life.remote.known()) == (Some(ends.client), Some(ends.server))
}

fn is_server_of(life: &Timeline, ends: Ends) -> bool {
    (life.local.known(), life.remote.known()) == (Some(ends.server), Some(ends.client))
}
