//! A trace: attach, list what is there, then tell what happens until told to stop.
//!
//! **Never:** how it is told: that is the verb's, through [`Teller`].

use std::mem;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::attach::{attach, look_up, refuse_host, refuse_without_btf};
use super::failure::Failure;
use super::hidden::HiddenMethods;
use super::host::Host;
use super::stop::Stop;
use super::surroundings::{namespaces, readings};
use super::teller::{Beginning, Teller};
use crate::cli::args::HookArg;
use crate::cli::exit::Exit;
use crate::cli::plan::Plan;
use crate::model::{Batch, Event, Loss, MonoNs, WallClock};
use crate::sink::Session;
use crate::source::asking::Asking;
use crate::source::clock::boot_time;
use crate::source::live::{Hook, Live};
use crate::source::netns::Resolved;
use crate::source::{snapshot, timewait_ages};
use crate::stats::{Reconciler, SummaryBuilder, TimewaitSockets};
use crate::track::asking::Asker;
use crate::track::{Origin, Output, Tracker};

/// Rest after each reading of a busy ring buffer: changes then come in batches, and the kernel side
/// need not wake anybody for each.
const REST: Duration = Duration::from_millis(5);
/// How often a quiet host is looked after: losses, and whether anybody still reads.
const TICK: Duration = Duration::from_secs(1);

/// Traces as planned, and lets `teller` tell. Its clock is `wall`.
pub(super) fn trace<T: Teller>(
    mut plan: Plan,
    wall: WallClock,
    teller: T,
) -> Result<Exit, Failure> {
    refuse_without_btf(&plan, matches!(plan.hook, HookArg::Classic))?;
    refuse_host()?;
    let asked = look_up(&mut plan)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|cause| Failure::System {
            what: "start the event loop",
            cause,
        })?;
    runtime.block_on(async {
        // Before anything is written: whoever reads the first line may send a signal at once.
        let mut stop = Stop::listen(teller.farewell())?;
        let live = attach(&plan)?;
        if live.hook == Hook::Classic {
            refuse_without_btf(&plan, true)?;
        }
        let mut tracing = Tracing::begin(live, &plan, asked, wall, teller)?;
        stop.after(plan.duration);
        tracing.follow(&mut stop).await?;
        tracing.end()
    })
}

/// A running trace.
struct Tracing<T> {
    live: Live,
    batch: Batch,
    /// Losses that belong behind what has been read so far.
    losses: Vec<Loss>,
    tracker: Tracker,
    reconciler: Reconciler,
    /// What is asked where no hook tells, and in which namespaces.
    asker: Option<(Asker, Asking)>,
    summary: SummaryBuilder,
    teller: T,
    /// Whether only what the tracepoint said is written.
    raw: bool,
    start: MonoNs,
    /// The namespaces that were asked for, or `None` for all.
    asked: Option<Vec<Resolved>>,
    /// Why the kernel's counters say nothing about what was traced, if they do not.
    not_comparable: Option<String>,
}

impl<T: Teller> Tracing<T> {
    /// Lists what is there, now that nothing can change unseen, and writes the first line.
    fn begin(
        live: Live,
        plan: &Plan,
        asked: Option<Vec<Resolved>>,
        wall: WallClock,
        teller: T,
    ) -> Result<Self, Failure> {
        let start = boot_time();
        let (namespaces, mut notes) = namespaces(asked.as_deref());
        let (readings, unread) = readings(&namespaces);
        notes.extend(unread);
        let mut existing = snapshot::take(&namespaces);

        let methods = HiddenMethods::of(&live, plan.time_wait);
        if methods.names().time_wait.is_some() {
            let unknown = timewait_ages::fill(&mut existing.existing, &namespaces);
            existing.notes.extend(unknown);
        }
        let mut tracker = Tracker::new(plan.selection.clone(), plan.limits);
        tracker.follow(methods.follows(start));
        let mut tracing = Self {
            tracker,
            asker: methods
                .asker(plan.limits.connections)
                .map(|asker| (asker, Asking::new(&namespaces))),
            reconciler: Reconciler::new(readings, &existing.existing, methods.tells()),
            summary: SummaryBuilder::new(methods.names()),
            teller,
            batch: Batch::default(),
            losses: Vec::new(),
            raw: plan.output.raw,
            start,
            asked,
            not_comparable: (!plan.selection.takes_whole_namespaces())
                .then(|| "filters leave connections out".to_owned()),
            live,
        };

        // What changed while the list was made, then the list: changes tell more.
        while !tracing.take_in()? {}
        for socket in existing.existing {
            let event = Event::Existing(socket);
            if let Some((asker, _)) = &mut tracing.asker {
                asker.handle(&event);
            }
            tracing.tracker.handle(&event);
        }
        tracing.tracker.handle(&Event::ExistingComplete);

        let host = Host::read();
        let mut missing = tracing.live.missing.clone();
        missing.extend(existing.notes);
        let session = Session {
            tracer: env!("CARGO_PKG_VERSION"),
            kernel: host.kernel,
            machine: host.machine,
            boot_id: host.boot_id,
            hostname: host.hostname,
            hook: tracing.live.hook.name(),
            time_wait: methods.names().time_wait.unwrap_or("off"),
            time_wait_bound: methods.bound(),
            half_open: methods.names().half_open.unwrap_or("off"),
            filters: plan.filters.clone(),
            start,
            wall,
            missing,
            notes,
            ring_bytes: plan.ring_bytes,
            existing: tracing.tracker.tally().existing,
        };
        tracing.teller.begin(&Beginning {
            session: &session,
            namespaces: &namespaces,
            hz: methods.hz(),
        })?;
        tracing.put_out()?;
        Ok(tracing)
    }

