//! Address ranges in CIDR notation.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address range in CIDR notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    addr: IpAddr,
    len: u8,
}

/// Length of `::ffff:0:0/96`, the range of IPv4-mapped addresses.
const MAPPED_LEN: u8 = 96;

impl Prefix {
    /// Makes a range of the addresses that share the first `len` bits with `addr`; `None` where an
    /// address has fewer bits, or `addr` has ones behind them.
    ///
    /// A range of IPv4-mapped addresses, `::ffff:10.0.0.0/104`, is the IPv4 range that it maps, since
    /// every address of a connection is folded likewise.
    pub fn new(addr: IpAddr, len: u8) -> Option<Self> {
        let (bits, width) = as_bits(addr);
        if len > width || bits & !mask(len, width) != 0 {
            return None;
        }
        Some(match (addr.to_canonical(), len.checked_sub(MAPPED_LEN)) {
            (folded @ IpAddr::V4(_), Some(len)) if addr.is_ipv6() => Self { addr: folded, len },
            _ => Self { addr, len },
        })
    }

    /// Returns the range of `len` bits that an address lies in, or the address alone; `None` where an
    /// address has fewer bits.
    pub fn around(addr: IpAddr, len: Option<u8>) -> Option<Self> {
        let (bits, width) = as_bits(addr);
        let len = len.unwrap_or(width);
        if len > width {
            return None;
        }
        let first = bits & mask(len, width);
        let first = match addr {
            // An IPv4 address has 32 bits.
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(first as u32)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(first)),
        };
        Self::new(first, len)
    }

    /// Returns the first address and the number of bits that count.
    pub fn parts(&self) -> (IpAddr, u8) {
        (self.addr, self.len)
    }

    /// Returns whether an address lies inside.
    pub fn contains(&self, addr: IpAddr) -> bool {
        let (mine, width) = as_bits(self.addr);
        let (other, other_width) = as_bits(addr.to_canonical());
        width == other_width && mine == other & mask(self.len, width)
    }
}

/// Prints `10.0.0.0/8`, and a single address without a length.
impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, width) = as_bits(self.addr);
        match self.len == width {
            true => write!(f, "{}", self.addr),
            false => write!(f, "{}/{}", self.addr, self.len),
        }
    }
}

fn as_bits(addr: IpAddr) -> (u128, u8) {
    match addr {
        IpAddr::V4(addr) => (u128::from(addr.to_bits()), 32),
        IpAddr::V6(addr) => (addr.to_bits(), 128),
    }
}

fn mask(len: u8, width: u8) -> u128 {
    let ones = u128::MAX.checked_shl(u32::from(width - len)).unwrap_or(0);
    if width == 32 {
        ones & u128::from(u32::MAX)
    } else {
        ones
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str, len: u8) -> Option<Prefix> {
        Prefix::new(text.parse().expect("an address"), len)
    }

    #[test]
    fn prefixes_hold_their_addresses_and_no_others() {
        let v4 = prefix("10.1.0.0", 16).expect("a prefix");
        assert!(v4.contains("10.1.255.255".parse().expect("an address")));
        assert!(!v4.contains("10.2.0.0".parse().expect("an address")));
        assert!(!v4.contains("::a01:0".parse().expect("an address")));
        assert!(v4.contains("::ffff:10.1.2.3".parse().expect("an address")));
        assert!(
            prefix("0.0.0.0", 0)
                .expect("all")
                .contains("1.2.3.4".parse().expect("an address"))
        );
        assert!(
            prefix("::", 0)
                .expect("all")
                .contains("2001:db8::1".parse().expect("an address"))
        );
        assert_eq!(prefix("10.1.0.1", 16), None, "bits behind the prefix");
        assert_eq!(prefix("10.0.0.0", 33), None);
    }

    #[test]
    fn a_range_around_an_address_begins_where_its_bits_end() {
        let around = |text: &str, len| {
            Prefix::around(text.parse().expect("an address"), len).map(|range| range.to_string())
        };
        assert_eq!(around("10.1.2.3", Some(8)).as_deref(), Some("10.0.0.0/8"));
        assert_eq!(around("10.1.2.3", Some(0)).as_deref(), Some("0.0.0.0/0"));
        assert_eq!(around("10.1.2.3", None).as_deref(), Some("10.1.2.3"));
        assert_eq!(around("fe80::1", Some(64)).as_deref(), Some("fe80::/64"));
        assert_eq!(around("10.1.2.3", Some(33)), None);
    }

    #[test]
    fn mapped_ranges_are_the_ipv4_ranges_that_they_map() {
        for (mapped, mapped_len, plain, plain_len) in [
            ("::ffff:10.0.0.1", 128, "10.0.0.1", 32),
            ("::ffff:10.0.0.0", 104, "10.0.0.0", 8),
            ("::ffff:0:0", 96, "0.0.0.0", 0),
        ] {
            assert_eq!(prefix(mapped, mapped_len), prefix(plain, plain_len));
        }
        let mapped = prefix("::ffff:10.0.0.0", 104).expect("a prefix");
        assert!(mapped.contains("10.9.8.7".parse().expect("an address")));
        assert_eq!(mapped.to_string(), "10.0.0.0/8");

        // Wider than the mapped range, so IPv6 as it stands.
        let wider = prefix("::", 80).expect("a prefix");
        assert_eq!(wider.parts().0, IpAddr::from([0_u16; 8]));
        assert_eq!(prefix("::ffff:10.0.0.1", 104), None, "bits behind it");
    }
}
