//! What was traced, held against what the kernel counted over the same time.
//!
//! **Owns:** what each counter of RFC 4022, and those of Linux beside them, stand for.
//! **Never:** a verdict where the two cannot be compared.

mod begun;
mod compare;
mod counts;

use std::collections::BTreeMap;

use crate::model::{
    Existing, MonoNs, Reading, Request, StateChange, TcpState, Timewait, TimewaitEnd, TimewaitNews,
};
use begun::Begun;
use counts::{Counter, Counts};

/// One counter, compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Its name, without the group: `ActiveOpens`.
    pub counter: &'static str,
    /// By how much the kernel's counter moved; `None` where it could not be read.
    pub kernel: Option<i64>,
    /// By how much it should have moved by what was traced; `None` where nothing that is traced
    /// tells.
    pub traced: Option<i64>,
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

/// What is traced beside the changes of the tracepoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tells {
    /// Ticks of the kernel's timers in a second, where hooks tell of each timewait socket as it
    /// begins and the kernel counts it then (Linux 5.18).
    pub timewait_hz: Option<u32>,
    /// Whether hooks tell why each timewait socket ended.
    pub timewait_ends: bool,
    /// Whether hooks tell why each request socket ended.
    pub request_ends: bool,
}

/// Counts what the kernel should have counted, namespace by namespace.
#[derive(Debug)]
pub struct Reconciler {
    starts: BTreeMap<u32, Reading>,
    /// While these were made: each change is held against it.
    starting: Option<Reach>,
    ends: BTreeMap<u32, Reading>,
    ending: Option<Reach>,
    tells: Tells,
    /// Timewait sockets whose full socket has not gone to CLOSE yet.
    begun: Begun,
    /// Whether this kernel's `CurrEstab` counts CLOSE_WAIT, where that is known.
    counts_close_wait: Option<bool>,
    /// Surely between the readings.
    counted: BTreeMap<Option<u32>, Counts>,
    /// While one of them was being made.
    uncertain: BTreeMap<Option<u32>, Counts>,
}

impl Reconciler {
    /// Begins with the readings made after the hook was attached, and the sockets listed then.
    pub fn new(starts: Vec<Reading>, existing: &[Existing], tells: Tells) -> Self {
        let counts_close_wait = counts_close_wait(&starts, existing);
        let starts = by_netns(starts);
        Self {
            tells,
            begun: Begun::default(),
            counts_close_wait,
            starting: Reach::of(&starts),
            starts,
            ends: BTreeMap::new(),
            ending: None,
            counted: BTreeMap::new(),
            uncertain: BTreeMap::new(),
        }
    }

    /// Takes in the readings made at the end, before the last changes are taken in.
    pub fn close(&mut self, ends: Vec<Reading>) {
        self.ends = by_netns(ends);
        self.ending = Reach::of(&self.ends);
    }

    /// Takes in a change, whether it is shown or not.
    pub fn count(&mut self, change: &StateChange) {
        self.add(change.netns, change.at, Counts::of_change(change));
        if change.to == TcpState::Close
            && let Some(armed) = self.begun.take(change)
        {
            let counts = Counts::of_timewait(armed.timer, &self.tells);
            self.add(change.netns, armed.at, counts);
        }
    }

    /// Takes in something about a timewait socket. That it began counts when the change to CLOSE of
    /// the full socket before it comes.
    pub fn count_timewait(&mut self, timewait: &Timewait) {
        match timewait.news {
            TimewaitNews::Armed(timer) => self.begun.arm(timewait, timer),
            TimewaitNews::Ended {
                end: TimewaitEnd::Reused,
                ..
            } => {
                let counts = Counts::one(Counter::TwRecycled);
                self.add(timewait.netns, timewait.at, counts);
            }
            _ => {}
        }
    }

    /// Takes in something about a request socket.
    pub fn count_request(&mut self, request: &Request) {
        self.add(request.netns, request.at, Counts::of_request(request));
    }

    fn add(&mut self, netns: Option<u32>, at: MonoNs, counts: Counts) {
        let spot = [self.starting, self.ending].map(|readings| relative(readings, at));
        let [at_start, at_end] = spot;
        if at_start == Spot::Before || at_end == Spot::After {
            return;
        }
        if at_start == Spot::Within || at_end == Spot::Within {
            let counts = counts.magnitude();
            self.uncertain.entry(netns).or_default().add(counts);
        } else {
            self.counted.entry(netns).or_default().add(counts);
        }
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

/// From the first of some readings to the last.
#[derive(Clone, Copy, Debug)]
struct Reach {
    first: MonoNs,
    last: MonoNs,
}

impl Reach {
    /// `None` where there are no readings.
    fn of(readings: &BTreeMap<u32, Reading>) -> Option<Self> {
        Some(Self {
            first: readings.values().map(|reading| reading.before).min()?,
            last: readings.values().map(|reading| reading.after).max()?,
        })
    }
}

fn relative(readings: Option<Reach>, at: MonoNs) -> Spot {
    match readings {
        Some(Reach { first, .. }) if at < first => Spot::Before,
        Some(Reach { last, .. }) if at > last => Spot::After,
        Some(_) => Spot::Within,
        None => Spot::Nowhere,
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
