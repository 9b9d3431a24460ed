//! Snapshots, counters and namespaces, held against sockets that each test makes itself in network
//! namespaces of its own. Needs root and `ip` (iproute2).

mod ages;
mod asking;
mod place;

use std::io::Read;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use tracer::model::{Existing, TwReuse};
use tracer::source::clock::boot_time;
use tracer::source::counters::{self, CounterFiles};
use tracer::source::netns::{self, NetNs, NetNsError, Resolved, within};
use tracer::source::port_settings;
use tracer::source::snapshot::{Snapshot, take};

use place::{Place, can_run, ip};

/// Takes snapshots until one shows what is expected, or time is up; returns the last.
///
/// The last acknowledgements are the kernel's work, and may come after the call that caused them.
fn settle(place: &Place, expected: &[String]) -> Snapshot {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let snapshot = take(std::slice::from_ref(&place.netns));
        if lines(&snapshot.existing) == expected || Instant::now() > end {
            return snapshot;
        }
        thread::yield_now();
    }
}

/// Returns a line for each socket: state, kind, ends; sorted.
fn lines(existing: &[Existing]) -> Vec<String> {
    let mut lines: Vec<String> = existing
        .iter()
        .map(|one| {
            line(
                &one.state.to_string(),
                one.full_socket,
                &one.tuple.to_text(),
            )
        })
        .collect();
    lines.sort();
    lines
}

fn line(state: &str, full_socket: bool, ends: &str) -> String {
    let kind = if full_socket { "full" } else { "light" };
    format!("{state} {kind} {ends}")
}

trait ToText {
    fn to_text(&self) -> String;
}

impl ToText for tracer::model::Tuple {
    fn to_text(&self) -> String {
        format!("{} {}", self.local, self.remote)
    }
}

/// Returns the ends of a connection as the stream's own side sees them.
fn ends(stream: &TcpStream) -> String {
    let local = stream.local_addr().expect("a local address");
    let remote = stream.peer_addr().expect("a remote address");
    let folded = |addr: SocketAddr| SocketAddr::new(addr.ip().to_canonical(), addr.port());
    format!("{} {}", folded(local), folded(remote))
}

fn read_to_end(mut stream: &TcpStream) {
    let mut rest = Vec::new();
    stream
        .read_to_end(&mut rest)
        .expect("the end of the stream");
}

#[test]
fn every_socket_is_found_once_and_as_it_is() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let before = boot_time();
    let (listener, addr) = place.listen("127.0.0.1:0");
    let (any, any_addr) = place.listen("[::]:0");
    let mut expected = vec![
        line("LISTEN", true, &format!("{addr} ?:?")),
        line("LISTEN", true, &format!("{any_addr} ?:?")),
    ];

    let plain = place.connect(&listener, addr);
    let six = place.connect(
        &any,
        SocketAddr::new("::1".parse().expect("::1"), any_addr.port()),
    );
    let mapped = place.connect(&any, SocketAddr::new(addr.ip(), any_addr.port()));
    for (client, server) in [&plain, &six, &mapped] {
        expected.push(line("ESTABLISHED", true, &ends(client)));
        expected.push(line("ESTABLISHED", true, &ends(server)));
    }

    // Closed by the client first, and then to the end.
    let (client, server) = place.connect(&listener, addr);
    expected.push(line("TIME_WAIT", false, &ends(&client)));
    client.shutdown(Shutdown::Write).expect("to shut down");
    read_to_end(&server);
    drop(server);
    read_to_end(&client);
    drop(client);

    // Half closed: by a program that still holds its socket, and by one that does not.
    let half = place.connect(&listener, addr);
    expected.push(line("FIN_WAIT2", true, &ends(&half.0)));
    expected.push(line("CLOSE_WAIT", true, &ends(&half.1)));
    half.0.shutdown(Shutdown::Write).expect("to shut down");
    let (client, orphaned) = place.connect(&listener, addr);
    expected.push(line("FIN_WAIT2", false, &ends(&client)));
    expected.push(line("CLOSE_WAIT", true, &ends(&orphaned)));
    drop(client);

    expected.sort();
    let snapshot = settle(&place, &expected);
    assert_eq!(lines(&snapshot.existing), expected);
    assert_eq!(snapshot.notes, Vec::<String>::new());
    let after = boot_time();
    for one in &snapshot.existing {
        assert_eq!(one.netns, place.netns.inode);
        assert!(before < one.at && one.at < after, "{one:?}");
        assert_eq!(one.uid, one.full_socket.then_some(0), "{one:?}");
        assert_eq!(one.left_ns.is_some(), !one.full_socket, "{one:?}");
    }
    let cookies = snapshot.existing.iter().map(|one| one.cookie);
    assert!(cookies.is_sorted_by(|a, b| a < b));

    let again = take(std::slice::from_ref(&place.netns)).existing;
    let timeless = |found: &[Existing]| -> Vec<Existing> {
        let at = before;
        found
            .iter()
            .map(|one| Existing {
                at,
                left_ns: None,
                ..one.clone()
            })
            .collect()
    };
    assert_eq!(timeless(&again), timeless(&snapshot.existing));
}

