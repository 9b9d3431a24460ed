//! Which fields of which structures the kernel side reads through the BTF hook.
//!
//! # Kernel
//!
//! The structures are `struct sock` and `struct sock_common` (`include/net/sock.h`),
//! `struct inet_sock` (`include/net/inet_sock.h`), `struct net`, `struct cgroup` and
//! `struct kernfs_node`. Where one has no such field, the record goes without it.

use tracer_ebpf::{ABSENT, SocketOffsets, known};

use super::btf::Btf;

/// Offsets for the running kernel, and what it does not have.
pub(super) struct FoundOffsets {
    /// For the object.
    pub(super) offsets: SocketOffsets,
    /// What each absent field would have told, in words for the session's first line.
    pub(super) missing: Vec<&'static str>,
}

/// Finds every offset in the kernel's BTF.
///
/// # Errors
///
/// The name of a field without which nothing can be traced this way.
pub(super) fn find(btf: &Btf<'_>) -> Result<FoundOffsets, &'static str> {
    let sock = |path: &[&str]| btf.field("sock", path).map(|field| field.offset);
    let common = |name: &str| sock(&["__sk_common", name]);
    let inet = |name: &str| btf.field("inet_sock", &[name]).map(|field| field.offset);
    let cgroup = |name: &str| btf.field("cgroup", &[name]).map(|field| field.offset);
    let or_absent = |offset: Option<u32>| offset.unwrap_or(ABSENT);

    let protocol = btf
        .field("sock", &["sk_protocol"])
        .ok_or("sock.sk_protocol")?;
    let mut offsets = SocketOffsets {
        protocol: protocol.offset,
        protocol_size: protocol.size,
        family: common("skc_family").ok_or("sock_common.skc_family")?,
        bound_port: or_absent(common("skc_num")),
        remote_port: common("skc_dport").ok_or("sock_common.skc_dport")?,
        remote_addr4: common("skc_daddr").ok_or("sock_common.skc_daddr")?,
        remote_addr6: or_absent(common("skc_v6_daddr")),
        local_addr6: or_absent(common("skc_v6_rcv_saddr")),
        local_addr4: inet("inet_saddr").ok_or("inet_sock.inet_saddr")?,
        local_port: inet("inet_sport").ok_or("inet_sock.inet_sport")?,
        cookie: or_absent(common("skc_cookie")),
        netns: or_absent(sock(&["__sk_common", "skc_net", "net"])),
        netns_inode: or_absent(btf.field("net", &["ns", "inum"]).map(|field| field.offset)),
        cgroup: or_absent(sock(&["sk_cgrp_data", "cgroup"])),
        cgroup_node: or_absent(cgroup("kn")),
        cgroup_id: or_absent(kernfs_id(btf)),
        cgroup_ancestors: or_absent(cgroup("ancestors")),
        cgroup_level: or_absent(cgroup("level")),
        uid: or_absent(sock(&["sk_uid"])),
        lock_owned: or_absent(sock(&["sk_lock", "owned"])),
        error: or_absent(sock(&["sk_err"])),
        known: 0,
    };
    offsets.known = [
        (offsets.uid, known::UID),
        (offsets.error, known::ERROR),
        (offsets.bound_port, known::BOUND_PORT),
        (offsets.lock_owned, known::LOCK_OWNER),
    ]
    .into_iter()
    .filter(|&(offset, _)| offset != ABSENT)
    .fold(0, |known, (_, flag)| known | flag);

    let has = |needed: &[u32]| needed.iter().all(|&offset| offset != ABSENT);
    let told = [
        (has(&[offsets.cookie]), "the socket cookie"),
        (
            has(&[offsets.netns, offsets.netns_inode]),
            "the network namespace",
        ),
        (
            has(&[offsets.cgroup, offsets.cgroup_node, offsets.cgroup_id]),
            "the cgroup",
        ),
        (has(&[offsets.uid]), "the owner's uid"),
        (has(&[offsets.lock_owned]), "which process holds a socket"),
        (has(&[offsets.error]), "the error that ended a connection"),
    ];
    let missing = told
        .into_iter()
        .filter(|(known, _)| !known)
        .map(|(_, what)| what)
        .collect();
    Ok(FoundOffsets { offsets, missing })
}

/// A node's 64-bit id; before Linux 5.5 it was a union that is not read here.
fn kernfs_id(btf: &Btf<'_>) -> Option<u32> {
    let field = btf.field("kernfs_node", &["id"])?;
    (field.size == 8).then_some(field.offset)
}
