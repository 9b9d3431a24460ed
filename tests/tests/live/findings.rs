//! What a trace finds wrong: each caused for real, beside its neighbour, which is well.
//!
//! Thresholds are lowered, so that each takes seconds. What an option cannot lower is a setting of the test's
//! own network namespace.

use std::thread::sleep;
use std::time::Duration;

use tests::ghost::Ghost;
use tests::host::Pair;
use tests::schema::{Endpoint, Finding, Line};
use tests::segment::flag;
use tests::trace::Trace;
use tests::tracer::{Hook, Tracer, command};
use tests::traffic::{Connection, Ends, Socket};

btf_only!(
    a_program_that_does_not_close,
    unanswered_and_refused,
    fins_that_nobody_acknowledges,
    an_orphan_in_fin_wait2,
    ports_that_run_out,
    a_connection_per_request,
    a_storm_of_resets,
    a_flood_of_handshakes,
    handshakes_that_wait_at_the_end,
    an_accept_queue_without_room,
    a_run_fails_of_what_was_named,
    what_cannot_be_judged_does_not_pass,
    parts_and_thresholds_that_are_off,
);

/// What a state has to last to be found, and how long one lasts that is.
const LONG: &str = "2s";
const LONGER: Duration = Duration::from_millis(2_200);

/// Traces both hosts, and both kinds of small sockets.
fn watch(pair: &Pair, more: &[&str]) -> Tracer {
    let args = [&["--time-wait", "auto"], more].concat();
    Tracer::watch(Hook::Btf, pair, &args)
}

/// Ends a trace that has to be whole.
fn whole(tracer: Tracer) -> Trace {
    let trace = tracer.stop();
    trace.demand_whole();
    trace
}

fn names(trace: &Trace) -> Vec<&str> {
    let names = trace.findings().map(|finding| finding.name.as_str());
    names.collect()
}

/// The finding of this name, complete in what each has.
fn found<'t>(trace: &'t Trace, name: &str) -> &'t Finding {
    let mut all = trace.findings().filter(|finding| finding.name == name);
    let finding = all
        .next()
        .unwrap_or_else(|| panic!("{name} was not found\n{trace}"));
    assert!(all.next().is_none(), "{name} is told twice\n{trace}");
    assert!(!finding.at_least, "nothing was lost\n{trace}");
    assert!(!finding.means.is_empty() && !finding.look_at.is_empty());
    finding
}

/// The local and remote ends of the examples.
fn examples(finding: &Finding) -> Vec<(Endpoint, Endpoint)> {
    let ends = finding
        .connections
        .iter()
        .map(|one| (one.local, one.remote));
    ends.collect()
}

fn at_client(ends: Ends) -> (Endpoint, Endpoint) {
    (ends.client.into(), ends.server.into())
}

fn at_server(ends: Ends) -> (Endpoint, Endpoint) {
    (ends.server.into(), ends.client.into())
}

/// Closes the server's end; returns the client's, which knows it.
fn closed_by_server(pair: &Pair, listener: &Socket) -> (Socket, Ends) {
    let Connection {
        client,
        server,
        ends,
    } = Connection::open(pair, listener);
    server.close();
    ends.wait_client(&pair.client, "CLOSE_WAIT");
    (client, ends)
}

/// One is older than the trace, and counts for what was seen of it. The neighbours close at once, or have no
/// reason to.
fn a_program_that_does_not_close() {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 8);
    let (_older, older_ends) = closed_by_server(&pair, &listener);
    let tracer = watch(&pair, &["--threshold", &format!("close-wait={LONG}")]);
    let (_forgotten, forgotten_ends) = closed_by_server(&pair, &listener);
    let (closes, _) = closed_by_server(&pair, &listener);
    closes.close();
    let _open = Connection::open(&pair, &listener);
    sleep(LONGER);
    let trace = whole(tracer);

    assert_eq!(names(&trace), ["close-wait"], "{trace}");
    let finding = found(&trace, "close-wait");
    assert_eq!((finding.count, finding.figures["still"]), (2, 2), "{trace}");
    assert_eq!(finding.threshold["ns"], 2_000_000_000);
    let mut ends = examples(finding);
    // The longest first; the trace began before the other end closed.
    assert_eq!(ends.remove(0), at_client(older_ends), "{trace}");
    assert_eq!(ends, [at_client(forgotten_ends)], "{trace}");
    for one in &finding.connections {
        assert!(one.open && one.ns >= Some(2_000_000_000), "{trace}");
    }
    let pid = |one: usize| finding.connections[one].owner.as_ref()?.pid;
    assert_eq!(pid(1), Some(std::process::id()), "who connected");
}

