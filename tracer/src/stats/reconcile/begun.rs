//! Timers of timewait sockets that were set, until it shows whether a socket began with it.
//!
//! # Kernel
//!
//! The timer is set once before the full socket goes to CLOSE, and perhaps again later: only the
//! first time counts. The two follow each other on one CPU within microseconds.

use std::collections::VecDeque;

use crate::model::{MonoNs, StateChange, TcpState, Ticks, Timewait, Tuple};

/// Most that are kept: more than there can be CPUs at it at once.
const KEPT: usize = 1024;

/// A timer that was set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Armed {
    pub(super) at: MonoNs,
    pub(super) timer: Ticks,
    key: Key,
}

/// Which socket: others may have the same ends before and after it.
type Key = (Option<u64>, Option<u32>, Tuple);

/// Those of late.
#[derive(Debug, Default)]
pub(super) struct Begun {
    armed: VecDeque<Armed>,
}

impl Begun {
    pub(super) fn arm(&mut self, timewait: &Timewait, timer: Ticks) {
        if self.armed.len() == KEPT {
            self.armed.pop_front();
        }
        self.armed.push_back(Armed {
            at: timewait.at,
            timer,
            key: (timewait.cookie, timewait.netns, timewait.tuple),
        });
    }

    /// Takes the timer with which a timewait socket took over from the socket that goes to CLOSE,
    /// if one did.
    pub(super) fn take(&mut self, change: &StateChange) -> Option<Armed> {
        if !matches!(change.from, TcpState::FinWait2 | TcpState::Closing) {
            return None;
        }
        let key = (change.cookie, change.netns, change.tuple());
        let at = self.armed.iter().rposition(|armed| armed.key == key)?;
        self.armed.remove(at)
    }
}
