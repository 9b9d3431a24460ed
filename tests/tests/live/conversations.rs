//! Both ends of a connection as one story, and no end in another one's.

use tests::host::Pair;
use tests::namespace::Namespace;
use tests::schema::Conversation;
use tests::trace::Trace;
use tests::tracer::{Hook, Tracer};
use tests::traffic::{Connection, Ends, Socket};

both_hooks!(
    across_a_wire,
    closed_by_both_at_once,
    refused,
    used_again_and_again,
    open_at_the_end,
);

btf_only!(
    on_loopback,
    to_itself,
    equal_ends_in_two_places,
    with_its_time_wait
);

/// The parts that are written: what a conversation says can be held against the timelines.
const PARTS: [&str; 2] = ["--only", "timelines,conversations,summary"];

/// What a conversation says of its ends: who it is, and what it enters.
fn story(one: &Conversation) -> Vec<(&str, &str)> {
    one.steps
        .iter()
        .map(|step| (step.end.as_str(), step.state.as_str()))
        .collect()
}

/// What one end enters.
fn lane(one: &Conversation, end: &str) -> String {
    let own = one.steps.iter().filter(|step| step.end == end);
    let states: Vec<&str> = own.map(|step| step.state.as_str()).collect();
    states.join(" ")
}

/// Demands that both ends are these, and that all steps are known and in order.
fn is_between(one: &Conversation, ends: Ends, trace: &Trace) {
    let Some(b) = &one.b else {
        panic!("b is not known: {one:#?}\n{trace}");
    };
    assert_eq!(
        (one.a.local.known(), b.local.known()),
        (Some(ends.client), Some(ends.server)),
        "the ends\n{trace}"
    );
    assert_eq!((one.a.local, one.a.remote), (b.remote, b.local));
    assert_ne!(one.a.conn, b.conn);
    let times: Vec<u64> = one.steps.iter().filter_map(|step| step.mono_ns).collect();
    assert_eq!(times.len(), one.steps.len(), "times of all steps\n{trace}");
    assert!(times.is_sorted(), "in the order of time: {one:#?}");
    assert_eq!(one.start_mono_ns, times.first().copied());
}

/// Demands that every timeline is an end of one conversation, and of one only.
fn tells_all(trace: &Trace) {
    trace.demand_whole();
    let mut ends: Vec<u64> = trace
        .conversations()
        .flat_map(|one| [Some(&one.a), one.b.as_ref()])
        .flatten()
        .map(|end| end.conn)
        .collect();
    let mut lives: Vec<u64> = trace.timelines().map(|one| one.conn).collect();
    ends.sort_unstable();
    lives.sort_unstable();
    assert_eq!(ends, lives, "ends of conversations, and timelines\n{trace}");
}

/// The only conversation there is.
fn only(trace: &Trace) -> &Conversation {
    let all: Vec<&Conversation> = trace.conversations().collect();
    match all.as_slice() {
        [only] => only,
        _ => panic!("{} conversations\n{trace}", all.len()),
    }
}

fn across_a_wire(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut tracer = Tracer::watch(hook, &pair, &PARTS);
    let connection = Connection::open(&pair, &listener);
    let ends = connection.ends;
    let cookies = (connection.client.cookie(), connection.server.cookie());
    connection.close_client_first(&pair);
    tracer.wait_ended(2);
    let trace = tracer.stop();

    tells_all(&trace);
    let one = only(&trace);
    is_between(one, ends, &trace);
    assert_eq!(one.opened_by.as_deref(), Some("a"), "{trace}");
    assert_eq!(one.closed_first.as_deref(), Some("a"), "{trace}");
    assert_eq!(
        lane(one, "a"),
        "SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2",
        "{trace}"
    );
    assert_eq!(
        lane(one, "b"),
        "SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE",
        "{trace}"
    );
    if hook == Hook::Btf {
        let b = one.b.as_ref().expect("it is known");
        assert_eq!((one.a.cookie, b.cookie), (Some(cookies.0), Some(cookies.1)));
        let inodes = [&pair.client, &pair.server].map(|host| Some(host.netns.inode()));
        assert_eq!([one.a.netns, b.netns], inodes);
    }
}

