//! `tracer time-wait` as a child process, and its figures, declared a second time.
//!
//! Every field of the contract is here, whether a test asks for it or not: one that the agent
//! renames, drops or writes with another type fails to parse.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, ChildStdout, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Deserializer};

use crate::PATIENCE;
use crate::attempt::inconclusive;
use crate::host::Pair;
use crate::tracer::command;

/// Reads a value that may be null, but not missing.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}

/// One moment's figures.
#[derive(Clone, Debug, Deserialize)]
pub struct Figures {
    /// Always `time_wait`.
    pub r#type: String,
    /// Time of day.
    pub wall: String,
    /// Boot-time clock.
    pub mono_ns: u64,
    /// Since the beginning.
    pub duration_ns: u64,
    /// Whether the trace has ended.
    pub last: bool,
    /// How TIME_WAIT is measured.
    pub method: String,
    /// Ticks of the kernel in a second.
    #[serde(deserialize_with = "nullable")]
    pub hz: Option<u32>,
    /// How long TIME_WAIT takes at least.
    pub usual_from_ns: u64,
    /// And at most.
    pub usual_to_ns: u64,
    /// Changes lost.
    pub lost: u64,
    /// Connections not followed to their end.
    pub evicted: u64,
    /// Timewait sockets in TIME_WAIT.
    pub time_wait: Held,
    /// Timewait sockets in FIN_WAIT2.
    pub fin_wait2: Held,
    /// How often TIME_WAIT began anew.
    pub rearmed: u64,
    /// Connections without a timewait socket, for want of room.
    pub refused: u64,
    /// Connects without a local port.
    pub no_port: u64,
    /// TIME_WAIT by process.
    pub processes: List<Process>,
    /// By local port.
    pub local_ports: List<LocalPort>,
    /// By remote end.
    pub remotes: List<Remote>,
    /// By cgroup.
    pub cgroups: List<Cgroup>,
    /// By network namespace.
    pub namespaces: List<Netns>,
    /// Local ports in use.
    pub ports: Vec<Port>,
    /// Towards how many ends.
    pub port_ends: u64,
    /// Connections that are in none of these.
    pub ports_unlisted: u64,
    /// What each namespace allows.
    pub settings: Vec<Settings>,
}

/// The timewait sockets in one state.
#[derive(Clone, Debug, Deserialize)]
pub struct Held {
    /// How many there are.
    pub now: u64,
    /// How many there were at most.
    pub most: u64,
    /// How many were found.
    pub found: u64,
    /// How many entered it.
    pub entered: u64,
    /// How many left it.
    pub left: u64,
    /// How many entered it in a second, lately.
    #[serde(deserialize_with = "nullable")]
    pub entered_per_s_10s: Option<f64>,
    /// How many left it.
    #[serde(deserialize_with = "nullable")]
    pub left_per_s_10s: Option<f64>,
    /// How many entered it in a second, in all.
    #[serde(deserialize_with = "nullable")]
    pub entered_per_s: Option<f64>,
    /// How many left it.
    #[serde(deserialize_with = "nullable")]
    pub left_per_s: Option<f64>,
    /// How long they stayed.
    pub durations: Durations,
    /// Why they ended.
    pub ends: BTreeMap<String, u64>,
    /// How many went on to TIME_WAIT.
    pub went_on: u64,
    /// How many were not seen to leave.
    pub unseen: u64,
}

/// How long they stayed.
#[derive(Clone, Debug, Deserialize)]
pub struct Durations {
    /// Known times.
    pub count: u64,
    /// Unknown ones.
    pub unknown: u64,
    /// Median.
    #[serde(deserialize_with = "nullable")]
    pub p50_ns: Option<u64>,
    /// 90th percentile.
    #[serde(deserialize_with = "nullable")]
    pub p90_ns: Option<u64>,
    /// 99th percentile.
    #[serde(deserialize_with = "nullable")]
    pub p99_ns: Option<u64>,
    /// Longest.
    #[serde(deserialize_with = "nullable")]
    pub max_ns: Option<u64>,
    /// Error of the least exact.
    #[serde(deserialize_with = "nullable")]
    pub error_ns: Option<u64>,
    /// By length.
    pub histogram: Vec<Class>,
}

