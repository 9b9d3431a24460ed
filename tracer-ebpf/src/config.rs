//! What the agent writes into the object's read-only data before it is loaded.
//!
//! The verifier knows read-only data at load time, so a branch on a value here costs nothing at
//! run time, and an offset read from here counts as a constant.

use core::mem::size_of;

use crate::RingConfig;

/// An offset that the running kernel has not: the field is unknown.
pub const ABSENT: u32 = u32::MAX;

/// How many values a filter of the kernel side can hold; a longer list is decided by the agent.
pub const FILTER_SLOTS: usize = 8;

/// Bytes of a classic tracepoint's entry that the kernel side copies; every offset in
/// [`ClassicOffsets`] must lie inside.
pub const CLASSIC_ENTRY_SIZE: usize = 96;

/// How many processes can be followed at once.
pub const FOLLOWED_PROCESSES: u32 = 16_384;

/// From here on, the displacement of a load stands for a field of [`Config`] that holds an offset: see [`placeholder`].
pub const FIRST_PLACEHOLDER: usize = 0x6000;

/// By how much the displacements differ of two fields that are behind one another: what is read may begin so many
/// bytes behind the offset.
pub const PLACEHOLDER_STEP: usize = 16;

/// Returns the displacement that stands for the offset which the field of [`Config`] holds that begins at `at`.
///
/// The kernel side is compiled with these, and the agent puts the running kernel's offsets in their place before loading, as
/// other loaders do by CO-RE relocations, which Rust's compiler does not make. A field is then read by one instruction;
/// a value that is only known as the program runs would take seven, two of them of ten bytes.
///
/// # Panics
///
/// As it is compiled: for a field beyond those that a displacement can stand for.
pub const fn placeholder(at: usize) -> usize {
    let displacement = FIRST_PLACEHOLDER + at / 4 * PLACEHOLDER_STEP;
    assert!(displacement + PLACEHOLDER_STEP <= 1 << 15);
    displacement
}

/// How many ranges of kernel code the kernel side can tell apart.
pub const CALLER_RANGES: usize = 48;

/// Offsets of what is read through the BTF hook, in bytes, from the running kernel's BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SocketOffsets {
    /// `struct sock`: `sk_protocol`.
    pub protocol: u32,
    /// Size of `sk_protocol` in bytes: 1 before Linux 5.6, 2 since.
    pub protocol_size: u32,
    /// `struct sock`: `skc_family`.
    pub family: u32,
    /// `struct sock`: `skc_num`, the port that the socket is bound to.
    pub bound_port: u32,
    /// `struct sock`: `skc_dport`.
    pub remote_port: u32,
    /// `struct sock`: `skc_daddr`.
    pub remote_addr4: u32,
    /// `struct sock`: `skc_v6_daddr`.
    pub remote_addr6: u32,
    /// `struct sock`: `skc_v6_rcv_saddr`.
    pub local_addr6: u32,
    /// `struct inet_sock`: `inet_saddr`.
    pub local_addr4: u32,
    /// `struct inet_sock`: `inet_sport`.
    pub local_port: u32,
    /// `struct sock`: `skc_cookie`.
    pub cookie: u32,
    /// `struct sock`: `skc_net`.
    pub netns: u32,
    /// `struct net`: `ns.inum`.
    pub netns_inode: u32,
    /// `struct sock`: `sk_cgrp_data.cgroup`.
    pub cgroup: u32,
    /// `struct cgroup`: `kn`.
    pub cgroup_node: u32,
    /// `struct kernfs_node`: `id`.
    pub cgroup_id: u32,
    /// `struct cgroup`: `ancestors`, one pointer a level.
    pub cgroup_ancestors: u32,
    /// `struct cgroup`: `level`.
    pub cgroup_level: u32,
    /// `struct sock`: `sk_uid`.
    pub uid: u32,
    /// `struct sock`: `sk_lock.owned`.
    pub lock_owned: u32,
    /// `struct sock`: `sk_err`.
    pub error: u32,
    /// Which of these fields the running kernel has: bits of [`known`](crate::known), as far as that alone decides.
    pub known: u32,
}

/// Offsets of the classic tracepoint's fields in its entry, in bytes, from its `format` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ClassicOffsets {
    /// `skaddr`
    pub socket: u32,
    /// `oldstate`
    pub old_state: u32,
    /// `newstate`
    pub new_state: u32,
    /// `sport`
    pub local_port: u32,
    /// `dport`
    pub remote_port: u32,
    /// `family`
    pub family: u32,
    /// `protocol`
    pub protocol: u32,
    /// Size of `protocol` in bytes.
    pub protocol_size: u32,
    /// `saddr`
    pub local_addr4: u32,
    /// `daddr`
    pub remote_addr4: u32,
    /// `saddr_v6`
    pub local_addr6: u32,
    /// `daddr_v6`
    pub remote_addr6: u32,
}

