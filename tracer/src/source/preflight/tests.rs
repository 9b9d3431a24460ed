//! Hosts that nobody has at hand, made of files.

use std::fs;

use tempfile::TempDir;

use super::network::Seen;
use super::*;

const ALL_CAPABILITIES: &str = "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n";
const NO_CAPABILITIES: &str = "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n";
const FORMAT: &str = "/sys/kernel/tracing/events/sock/inet_sock_set_state/format";

/// A host in a directory: at first one on which all is well.
struct Fake {
    directory: TempDir,
    host: Host,
}

impl Fake {
    fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let host = Host {
            root: directory.path().to_owned(),
            machine: "x86_64".to_owned(),
            list_sockets: || Ok(12),
            namespaces: || Seen {
                entered: 2,
                refused: Vec::new(),
            },
        };
        let fake = Self { directory, host };
        fake.write("/proc/sys/kernel/osrelease", "6.12.117-amd64\n");
        fake.write("/proc/self/status", ALL_CAPABILITIES);
        fake.write("/proc/self/uid_map", "         0          0 4294967295\n");
        fake.write("/proc/sys/net/core/bpf_jit_enable", "1\n");
        fake.write("/proc/sys/kernel/unprivileged_bpf_disabled", "2\n");
        fake.write("/proc/sys/kernel/bpf_stats_enabled", "0\n");
        fake.write("/proc/sys/net/ipv4/tcp_tw_reuse", "2\n");
        fake.write("/proc/kallsyms", "ffffffff820089f0 t tw_timer_handler\n");
        fake.write("/proc/sys/net/ipv4/tcp_max_tw_buckets", "131072\n");
        fake.write(
            hooks::BTF,
            "\0sock\0btf_trace_inet_sock_set_state\0tcp_sock\0",
        );
        fake.write(FORMAT, "name: inet_sock_set_state\n");
        fake.write(
            "/sys/kernel/security/lockdown",
            "[none] integrity confidentiality\n",
        );
        fake
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.host.path(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.host.path(path)).expect("a file");
    }

    #[track_caller]
    fn assert_verdict(&self, name: &str, verdict: Verdict) -> Check {
        let report = self.host.report();
        let found = report.checks.into_iter().find(|check| check.name == name);
        let found = found.unwrap_or_else(|| panic!("no check {name}"));
        assert_eq!(found.verdict, verdict, "{found:?}");
        found
    }

    #[track_caller]
    fn assert_refused(&self, because: &str) {
        let Conclusion::NotTraceable { reasons } = self.host.report().conclusion else {
            panic!("traceable, though {because}");
        };
        assert!(
            reasons.iter().any(|reason| reason.contains(because)),
            "{reasons:?}"
        );
    }

    #[track_caller]
    fn assert_hook(&self, hook: &'static str) {
        assert_eq!(
            self.host.report().conclusion,
            Conclusion::Traceable { hook }
        );
    }
}

#[test]
fn a_host_on_which_all_is_well_is_traced_by_types() {
    let fake = Fake::new();
    fake.assert_hook("tp_btf");
    let report = fake.host.report();
    for check in &report.checks {
        assert_eq!(check.verdict, Verdict::Ok, "{check:?}");
        assert_eq!(check.advice, None, "{check:?}");
        let found = check
            .found
            .replace(&fake.directory.path().display().to_string(), "");
        assert!(!found.is_empty() && check.means.ends_with('.'), "{check:?}");
    }
}

#[test]
fn without_privileges_nothing_is_traced() {
    let fake = Fake::new();
    fake.write("/proc/self/status", NO_CAPABILITIES);
    let check = fake.assert_verdict("privileges", Verdict::Missing);
    assert!(check.advice.is_some_and(|advice| advice.contains("sudo")));
    fake.assert_refused("privileges: uid 1000; without CAP_BPF");
}

#[test]
fn root_in_a_user_namespace_is_told_to_leave_it() {
    let fake = Fake::new();
    fake.write("/proc/self/uid_map", "0 100000 65536\n");
    let check = fake.assert_verdict("privileges", Verdict::Missing);
    assert!(
        check
            .advice
            .is_some_and(|advice| advice.contains("container"))
    );
    fake.assert_refused("in a user namespace of its own");
}

#[test]
fn enough_to_attach_is_not_enough_to_see_other_namespaces() {
    let fake = Fake::new();
    // CAP_BPF and CAP_PERFMON.
    fake.write(
        "/proc/self/status",
        "Uid:\t7\t7\t7\t7\nCapEff:\t000000c000000000\n",
    );
    fake.assert_verdict("privileges", Verdict::Limited);
    fake.assert_hook("tp_btf");
}

#[test]
fn tracefs_that_is_not_mounted_costs_only_the_classic_hook() {
    let fake = Fake::new();
    fs::remove_dir_all(fake.host.path("/sys/kernel/tracing")).expect("a directory");
    let check = fake.assert_verdict("tracefs", Verdict::Limited);
    assert!(
        check
            .advice
            .is_some_and(|advice| advice.starts_with("mount -t tracefs"))
    );
    fake.assert_hook("tp_btf");

    fake.remove(hooks::BTF);
    fake.assert_verdict("tracefs", Verdict::Missing);
    fake.assert_verdict("hook", Verdict::Missing);
    fake.assert_refused("hook: neither");
}

