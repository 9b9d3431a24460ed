//! `--raw`: exactly what the tracepoint said, judged by another tool on the same traffic.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tests::attempt::inconclusive;
use tests::host::Pair;
use tests::require::skip;
use tests::schema::Endpoint;
use tests::trace::Trace;
use tests::tracefs::with_tracefs;
use tests::tracer::{Hook, Tracer};
use tests::traffic::{Connection, Ends};

both_hooks!(is_what_the_tracepoint_said, is_what_tcpstates_says);

/// From and to, in order, of each tuple as it was shown at that moment.
type Transitions = BTreeMap<String, Vec<String>>;

fn is_what_the_tracepoint_said(hook: Hook) {
    let pair = Pair::new();
    let mut tracer = Tracer::watch(hook, &pair, &["--raw"]);
    traffic(&pair);
    tracer.wait_changes(CAUSED);
    let trace = tracer.stop();
    trace.demand_whole();

    let all = ours(&trace, &pair);
    assert_eq!(
        all.values().map(Vec::len).sum::<usize>(),
        CAUSED,
        "{all:#?}\n{trace}"
    );
    let (client, server) = (pair.client.ipv4, pair.server.ipv4);
    let of = |key: String| all.get(&key).map(|steps| steps.join(", "));
    // Before Linux 6.15 a child is shown with the ends of its listener.
    let listener = all.get(&format!("{server} 8000 0.0.0.0 0")).map(|steps| {
        let own = steps.iter().filter(|step| *step != "LISTEN SYN_RECV");
        own.map(String::as_str).collect::<Vec<_>>().join(", ")
    });
    assert_eq!(
        listener.as_deref(),
        Some("CLOSE LISTEN, LISTEN CLOSE"),
        "{all:#?}\n{trace}"
    );
    // The port is chosen only after the change to SYN_SENT.
    let began = of(format!("{client} 0 {server} 8000"));
    assert_eq!(
        began.as_deref(),
        Some("CLOSE SYN_SENT"),
        "{all:#?}\n{trace}"
    );
}

fn is_what_tcpstates_says(hook: Hook) {
    let known = ["/usr/sbin/tcpstates", "/usr/sbin/tcpstates-libbpf"];
    let Some(tool) = known
        .iter()
        .find(|path| std::fs::exists(path).is_ok_and(|is| is))
    else {
        skip(&format!(
            "none of {}: install Debian's libbpf-tools",
            known.join(", ")
        ));
        return;
    };
    let pair = Pair::new();
    let mut tracer = Tracer::watch(hook, &pair, &["--raw"]);
    // Its header comes when it is attached; without a terminal it would come at the end.
    let mut command = Command::new("stdbuf");
    command
        .args(["--output=L", tool, "--wide"])
        .stdout(Stdio::piped());
    let mut peer = with_tracefs(|| command.spawn().expect("start tcpstates through stdbuf"));
    let mut output = BufReader::new(peer.stdout.take().expect("a piped output"));
    let mut header = String::new();
    output
        .read_line(&mut header)
        .expect("read the header of tcpstates");

    traffic(&pair);
    tracer.wait_changes(CAUSED);
    let trace = tracer.stop();
    trace.demand_whole();
    kill_process(Pid::from_child(&peer), Signal::INT).expect("stop tcpstates");
    let mut text = String::new();
    output
        .read_to_string(&mut text)
        .expect("read the output of tcpstates");
    peer.wait().expect("wait for the end of tcpstates");

    let columns: Vec<&str> = header.split_ascii_whitespace().collect();
    let (mut ours, mut theirs) = (ours(&trace, &pair), theirs(&columns, &text, &pair));
    let count = theirs.values().map(Vec::len).sum::<usize>();
    if count < CAUSED {
        inconclusive(format!("tcpstates was shown {count} of {CAUSED} changes"));
    }
    // It reads a buffer for each CPU, one after the other, so its order says nothing.
    for steps in ours.values_mut().chain(theirs.values_mut()) {
        steps.sort();
    }
    assert_eq!(ours, theirs, "{trace}\n{header}{text}");
}

/// Changes that [`traffic`] causes: two of the listener, six of a refusal and a reset at the
/// clients, three of the reset at the server, and ten of a connection that closes.
const CAUSED: usize = 2 + 2 + 3 + 3 + 10;

fn traffic(pair: &Pair) {
    let refused = pair.client.socket();
    refused.bind(pair.client.at(5000));
    refused
        .try_connect(pair.server.at(9000))
        .expect_err("nobody listens");
    let listener = pair.server.listen(8000, 4);
    let Connection { client, server, .. } = Connection::open(pair, &listener);
    client.reset();
    server.receive_reset();
    drop(server);
    let client = pair.client.socket();
    client.bind(pair.client.at(5001));
    Connection::open_from(client, &listener).close_client_first(pair);
    let ends = Ends {
        client: pair.client.at(5001),
        server: listener.local(),
    };
    pair.server
        .wait_sockets("the end of the last connection", |sockets| {
            sockets.iter().all(|socket| socket.remote != ends.client)
        });
    listener.close();
}

/// Reads the agent's lines.
fn ours(trace: &Trace, pair: &Pair) -> Transitions {
    let mut all = Transitions::new();
    for change in trace.seen() {
        let port = |end: Endpoint| end.port.unwrap_or(0);
        let addr = |end: Endpoint| match end.addr {
            Some(addr) => addr.to_string(),
            None => "0.0.0.0".to_owned(),
        };
        let (local, remote) = (change.local, change.remote);
        let key = format!(
            "{} {} {} {}",
            addr(local),
            port(local),
            addr(remote),
            port(remote)
        );
        let from = change.from.as_deref().unwrap_or("nothing");
        all.entry(key)
            .or_default()
            .push(format!("{from} {}", change.to));
    }
    only(all, pair)
}

/// Reads the lines of tcpstates, whose columns are named in its header.
fn theirs(columns: &[&str], text: &str, pair: &Pair) -> Transitions {
    let at = |name: &str| {
        let found = columns.iter().position(|column| *column == name);
        found.unwrap_or_else(|| panic!("no column {name} in {columns:?}"))
    };
    let ends = [at("LADDR"), at("LPORT"), at("RADDR"), at("RPORT")];
    let (from, to) = (at("OLDSTATE"), at("NEWSTATE"));
    let mut all = Transitions::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        // A name with a space in it moves the columns; the test's own threads have none.
        if fields.len() != columns.len() {
            continue;
        }
        let key = ends.map(|column| fields[column]).join(" ");
        all.entry(key)
            .or_default()
            .push(format!("{} {}", fields[from], fields[to]));
    }
    only(all, pair)
}

/// Leaves out what others did on this machine meanwhile.
fn only(mut all: Transitions, pair: &Pair) -> Transitions {
    let hosts = [pair.client.ipv4.to_string(), pair.server.ipv4.to_string()];
    all.retain(|key, _| {
        key.split(' ')
            .any(|part| hosts.iter().any(|host| host == part))
    });
    all
}
