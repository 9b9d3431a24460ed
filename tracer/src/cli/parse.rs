//! Values of options: each a pure reading of text, with an error that says what would do.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::record::Rotate;
use crate::model::{Prefix, TcpState, printable};

/// Least room for the ring buffers of all CPUs: a page, which each of them has at least.
const RING_MIN: u64 = 4096;
/// Largest: what the kernel takes for a map of this kind on any machine, and room enough.
const RING_MAX: u64 = 1 << 30;

/// Least room for evidence: a frame with what traced, the sockets that existed, and an end.
const RECORD_MIN: u64 = 64 << 10;
/// Shortest life of a file of evidence: a frame may wait for a second.
const ROTATE_MIN: Duration = Duration::from_secs(1);

/// Shortest time between two looks.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// What the kernel keeps of a task's name (`TASK_COMM_LEN`, without the zero at its end).
const COMM_MAX: usize = 15;

/// Size of the ring buffers of all CPUs in bytes: a power of two from a page to a gibibyte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingSize(pub u32);

/// Reads `8M`, `64K`, `1G` or a number of bytes.
pub(super) fn parse_ring_size(text: &str) -> Result<RingSize, String> {
    let bytes = parse_bytes(text)?
        .filter(|&bytes| bytes <= RING_MAX)
        .ok_or("give at most 1G")?;
    if bytes < RING_MIN {
        return Err("give at least 4K, a page".to_owned());
    }
    // At most 2³⁰, as checked, so it fits.
    Ok(RingSize(bytes.next_power_of_two() as u32))
}

/// Reads `8M`, `64K`, `1G`, `1T` or a number of bytes; `None` for more than can be counted.
fn parse_bytes(text: &str) -> Result<Option<u64>, String> {
    let (digits, unit) = split_unit(text);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err("its unit is none of K, M, G and T".to_owned()),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number {
        return Err("give a size such as 8M or 65536".to_owned());
    }
    let number: Option<u64> = digits.parse().ok();
    Ok(number.and_then(|number| number.checked_mul(1 << shift)))
}

/// A number and the letters behind it.
fn split_unit(text: &str) -> (&str, &str) {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    (digits, &text[digits.len()..])
}

/// Reads how much evidence may take: `2G`, `500M`.
pub(super) fn parse_record_size(text: &str) -> Result<u64, String> {
    let bytes = parse_bytes(text)?.ok_or("it is more than can be counted")?;
    match bytes < RECORD_MIN {
        true => Err("give at least 64K".to_owned()),
        false => Ok(bytes),
    }
}

/// Reads when evidence goes on in a new file: `100M` is a size, `10min` an age.
pub(super) fn parse_rotate(text: &str) -> Result<Rotate, String> {
    let (digits, unit) = split_unit(text);
    match unit {
        "m" => {
            let digits = printable(digits);
            Err(format!(
                "it may be minutes or mebibytes; give {digits}min or {digits}M"
            ))
        }
        "" => Err("give a size such as 100M, or an age such as 1h".to_owned()),
        "ms" | "s" | "min" | "h" | "d" => {
            let age = match unit {
                "d" => parse_duration(&format!("{digits}h"))?
                    .checked_mul(24)
                    .ok_or("it is more than can be counted")?,
                _ => parse_duration(text)?,
            };
            match age < ROTATE_MIN {
                true => Err("give at least 1s".to_owned()),
                false => Ok(Rotate::Every(age)),
            }
        }
        _ => parse_record_size(text).map(Rotate::Bytes),
    }
}

/// Reads `10s`, `1.5s`, `500ms`, `2m`, `1h`; a bare number is seconds.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let usage = || "give a time such as 10s, 500ms, 2m or 1h".to_owned();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(usage()),
    };
    let number: f64 = digits.parse().map_err(|_| usage())?;
    Duration::try_from_secs_f64(number * unit)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(usage)
}

/// Reads a time between two looks, such as `1s`: short enough to follow, long enough to work.
pub(super) fn parse_interval(text: &str) -> Result<Duration, String> {
    parse_duration(text).and_then(|interval| match interval < INTERVAL_MIN {
        true => Err("give at least 100ms".to_owned()),
        false => Ok(interval),
    })
}

/// Reads `10.0.0.0/8`, `2001:db8::/32`, or an address alone.
pub(super) fn parse_prefix(text: &str) -> Result<Prefix, String> {
    let (addr, len) = match text.split_once('/') {
        Some((addr, len)) => (addr, Some(len)),
        None => (text, None),
    };
    let bracketed = addr
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let parsed = match bracketed {
        Some(bare) => bare.parse::<Ipv6Addr>().map(IpAddr::V6),
        None => addr.parse(),
    };
    let addr = parsed.map_err(|_| {
        let addr = printable(addr);
        format!("`{addr}` is no IPv4 or IPv6 address; names are not looked up")
    })?;
    let width = if addr.is_ipv4() { 32 } else { 128 };
    let len: u8 = match len {
        None => width,
        Some(len) => len
            .parse()
            .ok()
            .filter(|&len| len <= width)
            .ok_or_else(|| {
                let len = printable(len);
                format!("`/{len}` is no prefix length of 0 to {width}")
            })?,
    };
    Prefix::new(addr, len).ok_or_else(|| {
        format!("{addr} has bits behind the first {len}; give the first address of the range")
    })
}