/// Offsets of what is read from timewait and request sockets, in bytes, from the running kernel's
/// BTF. Both begin with a `struct sock_common`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct MinisockOffsets {
    /// `struct sock_common`: `skc_family`.
    pub family: u32,
    /// `struct sock_common`: `skc_num`.
    pub local_port: u32,
    /// `struct sock_common`: `skc_dport`.
    pub remote_port: u32,
    /// `struct sock_common`: `skc_rcv_saddr`.
    pub local_addr4: u32,
    /// `struct sock_common`: `skc_daddr`.
    pub remote_addr4: u32,
    /// `struct sock_common`: `skc_v6_rcv_saddr`.
    pub local_addr6: u32,
    /// `struct sock_common`: `skc_v6_daddr`.
    pub remote_addr6: u32,
    /// `struct sock_common`: `skc_cookie`.
    pub cookie: u32,
    /// `struct sock_common`: `skc_net`.
    pub netns: u32,
    /// `struct net`: `ns.inum`.
    pub netns_inode: u32,
    /// `struct sock_common`: `skc_state`.
    pub state: u32,
    /// `struct timer_list`: `function`.
    pub timer_function: u32,
    /// `struct timer_list`: `expires`.
    pub timer_expires: u32,
    /// `struct timer_list`: `entry.pprev`, null while the timer is not set.
    pub timer_pending: u32,
    /// `struct inet_timewait_sock`: `tw_timer`.
    pub timewait_timer: u32,
    /// `struct inet_timewait_sock`: `tw_substate`.
    pub timewait_substate: u32,
    /// `struct inet_timewait_sock`: `tw_entry_stamp`.
    pub timewait_entered: u32,
    /// `struct request_sock`: `rsk_timer`.
    pub request_timer: u32,
    /// `struct request_sock`: `num_retrans`.
    pub request_retransmits: u32,
    /// `struct request_sock`: `rsk_listener`.
    pub request_listener: u32,
    /// `struct inet_request_sock`: the byte that holds `acked`.
    pub request_acked: u32,
    /// The bit of `acked` in that byte.
    pub request_acked_mask: u32,
    /// `struct inet_connection_sock`: `icsk_accept_queue.rskq_defer_accept`.
    pub listener_defers: u32,
    /// `struct net`: `ipv4.tcp_death_row.tw_refcount`, one more than there are timewait sockets.
    pub timewait_count: u32,
    /// `struct net`: `ipv4.tcp_death_row.sysctl_max_tw_buckets`.
    pub timewait_limit: u32,
    /// `struct tcp_sock`: `linger2`, the time in FIN_WAIT2, below zero for none.
    pub fin_wait2_time: u32,
}

/// The code of one function of the kernel, from `/proc/kallsyms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CallerRange {
    /// Address of its first byte.
    pub start: u64,
    /// Address behind its last one; zero where the slot is not used.
    pub end: u64,
    /// One of [`caller`](crate::caller).
    pub caller: u64,
}

/// What the minisock programs need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct MinisockConfig {
    /// Address of `tw_timer_handler`.
    pub timewait_handler: u64,
    /// Address of `reqsk_timer_handler`.
    pub request_handler: u64,
    /// Whether the state-change program shall tell a refused timewait socket.
    pub tells_refusal: u64,
    /// Whether `inet_twsk_hashdance_schedule` is hooked: `__inet_twsk_schedule` then tells only the
    /// times that begin anew.
    pub dance_schedules: u64,
    /// Whether `inet_twsk_kill` is hooked: it then tells every end, and `tw_timer_handler` only marks
    /// those whose time is over.
    pub kill_tells_ends: u64,
    /// Functions that are told apart.
    pub callers: [CallerRange; CALLER_RANGES],
    /// Where fields stand.
    pub offsets: MinisockOffsets,
}

