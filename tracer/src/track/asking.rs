//! Which timewait sockets to ask after, and when: questions out, answers in, events out.
//!
//! **Owns:** the moments at which an answer can change, and what two answers say of the time between
//! them.
//! **Never:** a clock, or the asking itself: the kernel is asked by whoever calls.

mod hidden;
mod life;
mod window;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::model::{
    Answer, Event, Existing, Look, MonoNs, Question, StateChange, TcpState, Timewait, TimewaitNews,
    Tuple, Wheel,
};
use hidden::HiddenChange;
use life::Life;
use window::Window;

/// Questions that are given out at once, so that the events of the time between can be handled.
const AT_ONCE: usize = 1024;

/// What is known of timewait sockets without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: each is followed by questions from its begin to its end.
    ///
    /// The first comes at once. The next ones come each time that its age has doubled, and later
    /// each time that the rest of its time has halved: so an end before its time, or the change from
    /// FIN_WAIT2 to TIME_WAIT, is found before it is twice as old as then. Others come just
    /// before the time that its timer is set for, and then in steps of a sixteenth of the timer
    /// wheel's slot, in which it will end.
    ///
    /// A machine that sleeps meanwhile makes its timers late by as much, which looks like a time
    /// that began anew.
    Diag,
    /// What the timer tracepoints show: all but a time that begins anew within the same slot of the
    /// timer wheel. One question, at the moment from which on there is another slot, finds the
    /// change from FIN_WAIT2 to TIME_WAIT that came before it.
    Timer,
}

/// Decides what to ask, and makes events of the answers.
///
/// # Contract
///
/// Every event goes to [`handle`](Self::handle). At [`poll_timeout`](Self::poll_timeout) at the
/// latest, [`questions`](Self::questions) gives out what is to be asked now, and each of them comes
/// back to [`answer`](Self::answer) before the next event is handled.
/// [`poll_given_up`](Self::poll_given_up) tells of which sockets nothing more will be said.
///
/// # What the events say
///
/// [`TimewaitNews::Seen`] tells of a time that began: `at`, give or take `error_ns`, is when the
/// timer was set, and `at` plus `left_ns` is for when, give or take the inner `error_ns`. The first
/// one after a change to CLOSE tells that a timewait socket took over; one with another substate than
/// before, that this substate was entered then; one with the same substate, that TIME_WAIT began
/// anew then. If a time begins twice between two looks, the second is all that can be known.
///
/// [`TimewaitNews::Absent`]: there is none, a short time after the change to CLOSE. It may have been
/// there in between: `at` and `error_ns` span that time.
///
/// [`TimewaitNews::Ended`]: it was there at one look and not at the next; `at` is in the middle.
/// [`TimewaitEnd::Expired`](crate::model::TimewaitEnd::Expired) if it was there until its time or
/// shortly before.
#[derive(Debug)]
pub struct Asker {
    mode: Mode,
    wheel: Option<Wheel>,
    limit: usize,
    /// Looked up, never iterated, so their order is no matter.
    followed: HashMap<Key, Followed>,
    /// What is to be asked when. A question that was given out and not answered is not in it.
    due: BTreeSet<(MonoNs, Key)>,
    given_up: VecDeque<Question>,
}

/// A timewait socket. Its cookie is its own only in its namespace (before Linux 5.3), and a full
/// socket that connects again leaves several behind that have the same.
type Key = (u32, u64, Tuple);

#[derive(Debug)]
struct Followed {
    /// Index of its network interface, as far as it is known.
    interface: Option<u32>,
    /// When it is asked for next, or was asked for last.
    due: MonoNs,
    subject: Subject,
}

#[derive(Debug)]
enum Subject {
    /// All of its life.
    Life(Life),
    /// Whether it changed unseen.
    Hidden(HiddenChange),
}

/// What comes of an answer.
#[derive(Debug)]
enum Next {
    /// Ask again at this moment.
    AskAt(MonoNs),
    /// There is nothing more to know.
    Over,
    /// What there is to know cannot be known.
    GiveUp,
}

/// Something that an answer tells.
#[derive(Debug)]
struct Told {
    at: Window,
    substate: TcpState,
    news: TimewaitNews,
}

impl Asker {
    /// Makes an asker for a kernel with so many ticks a second, which follows at most `limit`
    /// timewait sockets at once.
    pub fn new(mode: Mode, hz: Option<u32>, limit: usize) -> Self {
        Self {
            mode,
            wheel: hz.and_then(Wheel::new),
            limit,
            followed: HashMap::new(),
            due: BTreeSet::new(),
            given_up: VecDeque::new(),
        }
    }

    /// Takes an event in.
    pub fn handle(&mut self, event: &Event) {
        match (self.mode, event) {
            (Mode::Diag, Event::StateChange(change)) => self.handle_change(change),
            (Mode::Timer, Event::Timewait(timewait)) => self.handle_timewait(timewait),
            (_, Event::Existing(existing)) => self.handle_existing(existing),
            _ => {}
        }
    }

    /// Returns when there is something to ask, if there ever is.
    pub fn poll_timeout(&self) -> Option<MonoNs> {
        self.due.first().map(|&(at, _)| at)
    }

