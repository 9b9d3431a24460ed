//! Endpoints: addresses and ports that may be unknown.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Address family of a connection, after folding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4, and IPv4 through an IPv6 socket.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// One end of a connection. What is not known is `None`, never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Address; an IPv4-mapped one (`::ffff:a.b.c.d`) is held as IPv4. A wildcard stays a wildcard.
    pub addr: Option<IpAddr>,
    /// Port.
    pub port: Option<u16>,
}

impl Endpoint {
    /// Makes an endpoint of what is known.
    pub fn new(addr: Option<IpAddr>, port: Option<u16>) -> Self {
        Self {
            addr: addr.map(|addr| addr.to_canonical()),
            port,
        }
    }

    /// Returns whether both address and port are known.
    pub fn is_complete(&self) -> bool {
        self.addr.is_some() && self.port.is_some()
    }

    /// Takes from `other` what is unknown here.
    pub fn fill_from(&mut self, other: &Self) {
        self.addr = self.addr.or(other.addr);
        self.port = self.port.or(other.port);
    }
}

/// As two numbers: the parts of an address one by one would take longer to hash than all else that a map does.
impl Hash for Endpoint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // An end and another one without an address or a port may have the same hash; they are not equal.
        let addr = match self.addr {
            Some(IpAddr::V4(addr)) => u128::from(addr.to_bits()),
            Some(IpAddr::V6(addr)) => addr.to_bits(),
            None => 0,
        };
        state.write_u128(addr);
        state.write_u16(self.port.unwrap_or(0));
    }
}

/// Prints `10.0.0.5:443`, `[2001:db8::1]:443`, and `?` for what is unknown.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addr = match self.addr {
            Some(IpAddr::V4(addr)) => addr.to_string(),
            Some(IpAddr::V6(addr)) => format!("[{addr}]"),
            None => "?".to_owned(),
        };
        match self.port {
            Some(port) => f.pad(&format!("{addr}:{port}")),
            None => f.pad(&format!("{addr}:?")),
        }
    }
}

/// Both ends of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// This host's end.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
}

impl Tuple {
    /// Returns whether nothing is missing at either end.
    pub fn is_complete(&self) -> bool {
        self.local.is_complete() && self.remote.is_complete()
    }

    /// Takes from `other` what is unknown here.
    pub fn fill_from(&mut self, other: &Self) {
        self.local.fill_from(&other.local);
        self.remote.fill_from(&other.remote);
    }

    /// Returns the family that the addresses tell, the remote one first; `None` if neither is known.
    ///
    /// A wildcard tells nothing where the other address is known: an IPv6 socket that talks IPv4
    /// may show `::` at its own end.
    pub fn family(&self) -> Option<Family> {
        let of = |addr: IpAddr| match addr {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        };
        let ends = [self.remote.addr, self.local.addr];
        let specific = ends
            .into_iter()
            .flatten()
            .find(|addr| !addr.is_unspecified());
        specific.or(ends[1]).or(ends[0]).map(of)
    }
}

/// Reads an address as the kernel's records hold it: sixteen bytes, IPv4 in the first four.
pub fn address_from_bytes(family: Family, bytes: [u8; 16]) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::from(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(addr: &str, port: u16) -> Endpoint {
        Endpoint::new(Some(addr.parse().expect("an address")), Some(port))
    }

    #[test]
    fn ipv4_mapped_addresses_are_folded() {
        assert_eq!(endpoint("::ffff:10.0.0.1", 80), endpoint("10.0.0.1", 80));
        assert_eq!(endpoint("::ffff:10.0.0.1", 80).to_string(), "10.0.0.1:80");
    }

    #[test]
    fn unknown_parts_print_as_question_marks() {
        assert_eq!(Endpoint::default().to_string(), "?:?");
        assert_eq!(
            endpoint("2001:db8::1", 443).to_string(),
            "[2001:db8::1]:443"
        );
    }

    #[test]
    fn a_wildcard_does_not_decide_the_family() {
        let tuple = Tuple {
            local: endpoint("::", 80),
            remote: endpoint("10.0.0.1", 5000),
        };
        assert_eq!(tuple.family(), Some(Family::Ipv4));
        let listener = Tuple {
            local: endpoint("::", 80),
            remote: Endpoint::default(),
        };
        assert_eq!(listener.family(), Some(Family::Ipv6));
        assert_eq!(Tuple::default().family(), None);
    }
}
