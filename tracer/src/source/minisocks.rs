//! What the kernel side needs to know of timewait and request sockets on this kernel.
//!
//! # Kernel
//!
//! The structures are `struct inet_timewait_sock`, `struct request_sock` and
//! `struct inet_request_sock`, which all begin with a `struct sock_common`, and `struct timer_list`.

use tracer_ebpf::{
    ABSENT, CALLER_RANGES, CallerRange, Config, MinisockConfig, MinisockOffsets, caller,
};

use super::btf::Btf;
use super::kallsyms::{self, Function, KallsymsError};

/// The timer functions by which the timers of minisocks are known.
const TIMEWAIT_HANDLER: &str = "tw_timer_handler";
const REQUEST_HANDLER: &str = "reqsk_timer_handler";
/// Since Linux 6.11 it sets the timer of a timewait socket that begins.
pub(super) const DANCE: &str = "inet_twsk_hashdance_schedule";
/// Where every timewait socket ends, unless the compiler built it into its callers.
pub(super) const KILL: &str = "inet_twsk_kill";

/// Functions that tell why a minisock is gone.
const CALLERS: &[(&str, u32)] = &[
    ("inet_twsk_deschedule_put", caller::TIMEWAIT_REMOVE),
    ("inet_csk_reqsk_queue_drop", caller::REQUEST_REMOVE),
    ("inet_csk_reqsk_queue_drop_and_put", caller::REQUEST_REMOVE),
    ("__inet_csk_reqsk_queue_drop", caller::REQUEST_REMOVE),
    ("inet_csk_complete_hashdance", caller::REQUEST_COMPLETE),
    (REQUEST_HANDLER, caller::REQUEST_TIMER),
    ("tcp_check_req", caller::REQUEST_CHECK),
    ("tcp_timewait_state_process", caller::TIMEWAIT_PROCESS),
    ("tcp_abort", caller::ABORT),
    ("inet_twsk_purge", caller::NETNS_EXIT),
    ("tcp_twsk_purge", caller::NETNS_EXIT),
    ("tcp_sk_exit_batch", caller::NETNS_EXIT),
    ("cleanup_net", caller::NETNS_EXIT),
    ("__inet_check_established", caller::CONNECT),
    ("__inet6_check_established", caller::CONNECT),
    ("__inet_hash_connect", caller::CONNECT),
    ("tcp_v4_rcv", caller::RECEIVE),
    ("tcp_v6_rcv", caller::RECEIVE),
    ("nf_tproxy_handle_time_wait4", caller::TPROXY),
    ("nf_tproxy_handle_time_wait6", caller::TPROXY),
    ("tcp_time_wait", caller::TIME_WAIT),
    ("tcp_fin", caller::FIN),
    ("tcp_done", caller::DONE),
];

/// What was found.
pub(super) struct Found {
    /// For the object.
    pub(super) config: MinisockConfig,
    /// Why the reasons of ends, and the handlers of timers, are not known.
    pub(super) without_addresses: Option<KallsymsError>,
}

/// Where the functions lie that matter here, or why that is not known.
pub(super) type Addresses = Result<Vec<Function>, KallsymsError>;

/// Looks for them.
pub(super) fn addresses() -> Addresses {
    let names: Vec<&'static str> = CALLERS
        .iter()
        .map(|(name, _)| *name)
        .chain([TIMEWAIT_HANDLER])
        .collect();
    kallsyms::find(&names)
}

