//! What a trace can find wrong, by name, and from when on each is told.
//!
//! **Owns:** the names that options and outputs know findings by, and their thresholds unless told otherwise.
//! **Never:** how one is judged: that is the statistics' matter.

use std::collections::BTreeMap;
use std::fmt;

/// What a trace can find wrong or suspicious.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// Connections stay in CLOSE_WAIT: the program here does not close.
    CloseWait,
    /// Connects that nobody answered.
    ConnectTimeout,
    /// Connects that were answered with a reset.
    ConnectRefused,
    /// Connections stay in LAST_ACK: nobody acknowledges the FIN.
    LastAck,
    /// Connections stay in FIN_WAIT1: nobody acknowledges the FIN.
    FinWait1,
    /// Connections stay in FIN_WAIT2: the other end does not close.
    FinWait2,
    /// The local ports towards one end ran short.
    PortExhaustion,
    /// A process opens a connection for each request where it could keep one.
    ConnectionPerRequest,
    /// Many connections ended by a reset in a short time.
    ResetStorm,
    /// Many half-open connections failed in a short time.
    HalfOpenFlood,
    /// Connections that a listener's queue had no room for.
    AcceptQueueOverflow,
}

use FindingKind::{
    AcceptQueueOverflow, CloseWait, ConnectRefused, ConnectTimeout, ConnectionPerRequest, FinWait1,
    FinWait2, HalfOpenFlood, LastAck, PortExhaustion, ResetStorm,
};

impl FindingKind {
    /// Every one, in the order in which they are told.
    pub const ALL: [Self; 11] = [
        CloseWait,
        ConnectTimeout,
        ConnectRefused,
        LastAck,
        FinWait1,
        FinWait2,
        PortExhaustion,
        ConnectionPerRequest,
        ResetStorm,
        HalfOpenFlood,
        AcceptQueueOverflow,
    ];

    /// Returns the name, as options and outputs have it.
    pub fn name(self) -> &'static str {
        match self {
            CloseWait => "close-wait",
            ConnectTimeout => "connect-timeout",
            ConnectRefused => "connect-refused",
            LastAck => "last-ack",
            FinWait1 => "fin-wait1",
            FinWait2 => "fin-wait2",
            PortExhaustion => "port-exhaustion",
            ConnectionPerRequest => "connection-per-request",
            ResetStorm => "reset-storm",
            HalfOpenFlood => "half-open-flood",
            AcceptQueueOverflow => "accept-queue-overflow",
        }
    }

    /// Finds one by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns from when on it is told, unless told otherwise.
    ///
    /// An orderly close passes CLOSE_WAIT in no time where the program looks after its sockets, and a minute
    /// is what `tcp_fin_timeout` grants the other side. A FIN that is sent again for half a minute has been
    /// sent some seven times; one behind unsent data may wait for a slow reader. The first SYN is sent again
    /// after a second. Ten resets, handshakes or closed connections a second, for ten seconds, are no chance
    /// on any host; five for connections that one process could have kept.
    pub const fn default_threshold(self) -> Threshold {
        const SECOND: u64 = 1_000_000_000;
        match self {
            CloseWait | FinWait2 => Threshold::Lasts { ns: 60 * SECOND },
            LastAck | FinWait1 => Threshold::Lasts { ns: 30 * SECOND },
            ConnectTimeout => Threshold::Lasts { ns: SECOND },
            ConnectRefused | AcceptQueueOverflow => Threshold::Count(1),
            PortExhaustion => Threshold::Share { percent: 80 },
            ConnectionPerRequest => Threshold::Within {
                count: 50,
                ns: 10 * SECOND,
            },
            ResetStorm | HalfOpenFlood => Threshold::Within {
                count: 100,
                ns: 10 * SECOND,
            },
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// From when on something is a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// It lasts so long.
    Lasts {
        /// Nanoseconds.
        ns: u64,
    },
    /// There are so many.
    Count(u64),
    /// There are so many within a time.
    Within {
        /// How many.
        count: u64,
        /// The time, nanoseconds.
        ns: u64,
    },
    /// So much of what there is is in use.
    Share {
        /// Hundredths, of a hundred at most.
        percent: u8,
    },
}

/// Prints it as options take it: `60s`, `1`, `100/10s`, `80%`.
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |ns: u64| match ns % 1_000_000_000 {
            0 => format!("{}s", ns / 1_000_000_000),
            _ => format!("{}ms", ns / 1_000_000),
        };
        match *self {
            Self::Lasts { ns } => f.pad(&time(ns)),
            Self::Count(count) => f.pad(&count.to_string()),
            Self::Within { count, ns } => f.pad(&format!("{count}/{}", time(ns))),
            Self::Share { percent } => f.pad(&format!("{percent}%")),
        }
    }
}

/// From when on each finding is told; one that has no threshold never is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thresholds(BTreeMap<FindingKind, Threshold>);

impl Default for Thresholds {
    fn default() -> Self {
        let default = |kind: FindingKind| (kind, kind.default_threshold());
        Self(FindingKind::ALL.into_iter().map(default).collect())
    }
}

impl Thresholds {
    /// Sets one, or lets nothing be told of it.
    pub fn set(&mut self, kind: FindingKind, threshold: Option<Threshold>) {
        match threshold {
            Some(threshold) => self.0.insert(kind, threshold),
            None => self.0.remove(&kind),
        };
    }

    /// Returns one; `None` where nothing is told of it.
    pub fn get(&self, kind: FindingKind) -> Option<Threshold> {
        self.0.get(&kind).copied()
    }

    /// Returns how long something must last, in nanoseconds.
    pub fn lasts(&self, kind: FindingKind) -> Option<u64> {
        match self.get(kind)? {
            Threshold::Lasts { ns } => Some(ns),
            _ => None,
        }
    }

    /// Returns how many there must be.
    pub fn count(&self, kind: FindingKind) -> Option<u64> {
        match self.get(kind)? {
            Threshold::Count(count) => Some(count),
            _ => None,
        }
    }

    /// Returns how many there must be within how many nanoseconds.
    pub fn within(&self, kind: FindingKind) -> Option<(u64, u64)> {
        match self.get(kind)? {
            Threshold::Within { count, ns } => Some((count, ns)),
            _ => None,
        }
    }

    /// Returns which part must be in use, in hundredths.
    pub fn percent(&self, kind: FindingKind) -> Option<u8> {
        match self.get(kind)? {
            Threshold::Share { percent } => Some(percent),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back() {
        for kind in FindingKind::ALL {
            assert_eq!(FindingKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(FindingKind::from_name("CLOSE_WAIT"), None);
    }

    #[test]
    fn thresholds_print_as_they_are_typed() {
        let printed = FindingKind::ALL.map(|kind| kind.default_threshold().to_string());
        assert_eq!(
            printed,
            [
                "60s", "1s", "1", "30s", "30s", "60s", "80%", "50/10s", "100/10s", "100/10s", "1"
            ]
        );
        assert_eq!(Threshold::Lasts { ns: 1_500_000_000 }.to_string(), "1500ms");
    }

    #[test]
    fn what_is_off_has_no_threshold_of_any_sort() {
        let mut thresholds = Thresholds::default();
        assert_eq!(thresholds.lasts(CloseWait), Some(60_000_000_000));
        assert_eq!(thresholds.count(CloseWait), None, "it is a time");
        thresholds.set(CloseWait, None);
        assert_eq!(thresholds.get(CloseWait), None);
    }
}
