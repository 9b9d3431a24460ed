//! The course of a trace: what it took in becomes what is told, live or from evidence.
//!
//! **Owns:** the order in which tracker, asker, reconciliation and figures take things in.
//! **Never:** a clock, or a look at this host: the same entries are told in the same way.

use std::mem;

use super::failure::Failure;
use super::hidden::HiddenMethods;
use super::listeners::Listeners;
use super::session::session;
use super::teller::{Beginning, Taken, Teller};
use super::telling::Telling;
use super::window::Window;
use crate::cli::exit::Exit;
use crate::evidence::{Asked, Closing, Entry, Head, Turn};
use crate::model::{
    Batch, Clock, ClockStep, Event, Existing, Look, Loss, MonoNs, Question, Reading, WallClock,
};
use crate::source::netns::NetNs;
use crate::stats::{Reconciler, SummaryBuilder, TimewaitSockets};
use crate::track::asking::Asker;
use crate::track::conversation::Pairer;
use crate::track::{Follows, Limits, Selection, Tracker};

/// What is to be told of a trace.
pub(super) struct Wanted {
    /// Which connections.
    pub(super) selection: Selection,
    /// The filters in words.
    pub(super) filters: Vec<String>,
    /// Only what the tracepoint said.
    pub(super) raw: bool,
    /// Bounds of the tracker.
    pub(super) limits: Limits,
    /// Why the kernel's counters say nothing about what is told, if they do not.
    pub(super) not_comparable: Option<String>,
    /// Which part of the time; all of it where there is none.
    pub(super) window: Option<Window>,
    /// Whether nothing is told but how much was taken in: all of it can be told later.
    pub(super) only_counted: bool,
    /// Whether what is told of a turn is told after the turn has been kept, when [`Course::tell`] is called.
    pub(super) keeps_first: bool,
}

/// A trace, as far as it came.
pub(super) struct Course<T> {
    head: Head,
    /// The clocks as they were last read.
    clock: Clock,
    methods: HiddenMethods,
    tracker: Tracker,
    asker: Option<Asker>,
    telling: Telling<T>,
    filters: Vec<String>,
    /// Whether what is told depends on which processes were followed.
    follows: bool,
    not_comparable: Option<String>,
    only_counted: bool,
    taken: Taken,
    /// The network namespaces that are looked into while it is told.
    namespaces: Vec<NetNs>,
    /// The kernel's counters of the begin.
    counters: Vec<Reading>,
    /// Whether those were told at all.
    has_counters: bool,
    /// Sockets that existed, until all are known.
    existing: Vec<Existing>,
    /// From the first turn on.
    reconciler: Option<Reconciler>,
    /// Losses that belong behind what has been read so far.
    losses: Vec<Loss>,
    /// Processes that were to be followed and were not.
    not_followed: u64,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// What existed is being listed; nothing is told yet.
    Listing,
    Running,
    /// It was told to end at this moment; what is still in the ring buffers is read.
    Closing(MonoNs),
    /// All has been read.
    Drained,
}

impl<T: Teller> Course<T> {
    /// Begins; `namespaces` are those that `teller` may look into.
    pub(super) fn new(
        head: Head,
        methods: HiddenMethods,
        wanted: Wanted,
        namespaces: Vec<NetNs>,
        teller: T,
    ) -> Self {
        let follows = wanted.selection.followed;
        let mut tracker = Tracker::new(wanted.selection, wanted.limits);
        tracker.follow(Follows {
            resets: head.tells_resets && !wanted.raw,
            ..methods.follows(head.start)
        });
        let pairs = teller.tells_conversations();
        Self {
            tracker,
            asker: methods.asker(wanted.limits.connections),
            telling: Telling::new(
                teller,
                pairs.then(|| Pairer::new(wanted.limits.connections)),
                SummaryBuilder::new(methods.names()),
                wanted.window,
                (wanted.raw, wanted.keeps_first),
            ),
            filters: wanted.filters,
            follows,
            not_comparable: wanted.not_comparable,
            only_counted: wanted.only_counted,
            taken: Taken::default(),
            namespaces,
            counters: Vec::new(),
            has_counters: false,
            existing: Vec::new(),
            reconciler: None,
            losses: Vec::new(),
            not_followed: 0,
            stage: Stage::Listing,
            methods,
            clock: head.clock,
            head,
        }
    }

    /// Returns who tells of it.
    pub(super) fn teller(&mut self) -> &mut T {
        &mut self.telling.teller
    }

    /// Returns how many records the kernel side could not write so far.
    pub(super) fn lost(&self) -> u64 {
        self.taken.lost
    }

    /// Returns how many connections were let go because too many were alive.
    pub(super) fn evicted(&self) -> u64 {
        self.tracker.tally().evicted
    }

