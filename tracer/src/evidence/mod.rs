//! Evidence: a file that keeps all that a trace took in, in its order, so that whoever replays it sees
//! what was seen.
//!
//! **Owns:** the format: frames, chain, seal, and what an entry is in them.
//! **Never:** a file's name, a clock, or the meaning of a record: what the kernel wrote is kept as it
//! was, before decoding.

pub mod entry;

pub use entry::{Asked, Clock, Closing, Entry, Head, Namespace, TimeZoneOf, Turn, User};
