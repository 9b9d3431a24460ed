//! By which methods the sockets that the tracepoint never shows are followed, once it is known what
//! the kernel allows.

use crate::cli::args::TimeWaitArg;
use crate::evidence::Head;
use crate::model::MonoNs;
use crate::source::hz::HzWatch;
use crate::source::live::{Hook, Live, Method};
use crate::source::preflight::KernelRelease;
use crate::stats::{Methods, Tells};
use crate::track::asking::{Asker, Mode};
use crate::track::{Follows, Timewaits};

/// The first kernel that counts timewait sockets (`TW`, `TWKilled`) as they begin; earlier ones
/// count them as they expire.
const COUNTS_TIMEWAIT_BEGINNINGS: KernelRelease = KernelRelease {
    major: 5,
    minor: 18,
};

/// The methods in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct HiddenMethods {
    timewait: Timewait,
    requests: Option<Method>,
    sees_silent_rearms: bool,
    hz: Option<u32>,
    /// Whether this kernel counts timewait sockets as they begin.
    counts_beginnings: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timewait {
    Hooked(Method),
    Asked,
    Off,
}

impl HiddenMethods {
    /// Takes what is attached; where nothing is, timewait sockets are asked for, unless that is not
    /// wanted.
    pub(super) fn of(
        live: &Live,
        wanted: TimeWaitArg,
        kernel: &str,
        ticks: Option<HzWatch>,
    ) -> Self {
        let timewait = match (live.timewait, wanted) {
            (Some(method), _) => Timewait::Hooked(method),
            (None, TimeWaitArg::Off) => Timewait::Off,
            // Without a cookie nobody can say which timewait socket is whose.
            (None, _) if live.hook == Hook::Classic => Timewait::Off,
            (None, _) => Timewait::Asked,
        };
        Self {
            timewait,
            requests: live.requests,
            sees_silent_rearms: live.sees_silent_rearms,
            hz: match timewait {
                Timewait::Off => None,
                _ => ticks.and_then(HzWatch::end),
            },
            counts_beginnings: counts_beginnings(kernel),
        }
    }

    /// Takes those by which evidence was gathered; `None` where a name is not known.
    pub(super) fn recorded(head: &Head) -> Option<Self> {
        let timewait = match head.time_wait.as_str() {
            "diag" => Timewait::Asked,
            "off" => Timewait::Off,
            name => Timewait::Hooked(Method::from_name(name)?),
        };
        let requests = match head.half_open.as_str() {
            "off" => None,
            name => Some(Method::from_name(name)?),
        };
        Some(Self {
            timewait,
            requests,
            sees_silent_rearms: head.sees_silent_rearms,
            // No kernel has others; evidence may say anything.
            hz: head.hz.filter(|hz| (1..=10_000).contains(hz)),
            counts_beginnings: counts_beginnings(&head.kernel),
        })
    }

    /// None of them: only what the tracepoint said.
    pub(super) fn none() -> Self {
        Self {
            timewait: Timewait::Off,
            requests: None,
            sees_silent_rearms: false,
            hz: None,
            counts_beginnings: false,
        }
    }

    /// Whether a timer that is set anew within its slot of the timer wheel is seen.
    pub(super) fn sees_silent_rearms(self) -> bool {
        self.sees_silent_rearms
    }

    /// Ticks of this kernel in a second, where they are known and needed.
    pub(super) fn hz(self) -> Option<u32> {
        self.hz
    }

    /// The names of the methods.
    pub(super) fn names(self) -> Methods {
        Methods {
            time_wait: match self.timewait {
                Timewait::Hooked(method) => Some(method.name()),
                Timewait::Asked => Some("diag"),
                Timewait::Off => None,
            },
            half_open: self.requests.map(Method::name),
        }
    }

    /// What the tracker may count on.
    ///
    /// `since` is when the last hook was attached.
    pub(super) fn follows(self, since: MonoNs) -> Follows {
        Follows {
            timewaits: match self.timewait {
                Timewait::Hooked(_) => Timewaits::Hooked,
                Timewait::Asked => Timewaits::Asked,
                Timewait::Off => Timewaits::Unseen,
            },
            requests: self.requests.is_some(),
            armings: match self.timewait {
                Timewait::Hooked(Method::Fentry) => true,
                Timewait::Hooked(Method::Timer) => self.sees_silent_rearms,
                Timewait::Asked | Timewait::Off => false,
            },
            since,
            resets: false,
            tick_ns: self.hz.map(|hz| 1_000_000_000 / u64::from(hz)),
        }
    }

    /// Whether anything is to be asked.
    pub(super) fn asks(self) -> bool {
        self.asker(1).is_some()
    }

    /// What is to be asked, if anything is.
    pub(super) fn asker(self, limit: usize) -> Option<Asker> {
        let mode = match self.timewait {
            Timewait::Asked => Mode::Diag,
            Timewait::Hooked(Method::Timer) if !self.sees_silent_rearms => Mode::Timer,
            Timewait::Hooked(_) | Timewait::Off => return None,
        };
        Some(Asker::new(mode, self.hz, limit))
    }

    /// What the kernel's counters can be held against.
    pub(super) fn tells(self) -> Tells {
        let is_hooked = matches!(self.timewait, Timewait::Hooked(_));
        Tells {
            timewait_hz: self.hz.filter(|_| is_hooked && self.counts_beginnings),
            timewait_ends: is_hooked,
            request_ends: self.requests.is_some(),
        }
    }

    /// How exact the times are.
    pub(super) fn bound(self) -> Option<String> {
        // Two ticks are under way when it is asked, and it is answered in milliseconds.
        let tick = match self.hz {
            Some(hz) => format!("{} ms", 3000 / hz + 1),
            None => "three timer ticks".to_owned(),
        };
        match self.timewait {
            Timewait::Hooked(Method::Timer) if !self.sees_silent_rearms => Some(format!(
                "exact where a timer is seen; FIN_WAIT2 → TIME_WAIT within the same slot of the timer \
                 wheel is told later, to {tick}, and a second arming there is not seen"
            )),
            Timewait::Hooked(_) => {
                Some("exact: each moment is the one at which a hook ran".to_owned())
            }
            Timewait::Asked => Some(format!(
                "each time has its own bound: beginnings to {tick}, ends by expiry to half the time \
                 between two looks, ends before their time to half of their age or of what was left"
            )),
            Timewait::Off => None,
        }
    }
}

fn counts_beginnings(kernel: &str) -> bool {
    KernelRelease::parse(kernel).is_some_and(|release| release >= COUNTS_TIMEWAIT_BEGINNINGS)
}
