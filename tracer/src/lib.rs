//! Streams every TCP state change of a Linux host and prints each connection's timeline.
//!
//! The rooms, from the kernel outwards; each imports only from those before it:
//!
//! * [`model`]: the vocabulary, and the decoder of the kernel's records;
//! * [`track`]: records become connections and timelines;
//! * [`stats`]: connections become figures, held against the kernel's own counters;
//! * [`evidence`]: the file that keeps what a trace took in, to be replayed anywhere;
//! * [`store`]: that file on disk, whatever happens to the disk;
//! * [`source`]: where records come from: the running kernel;
//! * [`sink`]: how all of it is written: text, JSON Lines, CSV;
//! * [`cli`]: what was typed, and what it means.
//!
//! The first three are pure: no clock, no I/O, no async.

pub mod cli;
pub mod evidence;
pub mod model;
pub mod privilege;
pub mod run;
pub mod sink;
pub mod source;
pub mod states;
pub mod stats;
pub mod store;
pub mod track;
