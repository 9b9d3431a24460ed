//! What was traced, held against what the kernel counted over the same time.
//!
//! **Owns:** which transitions each counter of RFC 4022 stands for, and where Linux differs.
//! **Never:** a verdict where the two cannot be compared.

use std::collections::BTreeMap;

use crate::model::{KernelCounters, MonoNs, StateChange, TcpState};

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
    /// Changes that came while a counter was being read, on either side of it: a difference of up
    /// to this many is none.
    pub uncertain: u64,
}

/// What one change, or many, should do to the counters.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    active_opens: i64,
    passive_opens: i64,
    attempt_fails: i64,
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
                let by_program = change.task_holds_socket == Some(true)
                    && change.error.is_some_and(|error| error.0 == 0);
                counts.attempt_fails = i64::from(!by_program);
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
        self.estab_resets += other.estab_resets;
        self.curr_estab += other.curr_estab;
        self.curr_estab_or_close_wait += other.curr_estab_or_close_wait;
    }

    fn magnitude(self) -> Self {
        Self {
            active_opens: self.active_opens.abs(),
            passive_opens: self.passive_opens.abs(),
            attempt_fails: self.attempt_fails.abs(),
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
    /// Surely between the readings.
    counted: BTreeMap<Option<u32>, Counts>,
    /// While one of them was being made.
    uncertain: BTreeMap<Option<u32>, Counts>,
}

impl Reconciler {
    /// Begins with the readings made after the hook was attached.
    pub fn new(starts: Vec<Reading>) -> Self {
        Self {
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
    /// all are compared as one, unless one of them has gone.
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
        let apart = !self.counted.contains_key(&None);
        let all_ended = self
            .starts
            .keys()
            .all(|netns| self.ends.contains_key(netns));
        let comparable = apart || all_ended;

        let compare = |counter: &'static str, key: &str, of: fn(Counts) -> i64| {
            let kernel = comparable.then(|| self.moved(key)).flatten();
            let uncertain = of(uncertain).unsigned_abs();
            let traced = of(counted);
            Comparison {
                counter,
                kernel,
                traced,
                agree: kernel.map(|kernel| kernel.abs_diff(traced) <= uncertain),
                uncertain,
            }
        };
        let established = compare("CurrEstab", "Tcp.CurrEstab", |counts| counts.curr_estab);
        let with_close_wait = compare("CurrEstab", "Tcp.CurrEstab", |counts| {
            counts.curr_estab_or_close_wait
        });
        vec![
            compare("ActiveOpens", "Tcp.ActiveOpens", |counts| {
                counts.active_opens
            }),
            compare("PassiveOpens", "Tcp.PassiveOpens", |counts| {
                counts.passive_opens
            }),
            compare("AttemptFails", "Tcp.AttemptFails", |counts| {
                counts.attempt_fails
            }),
            compare("EstabResets", "Tcp.EstabResets", |counts| {
                counts.estab_resets
            }),
            // Kernels differ on whether CLOSE_WAIT counts (see `KernelCounters`).
            if established.agree == Some(true) {
                established
            } else {
                with_close_wait
            },
        ]
    }

    /// By how much a counter moved, all namespaces together.
    fn moved(&self, key: &str) -> Option<i64> {
        let mut total = 0;
        for (netns, end) in &self.ends {
            let end = i64::try_from(end.counters.get(key)?).ok()?;
            let start = match self.starts.get(netns) {
                Some(start) => i64::try_from(start.counters.get(key)?).ok()?,
                None => 0,
            };
            total += end - start;
        }
        (!self.ends.is_empty()).then_some(total)
    }
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
mod tests {
    use super::*;
    use crate::track::test_events::{change, in_netns};
    use TcpState::*;

    fn reading(netns: u32, at: u64, active: u64, estab: u64) -> Reading {
        let text = format!(
            "Tcp: ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab\nTcp: {active} 0 0 0 {estab}\n"
        );
        Reading {
            netns,
            before: MonoNs(at),
            after: MonoNs(at + 10),
            counters: KernelCounters::parse(&text),
        }
    }

    fn of<'a>(comparisons: &'a [Comparison], counter: &str) -> &'a Comparison {
        comparisons
            .iter()
            .find(|one| one.counter == counter)
            .expect("it is compared")
    }

    #[test]
    fn what_happened_between_the_readings_agrees() {
        let mut reconciler = Reconciler::new(vec![reading(1, 100, 5, 0)]);
        reconciler.count(&in_netns(1, change(1, 50, Close, SynSent)));
        reconciler.count(&in_netns(1, change(2, 200, Close, SynSent)));
        reconciler.count(&in_netns(1, change(2, 210, SynSent, Established)));
        reconciler.close(vec![reading(1, 300, 6, 1)]);
        reconciler.count(&in_netns(1, change(3, 400, Close, SynSent)));
        let compared = reconciler.compare();
        let opens = of(&compared, "ActiveOpens");
        assert_eq!(
            (opens.kernel, opens.traced, opens.agree),
            (Some(1), 1, Some(true))
        );
        assert_eq!(of(&compared, "CurrEstab").agree, Some(true));
    }

    #[test]
    fn a_difference_is_told_and_a_change_during_a_reading_explains_one() {
        let mut reconciler = Reconciler::new(vec![reading(1, 100, 5, 0)]);
        reconciler.close(vec![reading(1, 300, 7, 0)]);
        reconciler.count(&in_netns(1, change(1, 305, Close, SynSent)));
        let opens = of(&reconciler.compare(), "ActiveOpens").clone();
        assert_eq!(
            (opens.kernel, opens.traced, opens.uncertain),
            (Some(2), 0, 1)
        );
        assert_eq!(opens.agree, Some(false));
    }

    #[test]
    fn a_namespace_that_has_gone_is_left_out_and_a_new_one_begins_at_zero() {
        let mut reconciler = Reconciler::new(vec![reading(1, 100, 5, 0), reading(2, 100, 5, 0)]);
        reconciler.count(&in_netns(2, change(1, 200, Close, SynSent)));
        reconciler.count(&in_netns(3, change(2, 200, Close, SynSent)));
        reconciler.close(vec![reading(1, 300, 5, 0), reading(3, 300, 1, 0)]);
        let opens = of(&reconciler.compare(), "ActiveOpens").clone();
        assert_eq!(
            (opens.kernel, opens.traced, opens.agree),
            (Some(1), 1, Some(true))
        );
    }

    #[test]
    fn nothing_read_is_not_compared() {
        let mut reconciler = Reconciler::new(Vec::new());
        reconciler.count(&change(1, 200, Close, SynSent));
        let opens = of(&reconciler.compare(), "ActiveOpens").clone();
        assert_eq!((opens.kernel, opens.agree), (None, None));
    }

    #[test]
    fn both_meanings_of_curr_estab_are_known() {
        for estab in [0, 1] {
            let mut reconciler = Reconciler::new(vec![reading(1, 100, 0, 1)]);
            reconciler.count(&in_netns(1, change(1, 200, Established, CloseWait)));
            reconciler.close(vec![reading(1, 300, 0, estab)]);
            assert_eq!(
                of(&reconciler.compare(), "CurrEstab").agree,
                Some(true),
                "{estab}"
            );
        }
    }
}
