//! What happened to one connection at one end, as the test knows it: from what it did itself, by its
//! own clock, and from what a witness saw. And the comparison of a trace with it.
//!
//! A script is a line of states, the one before the first change first. A state that a timewait socket
//! leads to has `tw:` before it, one that a request socket leads to `rq:`, one that the socket was
//! found in `found:`; all others are the tracepoint's.

use std::net::SocketAddr;
use std::time::Duration;

use crate::attempt::kernel;
use crate::clock::{Window, tick_ns, wheel_slot_ns};
use crate::life::Life;
use crate::method::Method;
use crate::schema::Change;
use crate::traffic::Ends;
use crate::witness::Sightings;

/// How far two readings of the boot-time clock may be apart that were taken at the same moment: one by
/// a system call, one by a BPF program, which reads it without a lock.
const CLOCKS_NS: u64 = 1_000_000;

/// How late the kernel may run a timer that is due, on a machine that has a lot to do.
const LATE_NS: u64 = 1_000_000_000;

/// By how much a FIN may be misplaced that a timer tells nothing of.
const SILENT_NS: u64 = 100_000_000;

/// What happened to a connection at one end.
#[derive(Clone, Debug)]
pub struct Truth {
    /// This end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    steps: Vec<Step>,
    /// Why the timewait socket ended.
    timewait_end: Option<&'static str>,
    /// Why the request socket ended without a connection.
    half_open_end: Option<&'static str>,
    /// How often its TIME_WAIT began anew.
    rearmed: u32,
    /// Timers that ran out, by the state that they ended and what they were set for.
    timers: Vec<(&'static str, u64)>,
    /// Why the time in SYN_RECV is not known.
    syn_recv_unknown: Option<&'static str>,
    /// When the state was entered that it was found in.
    began: Option<Window>,
    /// Whether the kernel keeps that, where it keeps it of any.
    age_is_kept: bool,
    /// Whether the kernel refused it a timewait socket.
    refused: bool,
    /// How late ticks were counted meanwhile.
    ticks_late_ns: u64,
}

/// One state, and when it was entered.
#[derive(Clone, Debug)]
struct Step {
    label: &'static str,
    when: When,
}

#[derive(Clone, Debug)]
enum When {
    /// Whenever.
    Unknown,
    Within(Window),
    /// When the witness saw the connection leave this state.
    Leaving(&'static str),
}

/// Returns whether the kernel keeps when a timewait socket began (`tw_entry_stamp`, Linux 6.14).
fn keeps_beginning() -> bool {
    kernel() >= (6, 14)
}

/// By how much a method may be wrong on when a state was entered.
///
/// # Kernel
///
/// A timer that stays in its slot of the wheel tells nothing; before Linux 6.11 neither does anything
/// else that its timewait socket took a FIN in. When it was set is read from it later, in ticks.
fn may_be_wrong(step: &Step, method: Method) -> u64 {
    match method {
        Method::Fentry => 0,
        Method::Timer if step.label == "tw:TIME_WAIT" && kernel() < (6, 11) => SILENT_NS,
        Method::Timer => 0,
        Method::Diag => u64::MAX,
    }
}

/// By how much a change of the agent may be wrong.
fn error_of(change: &Change) -> u64 {
    change.error_ns.unwrap_or(0)
}

impl Step {
    fn state(&self) -> &'static str {
        self.label
            .split_once(':')
            .map_or(self.label, |(_, state)| state)
    }

    fn source(&self) -> &'static str {
        match self.label.split_once(':') {
            None => "tracepoint",
            Some(("tw", _)) => "timewait",
            Some(("rq", _)) => "request",
            Some(("found", _)) => "snapshot",
            Some((other, _)) => panic!("a script with {other}"),
        }
    }
}

impl Truth {
    /// Begins with the states that were gone through.
    pub fn new(local: SocketAddr, remote: SocketAddr, script: &'static str) -> Self {
        let labels = script.split_ascii_whitespace();
        let steps = labels.map(|label| Step {
            label,
            when: When::Unknown,
        });
        Self {
            local,
            remote,
            steps: steps.collect(),
            timewait_end: None,
            half_open_end: None,
            rearmed: 0,
            timers: Vec::new(),
            syn_recv_unknown: None,
            began: None,
            age_is_kept: false,
            refused: false,
            ticks_late_ns: 0,
        }
    }

