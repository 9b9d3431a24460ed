//! The store: evidence on disk, whatever happens to the disk.
//!
//! **Owns:** files of evidence: whose they are, their names, their rotation, what cannot be written.
//! **Never:** what is in a frame; a failure that ends the trace.

mod backlog;
mod error;
mod file;
mod files;
mod owner;
mod recorder;
#[cfg(test)]
mod tests;

pub use error::{StoreError, Trouble};
pub use owner::Owner;
pub use recorder::{FRAME_BYTES, Outcome, Prepared, Progress, Recorder};
