//! The state machine that turns events into changes and timelines.
//!
//! **Owns:** which events belong to one connection, what is known of its times, when it may be shown.
//! **Never:** a clock, I/O, or a look at the world: time comes in with the events, so the same
//! events give the same output, live or replayed.

pub mod asking;
mod connection;
mod connections;
pub mod conversation;
mod ending;
mod hidden;
mod identity;
mod map;
mod output;
mod selection;
mod tracker;
mod users;
mod waiting;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
pub(crate) mod test_events;

pub use ending::{Ending, Timeout};
pub use hidden::{Follows, Timewaits};
pub use output::{
    Change, Closer, ConnId, Held, Mark, Marks, Opened, Origin, Output, Owner, People, Segment,
    Span, Timeline, Unknown,
};
pub use selection::{Listening, Selection, Verdict};
pub use tracker::{Limits, Tally, Tracker};
