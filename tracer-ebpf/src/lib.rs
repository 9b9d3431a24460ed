//! The byte layouts that the kernel side and the agent agree on.
//!
//! **Owns:** the records that cross the ring buffers, how these lie in memory, and the configuration that the agent writes
//! into the object's read-only data before it is loaded.
//! **Never:** anything but integers and byte arrays, and no dependency: the same file compiles for
//! the kernel and for the host, without features.
//!
//! All integers are in the byte order of the machine, ports included. Addresses are in network
//! order, an IPv4 address in the first four of its sixteen bytes and the rest zero.

#![no_std]

mod age;
mod between;
mod config;
mod minisock;
mod process;
mod record;
mod ring;
mod traffic;

pub use age::*;
pub use between::*;
pub use config::*;
pub use minisock::*;
pub use process::*;
pub use record::*;
pub use ring::*;
pub use traffic::*;

/// Returns whether records of a kind tell of no change of a state: what is then lost with one.
pub const fn is_beside(kind: u16) -> bool {
    matches!(kind, KIND_PROCESS | KIND_USE | KIND_SEGMENT | KIND_TRAFFIC)
}

/// Version of the layouts in this crate; an object and an agent of different versions do not meet,
/// because the agent embeds its object.
pub const ABI_VERSION: u16 = 3;