    /// The same, for the end that connected.
    pub fn client(ends: Ends, script: &'static str) -> Self {
        Self::new(ends.client, ends.server, script)
    }

    /// The same, for the end that accepted.
    pub fn server(ends: Ends, script: &'static str) -> Self {
        Self::new(ends.server, ends.client, script)
    }

    /// Adds when a state was entered.
    pub fn when(self, label: &str, window: Window) -> Self {
        self.entered(label, When::Within(window))
    }

    /// Adds that a state was entered when the witness saw the one before it end.
    pub fn when_seen(self, label: &str) -> Self {
        let at = self.position(label);
        let before = self.steps[at - 1].state();
        self.entered(label, When::Leaving(before))
    }

    fn entered(mut self, label: &str, when: When) -> Self {
        let at = self.position(label);
        self.steps[at].when = when;
        self
    }

    fn position(&self, label: &str) -> usize {
        let at = self.steps.iter().rposition(|step| step.label == label);
        at.unwrap_or_else(|| panic!("no {label} in {self:?}"))
    }

    /// Adds why the timewait socket ended.
    pub fn time_wait_ended(mut self, end: &'static str) -> Self {
        self.timewait_end = Some(end);
        self
    }

    /// Adds that the timewait socket ended when its timer ran out, which the witness saw; it was set
    /// for so long when the state before was entered.
    pub fn expired(mut self, set_for: Duration) -> Self {
        let state = self.steps[self.position("tw:CLOSE") - 1].state();
        let nanos = u64::try_from(set_for.as_nanos()).expect("a short time");
        self.timers.push((state, nanos));
        self.when_seen("tw:CLOSE").time_wait_ended("expired")
    }

    /// Adds why the request socket ended without a connection.
    pub fn half_open_ended(mut self, end: &'static str) -> Self {
        self.half_open_end = Some(end);
        self
    }

    /// Adds that its TIME_WAIT began anew, once.
    pub fn rearmed(mut self) -> Self {
        self.rearmed += 1;
        self
    }

    /// Adds that its time in SYN_RECV cannot be known.
    pub fn syn_recv_unknown(mut self, why: &'static str) -> Self {
        self.syn_recv_unknown = Some(why);
        self
    }

    /// Adds when the state was entered that it was found in, of which the kernel knows nothing.
    pub fn began(mut self, window: Window) -> Self {
        self.began = Some(window);
        self
    }

    /// Adds that the kernel does keep when the state was entered that it was found in.
    pub fn age_is_kept(mut self) -> Self {
        self.age_is_kept = true;
        self
    }

    /// Adds that the kernel refused it a timewait socket, within this time.
    pub fn refused(mut self, window: Window) -> Self {
        self.refused = true;
        self.when("CLOSE", window)
    }

    /// Takes over what the witness saw, on a machine that counted ticks so late.
    pub fn hear(&mut self, witness: &Sightings, ticks_late_ns: u64) {
        self.ticks_late_ns = ticks_late_ns;
        for step in &mut self.steps {
            if let When::Leaving(state) = step.when {
                let seen = witness.first(self.local, self.remote, state);
                let until = seen
                    .until
                    .unwrap_or_else(|| panic!("it never ended: {seen}"));
                step.when = When::Within(until);
            }
        }
    }

    /// Returns whether a trace tells it at all: without a hook nobody knows of a request socket that
    /// never became a connection.
    pub fn is_told_by(&self, method: Method) -> bool {
        method.is_hook() || self.half_open_end.is_none()
    }

    /// Returns whether its end was seen.
    pub fn has_ended(&self) -> bool {
        self.steps
            .last()
            .is_some_and(|step| step.state() == "CLOSE")
    }

