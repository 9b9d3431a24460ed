//! One timewait socket that is followed by questions alone.

use crate::model::minisock::TIMEWAIT_NS;
use crate::model::{
    Answer, Existing, Found, Look, MonoNs, StateChange, TcpState, TimewaitEnd, TimewaitNews, Wheel,
};

use super::window::Window;
use super::{Next, Told};

const MS: u64 = 1_000_000;
/// Its age is doubled from this on, and the rest of its time halved down to this; then comes the look
/// just before its end.
const HALVED_TO_NS: u64 = 250 * MS;
/// How long before the earliest moment for which its timer may be set that look is due: agents wake
/// up late.
const BEFORE_NS: u64 = 10 * MS;
/// Seen so shortly before its time, and gone after it, it has run out.
const SHORTLY_BEFORE_NS: u64 = 2 * HALVED_TO_NS;
/// The timer wheel's slot is searched in so many steps.
const STEPS: u64 = 16;
/// No step is shorter.
const SHORTEST_STEP_NS: u64 = 5 * MS;
/// Asked later than this after its full socket closed, a socket that is not there may have been.
const BELIEVED_ABSENT_NS: u64 = 1_000 * MS;
/// Pause after a question that could not be asked, and how often that may happen on end.
const RETRY_NS: u64 = 1_000 * MS;
const RETRIES: u32 = 3;
/// A list of sockets is taken within this time.
const LISTING_NS: u64 = 5_000 * MS;
/// How late ticks may be counted, on a machine whose processors are kept from running: an earlier
/// begin is not told from that.
pub(super) const TICKS_LATE_NS: u64 = 100 * MS;
/// The coarsest tick, for a kernel of which it is not known.
const COARSEST_TICK_NS: u64 = 10 * MS;

/// A timewait socket's life, as far as it is known.
#[derive(Debug)]
pub(super) struct Life {
    /// When its full socket closed; of one that was found when the trace began, when that was.
    began: MonoNs,
    /// State that the full socket left; `None` of one that was found.
    left: Option<TcpState>,
    /// Its substate, once it was seen.
    substate: Option<TcpState>,
    /// When the time is that its timer is set for.
    set: Option<Window>,
    /// It was there at this moment.
    alive: MonoNs,
    /// Questions on end that could not be asked.
    failures: u32,
}

impl Life {
    /// Begins with a full socket's change to CLOSE.
    pub(super) fn after(change: &StateChange) -> Self {
        Self {
            began: change.at,
            left: Some(change.from),
            substate: None,
            set: None,
            alive: change.at,
            failures: 0,
        }
    }

    /// Begins with one that was found when the trace began; `left_ns` is what it said.
    pub(super) fn found(existing: &Existing, left_ns: u64, wheel: Option<Wheel>) -> Self {
        let at = existing.at;
        let listed = Window {
            from: at,
            to: at.plus(LISTING_NS),
        }
        .widened(tick_ns(wheel), 0);
        Self {
            began: at,
            left: None,
            substate: Some(existing.state),
            set: Some(set_for(listed, left_ns, wheel)),
            alive: at,
            failures: 0,
        }
    }

    /// Returns when to ask, after a look at `now`.
    pub(super) fn next(&self, now: MonoNs, wheel: Option<Wheel>) -> MonoNs {
        let Some(set) = self.set else {
            return now;
        };
        match set.from.since(now) {
            Some(left) if left > 2 * HALVED_TO_NS => {
                let age = now.since(self.began).unwrap_or(0);
                now.plus(age.max(HALVED_TO_NS).min(left / 2))
            }
            Some(left) if left > BEFORE_NS => Window::exactly(set.from).earlier(BEFORE_NS).from,
            _ => {
                let slot = slot_ns(self.set_for_ns(set, wheel), wheel);
                let step = (slot / STEPS).max(SHORTEST_STEP_NS);
                // Still there when its slot is over: somebody is late, and may be for long.
                let late = now.since(set.to.plus(slot + 4 * step)).unwrap_or(0);
                now.plus(step.max(late))
            }
        }
    }

    /// How long its timer was set for, at most: longer timers get wider slots.
    fn set_for_ns(&self, set: Window, wheel: Option<Wheel>) -> u64 {
        match (self.left, self.substate) {
            (Some(_), Some(TcpState::FinWait2)) => {
                let latest = set.to.plus(tick_ns(wheel));
                latest.since(self.began).unwrap_or(TIMEWAIT_NS)
            }
            _ => TIMEWAIT_NS,
        }
    }

