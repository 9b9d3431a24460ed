//! `tracer time-wait`: its figures, held against the sockets that the kernel lists and the test's own
//! count.

use std::time::{Duration, Instant};

use tests::attempt::inconclusive;
use tests::figures::{Figures, LocalPort, Remote, TimeWait};
use tests::host::{Host, Pair};
use tests::traffic::Connection;

btf_only!(
    whose_and_where,
    fin_wait2_apart,
    older_than_the_trace,
    ports_that_run_out,
    no_room_for_more
);

/// A TIME_WAIT lasts at least so long.
const LASTS: Duration = Duration::from_secs(60);

/// How many sockets of a host the kernel lists in a state.
fn listed(host: &Host, state: &str) -> u64 {
    let sockets = host.sockets();
    let in_it = sockets.iter().filter(|socket| socket.state == state);
    in_it.count() as u64
}

/// Closes so many connections, the client first.
fn close_many(pair: &Pair, count: usize) {
    let listener = pair.server.listen(8000, 16);
    for _ in 0..count {
        let connection = Connection::open(pair, &listener);
        let ends = connection.ends;
        connection.close_client_first(pair);
        ends.wait_client(&pair.client, "TIME_WAIT");
    }
}

/// What a namespace allows, as the agent read it.
fn settings<'a>(figures: &'a Figures, host: &Host) -> &'a tests::figures::Settings {
    let of_host = |settings: &&tests::figures::Settings| settings.netns == Some(host.netns.inode());
    let found = figures.settings.iter().find(of_host);
    found.unwrap_or_else(|| panic!("no settings: {figures:#?}"))
}

fn whose_and_where() {
    let pair = Pair::new();
    let mut agent = TimeWait::watch(&pair);
    let began = Instant::now();
    close_many(&pair, 5);
    let server_first = Connection::open(&pair, &pair.server.listen(8001, 1));
    let ends = server_first.ends;
    server_first.close_server_first(&pair);
    ends.wait_server(&pair.server, "TIME_WAIT");
    let kernel = listed(&pair.client, "TIME_WAIT") + listed(&pair.server, "TIME_WAIT");
    if began.elapsed() >= LASTS {
        inconclusive(format!(
            "closing took {:?}: the first may be over",
            began.elapsed()
        ));
    }
    assert_eq!(kernel, 6);

    let figures = agent.wait_for(|figures| figures.time_wait.now == kernel);
    let time_wait = &figures.time_wait;
    assert_eq!((time_wait.most, time_wait.found), (6, 0));
    assert_eq!((time_wait.entered, time_wait.left), (6, 0));
    assert_eq!(time_wait.durations.p50_ns, None);

    let process = &figures.processes.rows[0];
    assert_eq!(process.key.pid, Some(std::process::id()));
    assert_eq!(process.now, 6);
    let ports: Vec<(&LocalPort, u64)> = figures
        .local_ports
        .rows
        .iter()
        .map(|row| (&row.key, row.now))
        .collect();
    let local = |kind: &str, port| LocalPort {
        kind: kind.to_owned(),
        port,
    };
    let expected = [
        (&local("chosen", None), 5),
        (&local("listening", Some(8001)), 1),
    ];
    assert_eq!(ports, expected);
    let remotes: Vec<(&Remote, u64)> = figures
        .remotes
        .rows
        .iter()
        .map(|row| (&row.key, row.now))
        .collect();
    let towards = |addr: std::net::SocketAddr, port| Remote {
        addr: Some(addr.ip()),
        port,
    };
    let server = towards(pair.server.at(8000), Some(8000));
    let client = towards(ends.client, None);
    assert_eq!(remotes, [(&server, 5), (&client, 1)]);

    // The kernel's own count, read in the namespace.
    assert_eq!(settings(&figures, &pair.client).timewait_sockets, Some(5));
    assert_eq!(settings(&figures, &pair.server).timewait_sockets, Some(1));
    assert!(figures.usual_from_ns == 60_000_000_000 && figures.usual_to_ns > figures.usual_from_ns);

    let (last, code) = agent.stop();
    assert_eq!((last.time_wait.now, code), (6, Some(0)));
}