/// Times of about one length.
#[derive(Clone, Debug, Deserialize)]
pub struct Class {
    /// Shortest.
    pub from_ns: u64,
    /// First that is too long.
    #[serde(deserialize_with = "nullable")]
    pub below_ns: Option<u64>,
    /// How many.
    pub count: u64,
}

/// A list, and what is not in it.
#[derive(Clone, Debug, Deserialize)]
pub struct List<K> {
    /// The first ones.
    pub rows: Vec<Row<K>>,
    /// All others.
    pub rest: Rest,
}

/// One of a list.
#[derive(Clone, Debug, Deserialize)]
pub struct Row<K> {
    /// What it is about.
    #[serde(flatten)]
    pub key: K,
    /// There now.
    pub now: u64,
    /// Found.
    pub found: u64,
    /// Entered.
    pub entered: u64,
    /// Left.
    pub left: u64,
}

/// What is not in a list.
#[derive(Clone, Debug, Deserialize)]
pub struct Rest {
    /// How many keys.
    pub keys: u64,
    /// Whether it is no more than that.
    pub keys_exact: bool,
    /// There now.
    pub now: u64,
    /// Found.
    pub found: u64,
    /// Entered.
    pub entered: u64,
    /// Left.
    pub left: u64,
}

/// A process.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: Option<u32>,
    /// Its name.
    pub comm: Option<String>,
}

/// A local port.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct LocalPort {
    /// `listening`, `chosen` or `unknown`.
    pub kind: String,
    /// A listener's port.
    pub port: Option<u16>,
}

/// A remote end.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Remote {
    /// Address.
    pub addr: Option<IpAddr>,
    /// Port, where this side connected.
    pub port: Option<u16>,
}

/// A cgroup.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Cgroup {
    /// Its id.
    pub cgroup: Option<u64>,
    /// Where it is.
    pub path: Option<String>,
}

/// A network namespace.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Netns {
    /// Its inode number.
    pub netns: Option<u64>,
}

/// The local ports in use towards one end.
#[derive(Clone, Debug, Deserialize)]
pub struct Port {
    /// Network namespace.
    #[serde(deserialize_with = "nullable")]
    pub netns: Option<u64>,
    /// Local address.
    pub local_addr: IpAddr,
    /// Towards which end.
    pub remote: End,
    /// How many.
    pub in_use: u64,
    /// In TIME_WAIT.
    pub time_wait: u64,
    /// Otherwise.
    pub otherwise: u64,
    /// Of these, by whom is not known.
    pub unknown_origin: u64,
    /// Beside these, outside the range.
    pub given: u64,
    /// Of how many.
    #[serde(deserialize_with = "nullable")]
    pub usable: Option<u64>,
    /// Taken in a second.
    #[serde(deserialize_with = "nullable")]
    pub taken_per_s_10s: Option<f64>,
    /// Freed in a second.
    #[serde(deserialize_with = "nullable")]
    pub freed_per_s_10s: Option<f64>,
    /// Connects without a port.
    pub no_port: u64,
    /// What becomes of it.
    #[serde(deserialize_with = "nullable")]
    pub outlook: Option<String>,
    /// How many at most.
    #[serde(deserialize_with = "nullable")]
    pub levels_off_at: Option<u64>,
    /// When there are none.
    #[serde(deserialize_with = "nullable")]
    pub runs_out_in_ns: Option<u64>,
}

/// A remote end that is known.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct End {
    /// Address.
    pub addr: IpAddr,
    /// Port.
    pub port: u16,
}

impl From<SocketAddr> for End {
    fn from(addr: SocketAddr) -> Self {
        Self {
            addr: addr.ip(),
            port: addr.port(),
        }
    }
}