/// One connect is refused, one is lost, one the program drops in time, and one succeeds.
fn unanswered_and_refused() {
    let pair = Pair::new();
    let client = &pair.client;
    client.netns.set_sysctl("net/ipv4/tcp_syn_retries", "1");
    let listener = pair.server.listen(8000, 8);
    let tracer = watch(&pair, &[]);
    let _open = Connection::open(&pair, &listener);
    let refused = client.socket();
    refused.bind(client.at(5001));
    let said = refused.try_connect(pair.server.at(9));
    assert!(said.is_err(), "nobody listens");
    client.lose_frames();
    let dropped = client.socket();
    dropped.start_connect(listener.local());
    dropped.close();
    let lost = client.socket();
    lost.bind(client.at(5002));
    let said = lost.try_connect(listener.local());
    assert!(said.is_err(), "nobody answers");
    let trace = whole(tracer);

    assert_eq!(names(&trace), ["connect-timeout", "connect-refused"]);
    let refused = found(&trace, "connect-refused");
    assert_eq!(refused.count, 1, "{trace}");
    let ends = |port: u16, to: u16| {
        let client = client.at(port);
        at_client(Ends {
            client,
            server: pair.server.at(to),
        })
    };
    assert_eq!(examples(refused), [ends(5001, 9)], "{trace}");
    let lost = found(&trace, "connect-timeout");
    assert_eq!((lost.count, lost.figures["timed_out"]), (1, 1), "{trace}");
    assert_eq!(examples(lost), [ends(5002, 8000)], "{trace}");
    let waited = lost.until_mono_ns.zip(lost.since_mono_ns);
    let waited = waited.map(|(until, since)| until - since);
    assert!(waited >= Some(1_000_000_000), "{trace}");
}

/// A FIN from each side is lost and sent again, until it arrives. A connection beside them closes at once.
fn fins_that_nobody_acknowledges() {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 8);
    let thresholds = format!("last-ack={LONG},fin-wait1={LONG},fin-wait2=off,close-wait=off");
    let tracer = watch(&pair, &["--threshold", &thresholds]);
    let well = Connection::open(&pair, &listener);
    let well_ends = well.ends;
    well.close_client_first(&pair);
    well_ends.wait_client(&pair.client, "TIME_WAIT");

    let (first, last) = (
        Connection::open(&pair, &listener),
        Connection::open(&pair, &listener),
    );
    last.server.close();
    last.ends.wait_client(&pair.client, "CLOSE_WAIT");
    pair.client.lose_frames();
    last.client.close();
    first.client.close();
    last.ends.wait_client(&pair.client, "LAST_ACK");
    first.ends.wait_client(&pair.client, "FIN_WAIT1");
    sleep(LONGER);
    pair.client.release_frames();
    first.ends.wait_server(&pair.server, "CLOSE_WAIT");
    first.ends.wait_client(&pair.client, "FIN_WAIT2");
    let trace = whole(tracer);

    assert_eq!(names(&trace), ["last-ack", "fin-wait1"], "{trace}");
    for (name, ends) in [("last-ack", last.ends), ("fin-wait1", first.ends)] {
        let finding = found(&trace, name);
        assert_eq!(finding.count, 1, "{trace}");
        assert_eq!(examples(finding), [at_client(ends)], "{trace}");
        assert!(finding.figures["longest_ns"] >= 2_000_000_000, "{trace}");
    }
}

