//! Where a server and its clients run: a network namespace, a directory, and a trace of both.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use tests::namespace::Namespace;
use tests::tracer::{Hook, Tracer};
use tests::{ask_until, socket_table};

use super::Listening;
use super::program::Program;

/// The user that servers run as which refuse to be root.
pub(super) const NOBODY: u32 = 65534;

/// A namespace and a directory of its own.
pub(super) struct Stage {
    pub(super) netns: Namespace,
    directory: tempfile::TempDir,
}

impl Stage {
    pub(super) fn new() -> Self {
        static MADE: AtomicU16 = AtomicU16::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let directory = tempfile::tempdir().expect("make a directory");
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(directory.path(), open).expect("open the directory to all users");
        Self {
            netns: Namespace::new(&format!("tracer-{}-server{number}", process::id())),
            directory,
        }
    }

    /// Returns its directory, in which every user may write.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Starts a program in the namespace.
    pub(super) fn start(&self, file: &Path, mut command: Command) -> Program {
        self.netns.run(|| Program::start(file, &mut command))
    }

    /// Starts a server in the namespace and waits until it listens.
    pub(super) fn serve(&self, file: &Path, mut command: Command, port: u16) -> Program {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let server = self.start(file, command);
        let listens = || {
            let sockets = self.netns.run(socket_table::read);
            let listening = |socket: &socket_table::Entry| {
                socket.state == "LISTEN" && socket.local.port() == port
            };
            sockets.iter().any(listening).then_some(())
        };
        assert!(
            ask_until(listens).is_some(),
            "{} does not listen on {port}",
            file.display()
        );
        server
    }

    /// Traces the namespace.
    pub(super) fn trace(&self, more: &[&str]) -> Tracer {
        let args = [&["--netns", self.netns.name()], more].concat();
        Tracer::start(Hook::Btf, &args)
    }

    /// Starts a server and a trace in the order that is asked for. Where the trace sees the server begin to listen, it
    /// tells of listeners too.
    pub(super) fn play<S>(&self, listening: Listening, serve: impl FnOnce() -> S) -> (S, Tracer) {
        match listening {
            Listening::BeforeTheTrace => {
                let server = serve();
                (server, self.trace(&[]))
            }
            Listening::InTheTrace => {
                let tracer = self.trace(&["-a"]);
                (serve(), tracer)
            }
        }
    }
}
