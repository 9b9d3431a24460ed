//! Conversations: which two connections are the ends of one, where both are on this host.
//!
//! **Owns:** when two lives may be said to be the ends of one conversation, how long an end that has
//! ended waits for the other, and the story that both tell together.
//! **Never:** a guess: two connections are the ends of one conversation only where no other one can be
//! either's other end.

mod landmarks;
mod pairer;
mod story;

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod scenes;
#[cfg(test)]
mod tests;

pub use pairer::Pairer;
pub use story::{Alone, By, Conversation, End, Other, Step};
