//! A moment as a person types it, and which one that is in a trace.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::parse::parse_duration;
use crate::model::{MonoNs, WallClock};

/// A time of day so much before a trace's begin is one of the day after.
const MEANS_NEXT_DAY_HOURS: i64 = 12;

/// A moment as it was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// On the wall clock, anywhere.
    At(Timestamp),
    /// A time of day where the trace ran: on the day of its begin, or on the next one if that is twelve hours before
    /// its begin or more.
    TimeOfDay(Time),
    /// So long after the trace began.
    After(Duration),
}

/// Reads `2026-01-31T17:03:48Z`, `17:03:48.5` or `+90s`.
pub(super) fn parse_moment(text: &str) -> Result<Moment, String> {
    if let Some(after) = text.strip_prefix('+') {
        if after == "0s" || after == "0" {
            return Ok(Moment::After(Duration::ZERO));
        }
        return parse_duration(after).map(Moment::After);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Moment::At(at));
    }
    text.parse::<Time>().map(Moment::TimeOfDay).map_err(|_| {
        "give a moment such as 2026-01-31T17:03:48Z, 17:03:48, or +90s after the begin".to_owned()
    })
}

impl Moment {
    /// Returns which moment of a trace it is that began at `start`, where `zone` was in force.
    pub fn of_trace(self, start: MonoNs, wall: &WallClock, zone: &TimeZone) -> MonoNs {
        let on_wall = |at: Timestamp| {
            let mono = at.as_nanosecond() - wall.unix_ns(MonoNs(0));
            MonoNs(u64::try_from(mono.max(0)).unwrap_or(u64::MAX))
        };
        match self {
            Self::After(after) => start.plus(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)),
            Self::At(at) => on_wall(at),
            Self::TimeOfDay(time) => {
                let began = Timestamp::from_nanosecond(wall.unix_ns(start))
                    .unwrap_or_default()
                    .to_zoned(zone.clone());
                let on = |date: jiff::civil::Date| {
                    let at = date.to_datetime(time).to_zoned(zone.clone()).ok()?;
                    Some(at.timestamp())
                };
                // Who rounds the begin down means that day; who means a time much earlier, the day after.
                let hours_before = began.time().duration_since(time).as_hours();
                let date = match hours_before >= MEANS_NEXT_DAY_HOURS {
                    true => began.date().saturating_add(1.day()),
                    false => began.date(),
                };
                on(date).map_or(start, on_wall)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// The trace begins at 23:59:00 UTC on 2026-01-31, 1000 s after boot.
    fn of_trace(text: &str) -> u64 {
        let start = MonoNs(1000 * SECOND);
        let wall_ns = "2026-01-31T23:59:00Z".parse::<Timestamp>().expect("a time");
        let wall = WallClock::new(start, wall_ns.as_nanosecond());
        let moment = parse_moment(text).expect(text);
        moment.of_trace(start, &wall, &TimeZone::UTC).0 / SECOND
    }

    #[test]
    fn each_way_to_type_a_moment_means_the_same() {
        for text in [
            "+90s",
            "2026-02-01T00:00:30Z",
            "2026-02-01T01:00:30+01:00",
            "00:00:30",
        ] {
            assert_eq!(of_trace(text), 1090, "{text}");
        }
        assert_eq!(of_trace("23:59:10"), 1010);
        assert_eq!(of_trace("+0s"), 1000);
        // The begin, rounded down.
        assert_eq!(of_trace("23:58:50"), 990);
        assert_eq!(of_trace("1970-01-01T00:00:00Z"), 0);
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in ["", "+", "yesterday", "25:00:00", "-5s", "2026-01-31"] {
            let said = parse_moment(text).expect_err(text);
            assert!(said.starts_with("give"), "{said}");
        }
    }
}