fn closed_by_both_at_once(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut tracer = Tracer::watch(hook, &pair, &PARTS);
    let Connection {
        client,
        server,
        ends,
    } = Connection::open(&pair, &listener);
    pair.client.hold_frames();
    pair.server.hold_frames();
    client.close();
    server.close();
    ends.wait_client(&pair.client, "FIN_WAIT1");
    ends.wait_server(&pair.server, "FIN_WAIT1");
    pair.client.release_frames();
    pair.server.release_frames();
    tracer.wait_ended(2);
    let trace = tracer.stop();

    tells_all(&trace);
    let one = only(&trace);
    is_between(one, ends, &trace);
    assert_eq!(one.closed_first.as_deref(), Some("both"), "{trace}");
    for end in ["a", "b"] {
        assert!(lane(one, end).ends_with("FIN_WAIT1 CLOSING"), "{trace}");
    }
}

/// Where nobody listens there is no other end.
fn refused(hook: Hook) {
    let pair = Pair::new();
    let mut tracer = Tracer::watch(hook, &pair, &PARTS);
    let client = pair.client.socket();
    client.bind(pair.client.at(5000));
    client
        .try_connect(pair.server.at(8000))
        .expect_err("nobody listens");
    // Told while it is traced, though nothing more happens.
    let told = tracer.wait_for(|line| matches!(line, tests::schema::Line::Conversation(_)));
    let trace = tracer.stop();

    assert!(told, "told before the end\n{trace}");
    tells_all(&trace);
    let one = only(&trace);
    assert!(one.b.is_none(), "{trace}");
    assert_eq!(one.b_unknown.as_deref(), Some("not_seen"), "{trace}");
    assert_eq!(story(one), [("a", "SYN_SENT"), ("a", "CLOSE")], "{trace}");
}

/// The same four numbers again and again, each time closed by another end.
fn used_again_and_again(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut tracer = Tracer::watch(hook, &pair, &PARTS);
    let ends = Ends {
        client: pair.client.at(5000),
        server: listener.local(),
    };
    let mut cookies = Vec::new();
    for round in 0..6 {
        let client = pair.client.socket();
        client.bind(ends.client);
        let connection = Connection::open_from(client, &listener);
        cookies.push((connection.client.cookie(), connection.server.cookie()));
        if round % 2 == 0 {
            let Connection { client, server, .. } = connection;
            client.reset();
            server.receive_reset();
        } else {
            // Its TIME_WAIT stands as the next SYN comes.
            connection.close_server_first(&pair);
            ends.wait_server(&pair.server, "TIME_WAIT");
        }
    }
    tracer.wait_ended(12);
    let trace = tracer.stop();

    tells_all(&trace);
    let told: Vec<&Conversation> = trace.conversations().collect();
    assert_eq!(told.len(), 6, "{trace}");
    for (one, (round, cookies)) in told.iter().zip(cookies.iter().enumerate()) {
        is_between(one, ends, &trace);
        let first = if round % 2 == 0 { "a" } else { "b" };
        if hook == Hook::Btf || round % 2 == 1 {
            assert_eq!(one.closed_first.as_deref(), Some(first), "{trace}");
        }
        if hook == Hook::Btf {
            let b = one.b.as_ref().and_then(|b| b.cookie);
            let told = (one.a.cookie, b);
            assert_eq!(told, (Some(cookies.0), Some(cookies.1)), "{trace}");
        }
    }
}

fn open_at_the_end(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let parts = ["--only", "changes,timelines,conversations,summary"];
    let mut tracer = Tracer::watch(hook, &pair, &parts);
    let connection = Connection::open(&pair, &listener);
    tracer.wait_changes(4);
    let trace = tracer.stop();

    tells_all(&trace);
    let one = only(&trace);
    is_between(one, connection.ends, &trace);
    assert_eq!(one.lifetime_ns, None, "it is open\n{trace}");
    let open = one.b.as_ref().is_some_and(|b| b.ended.is_none()) && one.a.ended.is_none();
    assert!(open, "{trace}");
}

/// A namespace of the test's own, and what is traced there.
fn loopback(name: &str, more: &[&str]) -> (Namespace, Tracer) {
    let netns = Namespace::new(&format!("tracer-{name}-{}", std::process::id()));
    let filter = ["--netns", netns.name()];
    let tracer = Tracer::start(Hook::Btf, &[&filter, more, &PARTS].concat());
    (netns, tracer)
}

