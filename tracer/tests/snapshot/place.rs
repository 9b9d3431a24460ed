//! A network namespace of its own for each test.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tracer::source::netns::{self, NetNs, Resolved, within};

/// Returns whether a live test can run; says why where it cannot.
pub(crate) fn can_run() -> bool {
    let reason = if !rustix::process::geteuid().is_root() {
        "it needs root, to make network namespaces"
    } else if Command::new("ip").arg("-V").output().is_err() {
        "it needs `ip` (Debian: apt-get install iproute2)"
    } else {
        return true;
    };
    let required = std::env::var_os("TRACER_REQUIRE_LIVE").is_some_and(|value| value == "1");
    assert!(!required, "not run: {reason}");
    eprintln!("not run: {reason}");
    false
}

/// How long the kernel may take for what it does at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `ip`; returns what it prints.
pub(crate) fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .expect("run ip");
    assert!(output.status.success(), "ip {arguments}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A network namespace with `lo` up, removed when it is dropped.
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) netns: NetNs,
}

impl Place {
    pub(crate) fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("snap-{}-{number}", std::process::id());
        ip(&format!("netns add {name}"));
        ip(&format!("-n {name} link set lo up"));
        let Ok(Resolved::NetNs(netns)) = netns::resolve(&name) else {
            panic!("{name} is not found");
        };
        Self { name, netns }
    }

    /// Gives `lo` an address, and waits until it can be used: the kernel makes it so in a work queue of its own (`addrconf_dad_work`),
    /// duplicates looked for or not.
    pub(crate) fn add_link_local(&self, addr: &str) {
        let Self { name, .. } = self;
        ip(&format!("-n {name} addr add {addr} dev lo nodad"));
        let begin = Instant::now();
        while !ip(&format!("-n {name} -6 addr show dev lo tentative")).is_empty() {
            assert!(begin.elapsed() < PATIENCE, "{addr} stays tentative");
        }
    }

    /// Runs `work` inside.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&self.netns, work).expect("to enter the namespace")
    }

    /// Listens inside.
    pub(crate) fn listen(&self, addr: &str) -> (TcpListener, SocketAddr) {
        let listener = self.run(|| TcpListener::bind(addr)).expect("to listen");
        let addr = listener.local_addr().expect("an address");
        (listener, addr)
    }

    /// Connects; returns the end that connected and the one that was accepted.
    pub(crate) fn connect(&self, listener: &TcpListener, to: SocketAddr) -> (TcpStream, TcpStream) {
        let client = self.run(|| TcpStream::connect(to)).expect("to connect");
        let (server, _) = listener.accept().expect("to accept");
        (client, server)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left after a failed test is no second failure.
        drop(
            Command::new("ip")
                .args(["netns", "del", &self.name])
                .output(),
        );
    }
}
