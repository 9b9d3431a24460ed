//! A kernel whose timewait sockets are known: what happens to one, and what it answers.

use proptest::prelude::*;

use super::{BEGIN, MS, SECOND};
use crate::model::minisock::TIMEWAIT_NS;
use crate::model::{Answer, Found, TcpState, Ticks, Wheel};

/// A timer that was set, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arming {
    pub(super) at: u64,
    pub(super) substate: TcpState,
    /// The tick that it is set for, and when that begins.
    expires: u64,
    pub(super) set: u64,
    /// When it runs out, unless it is set anew.
    runs_out: u64,
}

/// The life of a timewait socket, as only the kernel knows it.
#[derive(Clone, Debug)]
pub(super) struct Truth {
    pub(super) wheel: Wheel,
    pub(super) armings: Vec<Arming>,
    pub(super) gone: u64,
    pub(super) is_killed: bool,
}

/// What decides on a life.
#[derive(Clone, Debug)]
pub(super) struct Fate {
    pub(super) hz: u32,
    /// When ticks begin, after those of the test's clock.
    phase: u64,
    pub(super) from: TcpState,
    /// Milliseconds of a FIN_WAIT2, and after how many of them the FIN comes; `None` for TIME_WAIT
    /// at once.
    fin_wait2: Option<(u64, u64)>,
    /// Milliseconds after which TIME_WAIT begins anew, each after the one before.
    rearmed_after: Vec<u64>,
    /// Milliseconds after which it is killed, if it lives as long.
    killed_after: Option<u64>,
    /// Microseconds that a timer's function comes late.
    lateness: u64,
}

impl Fate {
    /// The tick that is counted at a moment.
    fn tick_at(&self, at: u64) -> u64 {
        let ns = u128::from(at - self.phase);
        (ns * u128::from(self.hz) / u128::from(SECOND)) as u64
    }

    /// The first moment at which a tick is counted.
    fn begin_of(&self, tick: u64) -> u64 {
        let ns = (u128::from(tick) * u128::from(SECOND)).div_ceil(u128::from(self.hz));
        ns as u64 + self.phase
    }
}

impl Truth {
    pub(super) fn new(fate: &Fate) -> Self {
        let wheel = Wheel::new(fate.hz).expect("ticks");
        let arm = |at: u64, substate, timeout: u64| {
            let now = fate.tick_at(at);
            let expires = now + wheel.ticks(timeout);
            Arming {
                at,
                substate,
                expires,
                set: fate.begin_of(expires),
                runs_out: fate.begin_of(wheel.runs_out(Ticks { now, expires }))
                    + fate.lateness * 1000,
            }
        };
        let mut armings = Vec::new();
        let mut timewait_from = Some(BEGIN);
        if let Some((timeout, fin)) = fate.fin_wait2 {
            let first = arm(BEGIN, TcpState::FinWait2, timeout * MS);
            let fin = BEGIN + fin * MS;
            timewait_from = (fin < first.runs_out).then_some(fin);
            armings.push(first);
        }
        if let Some(mut at) = timewait_from {
            armings.push(arm(at, TcpState::TimeWait, TIMEWAIT_NS));
            for after in &fate.rearmed_after {
                at += after * MS;
                if armings.last().is_some_and(|last| at < last.runs_out) {
                    armings.push(arm(at, TcpState::TimeWait, TIMEWAIT_NS));
                }
            }
        }
        let runs_out = armings.last().expect("one").runs_out;
        let killed = fate.killed_after.map(|after| BEGIN + after * MS);
        let gone = killed.unwrap_or(u64::MAX).min(runs_out);
        armings.retain(|one| one.at < gone);
        Self {
            wheel,
            armings,
            gone,
            is_killed: gone != runs_out,
        }
    }

    /// The timer as it is set at a moment.
    pub(super) fn arming(&self, at: u64) -> Option<Arming> {
        let set = self.armings.iter().rfind(|one| one.at <= at);
        set.filter(|_| at < self.gone).copied()
    }

    /// What `sock_diag` says at a moment.
    pub(super) fn answer(&self, fate: &Fate, at: u64) -> Answer {
        let Some(arming) = self.arming(at) else {
            return Answer::Absent;
        };
        let left_ticks = arming.expires.saturating_sub(fate.tick_at(at));
        let left_ms = self.wheel.ns(left_ticks) / MS;
        Answer::Found(Found {
            state: arming.substate,
            left_ns: Some(left_ms * MS),
            interface: 0,
        })
    }
}

prop_compose! {
    pub(super) fn any_fate()(
        hz in prop::sample::select(vec![100_u32, 250, 300, 1000]),
        phase in 0_u64..10 * MS,
        is_closing: bool,
        fin_wait2 in prop::option::of((500_u64..65_000, 0_u64..70_000)),
        rearmed_after in prop::collection::vec(100_u64..70_000, 0..3),
        killed_after in prop::option::of(200_u64..130_000),
        lateness in 0_u64..20_000,
    ) -> Fate {
        let from = if is_closing { TcpState::Closing } else { TcpState::FinWait2 };
        Fate {
            hz,
            phase,
            from,
            fin_wait2: fin_wait2.filter(|_| !is_closing),
            rearmed_after,
            killed_after,
            lateness,
        }
    }
}

/// Microseconds.
pub(super) fn any_delays() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0_u64..12_000, 0_u64..500), 1..8)
}
