//! Filters: each shows the whole timelines of the connections that it names, and nothing else.

use std::collections::BTreeMap;
use std::process;

use tests::cgroup::Cgroup;
use tests::host::Pair;
use tests::matcher::Story;
use tests::peer::Peer;
use tests::require::skip;
use tests::tracer::{Hook, Tracer};
use tests::traffic::{Connection, Ends};

use super::SECOND_PROCESS;

both_hooks!(ports_addresses_and_families);
btf_only!(namespaces, processes_and_names, users, cgroups);

const CLIENT: &str = "CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE";
const SERVER: &str = "LISTEN SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE";

/// The connections of a test by name: `c1` and `s1` are the two ends of the first one.
#[derive(Default)]
struct Ledger(BTreeMap<u8, Ends>);

impl Ledger {
    fn add(&mut self, ends: Ends) {
        let number = u8::try_from(self.0.len() + 1).expect("a few connections");
        self.0.insert(number, ends);
    }

    /// Demands the named ends, each whole, and nothing else.
    fn judge(&self, args: &[String], mut tracer: Tracer, expected: &str) {
        let names: Vec<&str> = expected.split_ascii_whitespace().collect();
        tracer.wait_ended(names.len());
        let trace = tracer.stop();
        eprintln!("{args:?} shows {expected}");
        let mut story = Story::of(&trace);
        for name in names {
            let (side, number) = name.split_at(1);
            let ends = self.0[&number.parse().expect("a number")];
            match side {
                "c" => story.client(ends).states(CLIENT),
                _ => story.server(ends).states(SERVER),
            };
        }
        story.no_other_lines();
    }
}

/// Starts an agent for each filter, lets `traffic` run once, and judges each agent.
fn judge(hook: Hook, cases: &[(Vec<String>, &str)], traffic: impl FnOnce() -> Ledger) {
    let tracers: Vec<Tracer> = cases
        .iter()
        .map(|(args, _)| {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            Tracer::start(hook, &args)
        })
        .collect();
    let ledger = traffic();
    for (tracer, (args, expected)) in tracers.into_iter().zip(cases) {
        ledger.judge(args, tracer, expected);
    }
}

fn ports_addresses_and_families(hook: Hook) {
    let pair = Pair::new();
    let (client, server) = (pair.client.ipv4, pair.server.ipv4);
    let client6 = pair.client.ipv6;
    let case = |args: &str, expected: &'static str| {
        let mut all = hook.only(&pair);
        if args.contains("addr") && hook == Hook::Classic {
            all.clear();
        }
        all.extend(args.split_ascii_whitespace().map(str::to_owned));
        (all, expected)
    };
    let cases = [
        case("--rport 8001", "c1"),
        case("--lport 8001", "s1"),
        case("--port 8001", "c1 s1"),
        case("--port 8001,8002", "c1 s1 c2 s2"),
        case("--lport 5001", "c1"),
        case("--rport 5001,5003", "s1 s3"),
        case("--rport 8001 --lport 5002", ""),
        case(&format!("--addr {client}/32"), "c1 s1 c2 s2"),
        case(&format!("--laddr {client}"), "c1 c2"),
        case(&format!("--raddr {client}"), "s1 s2"),
        case(&format!("--raddr {server}/32 --rport 8002"), "c2"),
        case(&format!("--addr {client6}/128"), "c3 s3"),
        case("-4", "c1 s1 c2 s2"),
        case("-6", "c3 s3"),
        case("--state FIN_WAIT2", "c1 c2 c3"),
        case("--state last-ack --rport 5001", "s1"),
        case("--state CLOSING", ""),
    ];
    judge(hook, &cases, || {
        let mut ledger = Ledger::default();
        for port in [8001, 8002] {
            let listener = pair.server.listen(port, 4);
            let socket = pair.client.socket();
            socket.bind(pair.client.at(port - 3000));
            let connection = Connection::open_from(socket, &listener);
            ledger.add(connection.ends);
            connection.close_client_first(&pair);
        }
        let listener = pair.server.socket6();
        listener.bind(pair.server.at6(8003));
        listener.listen(4);
        let socket = pair.client.socket6();
        socket.bind(pair.client.at6(5003));
        let connection = Connection::open_from(socket, &listener);
        ledger.add(connection.ends);
        connection.close_client_first(&pair);
        ledger
    });
}

fn strings(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).collect()
}

