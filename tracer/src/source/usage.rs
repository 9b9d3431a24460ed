//! What the kernel side reads of processes, and of a socket that closes, on this kernel.
//!
//! # Kernel
//!
//! The structures are `struct task_struct`, `struct mm_struct`, `struct file`, `struct dentry`, `struct mount`,
//! `struct css_set`, `struct kernfs_node`; and `struct tcp_sock` with the smaller ones that it begins with. Where one has
//! no such field, the record goes without it.

use tracer_ebpf::{ABSENT, ProcessOffsets, TrafficOffsets, UsageConfig, traffic_known as known};

use super::btf::Btf;
use super::preflight::{KernelRelease, kernel_release};

/// The kernel that began to give programs the current task as a typed pointer (`bpf_get_current_task_btf`).
const TYPED_TASK: KernelRelease = KernelRelease {
    major: 5,
    minor: 11,
};

/// Looks up what of processes is told; `None` where the kernel's BTF has not got what tells one from another.
pub(super) fn processes(btf: &Btf<'_>) -> Option<UsageConfig> {
    if kernel_release().is_ok_and(|release| release < TYPED_TASK) {
        return None;
    }
    let at = |structure: &str, path: &[&str]| btf.field(structure, path).map(|field| field.offset);
    let task = |name: &str| at("task_struct", &[name]);
    let or_absent = |offset: Option<u32>| offset.unwrap_or(ABSENT);
    let process = ProcessOffsets {
        flags: task("flags")?,
        leader: task("group_leader")?,
        start: task("start_boottime")?,
        executions: task("self_exec_id")?,
        parent: or_absent(task("real_parent")),
        tgid: or_absent(task("tgid")),
        comm: task("comm")?,
        memory: or_absent(task("mm")),
        args_start: or_absent(at("mm_struct", &["arg_start"])),
        args_end: or_absent(at("mm_struct", &["arg_end"])),
        exe: or_absent(at("mm_struct", &["exe_file"])),
        file_mount: or_absent(at("file", &["f_path", "mnt"])),
        file_entry: or_absent(at("file", &["f_path", "dentry"])),
        entry_parent: or_absent(at("dentry", &["d_parent"])),
        entry_name: or_absent(at("dentry", &["d_name", "name"])),
        entry_hashed: or_absent(at("dentry", &["d_hash", "pprev"])),
        mount_root: or_absent(at("vfsmount", &["mnt_root"])),
        mount_inner: or_absent(at("mount", &["mnt"])),
        mount_parent: or_absent(at("mount", &["mnt_parent"])),
        mount_point: or_absent(at("mount", &["mnt_mountpoint"])),
        cgroups: or_absent(task("cgroups")),
        default_cgroup: or_absent(at("css_set", &["dfl_cgrp"])),
        cgroup_node: or_absent(at("cgroup", &["kn"])),
        node_parent: or_absent(
            at("kernfs_node", &["__parent"]).or_else(|| at("kernfs_node", &["parent"])),
        ),
        node_name: or_absent(at("kernfs_node", &["name"])),
    };
    // The context comes first, then the socket, the segment and the reason.
    let parameters = btf.parameters_of_pointer("btf_trace_tcp_send_reset");
    Some(UsageConfig {
        tells_processes: 1,
        tells_reset_reasons: u32::from(parameters.is_some_and(|count| count >= 4)),
        process,
    })
}

/// Looks up what a socket tells as it closes.
pub(super) fn traffic(btf: &Btf<'_>) -> TrafficOffsets {
    let at = |structure: &str, path: &[&str]| {
        btf.field(structure, path)
            .map_or(ABSENT, |field| field.offset)
    };
    let tcp = |name: &str| at("tcp_sock", &[name]);
    let connection = |name: &str| at("inet_connection_sock", &[name]);
    let mut offsets = TrafficOffsets {
        bytes_sent: tcp("bytes_sent"),
        bytes_received: tcp("bytes_received"),
        bytes_acked: tcp("bytes_acked"),
        bytes_retransmitted: tcp("bytes_retrans"),
        segments_sent: tcp("segs_out"),
        segments_received: tcp("segs_in"),
        retransmits: tcp("total_retrans"),
        smoothed_rtt: tcp("srtt_us"),
        congestion_window: tcp("snd_cwnd"),
        received_up_to: tcp("rcv_nxt"),
        read_up_to: tcp("copied_seq"),
        written_up_to: tcp("write_seq"),
        acked_up_to: tcp("snd_una"),
        pending_retransmits: connection("icsk_retransmits"),
        probes: connection("icsk_probes_out"),
        user_timeout: connection("icsk_user_timeout"),
        flags: at("sock", &["__sk_common", "skc_flags"]),
        linger_time: at("sock", &["sk_lingertime"]),
        program: at("sock", &["sk_socket"]),
        state: at("sock", &["__sk_common", "skc_state"]),
        known: 0,
    };
    offsets.known = known_of(&offsets);
    offsets
}

/// What of a closing socket is known where the kernel has these fields.
fn known_of(offsets: &TrafficOffsets) -> u32 {
    let has = |needed: &[u32]| !needed.contains(&ABSENT);
    let told = [
        (
            has(&[
                offsets.bytes_sent,
                offsets.bytes_received,
                offsets.bytes_acked,
                offsets.bytes_retransmitted,
            ]),
            known::BYTES,
        ),
        (
            has(&[offsets.segments_sent, offsets.segments_received]),
            known::SEGMENTS,
        ),
        (has(&[offsets.retransmits]), known::RETRANSMITS),
        (has(&[offsets.smoothed_rtt]), known::RTT),
        (has(&[offsets.congestion_window]), known::CONGESTION_WINDOW),
        (
            has(&[offsets.received_up_to, offsets.read_up_to]),
            known::UNREAD,
        ),
        (
            has(&[offsets.written_up_to, offsets.acked_up_to]),
            known::WAITING,
        ),
        (has(&[offsets.flags, offsets.linger_time]), known::FLAGS),
        (
            has(&[
                offsets.pending_retransmits,
                offsets.probes,
                offsets.user_timeout,
            ]),
            known::TIMERS,
        ),
        (has(&[offsets.program]), known::PROGRAM),
    ];
    told.into_iter()
        .filter(|&(is_known, _)| is_known)
        .fold(0, |known, (_, flag)| known | flag)
}

/// Returns the kernel's reasons for a reset, by number, in the words of `enum sk_rst_reason` without what all share:
/// `tcp_abort_on_close`.
pub(super) fn reset_reasons(btf: &Btf<'_>) -> Vec<(u32, String)> {
    const SHARED: &str = "SK_RST_REASON_";
    let values = btf.values("sk_rst_reason");
    let named = values.into_iter().filter_map(|(number, name)| {
        let name = std::str::from_utf8(name).ok()?.strip_prefix(SHARED)?;
        (name != "MAX").then(|| (number, name.to_ascii_lowercase()))
    });
    named.collect()
}
