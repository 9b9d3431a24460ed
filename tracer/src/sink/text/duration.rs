//! Durations as people read them.

use super::fold::columns;
use super::number::push_number;
use super::put;

const SECOND: u64 = 1_000_000_000;

/// Writes nanoseconds with the unit that keeps the number small: `40.1 µs`, `312.4 ms`, `60.13 s`,
/// `3 min 20 s`, `2 h 05 min`.
pub fn duration(ns: u64) -> String {
    let mut text = String::new();
    push_duration(&mut text, ns);
    text
}

/// Appends nanoseconds as [`duration`] writes them. Returns how many columns that takes.
pub(super) fn push_duration(out: &mut String, ns: u64) -> usize {
    let start = out.len();
    if let Some(scale) = Scale::of(ns) {
        scale.push(out, ns, scale.decimals);
        return out.len() - start - scale.name.len() + columns(scale.name);
    }
    let seconds = ns / SECOND;
    match seconds {
        0..3_600 => put(
            out,
            format_args!("{} min {:02} s", seconds / 60, seconds % 60),
        ),
        _ => put(
            out,
            format_args!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
        ),
    }
    out.len() - start
}

/// Writes nanoseconds that may be wrong by `error_ns` either way: `60.1 s ± 64 ms`, or `≤ 8.2 ms`
/// where they may be next to none.
///
/// Digits that the error makes worthless are left out, but for two; so is an error that is too
/// small for the digits.
pub(super) fn within(ns: u64, error_ns: u64) -> String {
    if ns <= error_ns && error_ns > 0 {
        return format!("≤ {}", bound(ns.saturating_add(error_ns)));
    }
    let scale = Scale::of(ns);
    let last_digit = match scale {
        Some(scale) => scale.step(scale.decimals),
        None if ns < 3_600 * SECOND => SECOND,
        None => 60 * SECOND,
    };
    if error_ns.saturating_mul(2) < last_digit {
        return duration(ns);
    }
    let least = (power_of_ten(ns) / 10).max(1);
    // Rounding moves it by half a step at most, and so not beyond the error.
    let step = power_of_ten(error_ns.saturating_mul(2));
    format!("{} ± {}", rounded(ns, step.min(least)), bound(error_ns))
}

/// Writes nanoseconds rounded to `step`, without the digits that are then zero.
fn rounded(ns: u64, step: u64) -> String {
    let near = (ns.saturating_add(step / 2) / step).saturating_mul(step);
    let Some(scale) = Scale::of(near) else {
        return duration(ns);
    };
    let enough = (0..scale.decimals).find(|&decimals| scale.step(decimals) <= step);
    scale.write(near, enough.unwrap_or(scale.decimals))
}

/// Writes a bound with two digits, rounded up: nothing lies beyond it.
fn bound(ns: u64) -> String {
    let step = (power_of_ten(ns) / 10).max(1);
    let ns = ns.div_ceil(step).saturating_mul(step);
    let Some(scale) = Scale::of(ns) else {
        return duration(ns);
    };
    scale.write(
        ns,
        usize::from(!ns.is_multiple_of(scale.unit)).min(scale.decimals),
    )
}

/// The largest power of ten that is not larger; 1 for zero.
fn power_of_ten(ns: u64) -> u64 {
    10_u64.pow(ns.checked_ilog10().unwrap_or(0))
}

/// A unit, and how a number of it is usually written.
#[derive(Clone, Copy)]
struct Scale {
    /// Nanoseconds.
    unit: u64,
    name: &'static str,
    decimals: usize,
}

impl Scale {
    /// The one that keeps the number small; `None` where one is not enough.
    fn of(ns: u64) -> Option<Self> {
        let (unit, name, decimals) = match ns {
            // The bounds are where the number would be rounded up into the next unit.
            0..1_000 => (1, "ns", 0),
            1_000..999_950 => (1_000, "µs", 1),
            999_950..999_950_000 => (1_000_000, "ms", 1),
            999_950_000..120_000_000_000 => (SECOND, "s", 2),
            _ => return None,
        };
        Some(Self {
            unit,
            name,
            decimals,
        })
    }

    /// What the last of so many decimals is worth, nanoseconds.
    fn step(self, decimals: usize) -> u64 {
        (0..decimals).fold(self.unit, |step, _| step / 10)
    }

    fn write(self, ns: u64, decimals: usize) -> String {
        let mut text = String::new();
        self.push(&mut text, ns, decimals);
        text
    }

