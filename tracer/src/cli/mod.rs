//! What was typed, and what it means.
//!
//! **Owns:** the options ([`args`]), their meaning ([`plan`]), the exit codes ([`exit`]).
//! **Never:** a look below: nothing behind this room sees what was typed.

pub mod args;
pub mod exit;
pub mod parse;
pub mod plan;

pub use args::Args;
pub use plan::Plan;
