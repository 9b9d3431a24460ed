//! How many timer ticks this kernel counts in a second: its `CONFIG_HZ`.
//!
//! **Owns:** where that can be read, and how it is measured where it cannot.
//! **Never:** what a tick does to a timer.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::thread::sleep;
use std::time::Duration;

use rustix::system::uname;

/// Shows the tick counter of each CPU, and the time of reading. Only root may read it.
///
/// # Kernel
///
/// `kernel/time/timer_list.c`; the counter is there where the tick can be stopped
/// (`CONFIG_TICK_ONESHOT`), as it can on every x86-64.
const TIMER_LIST: &str = "/proc/timer_list";

/// What `CONFIG_HZ` can be: `kernel/Kconfig.hz`, and those of ARM beside it.
const CHOICES: [u32; 7] = [100, 200, 250, 300, 500, 1000, 1024];

/// Pauses before further readings, until one rate alone is possible. The first are short: a trace has not begun before.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(20),
    Duration::from_millis(40),
    Duration::from_millis(120),
    Duration::from_millis(480),
];

/// By how many ticks the counter may be late or early: a tick is under way at each reading.
const LEEWAY: f64 = 1.5;
/// By what share of the ticks besides: the CPU that counts them may be held up for a moment.
const HELD_UP: f64 = 0.01;

/// The ticks of this kernel in a second, while they are being looked for.
///
/// They are read from the kernel's configuration if there is a plain copy of it; else measured, which takes root and some
/// 60 ms, in which other things can be done. `/proc/config.gz` is left alone: it would take a decompressor.
#[derive(Debug)]
pub struct HzWatch(Begun);

#[derive(Debug)]
enum Begun {
    Configured(u32),
    /// The counter was read first so.
    Measuring(Reading),
    /// Nothing tells.
    Untold,
}

impl HzWatch {
    /// Begins to look.
    pub fn begin() -> Self {
        if let Some(hz) = configured() {
            return Self(Begun::Configured(hz));
        }
        Self(match read() {
            Ok(Some(first)) => Begun::Measuring(first),
            Ok(None) | Err(_) => Begun::Untold,
        })
    }

    /// Returns the ticks in a second, or `None` where nothing tells.
    pub fn end(self) -> Option<u32> {
        match self.0 {
            Begun::Configured(hz) => Some(hz),
            Begun::Measuring(first) => measured(first).ok().flatten(),
            Begun::Untold => None,
        }
    }
}

/// Looks into the files that distributions put beside their kernels.
fn configured() -> Option<u32> {
    let names = uname();
    let release = names.release().to_str().ok()?;
    let files = [
        format!("/boot/config-{release}"),
        format!("/lib/modules/{release}/config"),
    ];
    files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .find_map(|text| parse_config(&text))
}

fn parse_config(text: &str) -> Option<u32> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("CONFIG_HZ="))?;
    value.trim().parse().ok().filter(|&hz| hz > 0)
}

/// Counts the ticks since they were first read, and over longer times while they could mean more than one rate.
fn measured(first: Reading) -> io::Result<Option<u32>> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let Some(now) = read()? else {
            return Ok(None);
        };
        if let Some(hz) = rate(first, now) {
            return Ok(Some(hz));
        }
        match pauses.next() {
            Some(pause) => sleep(pause),
            None => return Ok(None),
        }
    }
}

fn read() -> io::Result<Option<Reading>> {
    parse_timer_list(BufReader::new(File::open(TIMER_LIST)?))
}

/// The tick counter at a moment of the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    ns: u64,
    ticks: u64,
}

/// Reads the time at the top and the first counter; of a large machine the rest is long.
fn parse_timer_list(lines: impl BufRead) -> io::Result<Option<Reading>> {
    let mut ns = None;
    for line in lines.lines() {
        let line = line?;
        if let Some(rest) = line.strip_prefix("now at ") {
            ns = rest
                .split(' ')
                .next()
                .and_then(|digits| digits.parse().ok());
        } else if let Some(rest) = line.strip_prefix("jiffies: ") {
            let ticks = rest.trim().parse().ok();
            return Ok(ns.zip(ticks).map(|(ns, ticks)| Reading { ns, ticks }));
        }
    }
    Ok(None)
}

/// Returns the only rate that explains both readings, if there is just one.
fn rate(first: Reading, then: Reading) -> Option<u32> {
    let seconds = then.ns.checked_sub(first.ns)? as f64 / 1e9;
    let ticks = then.ticks.checked_sub(first.ticks)? as f64;
    let explains = |hz: &u32| {
        let expected = f64::from(*hz) * seconds;
        (expected - ticks).abs() <= LEEWAY + HELD_UP * expected
    };
    let mut possible = CHOICES.into_iter().filter(explains);
    let only = possible.next()?;
    possible.next().is_none().then_some(only)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_it_among_its_choices() {
        let text = "# CONFIG_HZ_100 is not set\nCONFIG_HZ_250=y\nCONFIG_HZ=250\n";
        assert_eq!(parse_config(text), Some(250));
        assert_eq!(parse_config("CONFIG_HZ_250=y\n"), None);
        assert_eq!(parse_config("CONFIG_HZ=0\n"), None);
    }

    #[test]
    fn the_timer_list_tells_a_time_and_a_counter() {
        let text = "Timer List Version: v0.10\nnow at 12588641395000 nsecs\n\ncpu: 0\n  \
                    .idle_jiffies   : 4298039395\njiffies: 4298039400\n\ncpu: 1\njiffies: 7\n";
        let reading = Reading {
            ns: 12_588_641_395_000,
            ticks: 4_298_039_400,
        };
        let read = |text: &str| parse_timer_list(text.as_bytes()).expect("memory can be read");
        assert_eq!(read(text), Some(reading));
        assert_eq!(read("jiffies: 1\n"), None);
        assert_eq!(read("now at 1 nsecs\n"), None);
    }

    #[test]
    fn a_rate_is_told_only_where_no_other_fits() {
        let between = |ns: u64, ticks: u64| {
            rate(
                Reading { ns: 5, ticks: 9 },
                Reading {
                    ns: 5 + ns,
                    ticks: 9 + ticks,
                },
            )
        };
        assert_eq!(between(60_000_000, 15), Some(250));
        // A tick late.
        assert_eq!(between(60_000_000, 14), Some(250));
        assert_eq!(between(60_000_000, 6), Some(100));
        assert_eq!(between(660_000_000, 660), Some(1000));
        // Some ticks late, after more than half a second.
        assert_eq!(between(660_000_000, 162), Some(250));
        // 1000 and 1024 differ by less than the leeway.
        assert_eq!(between(60_000_000, 61), None);
        assert_eq!(between(10_000_000, 3), None);
        // 400 is none of the choices.
        assert_eq!(between(480_000_000, 192), None);
    }

    /// What the kernel itself carries of its configuration, unpacked by somebody else.
    fn carried() -> Option<u32> {
        let output = std::process::Command::new("zcat")
            .arg("/proc/config.gz")
            .output()
            .ok()?;
        parse_config(&String::from_utf8_lossy(&output.stdout))
    }

    #[test]
    fn it_is_measured_as_it_is_configured() {
        let (Some(expected), Ok(Some(first))) = (configured().or_else(carried), read()) else {
            eprintln!("not run: it needs root, and the kernel's configuration to compare with");
            return;
        };
        assert_eq!(measured(first).expect("it was readable"), Some(expected));
        assert_eq!(HzWatch::begin().end(), Some(expected));
    }
}
