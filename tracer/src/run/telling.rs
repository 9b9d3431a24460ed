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
    /// Whether nothing is told before the turn that it comes of is kept as evidence: what is told may be read, and then be asked for.
    keeps_first: bool,
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
        (raw, keeps_first): (bool, bool),
    ) -> Self {
        Self {
            teller,
            pairer,
            summary,
            window,
            raw,
            has_begun: false,
            keeps_first,
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
        if !self.keeps_first {
            self.hear_all(tracker);
        }
    }

    /// Tells what there is to tell, and that so much has been taken in.
    pub(super) fn tell(&mut self, tracker: &mut Tracker, taken: Taken) -> Result<(), Failure> {
        self.hear_all(tracker);
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

    fn hear_all(&mut self, tracker: &mut Tracker) {
        if self.has_begun && self.failure.is_none() {
            self.failure = self.pass_on(tracker).err();
        }
    }

    fn pass_on(&mut self, tracker: &mut Tracker) -> Result<(), Failure> {
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::model::{Event, TcpState};
    use crate::stats::Summary;
    use crate::track::test_events::change;
    use crate::track::{Limits, Selection};

    /// Who notes how much it is told, and cannot be told more than so much.
    struct Noting {
        told: usize,
        most: usize,
        flushed: usize,
    }

    impl Teller for Noting {
        fn begin(&mut self, _: &Beginning<'_>) -> Result<(), Failure> {
            Ok(())
        }

        fn output(&mut self, _: &Output) -> Result<(), Failure> {
            if self.told == self.most {
                return Err(Failure::Write(io::ErrorKind::BrokenPipe.into()));
            }
            self.told += 1;
            Ok(())
        }

        fn flush(&mut self) -> Result<(), Failure> {
            self.flushed += 1;
            Ok(())
        }

        fn check_reader(&self) -> Result<(), Failure> {
            Ok(())
        }

        fn end(&mut self, _: &Summary, _: MonoNs) -> Result<(), Failure> {
            Ok(())
        }
    }

    fn telling(most: usize, keeps_first: bool) -> Telling<Noting> {
        let teller = Noting {
            told: 0,
            most,
            flushed: 0,
        };
        let mut telling = Telling::new(
            teller,
            None,
            SummaryBuilder::default(),
            None,
            (false, keeps_first),
        );
        telling.has_begun = true;
        telling
    }

    /// A tracker that has so many changes to give out.
    fn tracker(changes: u64) -> Tracker {
        let limits = Limits {
            hold_ns: 0,
            ..Limits::default()
        };
        let mut tracker = Tracker::new(Selection::default(), limits);
        for socket in 1..=changes {
            let opens = change(socket, socket, TcpState::Close, TcpState::SynSent);
            tracker.handle(&Event::StateChange(opens));
        }
        tracker
    }

    #[test]
    fn what_is_heard_is_told_at_once_and_flushed_when_it_is_asked_for() {
        let (mut telling, mut tracker) = (telling(9, false), tracker(3));
        telling.hear(&mut tracker);
        assert_eq!((telling.teller.told, telling.teller.flushed), (3, 0));
        assert!(telling.tell(&mut tracker, Taken::default()).is_ok());
        assert_eq!((telling.teller.told, telling.teller.flushed), (3, 1));
    }

    #[test]
    fn where_evidence_comes_first_nothing_is_told_before_it_is_asked_for() {
        let (mut telling, mut tracker) = (telling(9, true), tracker(3));
        telling.hear(&mut tracker);
        assert_eq!(telling.teller.told, 0);
        assert!(telling.tell(&mut tracker, Taken::default()).is_ok());
        assert_eq!(telling.teller.told, 3);
    }

    #[test]
    fn who_failed_is_told_nothing_more_and_the_failure_is_said_once_asked() {
        let (mut telling, mut first) = (telling(2, false), tracker(3));
        telling.hear(&mut first);
        telling.hear(&mut tracker(1));
        assert_eq!(telling.teller.told, 2);
        let failure = telling.tell(&mut first, Taken::default());
        assert!(failure.is_err_and(|failure| failure.is_closed_pipe()));
        assert_eq!((telling.teller.told, telling.teller.flushed), (2, 0));
    }
}
