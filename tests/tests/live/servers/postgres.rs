//! PostgreSQL: the postmaster listens and accepts, and the backend that it forks for each connection has it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{self, ChildStdin, Command, Stdio};

use rustix::process::Signal;
use tests::ask_until;
use tests::require::skip_without;

use super::Listening;
use super::judge::{Ends, Truth};
use super::program::{self, Known, Program};
use super::stage::{NOBODY, Stage};

btf_only!(listening_before_the_trace, listening_in_the_trace);

const PORT: u16 = 5432;

/// Where Debian puts a directory for each version.
const VERSIONS: &str = "/usr/lib/postgresql";

fn listening_before_the_trace() {
    play(Listening::BeforeTheTrace);
}

fn listening_in_the_trace() {
    play(Listening::InTheTrace);
}

/// A cluster of the test's own.
struct Cluster<'s> {
    stage: &'s Stage,
    programs: PathBuf,
    data: PathBuf,
}

impl<'s> Cluster<'s> {
    /// Makes one, where there is a PostgreSQL.
    fn make(stage: &'s Stage) -> Option<Self> {
        let versions = fs::read_dir(VERSIONS).into_iter().flatten();
        let programs = versions
            .filter_map(|version| Some(version.ok()?.path().join("bin")))
            .filter(|programs| programs.join("initdb").is_file())
            .max()?;
        let cluster = Self {
            stage,
            programs,
            data: stage.path().join("data"),
        };
        let mut command = cluster.as_nobody("initdb");
        command.args(["--no-sync", "--auth=trust", "--username=tester", "--pgdata"]);
        command.arg(&cluster.data);
        stage.start(&cluster.file("initdb"), command).output();
        Some(cluster)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// The server's programs refuse to be root.
    fn as_nobody(&self, name: &str) -> Command {
        let mut command = program::command(&self.file(name));
        command.uid(NOBODY).gid(NOBODY);
        command.current_dir(self.stage.path());
        command
    }

    /// Starts the postmaster, and waits until it serves: it listens before that, and turns connections away. Its log has, of
    /// each connection, the backend and the client's port.
    fn serve(&self) -> Program {
        let mut command = self.as_nobody("postgres");
        command.arg("-D").arg(&self.data);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "log_connections=on",
            "log_line_prefix=%p ",
            "fsync=off",
        ] {
            command.args(["-c", setting]);
        }
        let log = fs::File::create(self.log()).expect("make a log");
        command.stderr(log);
        let postmaster = self.stage.serve(&self.file("postgres"), command, PORT);
        let serves = || {
            let log = fs::read_to_string(self.log()).ok()?;
            log.contains("ready to accept connections").then_some(())
        };
        assert!(ask_until(serves).is_some(), "PostgreSQL serves nobody");
        postmaster
    }

    fn log(&self) -> PathBuf {
        self.stage.path().join("log")
    }

    /// Makes a client's command.
    fn client(&self, name: &str) -> (PathBuf, Command) {
        let file = self.file(name);
        let mut command = program::command(&file);
        command.args(["-h", "127.0.0.1", "-p", &PORT.to_string(), "-U", "tester"]);
        (file, command)
    }

    /// Reads which backend each connection had, by the client's port.
    fn backends(&self) -> BTreeMap<u16, u32> {
        let log = fs::read_to_string(self.log()).expect("read the log");
        let received = log.lines().filter_map(|line| {
            let (pid, message) = line.split_once(' ')?;
            let (_, port) = message
                .strip_prefix("LOG:  connection received: ")?
                .split_once("port=")?;
            Some((port.parse().ok()?, pid.parse().ok()?))
        });
        received.collect()
    }
}

/// A `psql` that stays connected.
struct Session {
    program: Program,
    input: ChildStdin,
    port: u16,
    backend: Known,
}

impl Session {
    /// Connects, and asks which backend it has.
    fn open(cluster: &Cluster<'_>) -> Self {
        let (psql, mut command) = cluster.client("psql");
        command
            .args(["-XAtq", "-F", " ", "postgres"])
            .stdin(Stdio::piped());
        let mut program = cluster.stage.start(&psql, command);
        let mut input = program.child.stdin.take().expect("a piped input");
        let output = program.child.stdout.as_mut().expect("a piped output");
        writeln!(input, "select inet_client_port(), pg_backend_pid();").expect("ask psql");
        let mut answer = String::new();
        BufReader::new(output)
            .read_line(&mut answer)
            .expect("read what psql says");
        let (port, backend) = answer.trim().split_once(' ').expect("two numbers");
        Self {
            port: port.parse().expect("a port"),
            backend: Known::look(backend.parse().expect("a process id")).expect("a backend"),
            program,
            input,
        }
    }

    /// Closes it, and says whose its ends were.
    fn close(self, is_older: bool) -> (u16, Ends) {
        let ends = Ends {
            client: self.program.known(),
            server: self.backend,
            is_older,
        };
        drop(self.input);
        self.program.output();
        (self.port, ends)
    }
}

fn play(listening: Listening) {
    let stage = Stage::new();
    let Some(cluster) = Cluster::make(&stage) else {
        return skip_without("initdb of PostgreSQL");
    };
    let mut older = Vec::new();
    let serve = || {
        let postmaster = cluster.serve();
        if listening == Listening::BeforeTheTrace {
            older.extend((0..2).map(|_| Session::open(&cluster)));
        }
        postmaster
    };
    let (postmaster, mut tracer) = stage.play(listening, serve);
    let listener = postmaster.known();

    let sessions: Vec<Session> = (0..4).map(|_| Session::open(&cluster)).collect();
    // A connection for each transaction.
    let script = stage.path().join("script");
    fs::write(&script, "select 1;\n").expect("write a script");
    let (pgbench, mut command) = cluster.client("pgbench");
    command.args([
        "--connect",
        "--no-vacuum",
        "--client",
        "4",
        "--transactions",
        "15",
    ]);
    command.arg("--file").arg(&script).arg("postgres");
    command.stderr(Stdio::null());
    let load = stage.start(&pgbench, command);
    let loader = Known::started(load.pid(), process::id(), &pgbench);
    load.output();

    let mut connections: BTreeMap<u16, Ends> = older
        .into_iter()
        .map(|session| session.close(true))
        .chain(sessions.into_iter().map(|session| session.close(false)))
        .collect();
    for ends in connections.values() {
        assert_eq!(
            (ends.server.ppid, &ends.server.exe),
            (listener.pid, &listener.exe),
            "a backend of this postmaster"
        );
    }
    let backends = cluster.backends();
    tracer.wait_all_ended(2 * backends.len());
    postmaster.end(Signal::INT);
    let trace = tracer.stop();

    // Whatever else there was, the load has opened.
    for (port, backend) in backends {
        let ends = connections.entry(port).or_insert_with(|| Ends {
            client: loader.clone(),
            server: Known {
                pid: backend,
                ppid: listener.pid,
                ..listener.clone()
            },
            is_older: false,
        });
        assert_eq!(ends.server.pid, backend, "the log and psql tell the same");
    }
    assert!(connections.len() >= 64, "{} connections", connections.len());
    let truth = Truth {
        port: PORT,
        listener,
        listening,
        connections,
    };
    truth.judge(&trace);
}
