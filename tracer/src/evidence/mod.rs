//! Evidence: a file that keeps all that a trace took in, in its order, so that whoever replays it sees
//! what was seen.
//!
//! **Owns:** the format: frames, chain, seal, and what an entry is in them. `tracer/docs/evidence.md`
//! describes it.
//! **Never:** a file's name, a clock, or the meaning of a record: what the kernel wrote is kept as it
//! was, before decoding.

mod chain;
mod damage;
pub mod entry;
mod frames;
mod layout;
mod lines;
mod payload;
mod reader;
mod records;
pub mod redact;
mod seal;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use chain::Chain;
pub use damage::{Damage, EvidenceError, Good, What};
pub use entry::{Asked, Clock, Closing, Entry, Head, Namespace, TimeZoneOf, Turn, User};
pub use reader::Reader;
pub use redact::Redact;
pub use seal::{Sealed, Totals};
pub use verify::{Verdict, verify};
pub use writer::{Previous, Writer};
