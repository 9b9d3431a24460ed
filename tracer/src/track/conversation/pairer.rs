//! The pairer: outputs in, conversations out.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::landmarks::Landmarks;
use super::story::{Alone, Conversation, Other};
use crate::model::{Endpoint, MonoNs, Tuple};
use crate::track::output::{Change, ConnId, Output, Timeline};

/// For how long after an end is done with the other that one may still be told of, in nanoseconds: longer
/// than changes are held back, and than those of two CPUs are out of order.
const WAIT_NS: u64 = 200_000_000;
/// Waits end at multiples of this, so that nobody is woken for each, in nanoseconds.
const PACE_NS: u64 = 50_000_000;

/// Pairs timelines into conversations.
///
/// # Contract
///
/// [`handle`](Self::handle) takes every output of a tracker in, in order, and [`poll`](Self::poll) takes
/// conversations out until there are none. [`handle_timeout`](Self::handle_timeout) tells that time has
/// passed, at the latest at [`poll_timeout`](Self::poll_timeout), after the outputs of every earlier event
/// have been taken in. [`finish`](Self::finish) ends it, after the tracker has told what is still open. The
/// same calls give the same conversations.
///
/// A conversation is told when both its ends have ended. All that can be each other's ends are looked at
/// together: two alone are a pair, more are not paired.
#[derive(Debug)]
pub struct Pairer {
    /// Most that have ended and wait, and most that live.
    limit: usize,
    now: MonoNs,
    /// Ordered by number, which is the order in which they were first seen.
    lives: BTreeMap<ConnId, Life>,
    /// Lives with the same two ends, whichever is theirs. Looked up, never iterated.
    groups: HashMap<[Endpoint; 2], Group>,
    /// When those that have ended may be told.
    due: BTreeSet<(MonoNs, ConnId)>,
    /// Those that have not ended.
    living: BTreeSet<ConnId>,
    /// Those that have ended, in that order.
    ended: BTreeSet<(u64, ConnId)>,
    endings: u64,
    /// Whether any was let go.
    has_let_go: bool,
    conversations: VecDeque<Conversation>,
}

#[derive(Debug)]
struct Life {
    landmarks: Landmarks,
    told: Option<Told>,
}

/// How it was told that a life ended.
#[derive(Debug)]
struct Told {
    timeline: Timeline,
    /// When its other end must have been told of.
    due: MonoNs,
    /// How many had ended before.
    ending: u64,
}

/// Lives with the same two ends.
#[derive(Debug, Default)]
struct Group {
    members: BTreeSet<ConnId>,
    /// Those that were due, and still wait for a life that can be theirs.
    overdue: Vec<ConnId>,
}

