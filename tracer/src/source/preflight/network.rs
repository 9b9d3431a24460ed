//! What can be seen of sockets and namespaces, and what is known of TIME_WAIT.

use super::super::netns;
use super::super::sock_diag;
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

pub(super) fn check_time_wait(host: &Host) -> Check {
    let setting = |name: &str| {
        let path = format!("/proc/sys/net/ipv4/{name}");
        host.read(&path)
            .map_or_else(|_| format!("{name} ?"), |value| format!("{name} {value}"))
    };
    not_ok(
        "TIME_WAIT",
        Verdict::Limited,
        format!(
            "not measured by this version; {}, {}",
            setting("tcp_tw_reuse"),
            setting("tcp_max_tw_buckets")
        ),
        "The tracepoint does not show it. A timeline that ends in FIN_WAIT2 or CLOSING says that \
         the connection may have gone on in a timewait socket.",
        "`ss -tano state time-wait` shows those that there are; `tracer states TIME_WAIT` explains",
    )
}
