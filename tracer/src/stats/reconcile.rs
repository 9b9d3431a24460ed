//! What was traced, held against what the kernel counted over the same time.
//!
//! **Owns:** which transitions each counter of RFC 4022 stands for, and where Linux differs.
//! **Never:** a verdict where the two cannot be compared.

use std::collections::BTreeMap;

use crate::model::{Existing, KernelCounters, MonoNs, StateChange, TcpState};

/// The counters of one namespace at one time: after `before` and before `after`.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Inode number of the namespace.
    pub netns: u32,
    /// Before the first counter was read.
    pub before: MonoNs,
    /// After the last one was read.
    pub after: MonoNs,
    /// The counters.
    pub counters: KernelCounters,
}

/// One counter, compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Its name, without the group: `ActiveOpens`.
    pub counter: &'static str,
    /// By how much the kernel's counter moved; `None` where it could not be read.
    pub kernel: Option<i64>,
    /// By how much it should have moved by what was traced.
    pub traced: i64,
    /// Whether they agree; `None` where they cannot be compared.
    pub agree: Option<bool>,
    /// Changes that came while a counter was being read, or of which this hook cannot tell whether
    /// they count: a difference of up to this many is none.
    pub uncertain: u64,
    /// Why they differ, or cannot be compared, where that is known.
    pub note: Option<&'static str>,
}

/// Why a difference says nothing about the trace.
mod note {
    pub(super) const HALF_OPEN: &str = "the kernel also counts half-open connections that failed, which the tracepoint never shows";
    pub(super) const NAMESPACES: &str = "this hook does not tell network namespaces apart";
    pub(super) const REUSED: &str =
        "a network namespace's number was used again, or its counters cannot be read";
    pub(super) const CLOSE_WAIT: &str = "kernels differ on whether CLOSE_WAIT counts";
}

/// What one change, or many, should do to the counters.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    active_opens: i64,
    passive_opens: i64,
    attempt_fails: i64,
    /// Ends of attempts of which the hook does not tell whether the kernel counts them.
    attempts_undecided: i64,
    estab_resets: i64,
    /// ESTABLISHED alone.
    curr_estab: i64,
    /// CLOSE_WAIT too.
    curr_estab_or_close_wait: i64,
}

impl Counts {
    /// # Kernel
    ///
    /// RFC 4022, section 3, and where Linux counts: `ActiveOpens` in `tcp_connect`, which a socket
    /// that found no free port never reaches; `PassiveOpens` in `tcp_create_openreq_child`;
    /// `AttemptFails` in `tcp_done`, through which a close by the program itself does not go
    /// (RFC 4022 would count it); `EstabResets` and `CurrEstab` in `tcp_set_state`.
    fn of(change: &StateChange) -> Self {
        use TcpState::{Close, CloseWait, Established, Listen, SynRecv, SynSent};
        let mut counts = Self::default();
        match (change.from, change.to) {
            (Close, SynSent) => counts.active_opens = 1,
            (Listen, SynRecv) => counts.passive_opens = 1,
            (SynSent | SynRecv, Close) => {
                match (change.task_holds_socket, change.error) {
                    (Some(holds), Some(error)) => {
                        counts.attempt_fails = i64::from(!holds || error.0 != 0);
                    }
                    _ => counts.attempts_undecided = 1,
                }
                let no_port = change.from == SynSent && change.shown.local_port == 0;
                counts.active_opens = -i64::from(no_port);
            }
            (Established | CloseWait, Close) => counts.estab_resets = 1,
            _ => {}
        }
        let moved = |in_it: &dyn Fn(TcpState) -> bool| {
            i64::from(in_it(change.to)) - i64::from(in_it(change.from))
        };
        counts.curr_estab = moved(&|state| state == Established);
        counts.curr_estab_or_close_wait = moved(&|state| matches!(state, Established | CloseWait));
        counts
    }

    fn add(&mut self, other: Self) {
        self.active_opens += other.active_opens;
        self.passive_opens += other.passive_opens;
        self.attempt_fails += other.attempt_fails;
        self.attempts_undecided += other.attempts_undecided;
        self.estab_resets += other.estab_resets;
        self.curr_estab += other.curr_estab;
        self.curr_estab_or_close_wait += other.curr_estab_or_close_wait;
    }

