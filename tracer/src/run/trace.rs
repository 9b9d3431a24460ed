//! A trace: attach, list what is there, then follow what happens until told to stop.
//!
//! **Owns:** the clock, the waiting, and what is asked of this host.
//! **Never:** what comes of it: that is the [`Course`]'s; or how it is told: that is the verb's, through
//! [`Teller`].

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::attach::{attach, followed, look_up, refuse_host, refuse_without_btf};
use super::command::Running;
use super::course::{Course, Wanted};
use super::failure::Failure;
use super::giving_up::{enters, give_up_for_trace, unasked, unread};
use super::head::{Attached, head};
use super::hidden::HiddenMethods;
use super::host::clock;
use super::record::recorded;
use super::say;
use super::stop::Stop;
use super::surroundings::{Counting, described, namespaces, readings};
use super::teller::Teller;
use crate::cli::args::{HookArg, TimeWaitArg};
use crate::cli::exit::Exit;
use crate::cli::plan::Plan;
use crate::evidence::{Asked, Clock, Closing, Entry, Namespace, Turn};
use crate::model::{LATE_NS, MonoNs};
use crate::privilege::Confinement;
use crate::source::asking::Asking;
use crate::source::clock::boot_time;
use crate::source::hz::HzWatch;
use crate::source::live::{BEHIND_NS, Hook, Live};
use crate::source::netns::Resolved;
use crate::source::{cgroup, owners, snapshot, timewait_ages};
use crate::store::Recorder;

/// Rest after each reading of busy ring buffers: changes then come in batches, and the kernel side
/// need not wake anybody for each.
const REST: Duration = Duration::from_millis(5);
/// How often the clocks are read together, so that evidence shows when one was set.
const CLOCK_PACE: Duration = Duration::from_secs(10);
/// How often a quiet host is looked after: losses, and whether anybody still reads.
const TICK: Duration = Duration::from_secs(1);

/// Traces as planned, and lets `teller` tell. Its clock is `clock`.
pub(super) fn trace<T: Teller>(mut plan: Plan, clock: Clock, teller: T) -> Result<Exit, Failure> {
    refuse_without_btf(&plan, matches!(plan.hook, HookArg::Classic))?;
    refuse_host()?;
    let asked = look_up(&mut plan)?;
    plan.keep_privileges = enters(&plan);
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
        let command = Running::prepare(&plan.command)?;
        let mut stop = Stop::listen(teller.farewell(), command)?;
        let ticks = (plan.time_wait != TimeWaitArg::Off).then(HzWatch::begin);
        let live = attach(&plan, followed(&plan, stop.command())?)?;
        if live.hook == Hook::Classic {
            refuse_without_btf(&plan, true)?;
        }
        let mut tracing = Tracing::begin((live, ticks), &plan, asked, clock, teller, &mut stop)?;
        stop.begin_command()?;
        stop.after(plan.duration);
        let followed = tracing.follow(&mut stop).await;
        let exit = tracing.end(followed)?;
        if let Some(fate) = stop.fate_of_command().await?
            && !plan.quiet
        {
            say(&fate);
        }
        Ok(exit)
    })
}

/// A running trace.
struct Tracing<T> {
    live: Live,
    course: Course<T>,
    asking: Asking,
    /// Whether nothing is said of what was recorded.
    is_quiet: bool,
    /// What this turn took in.
    turn: Turn,
    /// Whether it is to be kept though nothing is in it.
    must_keep: bool,
    /// What keeps all of it as evidence, if anything does.
    recorder: Option<Recorder>,
    /// How the kernel's counters are read at the end.
    counting: Counting,
    _confinement: Confinement,
    /// What is known of network namespaces.
    described: Vec<Namespace>,
}