    /// Takes an answer in.
    pub(super) fn look(&mut self, look: &Look, wheel: Option<Wheel>) -> (Option<Told>, Next) {
        let told = match &look.answer {
            Answer::Found(Found {
                state: state @ (TcpState::FinWait2 | TcpState::TimeWait),
                left_ns: Some(left_ns),
                ..
            }) => self.seen(look, *state, *left_ns, wheel),
            // A full socket has the cookie: it connected again, to the same end, and so took over.
            Answer::Absent | Answer::Found(_) => return self.gone(look),
            Answer::NetnsGone => {
                let told = self.substate.map(|substate| Told {
                    at: self.since_alive(look),
                    substate,
                    news: TimewaitNews::Ended {
                        end: TimewaitEnd::NetnsGone,
                        timer: None,
                    },
                });
                let next = told.as_ref().map_or(Next::GiveUp, |_| Next::Over);
                return (told, next);
            }
            Answer::Failed(_) => {
                self.failures += 1;
                let next = match self.failures > RETRIES {
                    true => Next::GiveUp,
                    false => Next::AskAt(look.after.plus(RETRY_NS)),
                };
                return (None, next);
            }
        };
        (told, Next::AskAt(self.next(look.after, wheel)))
    }

    /// From the last moment at which it was there until it was answered.
    fn since_alive(&self, look: &Look) -> Window {
        Window {
            from: self.alive,
            to: look.after.max(self.alive),
        }
    }

    /// It is there.
    fn seen(
        &mut self,
        look: &Look,
        substate: TcpState,
        left_ns: u64,
        wheel: Option<Wheel>,
    ) -> Option<Told> {
        let asked = Window {
            from: look.ticked,
            to: look.after,
        };
        let fresh = set_for(asked, left_ns, wheel);
        let known = self.set.unwrap_or(fresh);
        let is_later = fresh.from > known.to.plus(TICKS_LATE_NS);
        let set = match left_ns {
            // Its time is over; for how long, only earlier looks tell.
            0 => known.common(fresh).unwrap_or(fresh),
            _ => fresh,
        };
        let entered = self.substate != Some(substate);
        let told = (entered || is_later).then(|| {
            let at = self.armed(look, substate, set, wheel);
            let news = set.seen_from(at);
            Told { at, substate, news }
        });
        self.substate = Some(substate);
        self.set = Some(set);
        self.alive = self.alive.max(look.before);
        self.failures = 0;
        told
    }

    /// When its timer was set that is set so.
    fn armed(&self, look: &Look, substate: TcpState, set: Window, wheel: Option<Wheel>) -> Window {
        let takes_over = self.substate.is_none();
        match (substate, self.left) {
            // It began so: nothing sets its timer anew in FIN_WAIT2, nor leads from CLOSING there.
            (TcpState::FinWait2, _) => Window::exactly(self.began),
            (_, Some(TcpState::Closing)) if takes_over => Window::exactly(self.began),
            _ => {
                let possible = self.since_alive(look);
                armed_for_timewait(set, wheel)
                    .common(possible)
                    .unwrap_or(possible)
            }
        }
    }

    /// It is not there, or not any more.
    fn gone(&self, look: &Look) -> (Option<Told>, Next) {
        let at = self.since_alive(look);
        let Some(substate) = self.substate else {
            if look.after > self.began.plus(BELIEVED_ABSENT_NS) {
                return (None, Next::GiveUp);
            }
            let told = Told {
                at,
                substate: TcpState::TimeWait,
                news: TimewaitNews::Absent,
            };
            return (Some(told), Next::Over);
        };
        let has_run_out = self.set.is_some_and(|set| {
            self.alive.plus(SHORTLY_BEFORE_NS) >= set.from && look.after >= set.from
        });
        let end = match has_run_out {
            true => TimewaitEnd::Expired,
            false => TimewaitEnd::Unknown,
        };
        let timer = None;
        let told = Told {
            at,
            substate,
            news: TimewaitNews::Ended { end, timer },
        };
        (Some(told), Next::Over)
    }
}

/// When the time is of a timer that, asked within a window, has so much left. The window begins with
/// a tick.
///
/// # Kernel
///
/// `inet_twsk_diag_fill` tells the ticks between the present one, of which a part is over, and the
/// one that the timer is set for, in whole milliseconds; zero as soon as that one has begun. The
/// present tick may be counted a little late, by another CPU.
pub(super) fn set_for(asked: Window, left_ns: u64, wheel: Option<Wheel>) -> Window {
    let window = asked.later(left_ns).widened(tick_ns(wheel) + MS, MS);
    match left_ns {
        0 => Window {
            from: MonoNs(0),
            ..window
        },
        _ => window,
    }
}

/// When a timer was set for the 60 seconds of TIME_WAIT that end within a window.
pub(super) fn armed_for_timewait(set: Window, wheel: Option<Wheel>) -> Window {
    // A tick that had begun counts as whole.
    set.earlier(TIMEWAIT_NS).widened(0, 2 * tick_ns(wheel))
}

/// Width of the slot of the timer wheel that a timer gets which is set for so long.
pub(super) fn slot_ns(set_for_ns: u64, wheel: Option<Wheel>) -> u64 {
    match wheel {
        Some(wheel) => wheel.slot_ns(set_for_ns),
        None => Wheel::usual()
            .map(|wheel| wheel.slot_ns(set_for_ns))
            .max()
            .unwrap_or(0),
    }
}

pub(super) fn tick_ns(wheel: Option<Wheel>) -> u64 {
    // Rounded down, it would be too short.
    wheel.map_or(COARSEST_TICK_NS, |wheel| wheel.ns(1) + 1)
}
