//! Where records come from: everything that asks the running kernel.
//!
//! **Owns:** netlink, namespaces, `/proc`, and the clock they are timed by.
//! **Never:** meaning: what arrives is handed on as the vocabulary of `model` has it.

pub mod asking;
mod btf;
pub mod build_id;
pub mod cgroup;
pub mod clock;
pub mod counters;
mod format;
pub mod hz;
mod kallsyms;
mod kernel_filter;
mod kernel_log;
pub mod live;
mod losses;
mod minisocks;
mod mount_table;
pub mod netns;
mod offsets;
pub mod owners;
pub mod port_settings;
pub mod preflight;
pub mod processes;
mod relocate;
pub mod snapshot;
pub mod sock_diag;
pub mod timewait_ages;
mod usage;