    fn magnitude(self) -> Self {
        Self {
            active_opens: self.active_opens.abs(),
            passive_opens: self.passive_opens.abs(),
            attempt_fails: self.attempt_fails.abs(),
            attempts_undecided: self.attempts_undecided.abs(),
            estab_resets: self.estab_resets.abs(),
            curr_estab: self.curr_estab.abs(),
            curr_estab_or_close_wait: self.curr_estab_or_close_wait.abs(),
        }
    }
}

/// Counts what the kernel should have counted, namespace by namespace.
#[derive(Debug)]
pub struct Reconciler {
    starts: BTreeMap<u32, Reading>,
    ends: BTreeMap<u32, Reading>,
    /// Whether this kernel's `CurrEstab` counts CLOSE_WAIT, where that is known.
    counts_close_wait: Option<bool>,
    /// Surely between the readings.
    counted: BTreeMap<Option<u32>, Counts>,
    /// While one of them was being made.
    uncertain: BTreeMap<Option<u32>, Counts>,
}

impl Reconciler {
    /// Begins with the readings made after the hook was attached, and the sockets listed then.
    pub fn new(starts: Vec<Reading>, existing: &[Existing]) -> Self {
        Self {
            counts_close_wait: counts_close_wait(&starts, existing),
            starts: by_netns(starts),
            ends: BTreeMap::new(),
            counted: BTreeMap::new(),
            uncertain: BTreeMap::new(),
        }
    }

    /// Takes in the readings made at the end, before the last changes are taken in.
    pub fn close(&mut self, ends: Vec<Reading>) {
        self.ends = by_netns(ends);
    }

    /// Takes in a change, whether it is shown or not.
    pub fn count(&mut self, change: &StateChange) {
        let spot = [&self.starts, &self.ends].map(|readings| relative(readings, change.at));
        let [at_start, at_end] = spot;
        if at_start == Spot::Before || at_end == Spot::After {
            return;
        }
        let counts = Counts::of(change);
        if at_start == Spot::Within || at_end == Spot::Within {
            self.uncertain
                .entry(change.netns)
                .or_default()
                .add(counts.magnitude());
        } else {
            self.counted.entry(change.netns).or_default().add(counts);
        }
    }