#[test]
fn a_request_socket_is_not_a_full_one() {
    if !can_run() {
        return;
    }
    let (ours, theirs) = (Place::new(), Place::new());
    let (a, b) = (&ours.name, &theirs.name);
    ip(&format!(
        "link add v0 netns {a} type veth peer name v0 netns {b}"
    ));
    for (name, host) in [(a, 1), (b, 2)] {
        ip(&format!(
            "-n {name} link set v0 address 02:00:00:00:00:0{host} up"
        ));
        ip(&format!("-n {name} addr add 10.77.0.{host}/24 dev v0"));
    }
    // The first SYN arrives; the answer goes to an Ethernet address that nobody has.
    ip(&format!(
        "-n {a} neigh replace 10.77.0.2 lladdr 02:00:00:00:00:02 dev v0 nud permanent"
    ));
    ip(&format!(
        "-n {b} neigh replace 10.77.0.1 lladdr 02:00:00:00:00:99 dev v0 nud permanent"
    ));

    let (_listener, addr) = theirs.listen("10.77.0.2:0");
    let socket: OwnedFd = ours.run(|| {
        let kind = SocketType::STREAM;
        let socket = socket_with(AddressFamily::INET, kind, SocketFlags::NONBLOCK, None);
        let socket = socket.expect("a socket");
        assert_eq!(connect(&socket, &addr), Err(Errno::INPROGRESS));
        socket
    });
    let local = rustix::net::getsockname(&socket).expect("a name");
    let local = SocketAddr::try_from(local).expect("an address");

    let sent = [line("SYN_SENT", true, &format!("{local} {addr}"))];
    let received = [
        line("LISTEN", true, &format!("{addr} ?:?")),
        line("SYN_RECV", false, &format!("{addr} {local}")),
    ];
    let both = take(&[theirs.netns.clone(), ours.netns.clone()]);
    assert_eq!(both.notes, Vec::<String>::new());
    assert_eq!(lines(&settle(&ours, &sent).existing), sent);
    let answered = settle(&theirs, &received).existing;
    assert_eq!(lines(&answered), received);
    let request = answered.iter().find(|one| !one.full_socket).expect("one");
    assert_eq!((request.uid, request.left_ns), (None, None));

    // A program that gives up by itself is no failed attempt to the kernel.
    drop(socket);
    assert_eq!(lines(&settle(&ours, &[]).existing), Vec::<String>::new());
    let counters = counters::read(&ours.netns).expect("counters").counters;
    assert_eq!(counters.get("Tcp.ActiveOpens"), Some(1));
    assert_eq!(counters.get("Tcp.AttemptFails"), Some(0));
}

#[test]
fn the_counters_are_those_of_the_namespace() {
    if !can_run() {
        return;
    }
    let (place, other) = (Place::new(), Place::new());
    let mut files = CounterFiles::open(&place.netns).expect("the files");
    let at_first = files.read().expect("counters");
    assert_eq!(at_first.counters.get("Tcp.ActiveOpens"), Some(0));

    let (listener, addr) = place.listen("127.0.0.1:0");
    let pairs: Vec<_> = (0..3).map(|_| place.connect(&listener, addr)).collect();
    let (client, server) = &pairs[0];
    client.shutdown(Shutdown::Write).expect("to shut down");
    read_to_end(server);
    server.shutdown(Shutdown::Write).expect("to shut down");
    read_to_end(client);
    let closed = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    place
        .run(|| TcpStream::connect(closed))
        .expect_err("refused");

    let later = files.read().expect("counters again");
    assert!(at_first.before < at_first.after && at_first.after < later.before);
    let fresh = counters::read(&place.netns).expect("counters").counters;
    for counters in [&later.counters, &fresh] {
        for (name, value) in [
            ("Tcp.ActiveOpens", 4),
            ("Tcp.PassiveOpens", 3),
            ("Tcp.AttemptFails", 1),
            ("Tcp.EstabResets", 0),
            ("Tcp.CurrEstab", 4),
            ("TcpExt.TW", 1),
        ] {
            assert_eq!(counters.get(name), Some(value), "{name}");
        }
        assert_eq!(counters.skipped(), 0);
    }
    let elsewhere = counters::read(&other.netns).expect("counters").counters;
    assert_eq!(elsewhere.get("Tcp.ActiveOpens"), Some(0));
}