fn on_loopback() {
    let (netns, mut tracer) = loopback("loop", &[]);
    let server = "127.0.0.1:8000".parse().expect("an address");
    let listener = netns.run(Socket::ipv4);
    listener.bind(server);
    listener.listen(4);
    let connection = Connection::open_from(netns.run(Socket::ipv4), &listener);
    let ends = connection.ends;
    connection.client.close();
    connection.server.receive(b"");
    connection.server.close();
    tracer.wait_ended(2);
    let trace = tracer.stop();

    tells_all(&trace);
    let one = only(&trace);
    is_between(one, ends, &trace);
    let inode = Some(netns.inode());
    assert_eq!(one.a.netns, inode);
    assert_eq!(one.b.as_ref().and_then(|b| b.netns), inode);
}

/// One socket connects to its own port.
fn to_itself() {
    let (netns, mut tracer) = loopback("itself", &[]);
    let addr = "127.0.0.1:5000".parse().expect("an address");
    let socket = netns.run(Socket::ipv4);
    socket.bind(addr);
    socket.connect(addr);
    socket.reset();
    tracer.wait_ended(1);
    let trace = tracer.stop();

    tells_all(&trace);
    let one = only(&trace);
    assert_eq!(one.b_unknown.as_deref(), Some("itself"), "{trace}");
    assert_eq!(
        lane(one, "a"),
        "SYN_SENT SYN_RECV ESTABLISHED CLOSE",
        "{trace}"
    );
}

/// Two namespaces whose loopback connections have the same four numbers at the same time.
fn equal_ends_in_two_places() {
    let name = |number: u8| format!("tracer-equal{number}-{}", std::process::id());
    let places = [1, 2].map(|number| Namespace::new(&name(number)));
    let names = places.each_ref().map(|netns| netns.name().to_owned());
    let filters = ["--netns", &names.join(",")];
    let mut tracer = Tracer::start(Hook::Btf, &[&filters, &PARTS[..]].concat());
    let server = "127.0.0.1:8000".parse().expect("an address");
    let connections = places.each_ref().map(|netns| {
        let listener = netns.run(Socket::ipv4);
        listener.bind(server);
        listener.listen(4);
        let client = netns.run(Socket::ipv4);
        client.bind("127.0.0.1:5000".parse().expect("an address"));
        Connection::open_from(client, &listener)
    });
    let ends = connections[0].ends;
    for connection in connections {
        connection.client.reset();
        connection.server.receive_reset();
    }
    tracer.wait_ended(4);
    let trace = tracer.stop();

    tells_all(&trace);
    let told: Vec<&Conversation> = trace.conversations().collect();
    assert_eq!(told.len(), 2, "{trace}");
    for one in told {
        is_between(one, ends, &trace);
        assert_eq!(one.a.netns, one.b.as_ref().and_then(|b| b.netns), "{trace}");
    }
}

/// Half-open times and TIME_WAIT, which the tracepoint hides, have their place in the story; the next
/// connection takes the port over.
fn with_its_time_wait() {
    let (netns, mut tracer) = loopback("wait", &["--time-wait", "timer"]);
    netns.set_sysctl("net/ipv4/tcp_tw_reuse", "1");
    let server = "127.0.0.1:8000".parse().expect("an address");
    let listener = netns.run(Socket::ipv4);
    listener.bind(server);
    listener.listen(4);
    let connection = Connection::open_from(netns.run(Socket::ipv4), &listener);
    let ends = connection.ends;
    // The server waits, and a SYN of the client's ends that at once.
    connection.server.close();
    connection.client.receive(b"");
    connection.client.close();
    let again = netns.run(Socket::ipv4);
    again.bind(ends.client);
    let again = Connection::open_from(again, &listener);
    again.client.reset();
    again.server.receive_reset();
    tracer.wait_ended(4);
    let trace = tracer.stop();

    tells_all(&trace);
    let told: Vec<&Conversation> = trace.conversations().collect();
    let [first, second] = told.as_slice() else {
        panic!("{} conversations\n{trace}", told.len());
    };
    is_between(first, ends, &trace);
    is_between(second, ends, &trace);
    assert_eq!(
        story(first)[..3],
        [("a", "SYN_SENT"), ("b", "SYN_RECV"), ("a", "ESTABLISHED")],
        "the SYN came before it was answered\n{trace}"
    );
    let waited = lane(first, "b");
    assert!(
        waited.ends_with("FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE"),
        "{trace}"
    );
}
