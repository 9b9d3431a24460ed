//! What the agent can still do while it traces: looked at from outside, and by what it tells.
//!
//! That forbidden acts are refused afterwards is tried in `tracer/tests/privilege`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::XattrFlags;
use rustix::io::Errno;
use tests::figures::TimeWait;
use tests::host::{Host, Pair};
use tests::peer::Peer;
use tests::trace::Trace;
use tests::tracer::{Hook, Tracer, binary, command};
use tests::traffic::Connection;

use crate::SECOND_PROCESS;

both_hooks!(nothing_is_held_while_it_traces);
btf_only!(
    whoever_called_sudo_is_who_it_runs_as,
    counters_are_read_through_processes_alone,
    counters_that_cannot_be_read_are_said,
    settings_stay_what_they_were,
    what_entering_takes_is_kept_where_that_is_asked_for,
    two_capabilities_are_enough,
);

/// The lines of `/proc/PID/status` of a running agent.
struct Status(String);

impl Status {
    fn of(tracer: &Tracer) -> Self {
        let pid = tracer.pid().as_raw_nonzero();
        Self(fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs"))
    }

    fn field(&self, name: &str) -> &str {
        let found = self.0.lines().find_map(|line| line.strip_prefix(name));
        found
            .unwrap_or_else(|| panic!("no {name} in {}", self.0))
            .trim()
    }

    fn holds(&self, sets: &[&str], mask: u64) {
        for set in sets {
            let held = u64::from_str_radix(self.field(set), 16);
            assert_eq!(held, Ok(mask), "{set}\n{}", self.0);
        }
    }
}

const ALL: [&str; 5] = ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"];

/// Starts the agent as users do, on what happens between two hosts.
fn watch(mut command: Command, hook: Hook, pair: &Pair) -> Tracer {
    command.env_remove("SUDO_UID").env_remove("SUDO_GID");
    start(command, hook, pair)
}

fn start(command: Command, hook: Hook, pair: &Pair) -> Tracer {
    let only = hook.only(pair);
    let only: Vec<&str> = only.iter().map(String::as_str).collect();
    Tracer::start_by(command, hook, &only)
}

/// A connection from begin to end, in full view.
fn one_life(pair: &Pair, tracer: &mut Tracer) {
    let listener = pair.server.listen(8000, 1);
    let connection = Connection::open(pair, &listener);
    connection.close_client_first(pair);
    tracer.wait_ended(2);
}

/// The figure that the kernel has for each counter, where the two were compared.
fn compared(trace: &Trace) -> Vec<(&str, Option<bool>)> {
    let counters = &trace.summary().kernel;
    counters
        .iter()
        .filter(|counter| counter.traced.is_some())
        .map(|counter| (counter.counter.as_str(), counter.agree))
        .collect()
}

fn nothing_is_held_while_it_traces(hook: Hook) {
    let pair = Pair::new();
    let mut tracer = watch(command(), hook, &pair);
    let status = Status::of(&tracer);
    status.holds(&ALL, 0);
    assert_eq!(status.field("NoNewPrivs:"), "1");
    // Started as root by nobody else.
    assert_eq!(status.field("Uid:"), "65534\t65534\t65534\t65534");
    assert_eq!(status.field("Gid:"), "65534\t65534\t65534\t65534");
    assert_eq!(status.field("Groups:"), "");
    assert_eq!(status.field("Threads:"), "1");
    one_life(&pair, &mut tracer);
    let trace = tracer.stop();
    let told = &trace.session().privileges;
    assert!(told.capabilities.is_empty() && told.no_new_privs);
    assert_eq!(told.user, 65_534);
    assert_eq!(told.seccomp, status.field("Seccomp:") == "2");
    assert_eq!(trace.code, Some(0), "{trace}");
    assert!(trace.stderr.is_empty(), "{trace}");
}

fn whoever_called_sudo_is_who_it_runs_as() {
    let pair = Pair::new();
    let mut command = command();
    command.env("SUDO_UID", "4242").env("SUDO_GID", "4343");
    let tracer = start(command, Hook::Btf, &pair);
    let status = Status::of(&tracer);
    status.holds(&ALL, 0);
    assert_eq!(status.field("Uid:"), "4242\t4242\t4242\t4242");
    assert_eq!(status.field("Gid:"), "4343\t4343\t4343\t4343");
    assert_eq!(status.field("Groups:"), "");
    assert_eq!(tracer.stop().session().privileges.user, 4242);
}

fn counters_are_read_through_processes_alone() {
    let pair = Pair::new();
    let inside = |host: &Host| Peer::start_wholly_inside(SECOND_PROCESS, host);
    let _processes = [inside(&pair.client), inside(&pair.server)];
    let mut tracer = watch(command(), Hook::Btf, &pair);
    one_life(&pair, &mut tracer);
    let trace = tracer.stop();
    let compared = compared(&trace);
    assert!(compared.len() >= 5, "{trace}");
    for (counter, agree) in compared {
        assert_eq!(agree, Some(true), "{counter}\n{trace}");
    }
    let opens = trace
        .summary()
        .kernel
        .iter()
        .find(|one| one.counter == "ActiveOpens");
    assert_eq!(opens.and_then(|one| one.kernel), Some(1), "{trace}");
    assert!(
        !trace
            .session()
            .notes
            .iter()
            .any(|note| note.contains("not compared")),
        "{trace}"
    );
}

fn counters_that_cannot_be_read_are_said() {
    let pair = Pair::new();
    let mut tracer = watch(command(), Hook::Btf, &pair);
    one_life(&pair, &mut tracer);
    let trace = tracer.stop();
    for (counter, agree) in compared(&trace) {
        assert_eq!(agree, None, "{counter}\n{trace}");
    }
    let notes = &trace.session().notes;
    let note = notes.iter().find(|note| note.contains("are not compared"));
    let note = note.unwrap_or_else(|| panic!("{notes:?}"));
    for host in [&pair.client, &pair.server] {
        assert!(note.contains(&host.netns.inode().to_string()), "{note}");
    }
    assert!(note.contains("--keep-privileges"), "{note}");
}

fn settings_stay_what_they_were() {
    let pair = Pair::new();
    pair.client
        .netns
        .set_sysctl("net/ipv4/tcp_max_tw_buckets", "77");
    let mut agent = TimeWait::watch_without_privileges(&pair);
    pair.client
        .netns
        .set_sysctl("net/ipv4/tcp_max_tw_buckets", "78");
    let connection = Connection::open(&pair, &pair.server.listen(8000, 1));
    connection.close_client_first(&pair);
    let figures = agent.wait_for(|figures| figures.time_wait.now == 1);
    let of_client = figures
        .settings
        .iter()
        .find(|one| one.netns == Some(pair.client.netns.inode()))
        .expect("the client's settings");
    assert_eq!(of_client.max_tw_buckets, Some(77));
    assert_eq!(of_client.timewait_sockets, None, "not known, and not 0");
    agent.stop();
}

fn what_entering_takes_is_kept_where_that_is_asked_for() {
    // CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_SYS_ADMIN.
    const KEPT: u64 = 1 << 2 | 1 << 19 | 1 << 21;
    let pair = Pair::new();
    for option in [&["--keep-privileges"][..], &["--time-wait", "diag"]] {
        let netns = ["--netns", pair.client.netns.name()];
        let tracer = Tracer::start_by(command(), Hook::Btf, &[&netns, option].concat());
        let status = Status::of(&tracer);
        status.holds(&["CapPrm:", "CapEff:", "CapBnd:"], KEPT);
        status.holds(&["CapInh:", "CapAmb:"], 0);
        assert_eq!(status.field("NoNewPrivs:"), "1");
        let trace = tracer.stop();
        let told = &trace.session().privileges;
        let names = ["CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN"];
        assert_eq!(told.capabilities, names, "{trace}");
        assert_eq!(told.landlock, None, "it would hide the way to namespaces");
    }
}

/// A user without any privilege runs a file that has CAP_BPF and CAP_PERFMON.
fn two_capabilities_are_enough() {
    let directory = tempfile::tempdir().expect("a directory");
    let all = fs::Permissions::from_mode(0o755);
    fs::set_permissions(directory.path(), all).expect("a directory for all");
    let file = directory.path().join("tracer");
    fs::copy(binary().expect("the agent"), &file).expect("a copy of it");
    // CAP_PERFMON is 38, CAP_BPF 39.
    match give(&file, 1 << 38 | 1 << 39) {
        Ok(()) => {}
        Err(errno) => {
            eprintln!("not run: files here cannot have capabilities: {errno}");
            return;
        }
    }
    let pair = Pair::new();
    let mut command = Command::new(&file);
    command.uid(4242).gid(4242);
    // A name below /run/netns can be looked up by anybody.
    let mut tracer = start(command, Hook::Btf, &pair);
    let status = Status::of(&tracer);
    status.holds(&["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"], 0);
    assert_eq!(status.field("NoNewPrivs:"), "1");
    one_life(&pair, &mut tracer);
    let trace = tracer.stop();
    assert_eq!(trace.code, Some(0), "{trace}");
    let session = trace.session();
    assert_eq!(session.privileges.user, 4242);
    // Their namespaces cannot be entered: that is said, and the changes are all there.
    let notes = session.notes.join("\n");
    assert!(notes.contains("CAP_SYS_ADMIN"), "{notes}");
    assert_eq!(
        (trace.summary().connections, trace.summary().lost),
        (2, 0),
        "{trace}"
    );
}

/// Gives a file capabilities, as `setcap CAPABILITIES=ep` does.
fn give(file: &Path, capabilities: u64) -> Result<(), Errno> {
    // struct vfs_cap_data, revision 2, effective: permitted and inheritable, lower halves first.
    let words: [u32; 5] = [
        0x0200_0001,
        capabilities as u32,
        0,
        (capabilities >> 32) as u32,
        0,
    ];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    rustix::fs::setxattr(file, "security.capability", &bytes, XattrFlags::empty())
}
