//! Whose a connection is, from its listener on to whoever uses it last, however it came to that one.
//!
//! What is true comes from the processes themselves, which the test started and whose numbers it knows. Every
//! scene has a neighbour: a connection of another process, which must not be mixed up with it.

mod accepted;
mod handed_on;
mod named;
mod unclear;

use std::path::{Path, PathBuf};
use std::{env, fs};

use tests::host::Pair;
use tests::tracer::Hook;
use tests::traffic::Ends;

use super::two_processes::TwoProcesses;

const HOOK: Hook = Hook::Btf;
/// How many bytes go over a connection.
const SENT: usize = 5;

/// Puts this program into a directory under another name, and returns its path.
fn program(directory: &Path, name: impl AsRef<Path>) -> PathBuf {
    let this = env::current_exe().expect("find the test binary");
    let path = directory.join(name);
    if fs::hard_link(&this, &path).is_err() {
        fs::copy(&this, &path).expect("copy the test binary");
    }
    path
}

/// The client and the server that most scenes have, each by a name of its own.
fn named_pair(pair: &Pair) -> TwoProcesses<'_> {
    let mut two = TwoProcesses::start(pair);
    two.client.rename(b"tst-client");
    two.server.rename(b"tst-server");
    two
}

/// Connects the client, lets somebody at the server's end read what it sends and close after it.
fn serve_one(
    pair: &Pair,
    two: &mut TwoProcesses<'_>,
    mut server: impl FnMut(&mut TwoProcesses<'_>, &str),
) -> Ends {
    let listener = two.at_server();
    let ends = Ends {
        client: two.client.connect(listener),
        server: listener,
    };
    server(two, "accept");
    two.client.tell(&format!("send {SENT}"));
    server(two, &format!("receive {SENT}"));
    two.client.close();
    ends.wait_server(&pair.server, "CLOSE_WAIT");
    server(two, "close");
    ends
}