    /// Takes an entry in, and tells what comes of it. Of [`Entry::End`] it is said where
    /// [`finish`](Self::finish) is called.
    pub(super) fn take(&mut self, entry: Entry) -> Result<(), Failure> {
        match entry {
            Entry::Head(_) | Entry::End(_) => Ok(()),
            Entry::Clock(clock) => self.read_clock(clock),
            Entry::Counters(counters) => {
                self.counters = counters;
                self.has_counters = true;
                Ok(())
            }
            Entry::Namespaces(namespaces) => self.telling.teller.namespaces(&namespaces),
            Entry::Cgroups(cgroups) => self.telling.teller.cgroups(&cgroups),
            Entry::Processes(processes) => {
                if !self.only_counted {
                    for process in processes {
                        self.tracker.handle(&Event::Holder(process));
                    }
                }
                Ok(())
            }
            Entry::Existing(existing) => {
                if !self.only_counted {
                    self.tracker.note_listener(&existing);
                }
                self.existing.push(existing);
                Ok(())
            }
            Entry::ExistingComplete => self.existing_complete(),
            Entry::Turn(turn) => self.take_turn(turn),
            Entry::Closing(closing) => self.close(closing),
        }
    }

    /// The clocks were read: says so where one was set since they were read before.
    fn read_clock(&mut self, clock: Clock) -> Result<(), Failure> {
        let step = clock.step_since(self.clock);
        self.clock = clock;
        let in_window = |step: &ClockStep| {
            let shows = |window: Window| step.until >= window.since && step.since <= window.until;
            self.telling.window.is_none_or(shows)
        };
        match step.filter(in_window) {
            Some(step) => self.telling.teller.clock_step(step),
            None => Ok(()),
        }
    }

    /// Takes a whole turn in, as it was kept.
    fn take_turn(&mut self, turn: Turn) -> Result<(), Failure> {
        let Turn {
            batch,
            losses,
            emptied,
            asked,
            timeout,
        } = turn;
        self.records(&batch, losses, emptied)?;
        if let Some(Asked { now, answers }) = asked {
            // They come out as they did then, or others do, of which nothing is known.
            drop(self.questions(now));
            self.answers(&answers);
        }
        if let Some(now) = timeout {
            self.timeout(now);
        }
        self.tell()
    }

    /// Takes in what was read from the ring buffers, and whether that emptied them.
    pub(super) fn records(
        &mut self,
        batch: &Batch,
        losses: Vec<Loss>,
        emptied: bool,
    ) -> Result<(), Failure> {
        self.taken.records += batch.len() as u64;
        for loss in &losses {
            self.taken.lost = self.taken.lost.saturating_add(loss.lost);
        }
        if self.only_counted {
            return self.let_asker_hear(batch);
        }
        self.losses.extend(losses);
        let held = mem::take(&mut self.losses);
        let (counters, existing) = (&mut self.counters, &self.existing);
        let tells = self.methods.tells();
        let reconciler = self
            .reconciler
            .get_or_insert_with(|| Reconciler::new(mem::take(counters), existing, tells));
        let mut listeners = Listeners {
            reconciler,
            asker: self.asker.as_mut(),
            tracker: &mut self.tracker,
            telling: &mut self.telling,
        };
        let later = match batch.events(held, &mut listeners) {
            Ok(later) => later,
            Err(error) => {
                // What came before it is good.
                self.tell()?;
                return Err(error.into());
            }
        };
        if emptied {
            for loss in later {
                self.tracker.handle(&Event::Loss(loss));
            }
        } else {
            // Their place is between records that are still to be read.
            self.losses = later;
        }
        Ok(())
    }

    /// Lets the asker alone take records in.
    fn let_asker_hear(&mut self, batch: &Batch) -> Result<(), Failure> {
        if let Some(asker) = &mut self.asker {
            batch.events(Vec::new(), &mut |event: &Event| asker.handle(event))?;
        }
        Ok(())
    }

    /// What changed while the list was made has been taken in, then comes the list: changes tell more.
    fn existing_complete(&mut self) -> Result<(), Failure> {
        // There may have been no turn yet.
        self.records(&Batch::default(), Vec::new(), false)?;
        for socket in mem::take(&mut self.existing) {
            let event = Event::Existing(socket);
            if let Some(asker) = &mut self.asker {
                asker.handle(&event);
            }
            if !self.only_counted {
                self.tracker.handle(&event);
            }
        }
        self.tracker.handle(&Event::ExistingComplete);
        self.stage = Stage::Running;
        let session = session(
            &self.head,
            self.methods,
            mem::take(&mut self.filters),
            self.tracker.tally().existing,
        );
        self.telling.begin(&Beginning {
            session: &session,
            namespaces: &self.namespaces,
            hz: self.methods.hz(),
        })?;
        self.tell()
    }