/// Two connections are closed here alone; of one the other end closes too, before it expires.
fn an_orphan_in_fin_wait2() {
    let pair = Pair::new();
    pair.client
        .netns
        .set_sysctl("net/ipv4/tcp_fin_timeout", "3");
    let listener = pair.server.listen(8000, 8);
    let mut tracer = watch(&pair, &[]);
    let orphan = Connection::open(&pair, &listener);
    let well = Connection::open(&pair, &listener);
    let well_ends = well.ends;
    well.close_client_first(&pair);
    well_ends.wait_client(&pair.client, "TIME_WAIT");
    orphan.client.close();
    let expired = tracer.wait_for(|line| match line {
        Line::Change(change) => change.from.as_deref() == Some("FIN_WAIT2") && change.end.is_some(),
        _ => false,
    });
    assert!(expired, "its timewait socket expires");
    let trace = whole(tracer);

    assert_eq!(names(&trace), ["fin-wait2"], "{trace}");
    let finding = found(&trace, "fin-wait2");
    assert_eq!(
        (finding.count, finding.figures["expired"]),
        (1, 1),
        "{trace}"
    );
    assert_eq!(examples(finding), [at_client(orphan.ends)], "{trace}");
    let longest = finding.figures["longest_ns"];
    assert!(
        longest < 60_000_000_000,
        "shorter than the threshold: {trace}"
    );
}

/// Ten ports are to be had towards each end: towards one end all are in TIME_WAIT and a connect finds none,
/// towards another one seven are.
fn ports_that_run_out() {
    let pair = Pair::new();
    let client = &pair.client;
    let range = "net/ipv4/ip_local_port_range";
    client.netns.set_sysctl(range, "41000 41009");
    let (short, well) = (pair.server.listen(8000, 8), pair.server.listen(8001, 8));
    let tracer = watch(&pair, &["--threshold", "connection-per-request=off"]);
    for (listener, count) in [(&short, 10), (&well, 7)] {
        for _ in 0..count {
            let connection = Connection::open(&pair, listener);
            let ends = connection.ends;
            connection.close_client_first(&pair);
            ends.wait_client(client, "TIME_WAIT");
        }
    }
    let refused = client.socket().try_connect(short.local());
    assert!(refused.is_err(), "an eleventh port of ten");
    let trace = whole(tracer);

    assert_eq!(names(&trace), ["port-exhaustion"], "{trace}");
    let finding = found(&trace, "port-exhaustion");
    assert_eq!(
        (finding.count, finding.figures["no_port"]),
        (1, 1),
        "{trace}"
    );
    let ends = finding.ends.as_deref().expect("the ends");
    assert_eq!(ends.len(), 1, "{trace}");
    assert_eq!(ends[0].remote, short.local().into());
    assert_eq!(ends[0].local, client.at(0).ip());
    assert_eq!((ends[0].in_use, ends[0].usable), (10, Some(10)), "{trace}");
    assert_eq!((ends[0].time_wait, ends[0].no_port), (9, 1), "{trace}");
}

/// Fifteen connections one after another, and fifteen to another port that are open side by side.
fn a_connection_per_request() {
    let pair = Pair::new();
    let (each, pool) = (pair.server.listen(8000, 32), pair.server.listen(8001, 32));
    let tracer = watch(&pair, &["--threshold", "connection-per-request=10/10s"]);
    let side_by_side: Vec<_> = (0..15).map(|_| Connection::open(&pair, &pool)).collect();
    for connection in side_by_side {
        connection.close_client_first(&pair);
    }
    for _ in 0..15 {
        Connection::open(&pair, &each).close_client_first(&pair);
    }
    let trace = whole(tracer);

    assert_eq!(names(&trace), ["connection-per-request"], "{trace}");
    let finding = found(&trace, "connection-per-request");
    assert_eq!(finding.count, 14, "all but the first one\n{trace}");
    let services = finding.services.as_deref().expect("the services");
    assert_eq!(services.len(), 1, "{trace}");
    assert_eq!(services[0].pid, std::process::id());
    assert_eq!(services[0].remote, each.local().into());
    assert_eq!((services[0].count, services[0].most), (14, 14));
}

