//! What was typed, and what it means.
//!
//! **Owns:** the options ([`args`]), their meaning ([`plan`]), the exit codes ([`exit`]).
//! **Never:** a look below: nothing behind this room sees what was typed.

pub mod args;
mod command;
mod contradiction;
pub mod exit;
pub mod filter_words;
pub mod findings;
pub mod moment;
pub mod parse;
pub mod plan;
mod read;
pub mod record;
pub mod show;
pub mod time_wait;

pub use args::Args;
pub use findings::FindingPlan;
pub use plan::Plan;
pub use read::read;
pub use record::RecordPlan;
pub use show::ShowPlan;
pub use time_wait::TimeWaitPlan;
