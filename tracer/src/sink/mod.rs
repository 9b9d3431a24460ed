//! How everything is written: text for people, JSON Lines and CSV for programs.
//!
//! **Owns:** the schemas. Each sink is an encoding of values to bytes; writing them is `run`'s.
//! **Never:** a decision about what is shown.

mod address;
pub mod clock;
pub mod csv;
mod digits;
pub mod doctor;
mod findings;
pub mod json;
mod json_line;
pub mod session;
pub mod text;
pub mod time_wait;
pub mod verdict;
mod words;

#[cfg(test)]
mod golden;

pub use session::Session;
