//! What can be seen of sockets and namespaces, and what is known of TIME_WAIT.

use super::super::netns;
use super::super::sock_diag;
use super::hooks::Types;
use super::{Host, not_ok, ok};
use crate::model::Family;
use crate::model::host::{Check, Verdict};

/// What came of trying to enter every network namespace.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// How many were entered, the own one among them.
    pub(super) entered: usize,
    /// Why others were not: what it is, and the reason.
    pub(super) refused: Vec<String>,
}

/// Tries to enter every network namespace that can be found, as a session does.
pub(super) fn look_for_namespaces() -> Seen {
    let namespaces = netns::all();
    let refused = namespaces.not_entered.iter();
    Seen {
        entered: namespaces.entered.len(),
        refused: refused
            .map(|other| format!("{}: {}", other.what, other.reason))
            .collect(),
    }
}

/// Lists the TCP sockets of the own namespace, as a session does, and counts them.
pub(super) fn list_sockets() -> Result<usize, String> {
    let mut count = 0;
    for family in [Family::Ipv4, Family::Ipv6] {
        // The number of the namespace only labels what is found, and here it is only counted.
        let dump = sock_diag::dump(family, 0).map_err(|error| error.to_string())?;
        count += dump.existing.len();
    }
    Ok(count)
}

pub(super) fn check_sock_diag(listed: &Result<usize, String>) -> Check {
    let name = "sock_diag";
    match listed {
        Ok(count) => ok(
            name,
            format!("lists the TCP sockets of this network namespace ({count})"),
            "Connections that are older than a trace appear in it from its start.",
        ),
        Err(why) => not_ok(
            name,
            Verdict::Missing,
            why.as_str(),
            "A connection that is older than a trace appears in it with its next change only.",
            "modprobe tcp_diag",
        ),
    }
}

pub(super) fn check_namespaces(seen: &Seen) -> Check {
    let name = "namespaces";
    let entered = match seen.entered {
        0 => {
            return not_ok(
                name,
                Verdict::Unknown,
                "not even the own network namespace can be told",
                "Which namespaces a trace can list sockets in is not known.",
                "mount /proc",
            );
        }
        1 => "1 network namespace can be entered".to_owned(),
        more => format!("{more} network namespaces can be entered"),
    };
    let Some(first) = seen.refused.first() else {
        return ok(
            name,
            entered,
            "Changes are traced in all of them, and their older connections are listed.",
        );
    };
    let more = match seen.refused.len() {
        1 => String::new(),
        all => format!(" (and {} more)", all - 1),
    };
    not_ok(
        name,
        Verdict::Limited,
        format!("{entered}; not {first}{more}"),
        "Changes are traced everywhere. Connections there that are older than the trace appear \
         with their next change only.",
        "`lsns -t net` lists namespaces, with a process of each",
    )
}

/// Tells how TIME_WAIT would be followed. Whether the kernel lets functions be hooked only trying
/// shows, which a look from outside does not do.
pub(super) fn check_time_wait(host: &Host, types: &Types) -> Check {
    let name = "TIME_WAIT";
    let setting = |name: &str| {
        let path = format!("/proc/sys/net/ipv4/{name}");
        host.read(&path)
            .map_or_else(|_| format!("{name} ?"), |value| format!("{name} {value}"))
    };
    let settings = format!(
        "{}, {}",
        setting("tcp_tw_reuse"),
        setting("tcp_max_tw_buckets")
    );
    if !matches!(types, Types::Described { .. }) {
        return not_ok(
            name,
            Verdict::Limited,
            format!("no kernel types to hook it by; {settings}"),
            "Not followed: the classic hook does not tell the cookie by which a timewait socket is \
             known. A timeline that ends in FIN_WAIT2 or CLOSING says that the connection may have \
             gone on.",
            "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y",
        );
    }
    match handler_address(host) {
        Some(true) => ok(
            name,
            format!("the kernel tells where tw_timer_handler lies; {settings}"),
            "Followed by hooks, half-open connections too: on the functions themselves (fentry) where \
             the kernel allows it, else on its timers. A session's first line says which.",
        ),
        Some(false) => not_ok(
            name,
            Verdict::Limited,
            format!("/proc/kallsyms shows no address of tw_timer_handler; {settings}"),
            "Followed by hooks on functions (fentry) where the kernel allows it, without the reasons \
             of early ends; else each timewait socket is asked for again and again.",
            "run as root, or set kernel.kptr_restrict to 1",
        ),
        None => not_ok(
            name,
            Verdict::Unknown,
            format!("/proc/kallsyms cannot be read; {settings}"),
            "Whether it can be followed by hooks shows when a trace begins.",
            "run as root",
        ),
    }
}

/// Whether the kernel shows where the timer function of timewait sockets lies.
fn handler_address(host: &Host) -> Option<bool> {
    let text = host.read("/proc/kallsyms").ok()?;
    let line = text
        .lines()
        .find(|line| line.split(' ').nth(2) == Some("tw_timer_handler"));
    Some(line.is_some_and(|line| line.bytes().take(16).any(|digit| digit != b'0')))
}
