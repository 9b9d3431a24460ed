//! The TCP states, as the kernel numbers them and as people name them.
//!
//! **Never:** what a state means or what follows it: that is the `states` room's text.

use std::fmt;

/// A state of a TCP socket, ordered as a connection can pass them.
///
/// # Kernel
///
/// The numbers are those of `include/net/tcp_states.h`; they have not changed since Linux 2.6 and
/// are part of the interface of `sock_diag` and of `/proc/net/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TcpState {
    /// `TCP_CLOSE`
    Close,
    /// `TCP_LISTEN`
    Listen,
    /// `TCP_SYN_SENT`
    SynSent,
    /// `TCP_SYN_RECV`
    SynRecv,
    /// `TCP_ESTABLISHED`
    Established,
    /// `TCP_FIN_WAIT1`
    FinWait1,
    /// `TCP_FIN_WAIT2`
    FinWait2,
    /// `TCP_CLOSING`
    Closing,
    /// `TCP_TIME_WAIT`; never on the tracepoint.
    TimeWait,
    /// `TCP_CLOSE_WAIT`
    CloseWait,
    /// `TCP_LAST_ACK`
    LastAck,
    /// A number that has no name here.
    Unknown(u16),
}

/// Whose names are used for the states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// As netstat prints them: `SYN_RECV`, `FIN_WAIT1`, `CLOSE`.
    #[default]
    Netstat,
    /// As ss prints them: `SYN-RECV`, `FIN-WAIT-1`, `UNCONN`, `ESTAB`.
    Ss,
    /// As RFC 9293 prints them: `SYN-RECEIVED`, `FIN-WAIT-1`, `CLOSED`.
    Rfc,
}

use TcpState::{
    Close, CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynRecv, SynSent,
    TimeWait, Unknown,
};

impl TcpState {
    /// Every state that has a name, in the order in which a connection can pass them.
    pub const ALL: [Self; 11] = [
        Close,
        Listen,
        SynSent,
        SynRecv,
        Established,
        FinWait1,
        FinWait2,
        Closing,
        TimeWait,
        CloseWait,
        LastAck,
    ];

    /// Returns the state that the kernel numbers so.
    pub fn from_kernel(number: u16) -> Self {
        match number {
            1 => Established,
            2 => SynSent,
            // 12 is TCP_NEW_SYN_RECV: the same state of the protocol, held in a request socket.
            3 | 12 => SynRecv,
            4 => FinWait1,
            5 => FinWait2,
            6 => TimeWait,
            7 => Close,
            8 => CloseWait,
            9 => LastAck,
            10 => Listen,
            11 => Closing,
            other => Unknown(other),
        }
    }

    /// Returns the name, or `None` for a number that has none.
    pub fn known_name(self, naming: Naming) -> Option<&'static str> {
        let [netstat, ss, rfc] = match self {
            Established => ["ESTABLISHED", "ESTAB", "ESTABLISHED"],
            SynSent => ["SYN_SENT", "SYN-SENT", "SYN-SENT"],
            SynRecv => ["SYN_RECV", "SYN-RECV", "SYN-RECEIVED"],
            FinWait1 => ["FIN_WAIT1", "FIN-WAIT-1", "FIN-WAIT-1"],
            FinWait2 => ["FIN_WAIT2", "FIN-WAIT-2", "FIN-WAIT-2"],
            TimeWait => ["TIME_WAIT", "TIME-WAIT", "TIME-WAIT"],
            Close => ["CLOSE", "UNCONN", "CLOSED"],
            CloseWait => ["CLOSE_WAIT", "CLOSE-WAIT", "CLOSE-WAIT"],
            LastAck => ["LAST_ACK", "LAST-ACK", "LAST-ACK"],
            Listen => ["LISTEN", "LISTEN", "LISTEN"],
            Closing => ["CLOSING", "CLOSING", "CLOSING"],
            Unknown(_) => return None,
        };
        Some(match naming {
            Naming::Netstat => netstat,
            Naming::Ss => ss,
            Naming::Rfc => rfc,
        })
    }

    /// Returns what prints the state in the given naming; `UNKNOWN(n)` where it has no name.
    pub fn named(self, naming: Naming) -> impl fmt::Display {
        struct Named(TcpState, Naming);
        impl fmt::Display for Named {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match (self.0, self.0.known_name(self.1)) {
                    (_, Some(name)) => f.pad(name),
                    (Unknown(number), None) => f.pad(&format!("UNKNOWN({number})")),
                    (_, None) => f.pad("UNKNOWN"),
                }
            }
        }
        Named(self, naming)
    }

    /// Finds a state by any of its names, whatever the case, `-` and `_` alike.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |name: &str| name.replace(['-', '_'], "").to_ascii_uppercase();
        let wanted = plain(text);
        let wanted = wanted.strip_prefix("TCP").unwrap_or(&wanted);
        Self::ALL.into_iter().find(|state| {
            [Naming::Netstat, Naming::Ss, Naming::Rfc]
                .into_iter()
                .filter_map(|naming| state.known_name(naming))
                .any(|name| plain(name) == wanted)
        })
    }
}

impl fmt::Display for TcpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.named(Naming::Netstat).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_number_has_its_netstat_name() {
        let names: Vec<String> = (0..=13)
            .map(|number| TcpState::from_kernel(number).to_string())
            .collect();
        assert_eq!(
            names,
            [
                "UNKNOWN(0)",
                "ESTABLISHED",
                "SYN_SENT",
                "SYN_RECV",
                "FIN_WAIT1",
                "FIN_WAIT2",
                "TIME_WAIT",
                "CLOSE",
                "CLOSE_WAIT",
                "LAST_ACK",
                "LISTEN",
                "CLOSING",
                "SYN_RECV",
                "UNKNOWN(13)",
            ]
        );
    }

    #[test]
    fn every_name_of_every_naming_finds_its_state() {
        for state in TcpState::ALL {
            for naming in [Naming::Netstat, Naming::Ss, Naming::Rfc] {
                let name = state.named(naming).to_string();
                assert_eq!(TcpState::parse(&name), Some(state), "{name}");
                assert_eq!(TcpState::parse(&name.to_lowercase()), Some(state), "{name}");
            }
        }
        assert_eq!(TcpState::parse("time-wait"), Some(TimeWait));
        assert_eq!(TcpState::parse("TCP_FIN_WAIT2"), Some(FinWait2));
        assert_eq!(TcpState::parse("tcp_established"), Some(Established));
        assert_eq!(TcpState::parse("OPEN"), None);
        assert_eq!(TcpState::parse(""), None);
    }
}