/// What a network namespace allows.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// Its inode number.
    #[serde(deserialize_with = "nullable")]
    pub netns: Option<u64>,
    /// The kernel's own count of timewait sockets.
    #[serde(deserialize_with = "nullable")]
    pub timewait_sockets: Option<u64>,
    /// How many there may be.
    #[serde(deserialize_with = "nullable")]
    pub max_tw_buckets: Option<u64>,
    /// How many local ports there are.
    #[serde(deserialize_with = "nullable")]
    pub usable_ports: Option<u64>,
    /// From.
    #[serde(deserialize_with = "nullable")]
    pub first_port: Option<u16>,
    /// To.
    #[serde(deserialize_with = "nullable")]
    pub last_port: Option<u16>,
    /// `tcp_tw_reuse`.
    #[serde(deserialize_with = "nullable")]
    pub tw_reuse: Option<u8>,
    /// `tcp_tw_reuse_delay`.
    #[serde(deserialize_with = "nullable")]
    pub tw_reuse_delay_ns: Option<u64>,
    /// `tcp_fin_timeout`.
    #[serde(deserialize_with = "nullable")]
    pub fin_timeout_ns: Option<u64>,
}

/// A running `tracer time-wait`. Dropped before it was stopped, it is killed.
#[derive(Debug)]
pub struct TimeWait {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl TimeWait {
    /// Starts it on what happens between two hosts, and waits until it sees everything.
    ///
    /// # Panics
    ///
    /// Panics with what the agent said when it does not come to that.
    pub fn watch(pair: &Pair) -> Self {
        Self::start(pair, &["--keep-privileges"])
    }

    /// The same with no privileges kept, as users start it.
    ///
    /// # Panics
    ///
    /// Panics with what the agent said when it does not start.
    pub fn watch_without_privileges(pair: &Pair) -> Self {
        Self::start(pair, &[])
    }

    fn start(pair: &Pair, more: &[&str]) -> Self {
        let mut command = command();
        command.args(["time-wait", "--json", "--interval", "100ms"]);
        command.args(more);
        for host in [&pair.client, &pair.server] {
            command.args(["--netns", host.netns.name()]);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the agent");
        let stdout = child.stdout.take().expect("a piped output");
        let mut agent = Self {
            child,
            lines: BufReader::new(stdout).lines(),
        };
        let first = agent.lines.next().and_then(Result::ok);
        if !first.is_some_and(|line| line.contains(r#""type":"session""#)) {
            let mut said = String::new();
            let stderr = agent
                .child
                .stderr
                .take()
                .map(|mut it| it.read_to_string(&mut said));
            panic!("the agent did not start: {said} ({stderr:?})");
        }
        agent
    }

    fn next(&mut self) -> Option<Figures> {
        let line = self.lines.next()?.expect("read the agent's output");
        let figures: Figures = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("not a line of the contract: {error}\n{line}"));
        if figures.lost > 0 {
            inconclusive(format!("{} changes were lost", figures.lost));
        }
        Some(figures)
    }

    /// Reads figures until they are as wanted, and returns them.
    ///
    /// # Panics
    ///
    /// Panics with the last ones when they do not come to that.
    pub fn wait_for(&mut self, wanted: impl Fn(&Figures) -> bool) -> Figures {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let figures = self.next().expect("figures before the end");
            if wanted(&figures) {
                return figures;
            }
            assert!(Instant::now() < deadline, "not as wanted: {figures:#?}");
        }
    }

    /// Ends the trace as Ctrl-C does, and returns the last figures and the exit code.
    ///
    /// # Panics
    ///
    /// Panics when the last line is not marked as the last.
    pub fn stop(mut self) -> (Figures, Option<i32>) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("send the agent a signal");
        let mut last = None;
        while let Some(figures) = self.next() {
            last = Some(figures);
        }
        let status = self.child.wait().expect("wait for the agent's end");
        let last = last.expect("figures at the end");
        assert!(last.last, "{last:#?}");
        (last, status.code())
    }
}

impl Drop for TimeWait {
    fn drop(&mut self) {
        // Both fail only for a process that has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
