//! Wall-clock times as text.
//!
//! A busy host has hundreds of thousands of them a second: how a second is told is kept for as long as it is asked about
//! the same one.

use std::cell::RefCell;
use std::fmt::{self, Write as _};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use serde::{Serialize, Serializer};

use super::digits::{push_nine, push_six, push_two};
use crate::model::{MonoNs, WallClock};

const SECOND_NS: i64 = 1_000_000_000;

thread_local! {
    /// The second that was asked about last in UTC, which is the same whoever asks.
    static LATEST: RefCell<Latest> = const { RefCell::new(Latest::NONE) };
}

/// A second since the Unix epoch, and how it is told.
#[derive(Clone, Debug)]
struct Latest {
    second: Timestamp,
    text: String,
}

impl Latest {
    const NONE: Self = Self {
        second: Timestamp::MIN,
        text: String::new(),
    };

    /// Returns how a second is told, which `tell` knows if it is another one.
    fn text_of(&mut self, second: Timestamp, tell: impl FnOnce(&mut String, Timestamp)) -> &str {
        if self.second != second {
            self.text.clear();
            tell(&mut self.text, second);
            self.second = second;
        }
        &self.text
    }
}

/// A moment in RFC 3339 with nanoseconds, in UTC: `2026-01-02T03:04:05.000000006Z`.
#[derive(Clone, Copy, Debug)]
pub struct Rfc3339 {
    unix_ns: i128,
}

/// Returns a moment as RFC 3339 has it.
pub fn rfc3339(wall: &WallClock, at: MonoNs) -> Rfc3339 {
    Rfc3339 {
        unix_ns: wall.unix_ns(at),
    }
}

impl Rfc3339 {
    /// Appends it.
    pub(super) fn push(self, out: &mut String) {
        let Some((second, ns)) = seconds(self.unix_ns) else {
            return push_shown(out, format_args!("{:.9}", timestamp(self.unix_ns)));
        };
        LATEST.with_borrow_mut(|latest| out.push_str(latest.text_of(second, date_and_time)));
        push_nine(out, ns);
        out.push('Z');
    }
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.push(&mut text);
        f.write_str(&text)
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The clock on the wall of one place.
#[derive(Clone, Debug)]
pub struct LocalClock {
    /// What the boot-time clock is in UTC.
    wall: WallClock,
    zone: TimeZone,
    /// The second that was asked about last, and its time of day.
    latest: RefCell<Latest>,
}

impl LocalClock {
    /// Makes a clock that shows the time of a zone.
    pub fn new(wall: WallClock, zone: TimeZone) -> Self {
        Self {
            wall,
            zone,
            latest: RefCell::new(Latest::NONE),
        }
    }

    /// Returns the time of day with microseconds: `17:03:48.120431`.
    pub fn time_of_day(&self, at: MonoNs) -> String {
        let mut text = String::with_capacity(15);
        self.push_time_of_day(&mut text, at);
        text
    }

