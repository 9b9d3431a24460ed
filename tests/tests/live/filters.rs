//! Filters: each shows the whole timelines of the connections that it names, and nothing else.

use std::collections::BTreeMap;

use tests::host::Pair;
use tests::matcher::Story;
use tests::tracer::{Hook, Tracer};
use tests::traffic::{Connection, Ends};

both_hooks!(ports_addresses_and_families);
btf_only!(namespaces);

const CLIENT: &str = "CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE";
const SERVER: &str = "LISTEN SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE";

/// The connections of a test by name: `c1` and `s1` are the two ends of the first one.
#[derive(Default)]
pub(crate) struct Ledger(BTreeMap<u8, Ends>);

impl Ledger {
    pub(crate) fn add(&mut self, ends: Ends) {
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
pub(crate) fn judge(hook: Hook, cases: &[(Vec<String>, &str)], traffic: impl FnOnce() -> Ledger) {
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

pub(crate) fn strings(args: &[&str]) -> Vec<String> {
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
