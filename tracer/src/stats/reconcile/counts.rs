//! What each thing that is traced should do to the kernel's counters.

use super::Tells;
use crate::model::{Request, RequestEnd, RequestNews, StateChange, TcpState, Ticks};

/// A counter, or what is counted beside one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counter {
    ActiveOpens,
    PassiveOpens,
    AttemptFails,
    /// Ends of attempts of which the hook does not tell whether the kernel counts them.
    AttemptsUndecided,
    EstabResets,
    /// Connections in ESTABLISHED alone.
    CurrEstab,
    /// CLOSE_WAIT too.
    CurrEstabOrCloseWait,
    Tw,
    TwKilled,
    TwRecycled,
    TcpTimeWaitOverflow,
    /// Ends of which the hook does not tell whether a timewait socket was refused.
    OverflowsUndecided,
    EmbryonicRsts,
}

/// How many there are.
const COUNTERS: usize = Counter::EmbryonicRsts as usize + 1;

/// By how much counters move.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts([i64; COUNTERS]);

impl Counts {
    /// One counter by one.
    pub(super) fn one(counter: Counter) -> Self {
        let mut counts = Self::default();
        counts.set(counter, 1);
        counts
    }

    /// # Kernel
    ///
    /// RFC 4022, section 3, and where Linux counts: `ActiveOpens` in `tcp_connect`, which a socket
    /// that found no free port never reaches; `PassiveOpens` in `tcp_create_openreq_child`;
    /// `AttemptFails` in `tcp_done`, through which a close by the program itself does not go
    /// (RFC 4022 would count it); `EstabResets` and `CurrEstab` in `tcp_set_state`.
    /// `TCPTimeWaitOverflow` counts in `tcp_time_wait`, just before the socket goes to CLOSE.
    pub(super) fn of_change(change: &StateChange) -> Self {
        use TcpState::{Close, CloseWait, Closing, Established, FinWait2};
        use TcpState::{Listen, SynRecv, SynSent};
        let mut counts = Self::default();
        match (change.from, change.to) {
            (Close, SynSent) => counts.set(Counter::ActiveOpens, 1),
            (Listen, SynRecv) => counts.set(Counter::PassiveOpens, 1),
            (SynSent | SynRecv, Close) => {
                match (change.task_holds_socket, change.error) {
                    (Some(holds), Some(error)) => {
                        let counts_it = !holds || error.0 != 0;
                        counts.set(Counter::AttemptFails, i64::from(counts_it));
                    }
                    _ => counts.set(Counter::AttemptsUndecided, 1),
                }
                let no_port = change.from == SynSent && change.shown.local_port == 0;
                counts.set(Counter::ActiveOpens, -i64::from(no_port));
            }
            (Established | CloseWait, Close) => counts.set(Counter::EstabResets, 1),
            (FinWait2 | Closing, Close) if change.timewait_refused.is_none() => {
                counts.set(Counter::OverflowsUndecided, 1);
            }
            _ => {}
        }
        let refused = change.timewait_refused == Some(true);
        counts.set(Counter::TcpTimeWaitOverflow, i64::from(refused));
        let moved = |in_it: &dyn Fn(TcpState) -> bool| {
            i64::from(in_it(change.to)) - i64::from(in_it(change.from))
        };
        let established = moved(&|state| state == Established);
        counts.set(Counter::CurrEstab, established);
        let current = moved(&|state| matches!(state, Established | CloseWait));
        counts.set(Counter::CurrEstabOrCloseWait, current);
        counts
    }

    /// # Kernel
    ///
    /// `__inet_twsk_schedule` counts a timewait socket as it begins, in one of two counters by the
    /// time that its timer is set for (Linux 5.18; before, they count as it expires).
    pub(super) fn of_timewait(timer: Ticks, tells: &Tells) -> Self {
        let Some(hz) = tells.timewait_hz else {
            return Self::default();
        };
        let is_short = timer.expires.saturating_sub(timer.now) <= 4 * u64::from(hz);
        Self::one(match is_short {
            true => Counter::TwKilled,
            false => Counter::Tw,
        })
    }

    /// # Kernel
    ///
    /// `tcp_check_req` ends a request socket for a reset or a second SYN, and counts it twice; with
    /// `tcp_abort_on_overflow` also for an ACK for which there is no room, and then in
    /// `EmbryonicRsts` alone.
    pub(super) fn of_request(request: &Request) -> Self {
        match request.news {
            RequestNews::Ended(RequestEnd::Reset) => {
                let mut counts = Self::one(Counter::EmbryonicRsts);
                counts.set(Counter::AttemptFails, 1);
                counts
            }
            _ => Self::default(),
        }
    }

    fn set(&mut self, counter: Counter, by: i64) {
        self.0[counter as usize] = by;
    }

    pub(super) fn get(&self, counter: Counter) -> i64 {
        self.0[counter as usize]
    }

    pub(super) fn add(&mut self, other: Self) {
        for (mine, other) in self.0.iter_mut().zip(other.0) {
            *mine += other;
        }
    }

    pub(super) fn magnitude(self) -> Self {
        Self(self.0.map(i64::abs))
    }
}
