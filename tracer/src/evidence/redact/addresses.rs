//! Addresses: two that share their first n bits share the first n bits afterwards, and no more.
//!
//! Crypto-PAn's idea (Xu, Fan, Ammar, Moon: "Prefix-Preserving IP Address Anonymization", 2002): a bit
//! is turned over, or not, by a keyed function of the bits before it. So it is one-to-one, and needs no table.
//!
//! On the way to a special range no bit is turned over: the range stays where it is, and nothing else gets
//! there. The price is that an address keeps what it shares with such a range, and one bit more. That is why
//! the ranges for documentation are not among them: `2001:db8::/32` would leave 28 bits of its neighbours.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::keyed::{Key, Purpose};

/// Pseudonyms that are remembered; they are only quicker to have.
const REMEMBERED: usize = 1 << 16;

/// A range that stays where it is: its first bits, how many, and whether all in it stays as it is.
type Special = (u128, u32, bool);

const SPECIAL_IPV4: [Special; 9] = [
    ipv4([0, 0, 0, 0], 32, true),
    ipv4([10, 0, 0, 0], 8, false),
    ipv4([100, 64, 0, 0], 10, false),
    ipv4([127, 0, 0, 0], 8, true),
    ipv4([169, 254, 0, 0], 16, false),
    ipv4([172, 16, 0, 0], 12, false),
    ipv4([192, 168, 0, 0], 16, false),
    ipv4([224, 0, 0, 0], 4, false),
    ipv4([255, 255, 255, 255], 32, true),
];

const SPECIAL_IPV6: [Special; 6] = [
    ipv6([0, 0, 0, 0, 0, 0, 0, 0], 128, true),
    ipv6([0, 0, 0, 0, 0, 0, 0, 1], 128, true),
    // IPv4-mapped ones, which have the pseudonyms of the IPv4 addresses.
    ipv6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, true),
    // Both halves of fc00::/7, of which only this one is in use.
    ipv6([0xfd00, 0, 0, 0, 0, 0, 0, 0], 8, false),
    // The part of fe80::/10 that is in use.
    ipv6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 64, false),
    ipv6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, false),
];

const fn ipv4([a, b, c, d]: [u8; 4], len: u32, stays: bool) -> Special {
    let bits = Ipv4Addr::new(a, b, c, d).to_bits() as u128;
    (bits << 96, len, stays)
}

const fn ipv6([a, b, c, d, e, f, g, h]: [u16; 8], len: u32, stays: bool) -> Special {
    (Ipv6Addr::new(a, b, c, d, e, f, g, h).to_bits(), len, stays)
}

/// Pseudonyms of addresses.
pub(super) struct Addresses {
    key: Key,
    known: HashMap<IpAddr, IpAddr>,
}

impl Addresses {
    pub(super) fn new(key: Key) -> Self {
        let known = HashMap::new();
        Self { key, known }
    }

    /// Returns the pseudonym of an address, which is of the same family.
    pub(super) fn of(&mut self, addr: IpAddr) -> IpAddr {
        if let Some(&known) = self.known.get(&addr) {
            return known;
        }
        let pseudonym = match addr {
            IpAddr::V4(addr) => IpAddr::V4(self.ipv4(addr)),
            IpAddr::V6(addr) => match addr.to_ipv4_mapped() {
                Some(mapped) => IpAddr::V6(self.ipv4(mapped).to_ipv6_mapped()),
                None => {
                    let bits = self.turned(Purpose::Ipv6, addr.to_bits(), 128, &SPECIAL_IPV6);
                    IpAddr::V6(Ipv6Addr::from_bits(bits))
                }
            },
        };
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(addr, pseudonym);
        pseudonym
    }

    fn ipv4(&self, addr: Ipv4Addr) -> Ipv4Addr {
        let bits = u128::from(addr.to_bits()) << 96;
        let turned = self.turned(Purpose::Ipv4, bits, 32, &SPECIAL_IPV4);
        // Only the first 32 bits can be set.
        Ipv4Addr::from_bits((turned >> 96) as u32)
    }

    /// Turns bits over; the address is at the upper end of `bits` and `width` wide.
    ///
    /// An answer of the key holds a bit for each of the 255 nodes of the tree of one byte, whose root is
    /// told by the bytes before it. So it is asked once a byte.
    fn turned(&self, purpose: Purpose, bits: u128, width: u32, special: &[Special]) -> u128 {
        let kept = kept(bits, width, special);
        let original = bits.to_be_bytes();
        let mut turned = original;
        for at in (kept / 8) as usize..(width / 8) as usize {
            let answer = self.key.ask(purpose, &original[..at]);
            for bit in 0..8 {
                let before = usize::from(original[at]) >> (8 - bit);
                let node = 1 << bit | before;
                let is_turned = answer[node / 8] >> (node % 8) & 1 == 1;
                if is_turned && at as u32 * 8 + bit >= kept {
                    turned[at] ^= 0x80 >> bit;
                }
            }
        }
        u128::from_be_bytes(turned)
    }
}