/// Twelve connections that the client breaks off: each is a reset at both ends. Twelve others are closed.
fn a_storm_of_resets() {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 32);
    let tracer = watch(
        &pair,
        &[
            "--threshold",
            "reset-storm=24/10s,connection-per-request=off",
        ],
    );
    for _ in 0..12 {
        let Connection { client, server, .. } = Connection::open(&pair, &listener);
        client.reset();
        server.receive_reset();
    }
    for _ in 0..12 {
        Connection::open(&pair, &listener).close_client_first(&pair);
    }
    let trace = whole(tracer);

    assert_eq!(names(&trace), ["reset-storm"], "{trace}");
    let finding = found(&trace, "reset-storm");
    assert_eq!(
        (finding.count, finding.figures["most"]),
        (24, 24),
        "{trace}"
    );
    let by = ["by_peer", "by_us"].map(|name| finding.figures[name]);
    assert_eq!(by, [12, 12], "{trace}");
    assert_eq!(finding.connections.len(), 5);
}

/// So many other ends that a test leads, each at a port of its own.
fn ghosts(pair: &Pair, listener: &Socket, count: u16) -> Vec<Ghost> {
    let std::net::SocketAddr::V4(remote) = listener.local() else {
        panic!("ghosts talk IPv4");
    };
    let local = std::net::SocketAddrV4::new(pair.ghost(0), 6000);
    let first = Ghost::new(pair, local, remote);
    let more: Vec<Ghost> = (1..count).map(|one| first.sibling(6000 + one)).collect();
    [first].into_iter().chain(more).collect()
}

/// Ten SYNs whose senders never go on, and ten handshakes that succeed.
fn a_flood_of_handshakes() {
    let pair = Pair::new();
    let netns = &pair.server.netns;
    netns.set_sysctl("net/ipv4/tcp_synack_retries", "1");
    let listener = pair.server.listen(8000, 64);
    let mut tracer = watch(&pair, &["--threshold", "half-open-flood=10/10s"]);
    for mut ghost in ghosts(&pair, &listener, 10) {
        ghost.send(flag::SYN, b"");
        ghost.hear(flag::SYN | flag::ACK);
    }
    let _open: Vec<Connection> = (0..10)
        .map(|_| Connection::open(&pair, &listener))
        .collect();
    let failed = tracer.wait_all_ended(10);
    assert!(failed, "ten handshakes fail");
    let trace = whole(tracer);

    assert_eq!(names(&trace), ["half-open-flood"], "{trace}");
    let finding = found(&trace, "half-open-flood");
    assert_eq!(finding.count, 10, "{trace}");
    let figures = ["timed_out", "reset", "still"].map(|name| finding.figures[name]);
    assert_eq!(figures, [10, 0, 0], "{trace}");
    let local = Endpoint::from(listener.local());
    assert!(finding.connections.iter().all(|one| one.local == local));
}

/// The trace ends before the kernel gives up waiting; nine more have waited only for a moment.
fn handshakes_that_wait_at_the_end() {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 64);
    let tracer = watch(&pair, &["--threshold", "half-open-flood=10/10s"]);
    let mut all = ghosts(&pair, &listener, 19);
    let young = all.split_off(10);
    for mut ghost in all {
        ghost.send(flag::SYN, b"");
        ghost.hear(flag::SYN | flag::ACK);
    }
    // As long as it takes until such a one counts.
    sleep(Duration::from_millis(3_100));
    for mut ghost in young {
        ghost.send(flag::SYN, b"");
        ghost.hear(flag::SYN | flag::ACK);
    }
    let trace = whole(tracer);

    assert_eq!(names(&trace), ["half-open-flood"], "{trace}");
    let finding = found(&trace, "half-open-flood");
    assert_eq!(
        (finding.count, finding.figures["still"]),
        (10, 10),
        "{trace}"
    );
}

