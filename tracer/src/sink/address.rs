//! Addresses and ports as text.
//!
//! Each line has two of each, so digits are put down by hand; tests hold them against those of the standard library.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use serde::{Serialize, Serializer};

use super::digits::push_small;
use crate::model::Endpoint;

/// An address as a schema has it: text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address(pub(super) IpAddr);

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Appends an address.
#[inline]
pub(super) fn push_address(out: &mut String, addr: IpAddr) {
    match addr {
        IpAddr::V4(addr) => push_v4(out, addr),
        IpAddr::V6(addr) => match addr.to_ipv4_mapped() {
            Some(mapped) => {
                out.push_str("::ffff:");
                push_v4(out, mapped);
            }
            None => push_v6(out, addr),
        },
    }
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

#[inline]
fn push_v4(out: &mut String, addr: Ipv4Addr) {
    let [first, others @ ..] = addr.octets();
    push_small(out, first.into());
    for octet in others {
        out.push('.');
        push_small(out, octet.into());
    }
}

/// RFC 5952: small letters, no zeros that lead, the first of the longest runs of two or more zero groups as `::`.
fn push_v6(out: &mut String, addr: Ipv6Addr) {
    let groups = addr.segments();
    let zeros = longest_zeros(groups);
    let mut index = 0;
    while index < groups.len() {
        if index == zeros.start {
            out.push_str("::");
            index = zeros.end;
            continue;
        }
        if index > 0 && index != zeros.end {
            out.push(':');
        }
        push_group(out, groups[index]);
        index += 1;
    }
}

fn push_group(out: &mut String, group: u16) {
    // The number of digits, less one.
    let last = u32::from(group).checked_ilog2().unwrap_or(0) / 4;
    for place in (0..=last).rev() {
        let digit = group >> (4 * place) & 0xf;
        out.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
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