    /// Follows what happens until told to stop.
    async fn follow(&mut self, stop: &mut Stop) -> Result<(), Failure> {
        let mut looked_at = Instant::now();
        let mut told_at = looked_at;
        loop {
            let now = boot_time();
            let emptied = self.take_in()?;
            self.ask(boot_time());
            if emptied {
                self.tracker.handle_timeout(now);
            }
            self.put_out()?;
            if looked_at.elapsed() >= TICK {
                looked_at = Instant::now();
                self.teller.check_reader()?;
            }
            if self
                .teller
                .pace()
                .is_some_and(|pace| told_at.elapsed() >= pace)
            {
                told_at = Instant::now();
                let evicted = self.tracker.tally().evicted;
                self.teller.refresh(boot_time(), evicted)?;
            }
            if !self.batch.is_empty() {
                tokio::select! {
                    () = stop.wait() => return Ok(()),
                    () = sleep(REST) => continue,
                }
            }
            let mut timeout = self.until_timeout();
            if let Some(pace) = self.teller.pace() {
                timeout = timeout.min(pace.saturating_sub(told_at.elapsed()));
            }
            tokio::select! {
                () = stop.wait() => return Ok(()),
                ready = self.live.readable() => ready.map_err(|cause| Failure::System {
                    what: "wait for the ring buffer",
                    cause,
                })?,
                () = sleep(timeout) => {}
            }
        }
    }

    /// Ends the trace: the kernel's counters first, then what came before them, then the summary.
    fn end(mut self) -> Result<Exit, Failure> {
        let (namespaces, _) = namespaces(self.asked.as_deref());
        let (readings, _) = readings(&namespaces);
        self.reconciler.close(readings);
        let counted = boot_time();
        // On a busy host the ring never runs empty; what is newer than the counters is not needed.
        while !self.take_in()? && self.batch.last_at().is_none_or(|at| at <= counted) {
            self.put_out()?;
        }
        for loss in mem::take(&mut self.losses) {
            self.tracker.handle(&Event::Loss(loss));
        }
        if let Some((asker, _)) = &mut self.asker {
            // What is still there is to be known as of now.
            asker.ask_all(counted);
        }
        while self.ask(counted) {}
        let end = boot_time();
        self.tracker.finish(end);
        self.put_out()?;

        let tally = self.tracker.tally();
        let kernel = match self.not_comparable.take() {
            Some(why) => Err(why),
            None => Ok(self.reconciler.compare()),
        };
        let duration_ns = end.since(self.start).unwrap_or_default();
        let summary = self.summary.finish(
            duration_ns,
            tally.evicted,
            TimewaitSockets {
                found: tally.timewait_found,
                open: tally.timewait_open,
            },
            kernel,
        );
        self.teller.end(&summary, end)?;
        Ok(match summary.lost + summary.evicted {
            0 => Exit::Done,
            _ => Exit::Incomplete,
        })
    }

    /// Reads the ring buffer once; returns whether it ran empty.
    fn take_in(&mut self) -> Result<bool, Failure> {
        self.batch.clear();
        let emptied = self.live.drain(&mut self.batch);
        // After the records, so that no loss is learnt of later than a change that followed it.
        let found = self.live.losses().map_err(|cause| Failure::System {
            what: "read the loss counters",
            cause,
        })?;
        self.losses.extend(found);
        let Self {
            batch,
            tracker,
            reconciler,
            asker,
            losses,
            ..
        } = self;
        let later = batch.events(mem::take(losses), |event| {
            match &event {
                Event::StateChange(change) => reconciler.count(change),
                Event::Timewait(timewait) => reconciler.count_timewait(timewait),
                Event::Request(request) => reconciler.count_request(request),
                _ => {}
            }
            if let Some((asker, _)) = asker {
                asker.handle(&event);
            }
            tracker.handle(&event);
        })?;
        if emptied {
            for loss in later {
                tracker.handle(&Event::Loss(loss));
            }
        } else {
            // Their place is between records that are still to be read.
            *losses = later;
        }
        Ok(emptied)
    }

    /// Asks what is due by `now`, or a part of it, and takes the answers in; returns whether anything was due.
    fn ask(&mut self, now: MonoNs) -> bool {
        let Some((asker, asking)) = &mut self.asker else {
            return false;
        };
        let questions = asker.questions(now);
        let asked = !questions.is_empty();
        for (question, look) in asking.ask(questions) {
            if let Some(event) = asker.answer(&question, &look) {
                self.tracker.handle(&event);
            }
        }
        while let Some(question) = asker.poll_given_up() {
            self.tracker.give_up_timewait(&question);
        }
        asked
    }

    fn put_out(&mut self) -> Result<(), Failure> {
        while let Some(output) = self.tracker.poll() {
            if self.raw && is_found(&output) {
                continue;
            }
            self.summary.add(&output);
            self.teller.output(&output)?;
        }
        self.teller.flush()
    }

    /// How long until something is due.
    fn until_timeout(&self) -> Duration {
        let asked = self
            .asker
            .as_ref()
            .and_then(|(asker, _)| asker.poll_timeout());
        let due = [self.tracker.poll_timeout(), asked]
            .into_iter()
            .flatten()
            .min()
            .map(|due| Duration::from_nanos(due.since(boot_time()).unwrap_or_default()));
        due.map_or(TICK, |due| due.min(TICK))
    }
}

/// Returns whether it shows a socket that was found, rather than something that happened.
fn is_found(output: &Output) -> bool {
    matches!(output, Output::Change(change) if change.origin == Origin::Snapshot)
}