/// With a backlog of 3, four children fit: of five handshakes that are under way, the fifth finds no room until
/// the kernel gives it up. Another listener has room for all.
fn an_accept_queue_without_room() {
    let pair = Pair::new();
    let host = &pair.server;
    let retries = "net/ipv4/tcp_synack_retries";
    host.netns.set_sysctl(retries, "1");
    let (full, well) = (host.listen(8000, 3), host.listen(8001, 16));
    let mut tracer = watch(&pair, &[]);
    let mut all = ghosts(&pair, &full, 5);
    all[..3].iter_mut().for_each(Ghost::connect);
    for ghost in &mut all[3..] {
        ghost.send(flag::SYN, b"");
        ghost.hear(flag::SYN | flag::ACK);
    }
    all[3].send(flag::ACK, b"");
    let fourth = Ends {
        client: all[3].local.into(),
        server: full.local(),
    };
    fourth.wait_server(host, "ESTABLISHED");
    all[4].send(flag::ACK, b"");
    let _open: Vec<Connection> = (0..5).map(|_| Connection::open(&pair, &well)).collect();
    assert!(tracer.wait_all_ended(1), "the fifth is given up");
    let trace = whole(tracer);

    assert_eq!(names(&trace), ["accept-queue-overflow"], "{trace}");
    let finding = found(&trace, "accept-queue-overflow");
    assert_eq!(finding.figures["failed"], 1, "{trace}");
    assert_eq!(finding.count, finding.figures["ListenOverflows"], "{trace}");
    let fifth = Ends {
        client: all[4].local.into(),
        ..fourth
    };
    assert_eq!(examples(finding), [at_server(fifth)], "{trace}");
}

/// What was found fails a run that names it, or any, and no run that names another one; so it does where
/// findings are not written.
fn a_run_fails_of_what_was_named() {
    for (fail_on, only, code) in [
        ("connect-refused", "findings,summary", 1),
        ("close-wait,connect-refused", "summary", 1),
        ("any", "changes,summary", 1),
        ("close-wait,connect-timeout", "findings,summary", 0),
    ] {
        let pair = Pair::new();
        let args = ["--fail-on", fail_on, "--only", only];
        let tracer = watch(&pair, &args);
        let refused = pair.client.socket().try_connect(pair.server.at(9));
        assert!(refused.is_err(), "nobody listens");
        // Its evidence must end with the same code.
        let trace = tracer.stop();
        assert_eq!(trace.code, Some(code), "--fail-on {fail_on}\n{trace}");
        let told: &[&str] = match only.contains("findings") {
            true => &["connect-refused"],
            false => &[],
        };
        assert_eq!(names(&trace), told, "--only {only}\n{trace}");
        let timelines = trace.timelines().count();
        assert_eq!(timelines, 0, "--only {only}\n{trace}");
    }
}

/// That nothing was found would pass for an answer where nobody looks.
fn what_cannot_be_judged_does_not_pass() {
    let run = |more: &[&str]| {
        let output = command()
            .args(["live", "--hook", "btf", "--duration", "1ms"])
            .args(more)
            .output()
            .expect("run the agent");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = run(&["--fail-on", "half-open-flood", "--time-wait", "off"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("cannot fail on half-open-flood"), "{said}");
    let (code, said) = run(&["--fail-on", "close-wait", "--time-wait", "off"]);
    assert_ne!(code, Some(3), "{said}");
}

/// Two are refused; one threshold is higher than that, and one is off.
fn parts_and_thresholds_that_are_off() {
    let pair = Pair::new();
    for threshold in ["connect-refused=3", "connect-refused=off"] {
        let tracer = watch(&pair, &["--threshold", threshold]);
        for _ in 0..2 {
            let refused = pair.client.socket().try_connect(pair.server.at(9));
            assert!(refused.is_err(), "nobody listens");
        }
        let trace = whole(tracer);
        assert!(names(&trace).is_empty(), "{threshold}\n{trace}");
        assert_eq!(trace.timelines().count(), 2, "{trace}");
    }
}