#[test]
fn tracefs_is_found_where_old_kernels_mount_it() {
    let fake = Fake::new();
    fs::remove_dir_all(fake.host.path("/sys/kernel/tracing")).expect("a directory");
    fake.write(
        &FORMAT.replace("/sys/kernel/", "/sys/kernel/debug/"),
        "name: x\n",
    );
    let place = fake.host.path("/sys/kernel/debug/tracing");
    assert_eq!(fake.host.tracefs(), Tracefs::Readable(place));
}

#[test]
fn tracefs_without_the_tracepoint_is_not_called_unmounted() {
    let fake = Fake::new();
    fake.remove(FORMAT);
    let place = fake.host.path("/sys/kernel/tracing");
    assert_eq!(fake.host.tracefs(), Tracefs::NoTracepoint(place));
}

#[test]
fn without_types_the_classic_hook_is_taken_and_what_it_misses_is_said() {
    let fake = Fake::new();
    fake.remove(hooks::BTF);
    fake.assert_verdict("kernel types", Verdict::Missing);
    let check = fake.assert_verdict("hook", Verdict::Limited);
    assert!(check.means.contains("socket cookie"), "{check:?}");
    fake.assert_hook("tracepoint");
}

#[test]
fn types_that_do_not_describe_the_tracepoint_do_not_count() {
    let fake = Fake::new();
    fake.write(hooks::BTF, "\0sock\0not_btf_trace_inet_sock_set_state\0");
    fake.assert_verdict("kernel types", Verdict::Missing);
    fake.assert_hook("tracepoint");
}

#[test]
fn an_old_kernel_is_refused_with_the_version_that_would_do() {
    let fake = Fake::new();
    fake.write("/proc/sys/kernel/osrelease", "5.4.0-150-generic\n");
    fake.assert_verdict("kernel", Verdict::Missing);
    fake.assert_refused("kernel: Linux 5.4.0-150-generic is older than 5.12");
}

#[test]
fn a_release_that_cannot_be_read_is_unknown_and_not_a_reason() {
    let fake = Fake::new();
    fake.write("/proc/sys/kernel/osrelease", "custom\n");
    fake.assert_verdict("kernel", Verdict::Unknown);
    fake.assert_hook("tp_btf");
    fake.remove("/proc/sys/kernel/osrelease");
    fake.assert_verdict("kernel", Verdict::Unknown);
    fake.remove("/proc/self/status");
    fake.assert_verdict("privileges", Verdict::Unknown);
}

#[test]
fn lockdown_is_read_from_between_its_brackets() {
    let fake = Fake::new();
    let file = "/sys/kernel/security/lockdown";
    fake.write(file, "none integrity [confidentiality]\n");
    let check = fake.assert_verdict("lockdown", Verdict::Limited);
    assert!(check.means.contains("classic hook"), "{check:?}");
    fake.write(file, "none [integrity] confidentiality\n");
    fake.assert_verdict("lockdown", Verdict::Ok);
    fake.write(file, "none [secrecy]\n");
    fake.assert_verdict("lockdown", Verdict::Unknown);
    fake.remove(file);
    fake.assert_verdict("lockdown", Verdict::Ok);
}

#[test]
fn what_cannot_be_listed_or_entered_limits_but_does_not_refuse() {
    let mut fake = Fake::new();
    fake.host.list_sockets = || Err("no inet_diag".to_owned());
    fake.host.namespaces = || Seen {
        entered: 1,
        refused: vec![
            "4026532001 (/run/netns/a): denied".to_owned(),
            "b".to_owned(),
        ],
    };
    fake.assert_verdict("sock_diag", Verdict::Missing);
    let check = fake.assert_verdict("namespaces", Verdict::Limited);
    assert!(
        check.found.ends_with("/run/netns/a): denied (and 1 more)"),
        "{check:?}"
    );
    fake.assert_hook("tp_btf");
}

#[test]
fn settings_that_cost_time_are_said_with_their_remedy() {
    let fake = Fake::new();
    fake.write("/proc/sys/net/core/bpf_jit_enable", "0\n");
    fake.write("/proc/sys/kernel/bpf_stats_enabled", "1\n");
    fake.remove("/proc/sys/kernel/unprivileged_bpf_disabled");
    fake.assert_verdict("BPF compiler", Verdict::Limited);
    fake.assert_verdict("BPF statistics", Verdict::Limited);
    fake.assert_verdict("unprivileged BPF", Verdict::Unknown);
    fake.remove("/proc/sys/net/ipv4/tcp_tw_reuse");
    let check = fake.assert_verdict("TIME_WAIT", Verdict::Ok);
    assert!(check.found.contains("tcp_tw_reuse ?"), "{check:?}");
}

#[test]
fn this_host_answers() {
    let host = Host::this();
    let release = host.kernel_release().expect("a release");
    assert!(release.major >= 4, "{release}");
    assert_eq!(host.report().checks.len(), 13);
}

#[test]
fn how_time_wait_is_followed_depends_on_types_and_addresses() {
    let fake = Fake::new();
    fake.write("/proc/kallsyms", "0000000000000000 t tw_timer_handler\n");
    let check = fake.assert_verdict("TIME_WAIT", Verdict::Limited);
    assert!(check.found.contains("no address"), "{check:?}");
    fake.remove("/proc/kallsyms");
    fake.assert_verdict("TIME_WAIT", Verdict::Unknown);
    fake.remove(hooks::BTF);
    let check = fake.assert_verdict("TIME_WAIT", Verdict::Limited);
    assert!(check.means.contains("Not followed"), "{check:?}");
}