#[test]
fn the_settings_are_those_of_the_namespace() {
    if !can_run() {
        return;
    }
    let (place, other) = (Place::new(), Place::new());
    let set = |name: &str, value: &str| {
        let path = format!("/proc/sys/net/ipv4/{name}");
        let written = place.run(|| fs::write(&path, value));
        written.unwrap_or_else(|error| panic!("{path}: {error}"));
    };
    set("ip_local_port_range", "40000 40099");
    set("ip_local_reserved_ports", "40010-40019,40098,80");
    set("tcp_tw_reuse", "0");
    set("tcp_fin_timeout", "7");
    set("tcp_max_tw_buckets", "5");
    let (listener, addr) = place.listen("127.0.0.1:0");
    let (client, server) = place.connect(&listener, addr);
    let closer = ends(&client);
    for (first, second) in [(&client, &server), (&server, &client)] {
        first.shutdown(Shutdown::Write).expect("to shut down");
        read_to_end(second);
    }
    settle(
        &place,
        &[
            line("LISTEN", true, &format!("{addr} ?:?")),
            line("TIME_WAIT", false, &closer),
        ],
    );

    let settings = port_settings::read(&place.netns).expect("the settings");
    assert_eq!(settings.usable_ports(), Some(100 - 11));
    assert_eq!(settings.is_chosen_from(40_098), Some(false));
    assert_eq!(settings.tw_reuse, Some(TwReuse::Never));
    assert_eq!(settings.fin_timeout_ns, Some(7_000_000_000));
    assert_eq!(settings.max_tw_buckets, Some(5));
    assert_eq!(settings.timewait_sockets, Some(1));
    let elsewhere = port_settings::read(&other.netns).expect("the settings");
    assert_ne!(elsewhere.usable_ports(), settings.usable_ports());
    assert_eq!(elsewhere.timewait_sockets, Some(0));
}

#[test]
fn a_namespace_has_a_name_a_path_and_a_number() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let inode = place.netns.inode;
    for word in [
        place.name.clone(),
        format!("/run/netns/{}", place.name),
        inode.to_string(),
    ] {
        let resolved = netns::resolve(&word).unwrap_or_else(|error| panic!("{word}: {error}"));
        assert_eq!(resolved, Resolved::NetNs(place.netns.clone()), "{word}");
    }
    // A process inside is a second way in, and no second namespace.
    let mut process = place.run(|| {
        let mut cat = Command::new("cat");
        cat.stdin(Stdio::piped()).spawn().expect("to start cat")
    });
    let all = netns::all();
    drop(process.stdin.take());
    process.wait().expect("cat to end");
    let number = inode.to_string();
    let missed = all
        .not_entered
        .iter()
        .find(|one| one.what.contains(&number));
    assert_eq!(missed, None);
    let same = all.entered.iter().filter(|netns| netns.inode == inode);
    assert_eq!(same.collect::<Vec<_>>(), [&place.netns]);

    let own = NetNs::own().expect("the own namespace");
    let there = place.run(NetNs::own).expect("the namespace");
    assert_eq!(there.inode, inode);
    assert_eq!(NetNs::own().expect("the own namespace"), own);
}

#[test]
fn a_namespace_is_entered_while_anything_leads_there_and_missed_without_a_word() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let (_listener, _) = place.listen("127.0.0.1:0");
    // As when the process ended through which it had been found.
    let by_ghost = NetNs {
        inode: place.netns.inode,
        path: PathBuf::from("/proc/4194304/ns/net"),
    };
    assert_eq!(take(std::slice::from_ref(&by_ghost)).existing.len(), 1);

    let path = place.netns.path.clone();
    drop(place);
    assert!(!fs::exists(&path).expect("an answer"));
    let error = within(&by_ghost, || ()).expect_err("nothing leads there");
    assert!(matches!(error, NetNsError::Gone { .. }), "{error}");
    assert_eq!(take(&[by_ghost]), Snapshot::default());
}