impl Pairer {
    /// Makes one that lets at most so many that have ended wait, and the oldest go beyond it.
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            now: MonoNs(0),
            lives: BTreeMap::new(),
            groups: HashMap::new(),
            due: BTreeSet::new(),
            living: BTreeSet::new(),
            ended: BTreeSet::new(),
            endings: 0,
            has_let_go: false,
            conversations: VecDeque::new(),
        }
    }

    /// Takes an output in.
    pub fn handle(&mut self, output: &Output) {
        match output {
            Output::Change(change) if !change.is_listener() => self.handle_change(change),
            Output::Timeline(timeline) if !timeline.is_listener() => self.handle_timeline(timeline),
            _ => {}
        }
    }

    /// Takes the next conversation out.
    pub fn poll(&mut self) -> Option<Conversation> {
        self.conversations.pop_front()
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due, if it ever is.
    pub fn poll_timeout(&self) -> Option<MonoNs> {
        self.due.first().map(|&(due, _)| due)
    }

    /// Tells that it is `now`.
    pub fn handle_timeout(&mut self, now: MonoNs) {
        self.now = self.now.max(now);
        while let Some(&(due, id)) = self.due.first()
            && due <= self.now
        {
            self.due.pop_first();
            self.settle(id);
        }
    }

    /// Ends the trace: tells all that is left, in the order in which it was first seen.
    pub fn finish(&mut self) {
        self.due.clear();
        while let Some((&id, _)) = self.lives.first_key_value() {
            let fitting = self.fitting(id, true);
            self.tell(&fitting);
        }
    }

    /// Returns how many lives are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.lives.len()
    }

    fn handle_change(&mut self, change: &Change) {
        match self.lives.get_mut(&change.conn) {
            Some(life) => {
                let before = life.landmarks.tuple;
                life.landmarks.pass(change);
                if before != change.tuple {
                    self.leave_group(change.conn, &before);
                    self.join_group(change.conn, &change.tuple);
                }
            }
            None => {
                let landmarks = Landmarks::begin(change);
                let life = Life {
                    landmarks,
                    told: None,
                };
                self.lives.insert(change.conn, life);
                self.living.insert(change.conn);
                self.join_group(change.conn, &change.tuple);
                self.bound_living();
            }
        }
        self.handle_timeout(change.at);
    }

    fn handle_timeline(&mut self, timeline: &Timeline) {
        let id = timeline.conn;
        let Some(life) = self.lives.get_mut(&id) else {
            // It was let go.
            self.tell_alone(timeline.clone(), Alone::LetGo);
            return;
        };
        let tuple = life.landmarks.tuple;
        if !tuple.is_complete() || tuple.local == tuple.remote {
            let why = match tuple.is_complete() {
                true => Alone::Itself,
                false => Alone::EndsUnknown,
            };
            self.forget(id);
            self.tell_alone(timeline.clone(), why);
            return;
        }
        life.landmarks.end(timeline);
        let (ending, now) = (self.endings, self.now);
        let due = until(life.landmarks.left.unwrap_or(now));
        life.told = Some(Told {
            timeline: timeline.clone(),
            due,
            ending,
        });
        self.endings += 1;
        self.living.remove(&id);
        self.ended.insert((ending, id));
        self.due.insert((due, id));
        // What waited for this one to end may have been waiting for another one's other end.
        if let Some(group) = self.groups.get_mut(&key(&tuple)) {
            for overdue in group.overdue.drain(..) {
                self.due.insert((due, overdue));
            }
        }
        self.handle_timeout(now);
        while self.ended.len() > self.limit {
            self.let_oldest_go();
        }
    }

    /// Tells of one that is due, with all that can be each other's ends, unless more can come of these.
    fn settle(&mut self, id: ConnId) {
        if !self.lives.contains_key(&id) {
            return;
        }
        let fitting = self.fitting(id, false);
        let now = self.now;
        let is_settled = fitting.iter().all(|id| {
            let told = self.lives.get(id).and_then(|life| life.told.as_ref());
            told.is_some_and(|told| told.due <= now)
        });
        if is_settled {
            self.tell(&fitting);
        } else if let Some(life) = self.lives.get(&id)
            && let Some(group) = self.groups.get_mut(&key(&life.landmarks.tuple))
        {
            group.overdue.push(id);
        }
    }

    /// Returns a life with those that can be its other end, those whose other end these can be, and so on.
    fn fitting(&self, id: ConnId, is_over: bool) -> BTreeSet<ConnId> {
        let mut found = BTreeSet::from([id]);
        let mut to_look_at = vec![id];
        while let Some(id) = to_look_at.pop() {
            let Some(life) = self.lives.get(&id) else {
                continue;
            };
            let group = self.groups.get(&key(&life.landmarks.tuple));
            for other in group.into_iter().flat_map(|group| &group.members) {
                let fits = || {
                    self.lives
                        .get(other)
                        .is_some_and(|other| life.landmarks.fit(&other.landmarks, is_over))
                };
                if !found.contains(other) && fits() {
                    found.insert(*other);
                    to_look_at.push(*other);
                }
            }
        }
        found
    }

    /// Tells of all that can be each other's ends.
    fn tell(&mut self, fitting: &BTreeSet<ConnId>) {
        let count = fitting.len();
        let may_have_been_let_go = self.has_let_go
            && fitting
                .iter()
                .filter_map(|id| self.lives.get(id))
                .any(|life| life.landmarks.is_unseen());
        let mut timelines: Vec<Timeline> =
            fitting.iter().filter_map(|&id| self.forget(id)).collect();
        if count == 2
            && timelines.len() == 2
            && let (Some(second), Some(first)) = (timelines.pop(), timelines.pop())
        {
            self.conversations
                .push_back(Conversation::of(first, second));
            return;
        }
        let why = match count {
            1 if may_have_been_let_go => Alone::LetGo,
            1 => Alone::NotSeen,
            2 => Alone::Unchanged,
            _ => Alone::Several,
        };
        for timeline in timelines {
            self.tell_alone(timeline, why);
        }
    }

    fn tell_alone(&mut self, timeline: Timeline, why: Alone) {
        self.conversations.push_back(Conversation {
            a: timeline,
            b: Other::Alone(why),
        });
    }

    /// Lets those go that have lived the longest, where there are too many: a connection that was found, and
    /// whose end was not seen, is never told to have ended.
    fn bound_living(&mut self) {
        while self.living.len() > self.limit
            && let Some(&oldest) = self.living.first()
        {
            self.let_go(oldest);
        }
    }

    /// Lets those go that have waited the longest.
    fn let_oldest_go(&mut self) {
        if let Some(&(_, oldest)) = self.ended.first() {
            self.let_go(oldest);
        }
    }

    /// Lets a life go, with all that have the same ends: without it, another one might pass for what it is.
    fn let_go(&mut self, id: ConnId) {
        let group = self
            .lives
            .get(&id)
            .and_then(|life| self.groups.get(&key(&life.landmarks.tuple)));
        let mut members = group.map_or_else(BTreeSet::new, |group| group.members.clone());
        members.insert(id);
        self.has_let_go = true;
        for member in members {
            if let Some(timeline) = self.forget(member) {
                self.tell_alone(timeline, Alone::LetGo);
            }
        }
    }

    /// Forgets a life, and returns how it was told that it ended.
    fn forget(&mut self, id: ConnId) -> Option<Timeline> {
        let life = self.lives.remove(&id)?;
        self.living.remove(&id);
        self.leave_group(id, &life.landmarks.tuple);
        let told = life.told?;
        self.due.remove(&(told.due, id));
        self.ended.remove(&(told.ending, id));
        Some(told.timeline)
    }

    fn join_group(&mut self, id: ConnId, tuple: &Tuple) {
        if tuple.is_complete() {
            let group = self.groups.entry(key(tuple)).or_default();
            group.members.insert(id);
        }
    }

    fn leave_group(&mut self, id: ConnId, tuple: &Tuple) {
        let key = key(tuple);
        if let Some(group) = self.groups.get_mut(&key) {
            group.members.remove(&id);
            group.overdue.retain(|&other| other != id);
            if group.members.is_empty() {
                self.groups.remove(&key);
            }
        }
    }
}

/// The ends of a connection, in an order that is the same for both.
fn key(tuple: &Tuple) -> [Endpoint; 2] {
    let mut ends = [tuple.local, tuple.remote];
    ends.sort_unstable();
    ends
}

/// When the wait for the other end of one that was done with it at `left` is over.
fn until(left: MonoNs) -> MonoNs {
    let due = left.plus(WAIT_NS);
    MonoNs(due.0.div_ceil(PACE_NS).saturating_mul(PACE_NS))
}
