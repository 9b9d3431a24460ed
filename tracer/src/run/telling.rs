//! From what the tracker gives out to who tells it.
//!
//! **Owns:** what of it is told, what else takes it in, and in which order.

use super::failure::Failure;
use super::teller::{Beginning, Taken, Teller};
use super::window::Window;
use crate::model::MonoNs;
use crate::stats::SummaryBuilder;
use crate::track::conversation::Pairer;
use crate::track::{Origin, Output, Tracker};

/// Everything that comes of a trace goes through here, to its end.
pub(super) struct Telling<T> {
    pub(super) teller: T,
    /// Where conversations are told.
    pub(super) pairer: Option<Pairer>,
    pub(super) summary: SummaryBuilder,
    /// Which part of the time is told; all of it where there is none.
    pub(super) window: Option<Window>,
    /// Whether only what the tracepoint said is told.
    pub(super) raw: bool,
    /// Whether its beginning has been told; nothing else is before.
    has_begun: bool,
    /// The moment up to which all has been taken in, if it is still to be told.
    pub(super) passed: Option<MonoNs>,
    /// Why something could not be told, until that is said.
    failure: Option<Failure>,
}

impl<T: Teller> Telling<T> {
    pub(super) fn new(
        teller: T,
        pairer: Option<Pairer>,
        summary: SummaryBuilder,
        window: Option<Window>,
        raw: bool,
    ) -> Self {
        Self {
            teller,
            pairer,
            summary,
            window,
            raw,
            has_begun: false,
            passed: None,
            failure: None,
        }
    }

    /// Tells the beginning.
    pub(super) fn begin(&mut self, beginning: &Beginning<'_>) -> Result<(), Failure> {
        self.has_begun = true;
        self.teller.begin(beginning)
    }

    /// Hears what the tracker has to give out by now. It is short-lived memory, better worked off while it is near than
    /// gathered.
    ///
    /// What fails is said by [`tell`](Self::tell): whoever takes events in has other things to do first.
    pub(super) fn hear(&mut self, tracker: &mut Tracker) {
        if !self.has_begun || self.failure.is_some() {
            return;
        }
        self.failure = self.hear_all(tracker).err();
    }

    /// Tells what there is to tell, and that so much has been taken in.
    pub(super) fn tell(&mut self, tracker: &mut Tracker, taken: Taken) -> Result<(), Failure> {
        self.hear(tracker);
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if !self.has_begun {
            return Ok(());
        }
        if let Some(passed) = self.passed.take()
            && let Some(pairer) = &mut self.pairer
        {
            pairer.handle_timeout(passed);
        }
        self.tell_conversations()?;
        self.teller.taken(taken);
        self.teller.flush()
    }

    /// Tells the conversations that are still waited for: the trace has ended.
    pub(super) fn finish_conversations(&mut self) -> Result<(), Failure> {
        if let Some(pairer) = &mut self.pairer {
            pairer.finish();
        }
        self.tell_conversations()
    }

    fn hear_all(&mut self, tracker: &mut Tracker) -> Result<(), Failure> {
        while let Some(output) = tracker.poll() {
            if let Some(pairer) = &mut self.pairer {
                pairer.handle(&output);
            }
            let is_outside = self.window.is_some_and(|window| !window.shows(&output));
            if is_outside || (self.raw && is_found(&output)) {
                continue;
            }
            self.summary.add(&output);
            self.teller.output(&output)?;
            self.tell_conversations()?;
        }
        Ok(())
    }

    fn tell_conversations(&mut self) -> Result<(), Failure> {
        let Some(pairer) = &mut self.pairer else {
            return Ok(());
        };
        while let Some(conversation) = pairer.poll() {
            let shows = |window: Window| window.shows_conversation(&conversation);
            if self.window.is_none_or(shows) {
                self.teller.conversation(&conversation)?;
            }
        }
        Ok(())
    }
}

/// Returns whether it shows a socket that was found, rather than something that happened.
fn is_found(output: &Output) -> bool {
    matches!(output, Output::Change(change) if change.origin == Origin::Snapshot)
}
