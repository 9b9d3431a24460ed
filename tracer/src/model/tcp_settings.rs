//! The settings of a network namespace that decide how many local ports and timewait sockets it has.
//!
//! **Never:** a default for a setting that could not be read.

use std::net::IpAddr;
use std::ops::RangeInclusive;

/// Settings and one count of a network namespace. What could not be read is `None`.
///
/// # Kernel
///
/// `Documentation/networking/ip-sysctl.rst`. All of them belong to a network namespace, on every
/// kernel that can be traced. IPv6 takes its local ports from the same range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpSettings {
    /// `ip_local_port_range`: from which a connect takes its local port.
    pub local_ports: Option<RangeInclusive<u16>>,
    /// `ip_local_reserved_ports`: those that it leaves out, in ranges.
    pub reserved_ports: Option<Vec<RangeInclusive<u16>>>,
    /// `tcp_tw_reuse`.
    pub tw_reuse: Option<TwReuse>,
    /// `tcp_tw_reuse_delay` in nanoseconds; the setting came with Linux 6.14, before it was 1 s.
    pub tw_reuse_delay_ns: Option<u64>,
    /// `tcp_fin_timeout` in nanoseconds: how long an orphaned socket waits in FIN_WAIT2.
    pub fin_timeout_ns: Option<u64>,
    /// `tcp_max_tw_buckets`: how many timewait sockets there may be.
    pub max_tw_buckets: Option<u64>,
    /// How many there were when this was read, by the kernel's own count: `tw` in
    /// `/proc/net/sockstat`, which counts those in FIN_WAIT2 too.
    pub timewait_sockets: Option<u64>,
}

/// When a connect of this host may take over a local port that is in TIME_WAIT: `tcp_tw_reuse`.
///
/// It takes TCP timestamps on both ends, and a TIME_WAIT that is older than `tcp_tw_reuse_delay`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TwReuse {
    /// Never: 0.
    Never,
    /// Towards every end: 1.
    Always,
    /// On loopback: 2, the default since Linux 4.19.
    Loopback,
}

impl TwReuse {
    /// Returns whether it allows that between these two addresses.
    pub fn allows(self, local: IpAddr, remote: IpAddr) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Loopback => local.is_loopback() || remote.is_loopback(),
        }
    }
}

impl TcpSettings {
    /// Returns how many local ports connects can choose from towards one end, or `None` where a
    /// setting is not known.
    pub fn usable_ports(&self) -> Option<u32> {
        let range = self.local_ports.as_ref()?;
        let reserved = self.reserved_ports.as_ref()?;
        // As a list: ranges may be written twice, or overlap.
        let is_reserved = |port: &u16| reserved.iter().any(|range| range.contains(port));
        Some(range.clone().filter(|port| !is_reserved(port)).count() as u32)
    }

    /// Returns whether connects choose from this port among others, or `None` where that is not
    /// known.
    pub fn is_chosen_from(&self, port: u16) -> Option<bool> {
        let range = self.local_ports.as_ref()?;
        let reserved = self.reserved_ports.as_ref()?;
        Some(range.contains(&port) && !reserved.iter().any(|range| range.contains(&port)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ports_are_taken_off_once_and_only_inside_the_range() {
        let settings = TcpSettings {
            local_ports: Some(1000..=1099),
            reserved_ports: Some(vec![80..=80, 1000..=1009, 1005..=1014, 1099..=2000]),
            ..TcpSettings::default()
        };
        assert_eq!(settings.usable_ports(), Some(100 - 15 - 1));
        for (port, expected) in [(999, false), (1014, false), (1015, true), (1099, false)] {
            assert_eq!(settings.is_chosen_from(port), Some(expected), "{port}");
        }
    }

    #[test]
    fn without_a_range_nothing_is_claimed() {
        let settings = TcpSettings {
            reserved_ports: Some(Vec::new()),
            ..TcpSettings::default()
        };
        assert_eq!(settings.usable_ports(), None);
        assert_eq!(settings.is_chosen_from(40_000), None);
    }

    #[test]
    fn reuse_on_loopback_asks_for_a_loopback_address() {
        let [here, there]: [IpAddr; 2] =
            ["127.0.0.1", "192.0.2.1"].map(|text| text.parse().expect("an address"));
        assert!(TwReuse::Loopback.allows(here, here));
        assert!(!TwReuse::Loopback.allows(there, there));
        assert!(TwReuse::Always.allows(there, there));
        assert!(!TwReuse::Never.allows(here, here));
    }
}