    /// Appends the time of day with microseconds.
    pub(super) fn push_time_of_day(&self, out: &mut String, at: MonoNs) {
        let unix_ns = self.wall.unix_ns(at);
        let Some((second, ns)) = seconds(unix_ns) else {
            let zoned = timestamp(unix_ns).to_zoned(self.zone.clone());
            return push_shown(out, zoned.strftime("%H:%M:%S.%6f"));
        };
        // A zone changes its offset between two seconds, never within one.
        let tell = |text: &mut String, second| push_time(text, self.zone.to_datetime(second));
        out.push_str(self.latest.borrow_mut().text_of(second, tell));
        out.push('.');
        push_six(out, ns / 1_000);
    }
}

/// The whole second, and the nanoseconds since. `None` outside of the years 1677 to 2262.
fn seconds(unix_ns: i128) -> Option<(Timestamp, u32)> {
    let ns = i64::try_from(unix_ns).ok()?;
    let second = Timestamp::from_second(ns.div_euclid(SECOND_NS)).ok()?;
    let ns = u32::try_from(ns.rem_euclid(SECOND_NS)).ok()?;
    Some((second, ns))
}

/// A moment outside what the type can hold (the years -9999 to 9999) is held to its bounds.
fn timestamp(unix_ns: i128) -> Timestamp {
    Timestamp::from_nanosecond(unix_ns).unwrap_or(if unix_ns < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// Appends `2026-01-02T03:04:05.`.
fn date_and_time(text: &mut String, second: Timestamp) {
    let moment = Offset::UTC.to_datetime(second);
    let year = u32::from(moment.year().unsigned_abs());
    push_two(text, year / 100);
    push_two(text, year);
    for part in [moment.month(), moment.day()] {
        text.push('-');
        push_two(text, part.unsigned_abs().into());
    }
    text.push('T');
    push_time(text, moment);
    text.push('.');
}

/// Appends `17:03:48`.
fn push_time(text: &mut String, of_day: DateTime) {
    push_two(text, of_day.hour().unsigned_abs().into());
    for part in [of_day.minute(), of_day.second()] {
        text.push(':');
        push_two(text, part.unsigned_abs().into());
    }
}

/// Appends what prints itself.
fn push_shown(out: &mut String, value: impl fmt::Display) {
    let written = write!(out, "{value}");
    debug_assert!(written.is_ok(), "a time can always be told");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-01-02T03:04:05.000000006Z at `MonoNs(1_000)`.
    fn wall() -> WallClock {
        WallClock::new(MonoNs(1_000), 1_767_323_045_000_000_006)
    }

    fn shown(wall: &WallClock, at: u64) -> String {
        rfc3339(wall, MonoNs(at)).to_string()
    }

    #[test]
    fn nanoseconds_are_kept() {
        assert_eq!(shown(&wall(), 1_000), "2026-01-02T03:04:05.000000006Z");
        assert_eq!(shown(&wall(), 0), "2026-01-02T03:04:04.999999006Z");
        let utc = LocalClock::new(wall(), TimeZone::UTC);
        assert_eq!(utc.time_of_day(MonoNs(1_000)), "03:04:05.000000");
        assert_eq!(utc.time_of_day(MonoNs(0)), "03:04:04.999999");
    }

    #[test]
    fn an_absurd_clock_is_held_to_the_bounds() {
        let wall = WallClock::new(MonoNs(0), i128::MAX / 2);
        assert!(shown(&wall, u64::MAX).starts_with("9999-"));
        let clock = LocalClock::new(wall, TimeZone::UTC);
        assert_eq!(clock.time_of_day(MonoNs(u64::MAX)), "22:00:00.999999");
    }

    /// Berlin, in which 01:59:59.999999 is followed by 03:00:00 and, in autumn, 02:59:59.999999 by 02:00:00.
    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone")
    }

    /// Times of day around a moment, a second before it and after it, there and back.
    fn around(unix_s: i128, zone: &TimeZone) -> Vec<String> {
        let start = MonoNs(5_000_000_000);
        let wall = WallClock::new(start, unix_s * 1_000_000_000);
        let clock = LocalClock::new(wall, zone.clone());
        [4_999_999_999, 5_000_000_000, 6_000_000_000, 4_000_000_000]
            .map(|at| clock.time_of_day(MonoNs(at)))
            .to_vec()
    }

    #[test]
    fn the_time_of_day_goes_over_midnight_and_over_changes_of_the_offset() {
        assert_eq!(
            around(1_767_225_600, &TimeZone::UTC),
            [
                "23:59:59.999999",
                "00:00:00.000000",
                "00:00:01.000000",
                "23:59:59.000000"
            ]
        );
        // 2026-03-29T01:00:00Z, 2026-10-25T01:00:00Z.
        assert_eq!(
            around(1_774_746_000, &berlin()),
            [
                "01:59:59.999999",
                "03:00:00.000000",
                "03:00:01.000000",
                "01:59:59.000000"
            ]
        );
        assert_eq!(
            around(1_792_890_000, &berlin()),
            [
                "02:59:59.999999",
                "02:00:00.000000",
                "02:00:01.000000",
                "02:59:59.000000"
            ]
        );
    }

    proptest! {
        #[test]
        fn times_are_those_that_jiff_prints(
            unix_ns in prop_oneof![any::<i64>().prop_map(i128::from), any::<i128>()],
            later_ns in 0..3_000_000_000_u64,
        ) {
            let wall = WallClock::new(MonoNs(0), unix_ns / 4);
            let clock = LocalClock::new(wall, berlin());
            for at in [0, later_ns].map(MonoNs) {
                let moment = timestamp(wall.unix_ns(at));
                let zoned = moment.to_zoned(berlin());
                prop_assert_eq!(rfc3339(&wall, at).to_string(), format!("{moment:.9}"));
                prop_assert_eq!(
                    clock.time_of_day(at),
                    zoned.strftime("%H:%M:%S.%6f").to_string()
                );
            }
        }
    }
}