impl<T: Teller> Tracing<T> {
    /// Lists what is there, now that nothing can change unseen, and writes the first line.
    fn begin(
        (live, ticks): (Live, Option<HzWatch>),
        plan: &Plan,
        asked: Option<Vec<Resolved>>,
        clock: Clock,
        teller: T,
        stop: &mut Stop,
    ) -> Result<Self, Failure> {
        let start = boot_time();
        let (namespaces, mut notes) = namespaces(asked.as_deref());
        let (readings, failed) = readings(&namespaces);
        notes.extend(failed);
        let mut snapshot = snapshot::take(&namespaces);

        let release = super::host::kernel_release();
        let methods = HiddenMethods::of(&live, plan.time_wait, &release, ticks);
        if methods.names().time_wait.is_some() {
            let unknown = timewait_ages::fill(&mut snapshot.existing, &namespaces);
            snapshot.notes.extend(unknown);
        }
        let owners = owners::find(&mut snapshot.existing, &snapshot.inodes);
        notes.extend(owners.notes);
        let (counting, ways) = match plan.keep_privileges {
            true => (Counting::Entering(asked), Vec::new()),
            false => Counting::ways(&namespaces),
        };
        notes.extend(ways);
        if teller.shows_settings() {
            notes.extend(unread(plan, &namespaces));
        }
        let mut missing = live.missing.clone();
        missing.append(&mut snapshot.notes);
        missing.extend(owners.missing);
        missing.extend(unasked(plan, &methods));
        let mut described = described(&namespaces);
        counting.lasting(&mut described);
        let mut head = head(
            plan,
            Attached {
                hook: live.hook,
                methods,
                tells_resets: live.tells_resets,
                reset_reasons: live.reset_reasons.clone(),
                ring_bytes: live.ring_bytes,
                start,
                clock,
                missing,
                notes,
            },
        );
        let prepared = match &plan.record {
            Some(record) => Some(Recorder::prepare(record)?),
            None => None,
        };
        let wanted = Wanted {
            selection: plan.selection.clone(),
            filters: plan.filters.clone(),
            raw: plan.output.raw,
            limits: plan.limits,
            not_comparable: (!plan.selection.takes_whole_namespaces())
                .then(|| "filters leave connections out".to_owned()),
            window: None,
            only_counted: teller.is_counter(),
            keeps_first: prepared.is_some(),
        };
        let mut asking = Asking::new(&namespaces);
        let confinement = give_up_for_trace(plan, &methods, &counting, stop)?;
        head.privileges = Some(confinement.in_force.clone());
        let recorder = match prepared {
            Some(prepared) => Some(prepared.begin(&head, say)?),
            None => None,
        };
        if !plan.keep_privileges {
            asking.stay()?;
        }
        let mut tracing = Self {
            asking,
            course: Course::new(head, methods, wanted, namespaces, teller),
            turn: Turn::default(),
            is_quiet: plan.quiet,
            must_keep: false,
            recorder,
            counting,
            _confinement: confinement,
            described,
            live,
        };

        tracing.put(Entry::Counters(readings))?;
        if !owners.processes.is_empty() {
            tracing.put(Entry::Processes(owners.processes))?;
        }
        for socket in snapshot.existing {
            tracing.put(Entry::Existing(socket))?;
        }
        // What changed while the list was made; on a busy host the ring never runs empty.
        let listed = boot_time();
        loop {
            let emptied = tracing.read()?;
            tracing.keep();
            let last = tracing.turn.batch.last_at();
            if emptied || last.is_some_and(|at| at > listed.plus(LATE_NS)) {
                break;
            }
        }
        tracing.put(Entry::ExistingComplete)?;
        tracing.put(Entry::Namespaces(tracing.described.clone()))?;
        tracing.keep_cgroups();
        Ok(tracing)
    }

    /// Follows what happens until told to stop.
    async fn follow(&mut self, stop: &mut Stop) -> Result<(), Failure> {
        let mut looked_at = Instant::now();
        let mut told_at = looked_at;
        let mut clock_at = looked_at;
        loop {
            // What is older than this has been read when that has emptied the ring buffers.
            let now = MonoNs(boot_time().0.saturating_sub(BEHIND_NS));
            let emptied = self.read()?;
            self.ask(boot_time());
            if emptied {
                self.must_keep |= self.course.poll_timeout().is_some_and(|due| due <= now);
                self.course.timeout(now);
                self.turn.timeout = Some(now);
            }
            self.keep();
            self.course.tell()?;
            if stop.is_settling() && emptied && self.course.is_settled() {
                return Ok(());
            }
            if looked_at.elapsed() >= TICK {
                looked_at = Instant::now();
                self.course.teller().check_reader()?;
            }
            if clock_at.elapsed() >= CLOCK_PACE {
                clock_at = Instant::now();
                self.put(Entry::Clock(clock()))?;
            }
            let pace = self.course.teller().pace();
            if pace.is_some_and(|pace| told_at.elapsed() >= pace) {
                told_at = Instant::now();
                let evicted = self.course.evicted();
                self.course.teller().refresh(boot_time(), evicted)?;
            }
            if !self.turn.batch.is_empty() {
                tokio::select! {
                    true = stop.wait() => return Ok(()),
                    () = sleep(REST) => continue,
                }
            }
            let mut timeout = self.until_timeout();
            if let Some(pace) = pace {
                timeout = timeout.min(pace.saturating_sub(told_at.elapsed()));
            }
            tokio::select! {
                is_over = stop.wait() => if is_over {
                    return Ok(());
                },
                ready = self.live.readable() => ready.map_err(|cause| Failure::System {
                    what: "wait for the ring buffers",
                    cause,
                })?,
                () = sleep(timeout) => {}
            }
        }
    }