/// How many bits stay: those on the way to a special range, up to the first that leads elsewhere.
fn kept(bits: u128, width: u32, special: &[Special]) -> u32 {
    let on_the_way = |&(special, len, stays): &Special| {
        let shared = (bits ^ special).leading_zeros();
        match shared >= len {
            true if stays => width,
            true => len,
            false => shared + 1,
        }
    };
    special.iter().map(on_the_way).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn addresses(key: u8) -> Addresses {
        Addresses::new(Key::new([key; 32]))
    }

    fn addr(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn shared(one: IpAddr, other: IpAddr) -> u32 {
        match (one, other) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                (one.to_bits() ^ other.to_bits()).leading_zeros()
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => {
                (one.to_bits() ^ other.to_bits()).leading_zeros()
            }
            _ => panic!("{one} and {other} are of two families"),
        }
    }

    #[test]
    fn pseudonyms_are_the_same_in_every_version() {
        let mut all = addresses(7);
        let mut of = |text| all.of(addr(text)).to_string();
        // As a second implementation reckons them, bit by bit.
        assert_eq!(of("93.184.216.34"), "69.119.102.182");
        assert_eq!(of("192.169.1.2"), "192.169.51.173");
        assert_eq!(
            of("2a00:1450:4001:830::200e"),
            "3d79:a719:9850:3902:9a25:3983:d8af:ba4a"
        );
        assert_eq!(of("fe80::1:2"), "fe80::7dda:8adc:2293:d862");
    }

    #[test]
    fn ranges_that_mean_something_stay_what_they_are() {
        let mut all = addresses(7);
        for text in [
            "0.0.0.0",
            "127.0.0.1",
            "127.1.2.3",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:0.0.0.0",
        ] {
            assert_eq!(all.of(addr(text)), addr(text));
        }
        for (text, begin) in [
            ("10.1.2.3", "10."),
            ("169.254.7.8", "169.254."),
            ("192.168.7.8", "192.168."),
            ("fd12:3456::1", "fd"),
            ("fe80::1:2", "fe80::"),
            ("ff02::1", "ff"),
        ] {
            let pseudonym = all.of(addr(text));
            assert!(pseudonym.to_string().starts_with(begin), "{pseudonym}");
            assert_ne!(pseudonym, addr(text));
        }
    }

    #[test]
    fn a_mapped_address_has_the_pseudonym_of_what_it_maps() {
        let mut all = addresses(7);
        let plain = all.of(addr("93.184.216.34"));
        let mapped = all.of(addr("::ffff:93.184.216.34"));
        assert!(mapped.is_ipv6());
        assert_eq!(mapped.to_canonical(), plain);
    }

    #[test]
    fn it_is_one_to_one() {
        let mut all = addresses(7);
        // A whole /16, beside a private range and into it.
        let mut seen = std::collections::HashSet::new();
        for low in 0..=u16::MAX {
            let [c, d] = low.to_be_bytes();
            assert!(seen.insert(all.of(IpAddr::from([172, 31, c, d]))));
            assert!(seen.insert(all.of(IpAddr::from([172, 32, c, d]))));
        }
    }

    /// Addresses of a kind that is met, and any.
    fn ipv6() -> impl Strategy<Value = IpAddr> {
        (any::<u128>(), 0..=128_u32, any::<bool>()).prop_map(|(bits, shift, is_global)| {
            let bits = bits.checked_shr(shift).unwrap_or(0);
            let first = if is_global { 0x2a << 120 } else { 0 };
            IpAddr::V6(Ipv6Addr::from_bits(bits | first))
        })
    }

    proptest! {
        #[test]
        fn exactly_the_shared_bits_stay_shared_ipv4(one: u32, turned: u32, shift in 0..=32_u32) {
            let other = one ^ turned.checked_shr(shift).unwrap_or(0);
            let [one, other] = [one, other].map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
            let mut all = addresses(1);
            prop_assert_eq!(shared(all.of(one), all.of(other)), shared(one, other));
        }

        #[test]
        fn exactly_the_shared_bits_stay_shared_ipv6(one in ipv6(), turned: u128, shift in 0..=128_u32) {
            let IpAddr::V6(bits) = one else { unreachable!("IPv6 alone is made") };
            let other = bits.to_bits() ^ turned.checked_shr(shift).unwrap_or(0);
            let other = IpAddr::V6(Ipv6Addr::from_bits(other));
            let mapped = |addr: IpAddr| addr.to_canonical().is_ipv4();
            // Nothing shares more than 80 bits with mapped addresses, which are a world of their own.
            prop_assume!(!mapped(one) && !mapped(other));
            let mut all = addresses(1);
            prop_assert_eq!(shared(all.of(one), all.of(other)), shared(one, other));
            prop_assert!(!mapped(all.of(one)));
        }

        #[test]
        fn the_key_matters_and_memory_does_not(low: u32, bits: [u8; 3]) {
            let addr = IpAddr::V4(Ipv4Addr::from_bits(low));
            let mut one = addresses(1);
            let first = one.of(addr);
            prop_assert_eq!(first, one.of(addr), "remembered");
            prop_assert_eq!(first, addresses(1).of(addr), "anew");
            let public = IpAddr::from([93, bits[0], bits[1], bits[2]]);
            let differ = (2..10).filter(|&key| addresses(key).of(public) != one.of(public));
            prop_assert!(differ.count() > 0);
        }
    }
}
