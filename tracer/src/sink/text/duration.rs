//! Durations as people read them.

/// Writes nanoseconds with the unit that keeps the number small: `40.1 µs`, `312.4 ms`, `60.13 s`,
/// `3 min 20 s`, `2 h 05 min`.
pub fn duration(ns: u64) -> String {
    let scaled = |unit: f64| ns as f64 / unit;
    match ns {
        // The bounds are where the number would be rounded up into the next unit.
        0..1_000 => format!("{ns} ns"),
        1_000..999_950 => format!("{:.1} µs", scaled(1e3)),
        999_950..999_950_000 => format!("{:.1} ms", scaled(1e6)),
        999_950_000..120_000_000_000 => format!("{:.2} s", scaled(1e9)),
        _ => {
            let seconds = ns / 1_000_000_000;
            match seconds {
                0..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
                _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        }
    }
}
