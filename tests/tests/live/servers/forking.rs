//! Servers that fork for each connection: a child that serves it, and, as inetd does it, another program in its place.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{self, Stdio};

use rustix::process::Signal;

use super::Listening;
use super::judge::{Ends, Truth};
use super::program::{self, Known, Program};
use super::stage::Stage;

btf_only!(
    child_listening_before_the_trace,
    child_listening_in_the_trace,
    another_program_listening_before_the_trace,
    another_program_listening_in_the_trace
);

const PORT: u16 = 7000;
const CLIENTS: usize = 12;

/// Who serves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The child, which talks to a program through a pipe.
    Child,
    /// The program, which has the connection itself.
    Program,
}

fn child_listening_before_the_trace() {
    play(By::Child, Listening::BeforeTheTrace);
}

fn child_listening_in_the_trace() {
    play(By::Child, Listening::InTheTrace);
}

fn another_program_listening_before_the_trace() {
    play(By::Program, Listening::BeforeTheTrace);
}

fn another_program_listening_in_the_trace() {
    play(By::Program, Listening::InTheTrace);
}

/// Writes a program that reads a line and answers with the process that serves and the client's port.
fn write_answerer(file: &Path, by: By) {
    let server = match by {
        By::Child => "$PPID",
        By::Program => "$$",
    };
    let script = format!("#!/bin/sh\nread word\necho {server} $SOCAT_PEERPORT\n");
    fs::write(file, script).expect("write a script");
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("let it run");
}

/// Lets a client say its word, and returns what it was answered: the server and its own port.
fn talk(mut client: Program) -> (u32, u16) {
    let mut input = client.child.stdin.take().expect("a piped input");
    writeln!(input, "who?").expect("talk to the client");
    // It keeps its end open until the other one is closed.
    let answer = client.output();
    drop(input);
    let (server, port) = answer.trim().split_once(' ').expect("two numbers");
    (
        server.parse().expect("a process id"),
        port.parse().expect("a port"),
    )
}

fn play(by: By, listening: Listening) {
    let Some([socat, shell]) = program::all(["socat", "sh"]) else {
        return;
    };
    let stage = Stage::new();
    let answerer = stage.path().join("answer");
    write_answerer(&answerer, by);
    let serve = || {
        let mut command = program::command(&socat);
        command.arg(format!(
            "TCP-LISTEN:{PORT},bind=127.0.0.1,fork,reuseaddr,backlog=32"
        ));
        command.arg(match by {
            By::Child => format!("EXEC:{}", answerer.display()),
            By::Program => format!("EXEC:{},nofork", answerer.display()),
        });
        stage.serve(&socat, command, PORT)
    };
    let (server, mut tracer) = stage.play(listening, serve);
    let listener = server.known();

    let clients: Vec<Program> = (0..CLIENTS)
        .map(|_| {
            let mut command = program::command(&socat);
            command.stdin(Stdio::piped());
            // It goes when the server has, though its own input goes on.
            command.args(["-t", "0", "-", &format!("TCP:127.0.0.1:{PORT}")]);
            stage.start(&socat, command)
        })
        .collect();
    let mut connections = BTreeMap::new();
    for client in clients {
        let known = Known::started(client.pid(), process::id(), &socat);
        let (pid, port) = talk(client);
        let server = match by {
            By::Child => Known::started(pid, listener.pid, &socat),
            By::Program => {
                let exe = shell.canonicalize().expect("find the shell");
                Known::named(pid, listener.pid, exe, &answerer)
            }
        };
        let ends = Ends {
            client: known,
            server,
            is_older: false,
        };
        connections.insert(port, ends);
    }
    assert_eq!(connections.len(), CLIENTS);
    tracer.wait_all_ended(2 * CLIENTS);
    server.end(Signal::TERM);
    let trace = tracer.stop();
    let truth = Truth {
        port: PORT,
        listener,
        listening,
        connections,
    };
    truth.judge(&trace);
}
