//! What a verb makes of a trace.

use std::time::Duration;

use super::failure::Failure;
use crate::evidence::Namespace;
use crate::model::{ClockStep, MonoNs};
use crate::sink::Session;
use crate::source::netns::NetNs;
use crate::stats::Summary;
use crate::track::Output;
use crate::track::conversation::Conversation;

/// Tells of a trace, in its own way.
///
/// # Contract
///
/// [`begin`](Self::begin) once, then outputs in their order, each batch of them followed by
/// [`flush`](Self::flush), then [`end`](Self::end) once. Where something fails, nothing more is
/// called: what it did to the terminal is undone when it is dropped.
pub(super) trait Teller {
    /// Whether it tells only how much was taken in.
    fn is_counter(&self) -> bool {
        false
    }

    /// What is written to the terminal where the process must end at once, if anything is.
    fn farewell(&self) -> Option<&'static [u8]> {
        None
    }

    /// The trace has begun: from now on, every change is seen or counted as lost.
    fn begin(&mut self, beginning: &Beginning) -> Result<(), Failure>;

    /// What network namespaces allow, as the trace began.
    fn namespaces(&mut self, _namespaces: &[Namespace]) -> Result<(), Failure> {
        Ok(())
    }

    /// Whether it shows what network namespaces allow.
    fn shows_settings(&self) -> bool {
        false
    }

    /// Evidence tells the paths of cgroups.
    fn cgroups(&mut self, _cgroups: &[(u64, String)]) -> Result<(), Failure> {
        Ok(())
    }

    /// A clock was set, or the host was suspended.
    fn clock_step(&mut self, _step: ClockStep) -> Result<(), Failure> {
        Ok(())
    }

    /// So much has been taken in.
    fn taken(&mut self, _taken: Taken) {}

    /// Something is to be told.
    fn output(&mut self, output: &Output) -> Result<(), Failure>;

    /// Whether it tells of conversations.
    fn tells_conversations(&self) -> bool {
        false
    }

    /// A conversation is to be told.
    fn conversation(&mut self, _conversation: &Conversation) -> Result<(), Failure> {
        Ok(())
    }

    /// That was all for now.
    fn flush(&mut self) -> Result<(), Failure>;

    /// How often it wants to be called though nothing happens.
    fn pace(&self) -> Option<Duration> {
        None
    }

    /// It is `now`; so many connections were let go because too many were alive.
    fn refresh(&mut self, _now: MonoNs, _evicted: u64) -> Result<(), Failure> {
        Ok(())
    }

    /// Fails if whoever read what was told has gone.
    fn check_reader(&self) -> Result<(), Failure>;

    /// Whether something was told that fails the run.
    fn is_failed(&self) -> bool {
        false
    }

    /// The trace has ended.
    fn end(&mut self, summary: &Summary, end: MonoNs) -> Result<(), Failure>;
}

/// How much a trace has taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Records that the kernel side wrote.
    pub(super) records: u64,
    /// Records that it could not write.
    pub(super) lost: u64,
}

/// What a trace begins with.
pub(super) struct Beginning<'a> {
    /// Its first line.
    pub(super) session: &'a Session,
    /// The network namespaces that are looked into.
    pub(super) namespaces: &'a [NetNs],
    /// Ticks of this kernel in a second, where they are known and needed.
    pub(super) hz: Option<u32>,
}
