//! Addresses and ports as text.
//!
//! Each line has two of each, so digits are put down by hand; tests hold them against those of the standard library.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use serde::{Serialize, Serializer};

use crate::model::Endpoint;

/// The longest address: eight groups of four digits, and seven colons.
const LONGEST: usize = 39;

/// An address as a schema has it: text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address(pub(super) IpAddr);

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Digits::of(self.0).text())
    }
}

/// Appends an address.
pub(super) fn push_address(out: &mut String, addr: IpAddr) {
    out.push_str(Digits::of(addr).text());
}

/// Appends `10.0.0.5:443`, `[2001:db8::1]:443`, and `?` for what is unknown.
pub(super) fn push_endpoint(out: &mut String, endpoint: Endpoint) {
    match endpoint.addr {
        Some(addr @ IpAddr::V6(_)) => {
            out.push('[');
            push_address(out, addr);
            out.push(']');
        }
        Some(addr) => push_address(out, addr),
        None => out.push('?'),
    }
    out.push(':');
    match endpoint.port {
        Some(port) => out.push_str(itoa::Buffer::new().format(port)),
        None => out.push('?'),
    }
}

/// The digits of an address.
struct Digits {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Digits {
    fn of(addr: IpAddr) -> Self {
        let mut digits = Self {
            bytes: [0; LONGEST],
            len: 0,
        };
        match addr {
            IpAddr::V4(addr) => digits.v4(addr),
            IpAddr::V6(addr) => match addr.to_ipv4_mapped() {
                Some(mapped) => {
                    b"::ffff:".iter().for_each(|&byte| digits.push(byte));
                    digits.v4(mapped);
                }
                None => digits.v6(addr),
            },
        }
        digits
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn v4(&mut self, addr: Ipv4Addr) {
        for (index, octet) in addr.octets().into_iter().enumerate() {
            if index > 0 {
                self.push(b'.');
            }
            if octet >= 100 {
                self.push(b'0' + octet / 100);
            }
            if octet >= 10 {
                self.push(b'0' + octet / 10 % 10);
            }
            self.push(b'0' + octet % 10);
        }
    }

    /// RFC 5952: small letters, no zeros that lead, the first of the longest runs of two or more zero groups as `::`.
    fn v6(&mut self, addr: Ipv6Addr) {
        let groups = addr.segments();
        let zeros = longest_zeros(groups);
        let mut index = 0;
        while index < groups.len() {
            if index == zeros.start {
                self.push(b':');
                self.push(b':');
                index = zeros.end;
                continue;
            }
            if index > 0 && index != zeros.end {
                self.push(b':');
            }
            self.group(groups[index]);
            index += 1;
        }
    }

    fn group(&mut self, group: u16) {
        // The number of digits, less one.
        let last = u32::from(group).checked_ilog2().unwrap_or(0) / 4;
        for place in (0..=last).rev() {
            let digit = group >> (4 * place) & 0xf;
            self.push(b"0123456789abcdef"[usize::from(digit)]);
        }
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

/// Where `::` stands; behind the address where it stands nowhere.
fn longest_zeros(groups: [u16; 8]) -> Range<usize> {
    let mut longest = 0..0;
    let mut start = 0;
    for (index, &group) in groups.iter().enumerate() {
        if group != 0 {
            start = index + 1;
        } else if index + 1 - start > longest.len() {
            longest = start..index + 1;
        }
    }
    match longest.len() {
        0 | 1 => groups.len()..groups.len(),
        _ => longest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pushed(addr: IpAddr) -> String {
        let mut out = String::new();
        push_address(&mut out, addr);
        out
    }

    #[test]
    fn zeros_are_left_out_once() {
        for text in [
            "::",
            "::1",
            "1::",
            "1::8",
            "0:0:1::",
            "1:0:0:4::",
            "1:0:0:4:5:0:0:8",
            "1:0:3:4:5:6:7:8",
            "2001:db8::1:0:0:1",
            "fe80::1234:5678:9abc:def0",
            "::ffff:10.0.0.1",
            "::10.0.0.1",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "0.0.0.0",
            "255.255.255.255",
            "10.0.200.99",
        ] {
            let addr: IpAddr = text.parse().expect("an address");
            assert_eq!(pushed(addr), addr.to_string());
        }
    }

    proptest! {
        #[test]
        fn addresses_are_those_that_the_standard_library_prints(
            groups in proptest::array::uniform8(prop_oneof![Just(0_u16), 0..0x20_u16, any::<u16>()]),
            octets in any::<[u8; 4]>(),
            port in any::<Option<u16>>(),
        ) {
            for addr in [IpAddr::from(groups), IpAddr::from(octets)] {
                prop_assert_eq!(pushed(addr), addr.to_string());
                let endpoint = Endpoint { addr: Some(addr), port };
                let mut out = String::new();
                push_endpoint(&mut out, endpoint);
                prop_assert_eq!(out, endpoint.to_string());
            }
        }
    }
}
