//! What can be decided before a record is made.
//!
//! **Never:** a decision on what is not known yet. A socket whose remote end the kernel does not
//! tell at this moment passes, and the agent decides later.

use tracer_ebpf::FILTER_SLOTS;

use crate::loaded::configured;

/// An address as two halves in network order; IPv4 as `::ffff:a.b.c.d`.
pub(crate) type Halves = [u64; 2];

/// The bytes before the IPv4 address in the second half of a mapped one.
const MAPPED_MARK: [u8; 4] = [0, 0, 0xff, 0xff];

/// Returns an IPv4 address in its mapped form.
#[inline(always)]
pub(crate) fn mapped(addr: [u8; 4]) -> Halves {
    let [m0, m1, m2, m3] = MAPPED_MARK;
    let [a, b, c, d] = addr;
    [0, u64::from_ne_bytes([m0, m1, m2, m3, a, b, c, d])]
}

#[inline(always)]
fn is_mapped(addr: Halves) -> bool {
    let [m0, m1, m2, m3, ..] = addr[1].to_ne_bytes();
    addr[0] == 0 && [m0, m1, m2, m3] == MAPPED_MARK
}

/// Returns whether family, remote port and remote address let a socket pass. `remote_addr` is
/// called only when a filter looks at it; a remote port of zero is not known.
#[inline(always)]
pub(crate) fn passes_remote(
    ipv6: bool,
    remote_port: u16,
    remote_addr: impl Fn() -> Halves,
) -> bool {
    let family = configured!(filter.family);
    if family == 6 && !ipv6 {
        return false;
    }
    if remote_port == 0 {
        return true;
    }
    if family != 0 && ipv6 && is_mapped(remote_addr()) != (family == 4) {
        return false;
    }
    passes_port(u32::from(remote_port)) && passes_prefix(remote_addr)
}

/// Returns whether a network namespace lets a socket pass.
#[inline(always)]
pub(crate) fn passes_netns(inode: u32) -> bool {
    let used = configured!(filter.netns_len) as usize;
    let mut slot = 0;
    while slot < FILTER_SLOTS {
        if slot < used && configured!(filter.netns[slot]) == inode {
            return true;
        }
        slot += 1;
    }
    used == 0
}

#[inline(always)]
fn passes_port(port: u32) -> bool {
    let used = configured!(filter.remote_ports_len) as usize;
    let mut slot = 0;
    while slot < FILTER_SLOTS {
        if slot < used && configured!(filter.remote_ports[slot]) == port {
            return true;
        }
        slot += 1;
    }
    used == 0
}

#[inline(always)]
fn passes_prefix(addr: impl Fn() -> Halves) -> bool {
    let used = configured!(filter.remote_prefixes_len) as usize;
    if used == 0 {
        return true;
    }
    let addr = addr();
    let mut slot = 0;
    while slot < FILTER_SLOTS {
        if slot < used {
            let wanted = configured!(filter.remote_prefixes[slot].addr);
            let mask = configured!(filter.remote_prefixes[slot].mask);
            if addr[0] & mask[0] == wanted[0] && addr[1] & mask[1] == wanted[1] {
                return true;
            }
        }
        slot += 1;
    }
    false
}