    fn push(self, out: &mut String, ns: u64, decimals: usize) {
        // By a number that the compiler knows it is not divided but multiplied.
        let (step, steps, rest) = match self.step(decimals) {
            100 => (100, ns / 100, ns % 100),
            100_000 => (100_000, ns / 100_000, ns % 100_000),
            step => (step, ns / step, ns % step),
        };
        match rest * 2 == step {
            // Half a step goes where the nearest fraction lies that a float can hold.
            true => put(
                out,
                format_args!("{:.decimals$}", ns as f64 / self.unit as f64),
            ),
            false => push_decimal(out, steps + u64::from(rest * 2 > step), decimals),
        }
        out.push(' ');
        out.push_str(self.name);
    }
}

/// Appends a number of which so many digits stand behind the point, two at most.
fn push_decimal(out: &mut String, number: u64, decimals: usize) {
    let digit = |number: u64| char::from(b'0' + (number % 10) as u8);
    match decimals {
        0 => push_number(out, number),
        1 => {
            push_number(out, number / 10);
            out.push('.');
            out.push(digit(number));
        }
        _ => {
            push_number(out, number / 100);
            out.push('.');
            out.push(digit(number / 10));
            out.push(digit(number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decimals_are_those_of_the_number(
            ns in prop_oneof![0..2_000_u64, 0..2_000_000_u64, 0..200_000_000_000_u64, any::<u64>()],
            halves in 0..3_000_u64,
        ) {
            for ns in [ns, halves * 50, halves * 50_000, halves * 5_000_000] {
                let Some(scale) = Scale::of(ns) else {
                    continue;
                };
                let (decimals, number) = (scale.decimals, ns as f64 / scale.unit as f64);
                prop_assert_eq!(duration(ns), format!("{number:.decimals$} {}", scale.name));
            }
        }
    }

    #[test]
    fn units_follow_the_size() {
        let cases = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.0 µs"),
            (40_100, "40.1 µs"),
            (999_949, "999.9 µs"),
            (999_950, "1.0 ms"),
            (312_400_000, "312.4 ms"),
            (999_950_000, "1.00 s"),
            (60_130_000_000, "60.13 s"),
            (200_000_000_000, "3 min 20 s"),
            (7_500_000_000_000, "2 h 05 min"),
        ];
        for (ns, expected) in cases {
            assert_eq!(duration(ns), expected);
            let columns = push_duration(&mut String::new(), ns);
            assert_eq!(columns, expected.chars().count(), "{expected}");
        }
    }

    #[test]
    fn an_error_takes_the_digits_that_it_makes_worthless() {
        let (ms, s) = (1_000_000, SECOND);
        let cases = [
            (60_130 * ms, 64 * ms, "60.1 s ± 64 ms"),
            (60_130 * ms, 49 * ms, "60.13 s ± 49 ms"),
            (3_150 * ms, 11 * ms, "3.15 s ± 11 ms"),
            (60_130 * ms, 10 * ms, "60.13 s ± 10 ms"),
            (60_130 * ms, 3_210 * ms, "60 s ± 3.3 s"),
            (60_130 * ms, 20 * s, "60 s ± 20 s"),
            (60_130 * ms, 63_400_000, "60.1 s ± 64 ms"),
            (337 * ms, 64 * ms, "340 ms ± 64 ms"),
            (6_240_000, 5 * ms, "6.2 ms ± 5 ms"),
            (999_960_000, 100_000, "1.00 s"),
            (200 * s, 64 * ms, "3 min 20 s"),
            (200 * s, 2 * s, "3 min 20 s ± 2 s"),
            (7 * 3_600 * s, 130 * s, "7 h 00 min ± 2 min 10 s"),
        ];
        for (ns, error_ns, expected) in cases {
            assert_eq!(within(ns, error_ns), expected);
        }
    }

    #[test]
    fn an_error_too_small_for_the_digits_is_not_shown() {
        assert_eq!(within(60_130_000_000, 4_999_999), "60.13 s");
        assert_eq!(within(60_130_000_000, 5_000_000), "60.13 s ± 5 ms");
        assert_eq!(within(500, 0), "500 ns");
        assert_eq!(within(0, 0), "0 ns");
    }

    #[test]
    fn what_may_have_been_next_to_nothing_is_not_called_nothing() {
        assert_eq!(within(0, 4_100_000), "≤ 4.1 ms");
        assert_eq!(within(4_000_000, 4_110_000), "≤ 8.2 ms");
        assert_eq!(within(u64::MAX, u64::MAX), within(u64::MAX - 1, u64::MAX));
    }
}