/// Finds offsets, and takes in what was found of addresses.
///
/// # Errors
///
/// The name of a field without which no minisock can be told of.
pub(super) fn find(btf: &Btf<'_>, addresses: Addresses) -> Result<Found, &'static str> {
    let mut config = Config::EMPTY.minisock;
    config.offsets = offsets(btf)?;
    config.dance_schedules = u64::from(btf.has_function(DANCE));
    config.kill_tells_ends = u64::from(btf.has_function(KILL));
    let without_addresses = match addresses {
        Ok(functions) => {
            write_addresses(&mut config, &functions);
            None
        }
        Err(error) => Some(error),
    };
    Ok(Found {
        config,
        without_addresses,
    })
}

fn write_addresses(config: &mut MinisockConfig, functions: &[Function]) {
    let start = |name: &str| {
        let function = functions.iter().find(|function| function.name == name);
        function.map_or(0, |function| function.code.start)
    };
    config.timewait_handler = start(TIMEWAIT_HANDLER);
    config.request_handler = start(REQUEST_HANDLER);
    let ranges = CALLERS.iter().flat_map(|&(name, caller)| {
        let parts = functions
            .iter()
            .filter(move |function| function.name == name);
        parts.map(move |function| CallerRange {
            start: function.code.start,
            end: function.code.end,
            caller: u64::from(caller),
        })
    });
    for (slot, range) in config.callers.iter_mut().zip(ranges.take(CALLER_RANGES)) {
        *slot = range;
    }
    config.tells_refusal = u64::from(start("tcp_time_wait") != 0);
}

fn offsets(btf: &Btf<'_>) -> Result<MinisockOffsets, &'static str> {
    let field = |structure: &str, path: &[&str]| btf.field(structure, path).map(|one| one.offset);
    let common = |name: &str| field("sock_common", &[name]);
    let timer = |path: &[&str]| field("timer_list", path);
    let or_absent = |offset: Option<u32>| offset.unwrap_or(ABSENT);
    let acked = btf.bit("inet_request_sock", "acked");
    Ok(MinisockOffsets {
        family: common("skc_family").ok_or("sock_common.skc_family")?,
        local_port: common("skc_num").ok_or("sock_common.skc_num")?,
        remote_port: common("skc_dport").ok_or("sock_common.skc_dport")?,
        local_addr4: common("skc_rcv_saddr").ok_or("sock_common.skc_rcv_saddr")?,
        remote_addr4: common("skc_daddr").ok_or("sock_common.skc_daddr")?,
        local_addr6: or_absent(common("skc_v6_rcv_saddr")),
        remote_addr6: or_absent(common("skc_v6_daddr")),
        cookie: common("skc_cookie").ok_or("sock_common.skc_cookie")?,
        netns: or_absent(field("sock_common", &["skc_net", "net"])),
        netns_inode: or_absent(field("net", &["ns", "inum"])),
        state: common("skc_state").ok_or("sock_common.skc_state")?,
        timer_function: timer(&["function"]).ok_or("timer_list.function")?,
        timer_expires: timer(&["expires"]).ok_or("timer_list.expires")?,
        timer_pending: timer(&["entry", "pprev"]).ok_or("timer_list.entry.pprev")?,
        timewait_timer: field("inet_timewait_sock", &["tw_timer"])
            .ok_or("inet_timewait_sock.tw_timer")?,
        timewait_substate: field("inet_timewait_sock", &["tw_substate"])
            .ok_or("inet_timewait_sock.tw_substate")?,
        timewait_entered: or_absent(field("inet_timewait_sock", &["tw_entry_stamp"])),
        request_timer: field("request_sock", &["rsk_timer"]).ok_or("request_sock.rsk_timer")?,
        request_retransmits: or_absent(field("request_sock", &["num_retrans"])),
        request_listener: or_absent(field("request_sock", &["__req_common", "skc_listener"])),
        request_acked: acked.map_or(ABSENT, |(byte, _)| byte),
        request_acked_mask: acked.map_or(0, |(_, mask)| u32::from(mask)),
        listener_defers: or_absent(field(
            "inet_connection_sock",
            &["icsk_accept_queue", "rskq_defer_accept"],
        )),
        timewait_count: or_absent(field("net", &["ipv4", "tcp_death_row", "tw_refcount"])),
        timewait_limit: or_absent(field(
            "net",
            &["ipv4", "tcp_death_row", "sysctl_max_tw_buckets"],
        )),
        fin_wait2_time: or_absent(field("tcp_sock", &["linger2"])),
    })
}
