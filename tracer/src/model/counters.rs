//! The kernel's own counters of TCP, by name.
//!
//! **Owns:** the format of `/proc/net/snmp` and `/proc/net/netstat`, and what is known of a counter.
//! **Never:** a value for a counter that the kernel does not have.

use std::collections::BTreeMap;

use super::MonoNs;

/// Counters of one network namespace, named as `nstat` and RFC 4022 have them, the group before:
/// `Tcp.ActiveOpens`, `TcpExt.TW`, `IpExt.InOctets`.
///
/// # Kernel
///
/// * Each counts from the birth of its namespace, and never backwards; only a difference of two
///   readings says anything. A kernel of 32 bits starts again at zero after 2³².
/// * `Tcp.CurrEstab` is the exception, a number of connections there are now. RFC 4022 wants those
///   in ESTABLISHED or CLOSE_WAIT. The kernel counted ESTABLISHED alone until "tcp: count CLOSE-WAIT
///   sockets for TCP_MIB_CURRESTAB" (Linux 6.10, June 2024), which went into the stable kernels back
///   to 5.4 too: a version number does not tell which it is.
/// * `Tcp.ActiveOpens` counts when a SYN is sent (`tcp_connect`). A `connect` that finds no free
///   port enters SYN_SENT on the tracepoint, goes back to CLOSE, and is counted nowhere.
/// * `Tcp.PassiveOpens` counts when a request socket becomes a full one.
/// * `Tcp.AttemptFails` counts SYN_SENT or SYN_RECV to CLOSE where the network ended it (`tcp_done`:
///   a RST, a timeout), not where the program closed its socket; and each request socket that a
///   RST or a second SYN ends, of which no full socket ever tells.
/// * `Tcp.EstabResets` counts ESTABLISHED or CLOSE_WAIT to CLOSE.
/// * `TcpExt.TW` counts timewait sockets as they begin, FIN_WAIT2 ones included;
///   `TcpExt.TWKilled` those that begin with at most four seconds to live. Before Linux 5.18 both
///   count as they expire.
/// * Which counters there are depends on the kernel: an absent one is unknown, not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelCounters {
    values: BTreeMap<String, u64>,
    skipped: usize,
}

impl KernelCounters {
    /// Reads the text of either file, or of both in a row.
    ///
    /// A line of names is followed by a line of values with the same group. A value that is
    /// negative (`Tcp.MaxConn` is -1: no limit) is no count and is left out. What is not such a
    /// pair is skipped, and [counted](Self::skipped).
    pub fn parse(text: &str) -> Self {
        let mut counters = Self::default();
        let mut names: Option<&str> = None;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let Some(before) = names.take() else {
                names = Some(line);
                continue;
            };
            if !counters.take_pair(before, line) {
                // Perhaps the names of the next pair: a single stray line costs only itself.
                counters.skipped += 1;
                names = Some(line);
            }
        }
        counters.skipped += usize::from(names.is_some());
        counters
    }

    /// Takes a line of names and a line of values; returns whether they are such a pair.
    fn take_pair(&mut self, names: &str, values: &str) -> bool {
        let (Some((group, names)), Some((other, values))) =
            (names.split_once(':'), values.split_once(':'))
        else {
            return false;
        };
        let names: Vec<&str> = names.split_ascii_whitespace().collect();
        let values: Option<Vec<i128>> = values
            .split_ascii_whitespace()
            .map(|value| value.parse().ok())
            .collect();
        let Some(values) = values.filter(|values| group == other && values.len() == names.len())
        else {
            return false;
        };
        for (name, value) in names.into_iter().zip(values) {
            if let Ok(value) = u64::try_from(value) {
                self.values.insert(format!("{group}.{name}"), value);
            }
        }
        true
    }

    /// Returns a counter's value, or `None` if this kernel does not have it.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.values.get(name).copied()
    }

    /// Returns every counter, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.values
            .iter()
            .map(|(name, &value)| (name.as_str(), value))
    }

    /// Returns how many lines were neither names nor values.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// Returns the same counters, read from a text that had so many such lines.
    pub fn with_skipped(self, skipped: usize) -> Self {
        Self { skipped, ..self }
    }
}

impl FromIterator<(String, u64)> for KernelCounters {
    fn from_iter<I: IntoIterator<Item = (String, u64)>>(values: I) -> Self {
        Self {
            values: values.into_iter().collect(),
            skipped: 0,
        }
    }
}

/// The counters of one namespace at one time: after `before` and before `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Inode number of the namespace.
    pub netns: u32,
    /// Before the first counter was read.
    pub before: MonoNs,
    /// After the last one was read.
    pub after: MonoNs,
    /// The counters.
    pub counters: KernelCounters,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNMP: &str = "\
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab
Tcp: 1 200 120000 -1 59 2 0 34 7
UdpLite: InDatagrams NoPorts
UdpLite: 0 18446744073709551615
";
    const NETSTAT: &str = "\
TcpExt: SyncookiesSent TW TWRecycled TWKilled
TcpExt: 0 20 3 0
IpExt: InOctets
IpExt: 331475662
";

    #[test]
    fn both_files_are_read_and_absent_is_not_zero() {
        let counters = KernelCounters::parse(&format!("{SNMP}{NETSTAT}"));
        assert_eq!(counters.get("Tcp.ActiveOpens"), Some(59));
        assert_eq!(counters.get("Tcp.CurrEstab"), Some(7));
        assert_eq!(counters.get("Tcp.AttemptFails"), Some(0));
        assert_eq!(counters.get("TcpExt.TW"), Some(20));
        assert_eq!(counters.get("IpExt.InOctets"), Some(331_475_662));
        assert_eq!(counters.get("UdpLite.NoPorts"), Some(u64::MAX));
        assert_eq!(counters.get("TcpExt.TCPTimeWaitOverflow"), None);
        assert_eq!(counters.get("ActiveOpens"), None);
        assert_eq!(counters.skipped(), 0);
    }

    #[test]
    fn a_negative_value_is_no_count() {
        let counters = KernelCounters::parse(SNMP);
        assert_eq!(counters.get("Tcp.MaxConn"), None);
        assert_eq!(counters.get("Tcp.RtoMax"), Some(120_000));
    }

    #[test]
    fn what_is_no_pair_costs_only_itself() {
        let text = format!("a heading\n{SNMP}\nIp: One Two\nIp: 1\n{NETSTAT}TcpExt: Cut");
        let counters = KernelCounters::parse(&text);
        assert_eq!(counters.get("Tcp.ActiveOpens"), Some(59));
        assert_eq!(counters.get("TcpExt.TW"), Some(20));
        assert_eq!(counters.get("Ip.One"), None);
        assert_eq!(counters.skipped(), 4);
    }

    #[test]
    fn values_of_another_group_are_not_taken() {
        let counters = KernelCounters::parse("Tcp: ActiveOpens\nUdp: 5\n");
        assert_eq!(counters.get("Tcp.ActiveOpens"), None);
        assert_eq!(counters.get("Udp.ActiveOpens"), None);
        assert_eq!(counters.skipped(), 2);
    }

    #[test]
    fn nothing_is_known_of_an_empty_text() {
        assert_eq!(KernelCounters::parse(""), KernelCounters::default());
        assert_eq!(KernelCounters::parse("\n\n"), KernelCounters::default());
    }
}