/// Offsets of what is read of a process that uses a socket, in bytes, from the running kernel's BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ProcessOffsets {
    /// `struct task_struct`: `flags`.
    pub flags: u32,
    /// `struct task_struct`: `group_leader`.
    pub leader: u32,
    /// `struct task_struct`: `start_boottime`.
    pub start: u32,
    /// `struct task_struct`: `self_exec_id`.
    pub executions: u32,
    /// `struct task_struct`: `real_parent`.
    pub parent: u32,
    /// `struct task_struct`: `tgid`.
    pub tgid: u32,
    /// `struct task_struct`: `comm`.
    pub comm: u32,
    /// `struct task_struct`: `mm`.
    pub memory: u32,
    /// `struct mm_struct`: `arg_start`.
    pub args_start: u32,
    /// `struct mm_struct`: `arg_end`.
    pub args_end: u32,
    /// `struct mm_struct`: `exe_file`.
    pub exe: u32,
    /// `struct file`: `f_path.mnt`.
    pub file_mount: u32,
    /// `struct file`: `f_path.dentry`.
    pub file_entry: u32,
    /// `struct dentry`: `d_parent`.
    pub entry_parent: u32,
    /// `struct dentry`: `d_name.name`.
    pub entry_name: u32,
    /// `struct dentry`: `d_hash.pprev`, null of one that was removed.
    pub entry_hashed: u32,
    /// `struct vfsmount`: `mnt_root`.
    pub mount_root: u32,
    /// `struct mount`: `mnt`, a `struct vfsmount`.
    pub mount_inner: u32,
    /// `struct mount`: `mnt_parent`.
    pub mount_parent: u32,
    /// `struct mount`: `mnt_mountpoint`.
    pub mount_point: u32,
    /// `struct task_struct`: `cgroups`.
    pub cgroups: u32,
    /// `struct css_set`: `dfl_cgrp`, the cgroup of version 2.
    pub default_cgroup: u32,
    /// `struct cgroup`: `kn`.
    pub cgroup_node: u32,
    /// `struct kernfs_node`: `parent`, `__parent` since Linux 6.15.
    pub node_parent: u32,
    /// `struct kernfs_node`: `name`.
    pub node_name: u32,
}

/// What the programs on processes, and on what happens between state changes, need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct UsageConfig {
    /// Whether the current task is to be looked at: 1, else 0.
    pub tells_processes: u32,
    /// Whether `tcp_send_reset` has a reason as its third argument: 1, else 0.
    pub tells_reset_reasons: u32,
    /// Where fields of a process stand.
    pub process: ProcessOffsets,
}

/// Offsets of what a socket tells as it closes, in bytes from its start, from the running kernel's BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TrafficOffsets {
    /// `struct tcp_sock`: `bytes_sent`.
    pub bytes_sent: u32,
    /// `struct tcp_sock`: `bytes_received`.
    pub bytes_received: u32,
    /// `struct tcp_sock`: `bytes_acked`.
    pub bytes_acked: u32,
    /// `struct tcp_sock`: `bytes_retrans`.
    pub bytes_retransmitted: u32,
    /// `struct tcp_sock`: `segs_out`.
    pub segments_sent: u32,
    /// `struct tcp_sock`: `segs_in`.
    pub segments_received: u32,
    /// `struct tcp_sock`: `total_retrans`.
    pub retransmits: u32,
    /// `struct tcp_sock`: `srtt_us`.
    pub smoothed_rtt: u32,
    /// `struct tcp_sock`: `snd_cwnd`.
    pub congestion_window: u32,
    /// `struct tcp_sock`: `rcv_nxt`.
    pub received_up_to: u32,
    /// `struct tcp_sock`: `copied_seq`.
    pub read_up_to: u32,
    /// `struct tcp_sock`: `write_seq`.
    pub written_up_to: u32,
    /// `struct tcp_sock`: `snd_una`.
    pub acked_up_to: u32,
    /// `struct inet_connection_sock`: `icsk_retransmits`, one byte.
    pub pending_retransmits: u32,
    /// `struct inet_connection_sock`: `icsk_probes_out`, one byte.
    pub probes: u32,
    /// `struct inet_connection_sock`: `icsk_user_timeout`.
    pub user_timeout: u32,
    /// `struct sock`: `skc_flags`.
    pub flags: u32,
    /// `struct sock`: `sk_lingertime`.
    pub linger_time: u32,
    /// `struct sock`: `sk_socket`.
    pub program: u32,
    /// `struct sock`: `skc_state`.
    pub state: u32,
    /// Which of these fields the running kernel has: bits of [`traffic_known`](crate::traffic_known), as far as that alone
    /// decides.
    pub known: u32,
}

/// An address prefix: an address matches when its bits under `mask` equal `addr`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Prefix {
    /// The address as two halves in network order, IPv4 as `::ffff:a.b.c.d`.
    pub addr: [u64; 2],
    /// Ones for the bits that count.
    pub mask: [u64; 2],
}

