//! Whether the local ports towards one end run out if nothing changes.
//!
//! A port that goes into TIME_WAIT comes back a minute later. So at a steady rate the number in
//! TIME_WAIT does not grow for ever: it levels off at the rate times that minute (Little's law), and
//! what counts is whether that is more than there are. A straight line through the first seconds
//! of a load would see every host run out.

/// What becomes of the ports if nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// Not known: neither is a rate in the first second, nor how many ports there are.
    Unknown,
    /// A connect takes over a port that is in TIME_WAIT (`tcp_tw_reuse`), so these do not count.
    TakenOver,
    /// So many are in use at most.
    LevelsOff {
        /// How many.
        ports: u64,
    },
    /// There is none left after this time.
    RunsOut {
        /// Nanoseconds from now.
        in_ns: u64,
    },
    /// There is none left.
    Exhausted,
}

/// What an outlook is made from: the ports towards one end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trend {
    /// How many there are; `None` where it is not known.
    pub(super) usable: Option<u64>,
    /// In use by connections, TIME_WAIT aside.
    pub(super) otherwise: u64,
    /// In TIME_WAIT.
    pub(super) time_wait: u64,
    /// By how much `otherwise` grows in a second.
    pub(super) otherwise_grows_per_s: Option<f64>,
    /// How many go into TIME_WAIT in a second.
    pub(super) into_time_wait_per_s: Option<f64>,
    /// How many come back from it in a second.
    pub(super) out_of_time_wait_per_s: Option<f64>,
    /// How long a TIME_WAIT lasts at most, nanoseconds.
    pub(super) time_wait_ns: u64,
    /// Whether connects take over what is in TIME_WAIT.
    pub(super) taken_over: bool,
}

/// A slower growth of connections that are open, in a second, is taken for chance: a load that
/// holds its number steady goes up and down by as much.
const CHANCE_PER_S: f64 = 10.0;

impl Trend {
    pub(super) fn outlook(self) -> Outlook {
        let Some(usable) = self.usable else {
            return Outlook::Unknown;
        };
        if self.otherwise + self.time_wait >= usable {
            return match self.taken_over && self.otherwise < usable {
                true => Outlook::TakenOver,
                false => Outlook::Exhausted,
            };
        }
        let (Some(grows), Some(inwards), Some(outwards)) = (
            self.otherwise_grows_per_s,
            self.into_time_wait_per_s,
            self.out_of_time_wait_per_s,
        ) else {
            return Outlook::Unknown;
        };
        let grows = if grows < CHANCE_PER_S { 0.0 } else { grows };
        let (otherwise, time_wait) = (self.otherwise as f64, self.time_wait as f64);
        let level = (inwards * self.time_wait_ns as f64 / 1e9).max(time_wait);
        if self.taken_over {
            return match grows > 0.0 {
                true => runs_out((usable as f64 - otherwise) / grows),
                false => Outlook::TakenOver,
            };
        }
        if grows == 0.0 && otherwise + level < usable as f64 {
            return Outlook::LevelsOff {
                ports: (otherwise + level).round() as u64,
            };
        }
        // Either before TIME_WAIT has levelled off, or from then on by what else grows.
        let left = usable as f64 - otherwise - time_wait;
        let pace = grows + (inwards - outwards).max(0.0);
        let rising = left / pace;
        match time_wait + rising * (inwards - outwards).max(0.0) <= level {
            true => runs_out(rising),
            false => runs_out((usable as f64 - otherwise - level).max(0.0) / grows),
        }
    }
}

fn runs_out(seconds: f64) -> Outlook {
    match seconds.is_finite() {
        true => Outlook::RunsOut {
            in_ns: (seconds * 1e9) as u64,
        },
        false => Outlook::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Trend = Trend {
        usable: Some(28_232),
        otherwise: 100,
        time_wait: 1_000,
        otherwise_grows_per_s: Some(0.0),
        into_time_wait_per_s: Some(200.0),
        out_of_time_wait_per_s: Some(0.0),
        time_wait_ns: 61_000_000_000,
        taken_over: false,
    };

    fn seconds(trend: Trend) -> u64 {
        match trend.outlook() {
            Outlook::RunsOut { in_ns } => in_ns / 1_000_000_000,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_steady_load_levels_off_however_steep_its_beginning() {
        let ports = 100 + 200 * 61;
        assert_eq!(LOAD.outlook(), Outlook::LevelsOff { ports });
        // The same load a minute later, when as many come back as go.
        let later = Trend {
            time_wait: 12_200,
            out_of_time_wait_per_s: Some(200.0),
            ..LOAD
        };
        assert_eq!(later.outlook(), Outlook::LevelsOff { ports });
    }

    #[test]
    fn a_load_that_is_too_steep_runs_out_before_it_levels_off() {
        let steep = Trend {
            into_time_wait_per_s: Some(500.0),
            ..LOAD
        };
        assert_eq!(seconds(steep), (28_232 - 1_100) / 500);
    }

    #[test]
    fn connections_that_stay_open_run_out_after_the_level() {
        let leak = Trend {
            otherwise_grows_per_s: Some(20.0),
            into_time_wait_per_s: Some(0.0),
            time_wait: 0,
            ..LOAD
        };
        assert_eq!(seconds(leak), (28_232 - 100) / 20);
        let both = Trend {
            otherwise_grows_per_s: Some(20.0),
            ..LOAD
        };
        assert_eq!(seconds(both), (28_232 - 100 - 12_200) / 20);
    }

    #[test]
    fn chance_is_no_trend() {
        let unsteady = Trend {
            otherwise_grows_per_s: Some(9.9),
            ..LOAD
        };
        assert!(matches!(unsteady.outlook(), Outlook::LevelsOff { .. }));
    }

    #[test]
    fn ports_that_may_be_taken_over_do_not_run_out_by_time_wait() {
        let reuse = Trend {
            taken_over: true,
            time_wait: 28_132,
            ..LOAD
        };
        assert_eq!(reuse.outlook(), Outlook::TakenOver);
        let open = Trend {
            otherwise: 28_232,
            ..reuse
        };
        assert_eq!(open.outlook(), Outlook::Exhausted);
        let without = Trend {
            taken_over: false,
            ..reuse
        };
        assert_eq!(without.outlook(), Outlook::Exhausted);
    }

    #[test]
    fn without_a_rate_or_a_number_nothing_is_claimed() {
        let first_second = Trend {
            into_time_wait_per_s: None,
            ..LOAD
        };
        assert_eq!(first_second.outlook(), Outlook::Unknown);
        let unread = Trend {
            usable: None,
            ..LOAD
        };
        assert_eq!(unread.outlook(), Outlook::Unknown);
    }
}
