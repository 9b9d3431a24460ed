//! The early filter as bytes of the object's configuration.

use std::net::IpAddr;

use tracer_ebpf::{Config, FILTER_SLOTS, KernelFilter, Prefix as KernelPrefix};

use crate::model::{EarlyFilter, Family, Prefix};

/// Lays a filter out as the object takes it.
pub(super) fn kernel_filter(early: &EarlyFilter) -> KernelFilter {
    let mut filter = Config::EMPTY.filter;
    filter.family = match early.family {
        None => 0,
        Some(Family::Ipv4) => 4,
        Some(Family::Ipv6) => 6,
    };
    let ports: Vec<u32> = early.remote_ports.iter().copied().map(u32::from).collect();
    (filter.remote_ports, filter.remote_ports_len) = slots(&ports);
    let prefixes: Vec<KernelPrefix> = early.remote_addrs.iter().map(kernel_prefix).collect();
    (filter.remote_prefixes, filter.remote_prefixes_len) = slots(&prefixes);
    (filter.netns, filter.netns_len) = slots(&early.netns);
    if let Some(cgroup) = early.cgroup {
        filter.cgroup = cgroup.id;
        filter.cgroup_level = cgroup.level;
    }
    filter
}

/// A list that does not fit asks for nothing here: the agent judges every connection again.
fn slots<T: Copy + Default>(values: &[T]) -> ([T; FILTER_SLOTS], u32) {
    let mut slots = [T::default(); FILTER_SLOTS];
    if values.len() > FILTER_SLOTS {
        return (slots, 0);
    }
    slots[..values.len()].copy_from_slice(values);
    (slots, values.len() as u32)
}

fn kernel_prefix(prefix: &Prefix) -> KernelPrefix {
    let (addr, len) = prefix.parts();
    let (addr, len) = match addr {
        IpAddr::V4(addr) => (addr.to_ipv6_mapped(), u32::from(len) + 96),
        IpAddr::V6(addr) => (addr, u32::from(len)),
    };
    let mask = u128::MAX.checked_shl(128 - len).unwrap_or(0);
    KernelPrefix {
        addr: halves(addr.octets()),
        mask: halves(mask.to_be_bytes()),
    }
}

/// The two halves as the kernel side compares them: network order, read as they stand.
fn halves(bytes: [u8; 16]) -> [u64; 2] {
    let half = |at: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&bytes[at..at + 8]);
        u64::from_ne_bytes(eight)
    };
    [half(0), half(8)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_compared_as_mapped_addresses() {
        let prefix = Prefix::new("10.1.0.0".parse().expect("an address"), 16).expect("a prefix");
        let found = kernel_prefix(&prefix);
        let bytes = |halves: [u64; 2]| [halves[0].to_ne_bytes(), halves[1].to_ne_bytes()].concat();
        assert_eq!(
            bytes(found.addr),
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 0, 0]
        );
        let mut mask = [255; 16];
        mask[14..].fill(0);
        assert_eq!(bytes(found.mask), mask);
    }

    #[test]
    fn a_list_that_does_not_fit_is_left_to_the_agent() {
        let ports = |count: u16| EarlyFilter {
            remote_ports: (1..=count).collect(),
            ..EarlyFilter::default()
        };
        assert_eq!(kernel_filter(&ports(8)).remote_ports_len, 8);
        assert_eq!(kernel_filter(&ports(9)).remote_ports_len, 0);
    }
}
