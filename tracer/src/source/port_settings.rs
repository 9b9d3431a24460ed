//! What a network namespace allows of local ports and timewait sockets, read from its `/proc`.
//!
//! **Owns:** which files, and their format.
//! **Never:** a failure for one file: what cannot be read is not known.

use std::fs;
use std::ops::RangeInclusive;

use super::netns::{NetNs, NetNsError, within};
use crate::model::tcp_settings::{TcpSettings, TwReuse};

/// Where the settings are.
///
/// # Kernel
///
/// What is below is of the network namespace of the thread that looks
/// (`net_ctl_header_lookup`), wherever `/proc` was mounted.
const SYSCTL: &str = "/proc/sys/net/ipv4";

/// The kernel's own counts of sockets; `/proc/net` would be the main thread's namespace.
const SOCKSTAT: &str = "/proc/thread-self/net/sockstat";

/// Reads the settings of a namespace, and how many timewait sockets it has now.
///
/// # Errors
///
/// The namespace cannot be entered.
pub fn read(netns: &NetNs) -> Result<TcpSettings, NetNsError> {
    within(netns, read_here)
}

/// Reads those of the namespace of the calling thread.
fn read_here() -> TcpSettings {
    let setting = |name: &str| fs::read_to_string(format!("{SYSCTL}/{name}")).ok();
    let number = |name: &str| setting(name)?.trim().parse::<u64>().ok();
    TcpSettings {
        local_ports: setting("ip_local_port_range").and_then(|text| parse_range(&text)),
        reserved_ports: setting("ip_local_reserved_ports").and_then(|text| parse_list(&text)),
        tw_reuse: number("tcp_tw_reuse").and_then(reuse),
        tw_reuse_delay_ns: number("tcp_tw_reuse_delay").map(|ms| ms.saturating_mul(1_000_000)),
        fin_timeout_ns: number("tcp_fin_timeout").map(|s| s.saturating_mul(1_000_000_000)),
        max_tw_buckets: number("tcp_max_tw_buckets"),
        timewait_sockets: fs::read_to_string(SOCKSTAT)
            .ok()
            .and_then(|text| parse_sockstat(&text)),
    }
}

fn reuse(number: u64) -> Option<TwReuse> {
    match number {
        0 => Some(TwReuse::Never),
        1 => Some(TwReuse::Always),
        2 => Some(TwReuse::Loopback),
        _ => None,
    }
}

/// Reads two numbers, such as `32768 60999`.
fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut words = text.split_whitespace().map(str::parse);
    match (words.next(), words.next(), words.next()) {
        (Some(Ok(first)), Some(Ok(last)), None) => Some(first..=last),
        _ => None,
    }
}

/// Reads `8080,9000-9010`; an empty line is an empty list.
fn parse_list(text: &str) -> Option<Vec<RangeInclusive<u16>>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(Vec::new());
    }
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    text.split(',').map(range).collect()
}

/// Reads the `tw` of the line `TCP: inuse 1 orphan 0 tw 0 alloc 1 mem 0`.
fn parse_sockstat(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace();
    words.find(|&word| word == "tw")?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_lists_are_read_as_the_kernel_prints_them() {
        assert_eq!(parse_range("32768\t60999\n"), Some(32768..=60999));
        assert_eq!(parse_range("32768\n"), None);
        assert_eq!(parse_range("32768\t70000\n"), None);
        assert_eq!(parse_list("\n"), Some(vec![]));
        assert_eq!(
            parse_list("8080,9000-9010\n"),
            Some(vec![8080..=8080, 9000..=9010])
        );
        assert_eq!(parse_list("8080,x\n"), None);
    }

    #[test]
    fn timewait_sockets_are_told_from_their_neighbours() {
        let text =
            "sockets: used 13\nTCP: inuse 1 orphan 2 tw 34 alloc 5 mem 0\nUDP: inuse 0 mem 0\n";
        assert_eq!(parse_sockstat(text), Some(34));
        assert_eq!(parse_sockstat("TCP: inuse 1\n"), None);
        assert_eq!(parse_sockstat("UDP: tw 3\n"), None);
    }

    #[test]
    fn a_number_without_a_meaning_is_not_known() {
        assert_eq!(reuse(2), Some(TwReuse::Loopback));
        assert_eq!(reuse(3), None);
    }

    #[test]
    fn this_host_tells_its_own() {
        let own = NetNs::own()
            .and_then(|own| read(&own))
            .expect("the own namespace");
        assert!(own.usable_ports().is_some_and(|ports| ports > 0), "{own:?}");
        assert!(own.max_tw_buckets.is_some(), "{own:?}");
        assert!(own.timewait_sockets.is_some(), "{own:?}");
    }
}