    /// Ends the trace, and the evidence even where nobody reads any more what is told.
    fn end(mut self, followed: Result<(), Failure>) -> Result<Exit, Failure> {
        let read_out = followed.and_then(|()| self.read_out());
        let end = boot_time();
        let outcome = self.recorder.take().map(|mut recorder| {
            recorder.entry(&Entry::End(end));
            recorder.finish(boot_time())
        });
        let lost = self.course.lost();
        let told = read_out.and_then(|()| self.course.finish(end, None));
        let Some(outcome) = outcome else {
            return told;
        };
        if !self.is_quiet {
            say(&recorded(&outcome, lost));
        }
        Ok(match (told?, outcome.is_whole) {
            (exit, true) => exit,
            (_, false) => Exit::Incomplete,
        })
    }

    /// Takes in what is left: the kernel's counters first, then what came before them.
    fn read_out(&mut self) -> Result<(), Failure> {
        let counters = self.counting.read();
        let counted = boot_time();
        let closing = Closing {
            at: counted,
            counters,
            not_followed: self.live.not_followed(),
        };
        if self.recorder.is_some() {
            self.described = self.counting.describe_again(&self.described);
        }
        self.keep_surroundings();
        self.put(Entry::Closing(closing))?;
        // On a busy host the ring never runs empty; what is newer than the counters is not needed.
        loop {
            let emptied = self.read()?;
            self.keep();
            self.course.tell()?;
            if emptied
                || self
                    .turn
                    .batch
                    .last_at()
                    .is_some_and(|at| at > counted.plus(LATE_NS))
            {
                break;
            }
        }
        self.begin_turn();
        while self.ask(counted) {
            self.keep();
            self.begin_turn();
        }
        self.put(Entry::Clock(clock()))
    }

    /// Takes in something else than a turn.
    fn put(&mut self, entry: Entry) -> Result<(), Failure> {
        if let Some(recorder) = &mut self.recorder {
            recorder.entry(&entry);
        }
        self.course.take(entry)
    }

    /// Begins a turn, in which nothing has been taken in yet.
    fn begin_turn(&mut self) {
        self.turn.batch.clear();
        self.turn.losses.clear();
        self.turn.emptied = false;
        self.turn.asked = None;
        self.turn.timeout = None;
    }

    /// Begins a turn by reading the ring buffers once; returns whether they held no more that was made before.
    fn read(&mut self) -> Result<bool, Failure> {
        self.begin_turn();
        let turn = &mut self.turn;
        turn.emptied = self.live.drain(&mut turn.batch);
        // After the records, so that no loss is learnt of later than a change that followed it.
        turn.losses = self.live.losses();
        // What was written before such a loss is to be read before it is told.
        turn.emptied &= turn.losses.is_empty() || !self.live.has_more();
        self.course
            .records(&turn.batch, turn.losses.clone(), turn.emptied)?;
        Ok(turn.emptied)
    }

    /// Asks what is due by `now`, or a part of it, and takes the answers in; returns whether anything was due.
    fn ask(&mut self, now: MonoNs) -> bool {
        let questions = self.course.questions(now);
        if questions.is_empty() {
            return false;
        }
        let answers = self.asking.ask(questions);
        self.course.answers(&answers);
        self.turn.asked = Some(Asked { now, answers });
        true
    }

    /// Keeps what the figures of a trace are held against; live, whoever needs that looks for it.
    fn keep_surroundings(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.entry(&Entry::Namespaces(self.described.clone()));
        }
        self.keep_cgroups();
    }

    /// Keeps the paths of cgroups.
    fn keep_cgroups(&mut self) {
        let Some(recorder) = &mut self.recorder else {
            return;
        };
        let cgroups = cgroup::all();
        if !cgroups.is_empty() {
            recorder.entry(&Entry::Cgroups(cgroups));
        }
    }

    /// Keeps the turn as evidence, unless it is one of nothing.
    fn keep(&mut self) {
        let Some(recorder) = &mut self.recorder else {
            return;
        };
        let Turn {
            batch,
            losses,
            emptied,
            asked,
            ..
        } = &self.turn;
        let is_something = !batch.is_empty() || !losses.is_empty() || asked.is_some();
        if is_something || self.must_keep {
            recorder.turn(&self.turn);
        }
        // What the ring buffers left behind has its place as soon as they were found empty.
        self.must_keep = !emptied;
        recorder.tick(boot_time());
    }

    /// How long until something is due.
    fn until_timeout(&self) -> Duration {
        let written = self.recorder.as_ref().and_then(Recorder::next_deadline);
        let due = [self.course.poll_timeout(), written]
            .into_iter()
            .flatten()
            .min()
            .map(|due| Duration::from_nanos(due.since(boot_time()).unwrap_or_default()));
        due.map_or(TICK, |due| due.min(TICK))
    }
}
