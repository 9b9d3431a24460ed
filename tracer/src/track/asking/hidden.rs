//! One timewait socket whose change from FIN_WAIT2 to TIME_WAIT may pass no tracepoint.

use crate::model::minisock::TIMEWAIT_NS;
use crate::model::{Answer, Existing, Found, Look, MonoNs, TcpState, Ticks, Wheel};

use super::Told;
use super::life::{armed_for_timewait, set_for, slot_ns, tick_ns};
use super::window::Window;

/// What may happen unseen, and until when.
#[derive(Debug)]
pub(super) struct HiddenChange {
    /// It was in FIN_WAIT2 at this moment.
    since: MonoNs,
    /// From this moment on a time that begins passes the tracepoint.
    pub(super) until: MonoNs,
}

impl HiddenChange {
    /// Begins where a timer is set in FIN_WAIT2; `None` where nothing that follows can be unseen.
    pub(super) fn after(at: MonoNs, timer: Ticks, wheel: Option<Wheel>) -> Option<Self> {
        let ns = match wheel {
            Some(wheel) => wheel.ns(wheel.seen_from(timer)? - timer.now),
            None => slot_ns(TIMEWAIT_NS, wheel),
        };
        // A tick that had begun, and one for a counter that is late.
        let until = at.plus(ns + 2 * tick_ns(wheel));
        Some(Self { since: at, until })
    }

    /// Begins with one in FIN_WAIT2 that was found when the trace began.
    pub(super) fn found(existing: &Existing, left_ns: u64, wheel: Option<Wheel>) -> Option<Self> {
        let since = existing.at;
        let listed = Window::exactly(since).widened(tick_ns(wheel), 0);
        let set = set_for(listed, left_ns, wheel);
        let slot = slot_ns(TIMEWAIT_NS, wheel);
        let until = set.later(slot).earlier(TIMEWAIT_NS).to;
        (until > since).then_some(Self { since, until })
    }

    /// Takes the answer in: what it tells that was not seen.
    pub(super) fn look(&self, look: &Look, wheel: Option<Wheel>) -> Option<Told> {
        let Answer::Found(Found {
            state: substate @ TcpState::TimeWait,
            left_ns: Some(left_ns),
            ..
        }) = look.answer
        else {
            return None;
        };
        let asked = Window {
            from: look.ticked,
            to: look.after,
        };
        let set = set_for(asked, left_ns, wheel);
        let possible = Window {
            from: self.since,
            to: look.after,
        };
        let at = armed_for_timewait(set, wheel).common(possible)?;
        if at.from > self.until {
            return None;
        }
        let news = set.seen_from(at);
        Some(Told { at, substate, news })
    }
}