    /// Compares, or says that it cannot: `None` where nothing was read at the end.
    ///
    /// A namespace that had gone by the end takes its counters with it, so its changes are left
    /// out; one that came meanwhile began at zero. Where the hook does not tell namespaces apart,
    /// all are compared as one, and a difference says nothing.
    pub fn compare(&self) -> Vec<Comparison> {
        let has_end =
            |netns: &Option<u32>| netns.is_none_or(|netns| self.ends.contains_key(&netns));
        let sum = |by_netns: &BTreeMap<Option<u32>, Counts>| {
            let mut total = Counts::default();
            for (_, counts) in by_netns.iter().filter(|(netns, _)| has_end(netns)) {
                total.add(*counts);
            }
            total
        };
        let counted = sum(&self.counted);
        let uncertain = sum(&self.uncertain);
        let undecided = counted.attempts_undecided + uncertain.attempts_undecided;

        let compare = |counter: &'static str, of: fn(Counts) -> i64| Comparison {
            counter,
            kernel: None,
            traced: of(counted),
            agree: None,
            uncertain: of(uncertain).unsigned_abs(),
            note: None,
        };
        let mut attempts = compare("AttemptFails", |counts| counts.attempt_fails);
        attempts.uncertain += undecided.unsigned_abs();
        vec![
            self.judge(compare("ActiveOpens", |counts| counts.active_opens), None),
            self.judge(compare("PassiveOpens", |counts| counts.passive_opens), None),
            self.judge(attempts, Some(note::HALF_OPEN)),
            self.judge(compare("EstabResets", |counts| counts.estab_resets), None),
            self.judge_current(
                compare("CurrEstab", |counts| counts.curr_estab),
                compare("CurrEstab", |counts| counts.curr_estab_or_close_wait),
            ),
        ]
    }

    /// Holds a figure against the kernel's. `more` says what a kernel that counted more may have
    /// counted that no trace can show.
    fn judge(&self, mut one: Comparison, more: Option<&'static str>) -> Comparison {
        one.kernel = self.moved(one.counter);
        let Some(kernel) = one.kernel else {
            one.note = (!self.ends.is_empty()).then_some(note::REUSED);
            return one;
        };
        if kernel.abs_diff(one.traced) <= one.uncertain {
            one.agree = Some(true);
        } else if self.counted.contains_key(&None) {
            one.note = Some(note::NAMESPACES);
        } else if kernel > one.traced && more.is_some() {
            one.note = more;
        } else {
            one.agree = Some(false);
        }
        one
    }

    /// Holds the number of connections there are against the kernel's, by the meaning that this
    /// kernel gives it; where that is not known, by both.
    fn judge_current(&self, alone: Comparison, with_close_wait: Comparison) -> Comparison {
        match self.counts_close_wait {
            Some(true) => return self.judge(with_close_wait, None),
            Some(false) => return self.judge(alone, None),
            None => {}
        }
        let same = alone.traced == with_close_wait.traced;
        let mut judged = self.judge(alone, None);
        let other = self.judge(with_close_wait, None);
        if same || judged.agree == other.agree {
            return other;
        }
        if judged.agree != Some(true) {
            judged = other;
        }
        judged.agree = None;
        judged.note = Some(note::CLOSE_WAIT);
        judged
    }

    /// By how much a counter moved, all namespaces together.
    ///
    /// `None` where it cannot be read, and where one ran backwards: then the namespace is another
    /// one, which was given the number of one that has gone.
    fn moved(&self, counter: &str) -> Option<i64> {
        let key = format!("Tcp.{counter}");
        let is_current = counter == "CurrEstab";
        let mut total = 0;
        for (netns, end) in &self.ends {
            let end = i64::try_from(end.counters.get(&key)?).ok()?;
            let start = match self.starts.get(netns) {
                Some(start) => i64::try_from(start.counters.get(&key)?).ok()?,
                None => 0,
            };
            if end < start && !is_current {
                return None;
            }
            total += end - start;
        }
        (!self.ends.is_empty()).then_some(total)
    }
}

/// Learns what `CurrEstab` counts from a namespace that has sockets in CLOSE_WAIT: a version number
/// does not tell (see `KernelCounters`). `None` where no namespace tells, or two disagree, as they
/// may when sockets change between the reading and the list.
fn counts_close_wait(starts: &[Reading], existing: &[Existing]) -> Option<bool> {
    let mut learnt = starts.iter().filter_map(|reading| {
        let number = |state| {
            let held = |one: &&Existing| {
                one.netns == reading.netns && one.state == state && one.full_socket
            };
            existing.iter().filter(held).count() as u64
        };
        let current = reading.counters.get("Tcp.CurrEstab")?;
        let established = number(TcpState::Established);
        match number(TcpState::CloseWait) {
            0 => None,
            _ if current == established => Some(false),
            waiting if current == established + waiting => Some(true),
            _ => None,
        }
    });
    let first = learnt.next()?;
    learnt.all(|other| other == first).then_some(first)
}

/// Where a moment lies relative to a set of readings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spot {
    Before,
    Within,
    After,
    /// There are no readings.
    Nowhere,
}

fn relative(readings: &BTreeMap<u32, Reading>, at: MonoNs) -> Spot {
    let first = readings.values().map(|reading| reading.before).min();
    let last = readings.values().map(|reading| reading.after).max();
    match (first, last) {
        (Some(first), _) if at < first => Spot::Before,
        (_, Some(last)) if at > last => Spot::After,
        (Some(_), Some(_)) => Spot::Within,
        _ => Spot::Nowhere,
    }
}

fn by_netns(readings: Vec<Reading>) -> BTreeMap<u32, Reading> {
    readings
        .into_iter()
        .map(|reading| (reading.netns, reading))
        .collect()
}

#[cfg(test)]
mod tests;
