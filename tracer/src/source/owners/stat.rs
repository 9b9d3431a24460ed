//! What `/proc/PID/stat` tells: name, parent and start of a process.

use std::{fs, io};

use crate::model::MonoNs;
use crate::model::event::Comm;

/// Units of times in `/proc`, in nanoseconds.
///
/// # Kernel
///
/// `USER_HZ`: 100 on every architecture but Alpha, whatever the ticks of the kernel are.
const TICK_NS: u64 = 10_000_000;

/// What tells a process from another one that gets its number later, and whose child it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) comm: Comm,
    pub(super) ppid: u32,
    pub(super) started: MonoNs,
}

impl Stat {
    /// Looks at a process.
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        let text = fs::read(format!("/proc/{pid}/stat"))?;
        Self::parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Reads the line.
    ///
    /// # Kernel
    ///
    /// `proc_pid_stat(5)`: the second field is the name in brackets, raw, and may have any bytes in it, brackets
    /// too; no field behind it has one. The fourth is the parent, the twenty-second when it started, in ticks
    /// of the boot-time clock.
    fn parse(text: &[u8]) -> Option<Self> {
        let begin = text.iter().position(|&byte| byte == b'(')? + 1;
        let end = text.iter().rposition(|&byte| byte == b')')?;
        let name = text.get(begin..end)?;
        let rest = str::from_utf8(text.get(end + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace().skip(1);
        let ppid = fields.next()?.parse().ok()?;
        let ticks: u64 = fields.nth(17)?.parse().ok()?;
        Some(Self {
            // What a kernel thread's worker works on stands behind its name.
            comm: Comm::new(&name[..name.len().min(15)])?,
            ppid,
            started: MonoNs(ticks.checked_mul(TICK_NS)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &[u8] = b" S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 165261312 3090 0\n";

    #[test]
    fn a_name_may_be_anything() {
        for name in [
            &b"nginx"[..],
            b"a) S 9 (b",
            b"\x1b[2J\n\xff",
            b"",
            b"(sd-pam)",
        ] {
            let line = [b"42 (", name, b")", REST].concat();
            let stat = Stat::parse(&line).expect("a whole line");
            assert_eq!(stat.comm.bytes(), name);
            assert_eq!((stat.ppid, stat.started), (7, MonoNs(123_450_000_000)));
        }
        let long = [&b"42 (kworker/u8:2-events_unbound)"[..], REST].concat();
        let stat = Stat::parse(&long).expect("a whole line");
        assert_eq!(stat.comm.bytes(), b"kworker/u8:2-ev");
    }

    #[test]
    fn what_is_cut_is_nothing() {
        let line = [&b"42 (a)"[..], REST].concat();
        for length in 0..line.len() - 30 {
            assert_eq!(Stat::parse(&line[..length]), None, "{length}");
        }
        assert_eq!(Stat::parse(b"42 )a( S 7"), None);
    }

    #[test]
    fn the_own_process_started_before_now() {
        let stat = Stat::of(std::process::id()).expect("the own process");
        assert!(stat.started <= crate::source::clock::boot_time());
        assert_ne!(stat.started, MonoNs(0));
    }
}