    /// Returns what is to be asked by `now`, or a part of it.
    pub(super) fn questions(&mut self, now: MonoNs) -> Vec<Question> {
        self.drain();
        self.asker
            .as_mut()
            .map_or_else(Vec::new, |asker| asker.questions(now))
    }

    /// Takes answers in.
    pub(super) fn answers(&mut self, answers: &[(Question, Look)]) {
        let Some(asker) = &mut self.asker else {
            return;
        };
        for (question, look) in answers {
            if let Some(event) = asker.answer(question, look)
                && !self.only_counted
            {
                self.tracker.handle(&event);
            }
        }
        while let Some(question) = asker.poll_given_up() {
            self.tracker.give_up_timewait(&question);
        }
    }

    /// It is `now`, and nothing older is still to be read.
    pub(super) fn timeout(&mut self, now: MonoNs) {
        self.tracker.handle_timeout(now);
        self.telling.passed = Some(now);
    }

    /// Returns when something is due, if anything is.
    pub(super) fn poll_timeout(&self) -> Option<MonoNs> {
        let asked = self.asker.as_ref().and_then(Asker::poll_timeout);
        let told = self.tracker.poll_timeout();
        let paired = self.telling.pairer.as_ref().and_then(Pairer::poll_timeout);
        [told, asked, paired].into_iter().flatten().min()
    }

    /// Returns whether nothing that is shown is still on its way to its end, but in a timewait socket. Where nothing is
    /// followed, nobody knows.
    pub(super) fn is_settled(&self) -> bool {
        !self.only_counted && !self.tracker.has_unsettled()
    }

    /// Tells what there is to tell.
    pub(super) fn tell(&mut self) -> Result<(), Failure> {
        self.telling.tell(&mut self.tracker, self.taken)
    }

    /// It was told to end; turns follow, until the ring buffers are empty or they are newer.
    fn close(&mut self, closing: Closing) -> Result<(), Failure> {
        if self.stage == Stage::Listing {
            // Its begin could not be recorded.
            self.existing_complete()?;
        }
        if let Some(reconciler) = &mut self.reconciler {
            reconciler.close(closing.counters);
        }
        self.not_followed = closing.not_followed;
        self.stage = Stage::Closing(closing.at);
        Ok(())
    }

    /// All has been read of a trace that was told to end: what waited for its place has it now, and what
    /// is still there is to be known as of that moment.
    fn drain(&mut self) {
        let Stage::Closing(at) = self.stage else {
            return;
        };
        self.stage = Stage::Drained;
        for loss in mem::take(&mut self.losses) {
            self.tracker.handle(&Event::Loss(loss));
        }
        if let Some(asker) = &mut self.asker {
            asker.ask_all(at);
        }
    }

    /// The trace ended; `cut_short` says why its end is not known, if it is not.
    pub(super) fn finish(mut self, end: MonoNs, cut_short: Option<&str>) -> Result<Exit, Failure> {
        if self.stage == Stage::Listing {
            self.existing_complete()?;
        }
        if self.stage == Stage::Running {
            self.stage = Stage::Closing(end);
        }
        self.drain();
        self.tracker.finish(end);
        self.tell()?;
        self.telling.finish_conversations()?;

        let tally = self.tracker.tally();
        let reason = cut_short.map(str::to_owned).or(self.not_comparable.take());
        let untold = || "those of the begin are not known".to_owned();
        let reason = reason.or((!self.has_counters).then(untold));
        let kernel = match (reason, &self.reconciler) {
            (None, Some(reconciler)) => Ok(reconciler.compare()),
            (reason, _) => Err(reason.unwrap_or_default()),
        };
        let window = self.telling.window;
        let (from, to) = match window {
            Some(Window { since, until }) => (since.max(self.head.start), until.min(end)),
            None => (self.head.start, end),
        };
        let duration_ns = to.since(from).unwrap_or_default();
        let mut summary = self.telling.summary.finish(
            duration_ns,
            tally.evicted,
            // Of a part of the time, they are not counted.
            TimewaitSockets {
                found: window.map_or(tally.timewait_found, |_| 0),
                open: window.map_or(tally.timewait_open, |_| 0),
            },
            kernel,
        );
        // Where what they did is not to be told, nothing is missing.
        summary.not_followed = match self.follows {
            true => self.not_followed,
            false => 0,
        };
        self.telling.teller.end(&summary, end)?;
        let missing = [
            self.taken.lost,
            summary.lost,
            summary.evicted,
            summary.not_followed,
        ];
        let is_whole = missing.iter().all(|&missing| missing == 0);
        Ok(match is_whole && !self.telling.teller.is_failed() {
            true => Exit::Done,
            false => Exit::Incomplete,
        })
    }
}

/// The clock that every time of a trace is told by.
pub(super) fn wall_of(clock: Clock) -> WallClock {
    WallClock::new(clock.mono, clock.wall_ns)
}