/// What the kernel side can decide early. An empty list filters nothing.
///
/// Only what cannot change during a connection's life, and lets pass what is not known yet, so
/// that a connection passes whole or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct KernelFilter {
    /// 4 or 6 for one family alone, 0 for both.
    pub family: u32,
    /// Remote ports in use.
    pub remote_ports_len: u32,
    /// Remote ports.
    pub remote_ports: [u32; FILTER_SLOTS],
    /// Network namespaces in use.
    pub netns_len: u32,
    /// Remote prefixes in use.
    pub remote_prefixes_len: u32,
    /// Inode numbers of network namespaces.
    pub netns: [u32; FILTER_SLOTS],
    /// Remote prefixes.
    pub remote_prefixes: [Prefix; FILTER_SLOTS],
    /// cgroup whose sockets pass, with those of the cgroups below it; 0 for all.
    pub cgroup: u64,
    /// Level of that cgroup below the root.
    pub cgroup_level: u32,
    /// Zero.
    pub reserved: u32,
}

/// What following processes takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FollowConfig {
    /// Whether processes are followed.
    pub is_on: u32,
    /// `struct task_struct`: `pid`, which is the thread's own.
    pub task_pid: u32,
    /// `struct task_struct`: `tgid`.
    pub task_tgid: u32,
    /// Zero.
    pub reserved: u32,
}

/// All of the configuration: the object's read-only variable `CONFIG`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Config {
    /// For the BTF hook.
    pub offsets: SocketOffsets,
    /// For the classic hook.
    pub classic: ClassicOffsets,
    /// For both.
    pub filter: KernelFilter,
    /// For processes, and for what happens between state changes.
    pub usage: UsageConfig,
    /// For what a socket tells as it closes.
    pub traffic: TrafficOffsets,
    /// For timewait and request sockets.
    pub minisock: MinisockConfig,
    /// For the processes that are followed.
    pub follow: FollowConfig,
    /// For what is handed over.
    pub rings: RingConfig,
}

/// Size of a [`Config`] in bytes.
pub const CONFIG_SIZE: usize = size_of::<Config>();