    /// Returns what is to be asked by `now`, the longest due first; if it is much, a part of it.
    pub fn questions(&mut self, now: MonoNs) -> Vec<Question> {
        let mut questions = Vec::new();
        while questions.len() < AT_ONCE
            && let Some(&(at, key)) = self.due.first()
            && at <= now
        {
            self.due.pop_first();
            let interface = self.followed.get(&key).and_then(|one| one.interface);
            questions.push(question(key, interface));
        }
        questions
    }

    /// Makes everything that is followed be asked for now, as at the end of a trace.
    pub fn ask_all(&mut self, now: MonoNs) {
        for (_, key) in std::mem::take(&mut self.due) {
            if let Some(followed) = self.followed.get_mut(&key) {
                followed.due = now;
                self.due.insert((now, key));
            }
        }
    }

    /// Takes the answer to a question in, and returns what it tells that was not known.
    pub fn answer(&mut self, question: &Question, look: &Look) -> Option<Event> {
        let key = (question.netns, question.cookie, question.tuple);
        let followed = self.followed.get_mut(&key)?;
        if let Answer::Found(found) = look.answer {
            followed.interface = Some(found.interface);
        }
        let (told, next) = match &mut followed.subject {
            Subject::Life(life) => life.look(look, self.wheel),
            Subject::Hidden(hidden) => (hidden.look(look, self.wheel), Next::Over),
        };
        match next {
            Next::AskAt(at) => {
                followed.due = at;
                self.due.insert((at, key));
            }
            Next::Over => self.forget(key),
            Next::GiveUp => {
                self.forget(key);
                self.given_up.push_back(*question);
            }
        }
        told.map(|told| told.into_event(key))
    }

    /// Takes out a socket of which no answer will tell more: there was no room to follow it, it was
    /// asked for too late, or it could not be asked for. Only in [`Mode::Diag`].
    pub fn poll_given_up(&mut self) -> Option<Question> {
        self.given_up.pop_front()
    }

    /// A full socket has closed, perhaps to go on as a timewait one.
    ///
    /// # Kernel
    ///
    /// `tcp_time_wait` is called in FIN_WAIT2 and in CLOSING alone; on the way from FIN_WAIT1 the
    /// full socket enters FIN_WAIT2 first.
    fn handle_change(&mut self, change: &StateChange) {
        use TcpState::{Close, Closing, FinWait2};
        if change.to != Close || !matches!(change.from, FinWait2 | Closing) {
            return;
        }
        let tuple = change.tuple();
        let (Some(netns), Some(cookie)) = (change.netns, change.cookie) else {
            return;
        };
        if !tuple.is_complete() {
            return;
        }
        let life = Life::after(change);
        self.follow((netns, cookie, tuple), Subject::Life(life), change.at);
    }

    /// The timer of a timewait socket was set, or it has ended.
    fn handle_timewait(&mut self, timewait: &Timewait) {
        let (Some(netns), Some(cookie)) = (timewait.netns, timewait.cookie) else {
            return;
        };
        let key = (netns, cookie, timewait.tuple);
        self.forget(key);
        if let TimewaitNews::Armed(timer) = timewait.news
            && timewait.substate == TcpState::FinWait2
            && let Some(hidden) = HiddenChange::after(timewait.at, timer, self.wheel)
        {
            let until = hidden.until;
            self.follow(key, Subject::Hidden(hidden), until);
        }
    }

    /// A socket was found when the trace began. One that has changed since is followed already.
    fn handle_existing(&mut self, existing: &Existing) {
        let key = (existing.netns, existing.cookie, existing.tuple);
        let Some(left_ns) = existing.left_ns else {
            return;
        };
        if self.followed.contains_key(&key) {
            return;
        }
        match self.mode {
            Mode::Diag => {
                let life = Life::found(existing, left_ns, self.wheel);
                let at = life.next(existing.at, self.wheel);
                self.follow(key, Subject::Life(life), at);
            }
            Mode::Timer if existing.state == TcpState::FinWait2 => {
                if let Some(hidden) = HiddenChange::found(existing, left_ns, self.wheel) {
                    let until = hidden.until;
                    self.follow(key, Subject::Hidden(hidden), until);
                }
            }
            Mode::Timer => {}
        }
    }

    fn follow(&mut self, key: Key, subject: Subject, due: MonoNs) {
        self.forget(key);
        if self.followed.len() >= self.limit {
            if self.mode == Mode::Diag {
                self.given_up.push_back(question(key, None));
            }
            return;
        }
        let interface = None;
        self.due.insert((due, key));
        self.followed.insert(
            key,
            Followed {
                interface,
                due,
                subject,
            },
        );
    }

    fn forget(&mut self, key: Key) {
        if let Some(followed) = self.followed.remove(&key) {
            self.due.remove(&(followed.due, key));
        }
    }
}

impl Told {
    fn into_event(self, (netns, cookie, tuple): Key) -> Event {
        let (at, error_ns) = self.at.middle();
        Event::Timewait(Timewait {
            at,
            error_ns,
            cookie: Some(cookie),
            netns: Some(netns),
            tuple,
            substate: self.substate,
            news: self.news,
        })
    }
}

fn question((netns, cookie, tuple): Key, interface: Option<u32>) -> Question {
    Question {
        netns,
        tuple,
        cookie,
        interface,
    }
}
