//! TIME_WAIT on its own, written for people and for programs.
//!
//! **Owns:** the live screen's layout, the report, and the line `time_wait` of the schema `tracer/1`.
//! **Never:** a figure of its own: what is written here was found out elsewhere.

pub mod json;
pub mod text;

#[cfg(test)]
mod samples;

use std::collections::BTreeMap;

use crate::stats::timewait::Report;

pub use text::Screen;

/// What is written: the figures of a moment, and what they need to be read.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The figures.
    pub report: &'a Report,
    /// How TIME_WAIT is measured: `fentry`, `timer` or `diag`.
    pub method: &'a str,
    /// Paths of cgroups, below the root of the hierarchy, where they are known.
    pub cgroups: &'a BTreeMap<u64, String>,
    /// Connections that were let go because too many were alive.
    pub evicted: u64,
    /// Whether the trace has ended.
    pub is_last: bool,
}
