//! What the kernel side is asked to decide before a record is made.

use super::{Family, Prefix};

/// What a socket must be for its changes to be handed over. An empty list asks for nothing.
///
/// Only what never changes in a connection's life, so that a connection passes whole or not at all.
/// A source may leave part of it undecided: whoever shows connections judges again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EarlyFilter {
    /// Family, after folding.
    pub family: Option<Family>,
    /// Remote ports.
    pub remote_ports: Vec<u16>,
    /// Remote addresses.
    pub remote_addrs: Vec<Prefix>,
    /// Inode numbers of network namespaces.
    pub netns: Vec<u32>,
    /// A cgroup; those below it pass too. Nobody judges this again, so a source that cannot decide
    /// it must refuse it.
    pub cgroup: Option<Cgroup>,
}

/// A cgroup of version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// Id.
    pub id: u64,
    /// How many levels it stands below the root.
    pub level: u32,
}
