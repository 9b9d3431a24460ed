//! nginx with two workers: the master listens, and whichever worker takes a connection has it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rustix::process::Signal;
use tests::ask_until;

use super::Listening;
use super::judge::{Ends, Truth};
use super::program::{self, Known};
use super::stage::Stage;

btf_only!(listening_before_the_trace, listening_in_the_trace);

const PORT: u16 = 8080;

/// Answers with its own process id; the log has that of each request, and the client's port.
fn configuration(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "daemon off; worker_processes 2; pid {directory}/pid; error_log {directory}/errors;
        user nobody nogroup;
        events {{ worker_connections 512; accept_mutex off; }}
        http {{
            log_format whose '$pid $remote_port';
            access_log {directory}/log whose;
            client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
            fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi;
            scgi_temp_path {directory}/scgi;
            server {{ listen 127.0.0.1:{PORT}; location / {{ return 200 \"$pid\"; }} }}
        }}"
    )
}

fn listening_before_the_trace() {
    play(Listening::BeforeTheTrace);
}

fn listening_in_the_trace() {
    play(Listening::InTheTrace);
}

fn play(listening: Listening) {
    let Some([nginx, curl]) = program::all(["nginx", "curl"]) else {
        return;
    };
    let stage = Stage::new();
    let settings = stage.path().join("nginx.conf");
    fs::write(&settings, configuration(stage.path())).expect("write nginx's settings");
    let serve = || {
        let mut command = program::command(&nginx);
        command
            .arg("-c")
            .arg(&settings)
            .arg("-e")
            .arg(stage.path().join("errors"));
        let master = stage.serve(&nginx, command, PORT);
        let known = master.known();
        let workers = ask_until(|| {
            Some(known.children()).filter(|children| children.len() == 2 && are_workers(children))
        });
        (master, workers.expect("two workers"))
    };
    let ((master, workers), mut tracer) = stage.play(listening, serve);

    let url = |requests: usize| format!("http://127.0.0.1:{PORT}/[1-{requests}]");
    let fetch = |more: &[&str], requests: usize| {
        let mut command = program::command(&curl);
        command.args(["--silent", "--show-error", "--no-progress-meter"]);
        command.args(["--output", "/dev/null", "--write-out", "%{local_port}\n"]);
        command.args(more).arg(url(requests));
        stage.start(&curl, command)
    };
    // Each connection for many requests, one request each, and both at once.
    let close = ["--header", "Connection: close"];
    let parallel = ["--parallel", "--parallel-max", "8"];
    let clients = [
        fetch(&[], 40),
        fetch(&close, 40),
        fetch(&parallel, 400),
        fetch(&[&parallel[..], &close].concat(), 200),
    ];
    let mut client_of: BTreeMap<u16, Known> = BTreeMap::new();
    for client in clients {
        let known = Known::started(client.pid(), std::process::id(), &curl);
        for port in client.output().lines() {
            client_of.insert(port.parse().expect("a port"), known.clone());
        }
    }
    let listener = master.known();
    // It waits for what its workers have not ended.
    master.end(Signal::QUIT);
    tracer.wait_all_ended(2 * client_of.len() + usize::from(listening == Listening::InTheTrace));
    let trace = tracer.stop();

    let log = fs::read_to_string(stage.path().join("log")).expect("read nginx's log");
    let served: BTreeSet<(u16, u32)> = log.lines().map(request).collect();
    let connections = served.into_iter().map(|(port, pid)| {
        let worker = workers.iter().find(|worker| worker.pid == pid);
        let ends = Ends {
            client: client_of[&port].clone(),
            server: worker.expect("one of the workers").clone(),
            is_older: false,
        };
        (port, ends)
    });
    let connections: BTreeMap<u16, Ends> = connections.collect();
    assert!(connections.len() > 240, "{} connections", connections.len());
    let used: BTreeSet<u32> = connections.values().map(|ends| ends.server.pid).collect();
    assert_eq!(used.len(), 2, "both workers had some");
    let truth = Truth {
        port: PORT,
        listener,
        listening,
        connections,
    };
    truth.judge(&trace);
}

/// Returns whether all have become workers.
fn are_workers(processes: &[Known]) -> bool {
    processes.iter().all(|process| {
        let title = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
        title.starts_with(b"nginx: worker process")
    })
}

/// Reads a line of the log: the client's port and the worker.
fn request(line: &str) -> (u16, u32) {
    let (pid, port) = line.split_once(' ').expect("a process id and a port");
    (
        port.parse().expect("a port"),
        pid.parse().expect("a process id"),
    )
}