    /// Returns how often TIME_WAIT was entered before the trace's eyes.
    pub fn times_entered(&self) -> usize {
        let entered = self
            .steps
            .iter()
            .filter(|step| step.label == "tw:TIME_WAIT");
        entered.count()
    }

    /// Returns whether its timewait socket ended in FIN_WAIT2.
    pub fn ended_in_fin_wait2(&self) -> bool {
        let states: Vec<&str> = self.steps.iter().map(Step::state).collect();
        self.timewait_end.is_some() && states.ends_with(&["FIN_WAIT2", "CLOSE"])
    }

    /// Returns whether a timewait socket was found when the trace began.
    pub fn found_timewait(&self) -> bool {
        self.timewait_end.is_some() && self.is_found()
    }

    /// Returns whether the kernel refused it a timewait socket.
    pub fn was_refused(&self) -> bool {
        self.refused
    }

    /// Returns how often its TIME_WAIT began anew.
    pub fn times_rearmed(&self) -> u32 {
        self.rearmed
    }

    /// Returns whether a request socket held its SYN_RECV.
    pub fn was_half_open(&self) -> bool {
        self.steps.iter().any(|step| step.label == "rq:SYN_RECV")
    }

    /// Returns why its timewait socket ended, if it had one that did.
    pub fn timewait_end(&self) -> Option<&'static str> {
        self.timewait_end
    }

    /// Returns why its request socket ended without a connection, if it did.
    pub fn half_open_end(&self) -> Option<&'static str> {
        self.half_open_end
    }

    /// Demands that a trace tells this.
    ///
    /// # Panics
    ///
    /// Panics, with all that the trace tells, where it tells something else.
    pub fn is_told(&self, life: &Life<'_>, method: Method) {
        let steps = self.steps_for(method);
        let changes: Vec<&Change> = life.changes().collect();
        self.states(&steps, &changes, life);
        self.moments(&steps, &changes, method, life);
        self.durations(&steps, &changes, method, life);
        self.ends(&changes, method, life);
        self.timeline(&steps, &changes, method, life);
    }

    /// Without a hook, SYN_RECV begins where the tracepoint tells it.
    fn steps_for(&self, method: Method) -> Vec<Step> {
        let mut steps = self.steps.clone();
        if !method.is_hook() {
            for step in &mut steps {
                if step.label == "rq:SYN_RECV" {
                    *step = Step {
                        label: "SYN_RECV",
                        when: When::Unknown,
                    };
                }
            }
        }
        steps
    }

    fn is_found(&self) -> bool {
        self.steps[0].source() == "snapshot"
    }

    fn states(&self, steps: &[Step], changes: &[&Change], life: &Life<'_>) {
        let first = if self.is_found() { 0 } else { 1 };
        let wanted: Vec<(&str, &str)> = steps[first..]
            .iter()
            .map(|step| (step.source(), step.state()))
            .collect();
        let got: Vec<(&str, &str)> = changes
            .iter()
            .map(|change| (change.source.as_str(), change.to.as_str()))
            .collect();
        assert!(
            wanted == got,
            "wanted {wanted:?}\n   got {got:?}\n{}",
            life.told()
        );
        let mut before = (!self.is_found()).then(|| steps[0].state());
        for change in changes {
            assert_eq!(
                change.from.as_deref(),
                before,
                "each change starts where the last one ended\n{}",
                life.told()
            );
            before = Some(&change.to);
        }
    }

    /// What is not exact is reckoned in ticks, and those may have been counted late.
    fn slack(&self, error_ns: u64) -> u64 {
        match error_ns {
            0 => 0,
            error_ns => error_ns + self.ticks_late_ns,
        }
    }

    fn moments(&self, steps: &[Step], changes: &[&Change], method: Method, life: &Life<'_>) {
        let steps = &steps[steps.len() - changes.len()..];
        for (step, change) in steps.iter().zip(changes) {
            let error = error_of(change);
            assert!(
                error <= may_be_wrong(step, method),
                "{} is only known to {error} ns\n{}",
                step.label,
                life.told()
            );
            let When::Within(window) = step.when else {
                continue;
            };
            assert!(
                window.admits(change.mono_ns, self.slack(error) + CLOCKS_NS),
                "{} at {} ± {}, not in {window:?}\n{}",
                step.label,
                change.mono_ns,
                error_of(change),
                life.told()
            );
        }
        for pair in changes.windows(2) {
            let may_be_early = error_of(pair[0]) + error_of(pair[1]);
            assert!(
                pair[1].mono_ns + may_be_early >= pair[0].mono_ns,
                "changes of one connection in order\n{}",
                life.told()
            );
        }
    }

    fn durations(&self, steps: &[Step], changes: &[&Change], method: Method, life: &Life<'_>) {
        let told = || life.told();
        assert!(
            self.is_found() || changes[0].in_from_ns.is_none(),
            "nobody saw its first state begin\n{}",
            told()
        );
        for (number, pair) in changes.windows(2).enumerate() {
            let (begin, end) = (pair[0], pair[1]);
            let state = begin.to.as_str();
            if self.is_found() && number == 0 {
                self.age(end, method, life);
                continue;
            }
            if state == "SYN_RECV"
                && let Some(why) = self.syn_recv_unknown
                && method.is_hook()
            {
                let said = (end.in_from_ns, end.in_from_unknown.as_deref());
                assert_eq!(said, (None, Some(why)), "in SYN_RECV\n{}", told());
                continue;
            }
            let Some(lasted) = end.in_from_ns else {
                panic!("time in {state}: not known\n{}", told());
            };
            let error = end.in_from_error_ns.unwrap_or(0);
            let between = end.mono_ns.saturating_sub(begin.mono_ns);
            assert!(
                lasted.abs_diff(between) <= error,
                "time in {state}: {lasted} ± {error}, but {between} between its changes\n{}",
                told()
            );
            assert!(
                error == 0 || error_of(begin) + error_of(end) > 0,
                "time in {state}: wrong by {error}, though both moments are known\n{}",
                told()
            );
            self.against_clock(steps, number, lasted, error, life);
            self.against_timer(steps, number, lasted, error, life);
        }
    }

    /// The time in the state that it was found in is known where the kernel keeps when a timewait
    /// socket began, and where it is known it is right.
    fn age(&self, end: &Change, method: Method, life: &Life<'_>) {
        let Some(lasted) = end.in_from_ns else {
            let must_know = self.age_is_kept && method.is_hook() && keeps_beginning();
            assert!(!must_know, "its age is kept\n{}", life.told());
            let why = end.in_from_unknown.as_deref();
            assert_eq!(
                why,
                Some("before_trace"),
                "why its age is not known\n{}",
                life.told()
            );
            return;
        };
        let Some(began) = self.began else {
            panic!("nobody knows its age\n{}", life.told());
        };
        let ended = Window {
            from: end.mono_ns,
            to: end.mono_ns,
        };
        let (shortest, longest) = began.to_later(ended);
        let error = end.in_from_error_ns.unwrap_or(0) + error_of(end);
        let error = self.slack(error) + CLOCKS_NS;
        assert!(
            (shortest.saturating_sub(error)..=longest + error).contains(&lasted),
            "age {lasted}, not {shortest}..={longest} ± {error}\n{}",
            life.told()
        );
    }

    /// When the state that a change led to was entered, and when it was left, as the test knows it.
    fn known(&self, steps: &[Step], number: usize) -> Option<(Window, Window)> {
        let first = usize::from(!self.is_found());
        match (&steps[first + number].when, &steps[first + number + 1].when) {
            (When::Within(from), When::Within(to)) => Some((*from, *to)),
            _ => None,
        }
    }

    /// A duration is the one that the test measured.
    fn against_clock(
        &self,
        steps: &[Step],
        number: usize,
        lasted: u64,
        error: u64,
        life: &Life<'_>,
    ) {
        let Some((from, to)) = self.known(steps, number) else {
            return;
        };
        let (shortest, longest) = from.to_later(to);
        let error = self.slack(error) + 2 * CLOCKS_NS;
        assert!(
            (shortest.saturating_sub(error)..=longest + error).contains(&lasted),
            "time in {}: {lasted}, not {shortest}..={longest} ± {error}\n{}",
            steps[usize::from(!self.is_found()) + number].label,
            life.told()
        );
    }

    /// A duration that a timer ended is the one that the timer wheel gives: never shorter than what
    /// the timer was set for, but for ticks that were not counted yet, and never longer than to the
    /// end of its slot, unless the witness saw that the kernel was that late.
    fn against_timer(
        &self,
        steps: &[Step],
        number: usize,
        lasted: u64,
        error: u64,
        life: &Life<'_>,
    ) {
        let state = steps[usize::from(!self.is_found()) + number].state();
        let Some(&(_, set_for)) = self.timers.iter().find(|(of, _)| *of == state) else {
            return;
        };
        let by_witness = self.known(steps, number);
        let as_seen = by_witness.map_or(0, |(from, to)| from.to_later(to).0);
        let shortest = set_for.saturating_sub(tick_ns() + self.ticks_late_ns);
        let longest = as_seen.max(set_for + wheel_slot_ns(set_for)) + LATE_NS;
        assert!(
            lasted + error >= shortest && lasted <= longest + error,
            "time in {state}: {lasted} ± {error}, not {shortest}..={longest}\n{}",
            life.told()
        );
    }

    fn ends(&self, changes: &[&Change], method: Method, life: &Life<'_>) {
        let timeline = life.timeline();
        let wanted = [
            ("timewait", self.timewait_end, &timeline.time_wait_end),
            ("request", self.half_open_end, &timeline.half_open_end),
        ];
        for (source, end, in_timeline) in wanted {
            let of_source = changes.iter().filter(|change| change.source == source);
            let said: Vec<&str> = of_source
                .filter_map(|change| change.end.as_deref())
                .collect();
            let in_timeline = in_timeline.as_deref();
            let Some(end) = end else {
                assert!(said.is_empty(), "no end by {source}\n{}", life.told());
                assert_eq!(in_timeline, None, "no end by {source}\n{}", life.told());
                continue;
            };
            assert_eq!(said.len(), 1, "one end by {source}\n{}", life.told());
            assert_eq!(
                in_timeline,
                Some(said[0]),
                "end by {source}\n{}",
                life.told()
            );
            // Who only asks whether it is still there cannot see why it is not, but for its time.
            let may_not_know = !method.is_hook() && end != "expired" && said[0] == "unknown";
            assert!(
                said[0] == end || may_not_know,
                "{source} ended by {end}, not {}\n{}",
                said[0],
                life.told()
            );
        }
        let rearmed = (self.rearmed > 0).then_some(self.rearmed);
        assert_eq!(timeline.rearmed, rearmed, "rearmed\n{}", life.told());
    }

    fn timeline(&self, steps: &[Step], changes: &[&Change], method: Method, life: &Life<'_>) {
        let timeline = life.timeline();
        let told = || life.told();
        let first = usize::from(!self.is_found());
        let has_ended = self.has_ended();
        assert_eq!(timeline.ended.is_some(), has_ended, "ended\n{}", told());
        if self.refused && method.is_hook() {
            let said = timeline.ended.as_deref().unwrap_or_default();
            let why = "tcp_max_tw_buckets";
            assert!(
                said.contains(why),
                "{said:?} does not name {why}\n{}",
                told()
            );
        }
        let last = steps.len() - usize::from(has_ended);
        let wanted: Vec<&str> = steps[first..last].iter().map(Step::state).collect();
        let segments = &timeline.segments;
        let got: Vec<&str> = segments.iter().map(|one| one.state.as_str()).collect();
        assert_eq!(got, wanted, "segments\n{}", told());
        for (segment, end) in segments.iter().zip(changes.iter().skip(1)) {
            let wanted = (
                end.in_from_ns,
                end.in_from_error_ns,
                end.in_from_ns.is_some(),
            );
            let said = (segment.ns, segment.error_ns, segment.known);
            assert_eq!(
                said,
                wanted,
                "length, error, known of {}\n{}",
                segment.state,
                told()
            );
        }
    }
}