/// Reads a state by any of its names.
pub(super) fn parse_state(text: &str) -> Result<TcpState, String> {
    match TcpState::parse(text) {
        Some(state) => Ok(state),
        None => {
            let names: Vec<String> = TcpState::ALL.iter().map(ToString::to_string).collect();
            Err(format!("it is none of {}", names.join(", ")))
        }
    }
}

/// Reads the name of a process as the kernel can have it.
pub(super) fn parse_comm(text: &str) -> Result<String, String> {
    if text.len() <= COMM_MAX {
        return Ok(text.to_owned());
    }
    let next = match text.get(..COMM_MAX) {
        Some(kept) => format!("give `{}`", printable(kept)),
        // What is kept ends within a character, and cannot be typed.
        None => "use --pid".to_owned(),
    };
    Err(format!(
        "the kernel keeps the first {COMM_MAX} bytes of a name, so no process has this one; {next}"
    ))
}

/// Takes a cgroup as it is typed; the empty text, perhaps of a variable that is not set, is none.
pub(super) fn parse_cgroup(text: &str) -> Result<String, String> {
    match text {
        "" => Err("it is empty; give a path or an id, or / for all cgroups".to_owned()),
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_sizes_are_powers_of_two_within_bounds() {
        assert_eq!(parse_ring_size("8M"), Ok(RingSize(8 << 20)));
        assert_eq!(parse_ring_size("64k"), Ok(RingSize(64 << 10)));
        assert_eq!(parse_ring_size("5000"), Ok(RingSize(8192)));
        assert_eq!(parse_ring_size("1G"), Ok(RingSize(1 << 30)));
        for bad in ["", "M", "8X", "1", "2G", "-1", "99999999999999999999G"] {
            assert!(parse_ring_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_have_units_and_are_not_zero() {
        assert_eq!(parse_duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("3"), Ok(Duration::from_secs(3)));
        assert_eq!(parse_duration("1S"), Ok(Duration::from_secs(1)));
        assert_eq!(parse_duration("2Min"), Ok(Duration::from_secs(120)));
        for bad in ["", "s", "0s", "-1s", "1d", "nan", "inf", "1e400s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rotation_is_by_size_or_by_age_and_never_by_a_guess() {
        let every = |seconds| Ok(Rotate::Every(Duration::from_secs(seconds)));
        assert_eq!(parse_rotate("100M"), Ok(Rotate::Bytes(100 << 20)));
        assert_eq!(parse_rotate("64KiB"), Ok(Rotate::Bytes(64 << 10)));
        assert_eq!(parse_rotate("2T"), Ok(Rotate::Bytes(2 << 40)));
        assert_eq!(parse_rotate("90s"), every(90));
        assert_eq!(parse_rotate("10min"), every(600));
        assert_eq!(parse_rotate("1d"), every(86_400));
        let error = |text: &str| parse_rotate(text).expect_err(text);
        assert!(error("10m").contains("give 10min or 10M"));
        assert!(error("10").contains("give a size"));
        assert!(error("500ms").contains("at least 1s"));
        for bad in ["", "M", "1K", "0s", "-1d", "99999999T", "1x", "1e400d"] {
            assert!(parse_rotate(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_record_size("65536"), Ok(65_536));
        assert!(parse_record_size("65535").is_err());
    }

    #[test]
    fn prefixes_say_what_is_wrong_with_them() {
        assert!(parse_prefix("10.0.0.0/8").is_ok());
        assert!(parse_prefix("[2001:db8::1]").is_ok());
        let error = |text: &str| parse_prefix(text).expect_err("it is wrong");
        assert!(error("example.org").contains("names are not looked up"));
        assert!(error("10.0.0.1/8").contains("first address of the range"));
        assert!(error("10.0.0.0/33").contains("0 to 32"));
        assert!(error("10.0.0.0/").contains("no prefix length"));
        for text in ["[[[::1]]]", "[::1", "::1]", "[10.0.0.1]", "[]"] {
            assert!(error(text).contains(&format!("`{text}` is no")), "{text}");
        }
    }

    #[test]
    fn names_are_as_long_as_the_kernel_keeps_them() {
        assert_eq!(parse_comm("fifteen-bytes-x"), Ok("fifteen-bytes-x".into()));
        let error = |text: &str| parse_comm(text).expect_err("it is too long");
        assert!(error("sixteen-bytes-xy").contains("give `sixteen-bytes-x`"));
        assert!(error("fourteen-byte-é").contains("use --pid"));
    }

    #[test]
    fn a_state_has_many_names_and_a_wrong_one_is_told_them() {
        assert_eq!(parse_state("fin-wait-2"), Ok(TcpState::FinWait2));
        assert_eq!(parse_state("time-wait"), Ok(TcpState::TimeWait));
        let said = parse_state("OPEN").expect_err("no state");
        assert!(said.contains("TIME_WAIT"), "{said}");
    }

    #[test]
    fn an_empty_cgroup_is_not_the_root() {
        assert!(parse_cgroup("").is_err());
        assert_eq!(parse_cgroup("/"), Ok("/".into()));
    }
}
