//! The kernel's own counters of one network namespace: `/proc/net/netstat` and `/proc/net/snmp`.

use std::collections::BTreeMap;
use std::fs;

use crate::host::Host;

/// Counters by group and name, such as `TcpExt.TW`.
#[derive(Clone, Debug)]
pub struct Counters(BTreeMap<String, i64>);

impl Counters {
    /// Reads those of a host.
    ///
    /// # Panics
    ///
    /// Panics when they cannot be read or are not what proc(5) describes.
    pub fn of(host: &Host) -> Self {
        host.netns.run(|| {
            let files = ["netstat", "snmp"].map(|name| format!("/proc/thread-self/net/{name}"));
            let texts = files.map(|path| {
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {path}: {error}"))
            });
            Self(texts.iter().flat_map(|text| parse(text)).collect())
        })
    }

    /// Returns by how much one of them moved since earlier.
    ///
    /// # Panics
    ///
    /// Panics where the kernel has no such counter.
    pub fn since(&self, earlier: &Self, name: &str) -> i64 {
        let of = |counters: &Self| {
            let value = counters.0.get(name).copied();
            value.unwrap_or_else(|| panic!("the kernel does not count {name}"))
        };
        of(self) - of(earlier)
    }
}

/// Reads pairs of lines: `Group: name name`, `Group: value value`.
fn parse(text: &str) -> Vec<(String, i64)> {
    let lines: Vec<&str> = text.lines().collect();
    let pairs = lines.chunks_exact(2).flat_map(|pair| {
        let (group, names) = pair[0].split_once(": ").expect("names of counters");
        let (_, values) = pair[1].split_once(": ").expect("values of counters");
        let named = names.split(' ').zip(values.split(' '));
        named.map(move |(name, value)| {
            let value = value.parse().expect("a number");
            (format!("{group}.{name}"), value)
        })
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_by_group_and_name() {
        let text = "Tcp: MaxConn ActiveOpens\nTcp: -1 12\nTcpExt: TW\nTcpExt: 3\n";
        let expected = [
            ("Tcp.MaxConn", -1),
            ("Tcp.ActiveOpens", 12),
            ("TcpExt.TW", 3),
        ];
        assert_eq!(
            parse(text),
            expected.map(|(name, value)| (name.to_owned(), value))
        );
    }
}