fn namespaces() {
    let pair = Pair::new();
    let (client, server) = (&pair.client.netns, &pair.server.netns);
    let cases = [
        (strings(&["--netns", client.name()]), "c1"),
        (
            strings(&["--netns", &server.path().display().to_string()]),
            "s1",
        ),
        (strings(&["--netns", &client.inode().to_string()]), "c1"),
        (
            strings(&["--netns", client.name(), "--netns", server.name()]),
            "c1 s1",
        ),
    ];
    judge(Hook::Btf, &cases, || {
        let listener = pair.server.listen(8000, 4);
        let connection = Connection::open(&pair, &listener);
        let mut ledger = Ledger::default();
        ledger.add(connection.ends);
        connection.close_client_first(&pair);
        ledger
    });
}

/// One connection between the second process and this one, from either side.
fn two_processes(pair: &Pair, at_client: &mut Peer, at_server: &mut Peer) -> Ledger {
    let mut ledger = Ledger::default();
    let listener = pair.server.listen(8000, 4);
    let ends = Ends {
        client: at_client.connect(listener.local()),
        server: listener.local(),
    };
    let accepted = listener.accept();
    at_client.close();
    ends.wait_server(&pair.server, "CLOSE_WAIT");
    accepted.close();
    ledger.add(ends);

    let remote = pair.server.at(8001);
    at_server.listen(remote);
    let client = pair.client.socket();
    client.connect(remote);
    let ends = Ends {
        client: client.local(),
        server: remote,
    };
    at_server.accept();
    client.close();
    ends.wait_server(&pair.server, "CLOSE_WAIT");
    at_server.close();
    ledger.add(ends);
    ledger
}

/// A server's end has an owner only when that closes it; its timeline is whole all the same.
fn processes_and_names() {
    let pair = Pair::new();
    let mut at_client = Peer::start(SECOND_PROCESS, &pair.client);
    let mut at_server = Peer::start(SECOND_PROCESS, &pair.server);
    at_client.tell("name tst-client");
    at_server.tell("name tst-server");
    let only = Hook::Btf.only(&pair);
    let case = |args: &[&str], expected: &'static str| {
        (
            only.iter()
                .cloned()
                .chain(strings(args))
                .collect::<Vec<_>>(),
            expected,
        )
    };
    let cases = [
        case(&["--pid", &at_client.pid().to_string()], "c1"),
        case(&["--pid", &at_server.pid().to_string()], "s2"),
        case(&["--pid", &process::id().to_string()], "s1 c2"),
        case(&["--comm", "tst-client"], "c1"),
        case(&["--comm", "tst-server"], "s2"),
    ];
    judge(Hook::Btf, &cases, || {
        two_processes(&pair, &mut at_client, &mut at_server)
    });
}

/// The listener is root's; who accepts becomes another user before it does, and the socket with
/// it. The timeline is whole from before that.
fn users() {
    let pair = Pair::new();
    let mut at_client = Peer::start(SECOND_PROCESS, &pair.client);
    let mut at_server = Peer::start(SECOND_PROCESS, &pair.server);
    at_client.tell("user 65501");
    at_server.listen(pair.server.at(8000));
    at_server.tell("user 65502");
    let only = Hook::Btf.only(&pair);
    let case = |uid: &str, expected: &'static str| {
        (
            only.iter()
                .cloned()
                .chain(strings(&["--uid", uid]))
                .collect::<Vec<_>>(),
            expected,
        )
    };
    let cases = [case("65501", "c1"), case("65502", "s1"), case("65503", "")];
    judge(Hook::Btf, &cases, || {
        let ends = Ends {
            client: at_client.connect(pair.server.at(8000)),
            server: pair.server.at(8000),
        };
        at_server.accept();
        at_client.close();
        ends.wait_server(&pair.server, "CLOSE_WAIT");
        at_server.close();
        let mut ledger = Ledger::default();
        ledger.add(ends);
        ledger
    });
}

fn cgroups() {
    let Some(cgroup) = Cgroup::new() else {
        skip("no cgroup of version 2 can be made: none is mounted, or not to be written");
        return;
    };
    let pair = Pair::new();
    let mut at_client = Peer::start(SECOND_PROCESS, &pair.client);
    let mut at_server = Peer::start(SECOND_PROCESS, &pair.server);
    cgroup.enter(at_client.pid());
    cgroup.enter(at_server.pid());
    let only = Hook::Btf.only(&pair);
    let case = |value: &str, expected: &'static str| {
        (
            only.iter()
                .cloned()
                .chain(strings(&["--cgroup", value]))
                .collect::<Vec<_>>(),
            expected,
        )
    };
    let cases = [
        case(&cgroup.path().display().to_string(), "c1 s2"),
        case(&cgroup.id().to_string(), "c1 s2"),
    ];
    judge(Hook::Btf, &cases, || {
        two_processes(&pair, &mut at_client, &mut at_server)
    });
}