impl Config {
    /// Nothing known and nothing filtered.
    pub const EMPTY: Self = Self {
        offsets: SocketOffsets {
            protocol: ABSENT,
            protocol_size: ABSENT,
            family: ABSENT,
            bound_port: ABSENT,
            remote_port: ABSENT,
            remote_addr4: ABSENT,
            remote_addr6: ABSENT,
            local_addr6: ABSENT,
            local_addr4: ABSENT,
            local_port: ABSENT,
            cookie: ABSENT,
            netns: ABSENT,
            netns_inode: ABSENT,
            cgroup: ABSENT,
            cgroup_node: ABSENT,
            cgroup_id: ABSENT,
            cgroup_ancestors: ABSENT,
            cgroup_level: ABSENT,
            uid: ABSENT,
            lock_owned: ABSENT,
            error: ABSENT,
            known: 0,
        },
        classic: ClassicOffsets {
            socket: ABSENT,
            old_state: ABSENT,
            new_state: ABSENT,
            local_port: ABSENT,
            remote_port: ABSENT,
            family: ABSENT,
            protocol: ABSENT,
            protocol_size: ABSENT,
            local_addr4: ABSENT,
            remote_addr4: ABSENT,
            local_addr6: ABSENT,
            remote_addr6: ABSENT,
        },
        filter: KernelFilter {
            family: 0,
            remote_ports_len: 0,
            remote_ports: [0; FILTER_SLOTS],
            netns_len: 0,
            remote_prefixes_len: 0,
            netns: [0; FILTER_SLOTS],
            remote_prefixes: [Prefix {
                addr: [0; 2],
                mask: [0; 2],
            }; FILTER_SLOTS],
            cgroup: 0,
            cgroup_level: 0,
            reserved: 0,
        },
        usage: UsageConfig {
            tells_processes: 0,
            tells_reset_reasons: 0,
            process: ProcessOffsets {
                flags: ABSENT,
                leader: ABSENT,
                start: ABSENT,
                executions: ABSENT,
                parent: ABSENT,
                tgid: ABSENT,
                comm: ABSENT,
                memory: ABSENT,
                args_start: ABSENT,
                args_end: ABSENT,
                exe: ABSENT,
                file_mount: ABSENT,
                file_entry: ABSENT,
                entry_parent: ABSENT,
                entry_name: ABSENT,
                entry_hashed: ABSENT,
                mount_root: ABSENT,
                mount_inner: ABSENT,
                mount_parent: ABSENT,
                mount_point: ABSENT,
                cgroups: ABSENT,
                default_cgroup: ABSENT,
                cgroup_node: ABSENT,
                node_parent: ABSENT,
                node_name: ABSENT,
            },
        },
        traffic: TrafficOffsets {
            bytes_sent: ABSENT,
            bytes_received: ABSENT,
            bytes_acked: ABSENT,
            bytes_retransmitted: ABSENT,
            segments_sent: ABSENT,
            segments_received: ABSENT,
            retransmits: ABSENT,
            smoothed_rtt: ABSENT,
            congestion_window: ABSENT,
            received_up_to: ABSENT,
            read_up_to: ABSENT,
            written_up_to: ABSENT,
            acked_up_to: ABSENT,
            pending_retransmits: ABSENT,
            probes: ABSENT,
            user_timeout: ABSENT,
            flags: ABSENT,
            linger_time: ABSENT,
            program: ABSENT,
            state: ABSENT,
            known: 0,
        },
        minisock: MinisockConfig {
            timewait_handler: 0,
            request_handler: 0,
            tells_refusal: 0,
            dance_schedules: 0,
            kill_tells_ends: 0,
            callers: [CallerRange {
                start: 0,
                end: 0,
                caller: 0,
            }; CALLER_RANGES],
            offsets: MinisockOffsets {
                family: ABSENT,
                local_port: ABSENT,
                remote_port: ABSENT,
                local_addr4: ABSENT,
                remote_addr4: ABSENT,
                local_addr6: ABSENT,
                remote_addr6: ABSENT,
                cookie: ABSENT,
                netns: ABSENT,
                netns_inode: ABSENT,
                state: ABSENT,
                timer_function: ABSENT,
                timer_expires: ABSENT,
                timer_pending: ABSENT,
                timewait_timer: ABSENT,
                timewait_substate: ABSENT,
                timewait_entered: ABSENT,
                request_timer: ABSENT,
                request_retransmits: ABSENT,
                request_listener: ABSENT,
                request_acked: ABSENT,
                request_acked_mask: 0,
                listener_defers: ABSENT,
                timewait_count: ABSENT,
                timewait_limit: ABSENT,
                fin_wait2_time: ABSENT,
            },
        },
        follow: FollowConfig {
            is_on: 0,
            task_pid: ABSENT,
            task_tgid: ABSENT,
            reserved: 0,
        },
        rings: RingConfig {
            cpus: 1,
            pages: 1,
            stores_in_order: 0,
            last_pages: crate::INNER_PAGES,
        },
    };

    /// Returns the value of the field that a [`placeholder`] stands for.
    ///
    /// `None` for a number that no field has.
    pub fn field(&self, number: usize) -> Option<u32> {
        let bytes = self.to_bytes();
        let field = bytes.get(number * 4..)?.first_chunk()?;
        Some(u32::from_ne_bytes(*field))
    }

    /// Returns the bytes that the object's variable shall hold.
    pub fn to_bytes(self) -> [u8; CONFIG_SIZE] {
        // SAFETY: the type is `repr(C)`, holds integers only, and has no padding: the assertions
        // below add its parts up. So every byte of it is initialised.
        unsafe { core::mem::transmute(self) }
    }
}

const _: () = {
    assert!(size_of::<SocketOffsets>() == 22 * 4);
    assert!(size_of::<ClassicOffsets>() == 12 * 4);
    assert!(size_of::<Prefix>() == 32);
    assert!(
        size_of::<KernelFilter>()
            == 2 * 4 + FILTER_SLOTS * 4 + 2 * 4 + FILTER_SLOTS * 4 + FILTER_SLOTS * 32 + 16
    );
    assert!(size_of::<MinisockOffsets>() == 26 * 4);
    assert!(size_of::<CallerRange>() == 24);
    assert!(size_of::<UsageConfig>() == 27 * 4);
    assert!(size_of::<TrafficOffsets>() == 21 * 4);
    assert!(size_of::<MinisockConfig>() == 5 * 8 + CALLER_RANGES * 24 + 26 * 4);
    assert!(size_of::<FollowConfig>() == 4 * 4);
    assert!(
        CONFIG_SIZE
            == 22 * 4
                + 12 * 4
                + size_of::<KernelFilter>()
                + size_of::<MinisockConfig>()
                + size_of::<UsageConfig>()
                + size_of::<TrafficOffsets>()
                + size_of::<FollowConfig>()
                + size_of::<RingConfig>()
    );
};
