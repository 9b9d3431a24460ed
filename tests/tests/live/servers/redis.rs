//! redis: one process that listens and has every connection, though another one opened it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{self, ChildStdin, ChildStdout, Stdio};

use rustix::process::Signal;

use super::Listening;
use super::judge::{Ends, Truth};
use super::program::{self, Known, Program};
use super::stage::Stage;

btf_only!(listening_before_the_trace, listening_in_the_trace);

const PORT: u16 = 6379;

/// The file that Debian's redis-server is; it is the server where it is called so.
const SERVER: &str = "redis-check-rdb";

fn listening_before_the_trace() {
    play(Listening::BeforeTheTrace);
}

fn listening_in_the_trace() {
    play(Listening::InTheTrace);
}

/// A `redis-cli` that stays connected.
struct Session {
    program: Program,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    port: u16,
}

impl Session {
    /// Connects, and asks which port it has.
    fn open(stage: &Stage, cli: &Path) -> Self {
        let mut command = program::command(cli);
        command
            .args(["-p", &PORT.to_string()])
            .stdin(Stdio::piped());
        let mut program = stage.start(cli, command);
        let input = program.child.stdin.take().expect("a piped input");
        let output = program.child.stdout.take().expect("a piped output");
        let mut session = Self {
            program,
            input,
            output: BufReader::new(output),
            port: 0,
        };
        session.port = session.ask("client info", "addr=127.0.0.1:");
        session
    }

    /// Asks, and returns the number behind a word of the answer.
    fn ask(&mut self, command: &str, word: &str) -> u16 {
        writeln!(self.input, "{command}").expect("ask redis-cli");
        let mut answer = String::new();
        loop {
            let had = answer.len();
            self.output
                .read_line(&mut answer)
                .expect("read what redis-cli says");
            assert!(answer.len() > had, "no {word}: {answer}");
            let words = answer[had..].split_ascii_whitespace();
            let number = words.filter_map(|one| one.strip_prefix(word)).next();
            if let Some(number) = number {
                return number.parse().expect("a number");
            }
        }
    }

    /// Says who it is, and closes it.
    fn close(self) -> (u16, Known) {
        let known = self.program.known();
        drop(self.input);
        self.program.output();
        (self.port, known)
    }
}

fn play(listening: Listening) {
    let Some([server, cli, benchmark]) = program::all([SERVER, "redis-cli", "redis-benchmark"])
    else {
        return;
    };
    let stage = Stage::new();
    let called = stage.path().join("redis-server");
    symlink(&server, &called).expect("call it redis-server");
    let mut older = Vec::new();
    let serve = || {
        let mut command = program::command(&called);
        command.args(["--port", &PORT.to_string(), "--bind", "127.0.0.1"]);
        command.args(["--save", "", "--dir"]).arg(stage.path());
        let server = stage.serve(&called, command, PORT);
        if listening == Listening::BeforeTheTrace {
            older.extend((0..2).map(|_| Session::open(&stage, &cli)));
        }
        server
    };
    let (server, mut tracer) = stage.play(listening, serve);
    let known = server.known();
    assert_eq!(known.comm, "redis-server");

    let mut command = program::command(&benchmark);
    command.args(["-p", &PORT.to_string(), "-q"]);
    command.args(["-c", "20", "-n", "2000", "-t", "ping_mbulk,set"]);
    let load = stage.start(&benchmark, command);
    let loader = Known::started(load.pid(), process::id(), &benchmark);
    load.output();

    let mut sessions: Vec<Session> = (0..3).map(|_| Session::open(&stage, &cli)).collect();
    let count = sessions[0].ask("info stats", "total_connections_received:");
    let older: Vec<(u16, Known)> = older.into_iter().map(Session::close).collect();
    let sessions: Vec<(u16, Known)> = sessions.into_iter().map(Session::close).collect();
    tracer.wait_all_ended(2 * usize::from(count));
    server.end(Signal::TERM);
    let trace = tracer.stop();

    let ends = |client: &Known, is_older| Ends {
        client: client.clone(),
        server: known.clone(),
        is_older,
    };
    let mut connections = BTreeMap::new();
    for (told, is_older) in [(older, true), (sessions, false)] {
        let told = told.iter();
        connections.extend(told.map(|(port, client)| (*port, ends(client, is_older))));
    }
    // Whatever else there was, the load has opened.
    for timeline in trace
        .timelines()
        .filter(|one| one.remote.port == Some(PORT))
    {
        let port = timeline.local.port.expect("a port");
        connections
            .entry(port)
            .or_insert_with(|| ends(&loader, false));
    }
    assert_eq!(connections.len(), usize::from(count), "{trace}");
    let truth = Truth {
        port: PORT,
        listener: known.clone(),
        listening,
        connections,
    };
    truth.judge(&trace);
}
