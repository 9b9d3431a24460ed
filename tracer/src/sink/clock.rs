//! Wall-clock times as text.

use jiff::{Timestamp, tz::TimeZone};

use crate::model::{MonoNs, WallClock};

/// Writes a moment in RFC 3339 with nanoseconds, in UTC: `2026-01-02T03:04:05.000000006Z`.
pub fn rfc3339(wall: &WallClock, at: MonoNs) -> String {
    format!("{:.9}", timestamp(wall, at))
}

/// Writes the time of day with microseconds, in the time zone given: `17:03:48.120431`.
pub fn time_of_day(wall: &WallClock, at: MonoNs, zone: &TimeZone) -> String {
    let zoned = timestamp(wall, at).to_zoned(zone.clone());
    format!("{}", zoned.strftime("%H:%M:%S.%6f"))
}

/// A moment outside what the type can hold (the years -9999 to 9999) is held to its bounds.
fn timestamp(wall: &WallClock, at: MonoNs) -> Timestamp {
    let ns = wall.unix_ns(at);
    Timestamp::from_nanosecond(ns).unwrap_or(if ns < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_are_kept() {
        let wall = WallClock::new(MonoNs(1_000), 1_767_323_045_000_000_006);
        assert_eq!(
            rfc3339(&wall, MonoNs(1_000)),
            "2026-01-02T03:04:05.000000006Z"
        );
        assert_eq!(rfc3339(&wall, MonoNs(0)), "2026-01-02T03:04:04.999999006Z");
        assert_eq!(
            time_of_day(&wall, MonoNs(1_000), &TimeZone::UTC),
            "03:04:05.000000"
        );
    }

    #[test]
    fn an_absurd_clock_is_held_to_the_bounds() {
        let wall = WallClock::new(MonoNs(0), i128::MAX / 2);
        assert!(rfc3339(&wall, MonoNs(u64::MAX)).starts_with("9999-"));
    }
}
