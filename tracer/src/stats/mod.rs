//! Figures over what was shown, held against what the kernel counted itself.
//!
//! **Owns:** durations by state, and the reconciliation with the kernel's counters.
//! **Never:** a clock or I/O: readings of the counters come in as values.

mod bounded;
mod durations;
pub mod findings;
mod reconcile;
mod summary;
pub mod timewait;

pub use durations::{Durations, StateFigures};
pub use reconcile::{Comparison, Reconciler, Tells};
pub use summary::{
    HalfOpenFigures, Methods, Summary, SummaryBuilder, TimeWaitFigures, TimewaitSockets,
};