fn fin_wait2_apart() {
    let pair = Pair::new();
    let mut agent = TimeWait::watch(&pair);
    let listener = pair.server.listen(8000, 1);
    let connection = Connection::open(&pair, &listener);
    let ends = connection.ends;
    connection.client.close();
    ends.wait_client(&pair.client, "FIN_WAIT2");
    // The program has let go of it, so it is a timewait socket.
    let orphan = agent.wait_for(|figures| figures.fin_wait2.now == 1);
    assert_eq!((orphan.time_wait.now, orphan.time_wait.entered), (0, 0));

    connection.server.close();
    ends.wait_client(&pair.client, "TIME_WAIT");
    let closed = agent.wait_for(|figures| figures.time_wait.now == 1);
    let fin_wait2 = &closed.fin_wait2;
    assert_eq!((fin_wait2.now, fin_wait2.most), (0, 1));
    assert_eq!((fin_wait2.left, fin_wait2.went_on), (1, 1));
    assert_eq!(fin_wait2.durations.count, 1);

    // Half closed by a program that keeps its socket: a full one, however long.
    let listener = pair.server.listen(8001, 1);
    let half = Connection::open(&pair, &listener);
    half.client.shutdown_write();
    half.ends.wait_client(&pair.client, "FIN_WAIT2");
    let (last, _) = agent.stop();
    assert_eq!((last.fin_wait2.now, last.fin_wait2.entered), (0, 1));
}

fn older_than_the_trace() {
    let pair = Pair::new();
    close_many(&pair, 3);
    let agent = TimeWait::watch(&pair);
    let (last, code) = agent.stop();
    let time_wait = &last.time_wait;
    assert_eq!(
        (time_wait.now, time_wait.found, time_wait.entered),
        (3, 3, 0)
    );
    assert_eq!(code, Some(0));
    // Who opened them is not known.
    let kinds: Vec<&str> = last
        .local_ports
        .rows
        .iter()
        .map(|row| row.key.kind.as_str())
        .collect();
    assert_eq!(kinds, ["unknown"]);
    assert_eq!(last.ports.len(), 1);
    assert_eq!((last.ports[0].in_use, last.ports[0].unknown_origin), (3, 3));
}

fn ports_that_run_out() {
    let pair = Pair::new();
    let client = &pair.client;
    client
        .netns
        .set_sysctl("net/ipv4/ip_local_port_range", "41000 41005");
    client
        .netns
        .set_sysctl("net/ipv4/ip_local_reserved_ports", "41001-41003");
    let mut agent = TimeWait::watch(&pair);
    close_many(&pair, 2);
    let listener = pair.server.listen(8001, 1);
    let open = Connection::open(&pair, &listener);
    // Each end has its own ports.
    let near = agent.wait_for(|figures| figures.ports.len() == 2);
    let port = &near.ports[0];
    assert_eq!(port.remote, pair.server.at(8000).into());
    assert_eq!(
        (port.time_wait, port.otherwise, port.usable),
        (2, 0, Some(3))
    );

    close_many(&pair, 1);
    let refused = client.socket().try_connect(pair.server.at(8000));
    assert!(refused.is_err(), "a fourth port of three");
    let full = agent.wait_for(|figures| figures.no_port == 1);
    let port = &full.ports[0];
    assert_eq!((port.in_use, port.no_port), (3, 1));
    assert_eq!(port.outlook.as_deref(), Some("exhausted"));
    assert_eq!(full.ports[1].otherwise, 1);
    let settings = settings(&full, client);
    assert_eq!(
        (settings.usable_ports, settings.tw_reuse),
        (Some(3), Some(0))
    );
    drop(open);
    let (last, _) = agent.stop();
    assert_eq!(last.no_port, 1);
}

fn no_room_for_more() {
    let pair = Pair::new();
    pair.client
        .netns
        .set_sysctl("net/ipv4/tcp_max_tw_buckets", "2");
    let mut agent = TimeWait::watch(&pair);
    close_many(&pair, 2);
    let listener = pair.server.listen(8001, 1);
    let third = Connection::open(&pair, &listener);
    third.close_client_first(&pair);
    let figures = agent.wait_for(|figures| figures.refused == 1);
    assert_eq!(figures.time_wait.now, listed(&pair.client, "TIME_WAIT"));
    assert_eq!(settings(&figures, &pair.client).max_tw_buckets, Some(2));
    let (last, _) = agent.stop();
    assert_eq!((last.time_wait.now, last.refused), (2, 1));
}
