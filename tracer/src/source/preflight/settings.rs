//! Settings of the kernel that make a trace dearer or that people ask about.

use super::{Host, not_ok, ok};
use crate::model::host::{Check, Verdict};

const JIT: &str = "/proc/sys/net/core/bpf_jit_enable";
const UNPRIVILEGED: &str = "/proc/sys/kernel/unprivileged_bpf_disabled";
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Makes the check of a setting that cannot be read.
fn unreadable(name: &'static str, path: &str, cause: &std::io::Error) -> Check {
    not_ok(
        name,
        Verdict::Unknown,
        format!("cannot read {path}: {cause}"),
        "It does not decide whether this host can be traced.",
        "run as root; some kernels do not have it",
    )
}

pub(super) fn check_jit(host: &Host) -> Check {
    let name = "BPF compiler";
    match host.read(JIT).as_deref() {
        Ok("0") => not_ok(
            name,
            Verdict::Limited,
            "off (net.core.bpf_jit_enable 0)",
            "The program is interpreted: each state change costs several times as much.",
            "sysctl -w net.core.bpf_jit_enable=1",
        ),
        Ok(value) => ok(
            name,
            format!("on (net.core.bpf_jit_enable {value})"),
            "The program runs as machine code.",
        ),
        Err(error) => unreadable(name, JIT, error),
    }
}

pub(super) fn check_unprivileged(host: &Host) -> Check {
    let name = "unprivileged BPF";
    match host.read(UNPRIVILEGED) {
        Ok(value) => {
            let word = if value == "0" { "allowed" } else { "disabled" };
            ok(
                name,
                format!("{word} (kernel.unprivileged_bpf_disabled {value})"),
                "No difference: a program that traces needs privileges either way.",
            )
        }
        Err(error) => unreadable(name, UNPRIVILEGED, &error),
    }
}

pub(super) fn check_statistics(host: &Host) -> Check {
    let name = "BPF statistics";
    match host.read(STATISTICS).as_deref() {
        Ok("0") => ok(
            name,
            "off (kernel.bpf_stats_enabled 0)",
            "The program's own cost is not measured, and costs nothing to measure.",
        ),
        Ok(value) => not_ok(
            name,
            Verdict::Limited,
            format!("on (kernel.bpf_stats_enabled {value})"),
            "The kernel takes the time of every run of every BPF program, which costs time itself.",
            "sysctl -w kernel.bpf_stats_enabled=0",
        ),
        Err(error) => unreadable(name, STATISTICS, error),
    }
}
