//! What /proc says of a process: its BPF programs, its time on CPUs, its memory.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// What the kernel measured of a BPF program, while `kernel.bpf_stats_enabled` is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) runs: u64,
    pub(super) time_ns: u64,
    /// Runs that were left out because the program ran already on that CPU; each is something that the
    /// program did not see.
    pub(super) misses: u64,
}

/// The programs that a process holds, by the kernel's number; each once, however many descriptors it
/// has.
///
/// # Kernel
///
/// `prog_id`, `run_time_ns` and `run_cnt` in a program's fdinfo, since Linux 5.1; `recursion_misses`
/// since 5.12, without which none are known.
pub(super) fn programs(pid: u32) -> Result<BTreeMap<u32, Counters>> {
    let mut seen = BTreeMap::new();
    let directory = format!("/proc/{pid}/fdinfo");
    for entry in fs::read_dir(&directory).with_context(|| format!("cannot list {directory}"))? {
        let file = entry
            .with_context(|| format!("cannot list {directory}"))?
            .path();
        // A descriptor may be closed while we look; one that is gone holds no program.
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        if let Some((id, program)) = program(&text) {
            seen.insert(id, program);
        }
    }
    Ok(seen)
}

fn program(fdinfo: &str) -> Option<(u32, Counters)> {
    let id = u32::try_from(field(fdinfo, "prog_id")?).ok()?;
    let counters = Counters {
        runs: field(fdinfo, "run_cnt")?,
        time_ns: field(fdinfo, "run_time_ns")?,
        misses: field(fdinfo, "recursion_misses").unwrap_or_default(),
    };
    Some((id, counters))
}

/// Time that the main thread has spent on CPUs, user and system, in nanoseconds. It can still be
/// read of a process that has ended and is not waited for. All contenders have but that thread.
///
/// # Kernel
///
/// The first number of `/proc/PID/schedstat`; it is exact, where `/proc/PID/stat` counts ticks.
pub(super) fn cpu_ns(pid: u32) -> Result<u64> {
    let file = format!("/proc/{pid}/schedstat");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let first = text.split_whitespace().next();
    let time = first.and_then(|text| text.parse().ok());
    time.with_context(|| format!("{file} holds {text:?}, no time"))
}

/// The most memory that the process ever held, in bytes.
pub(super) fn peak_rss_bytes(pid: u32) -> Result<u64> {
    let file = PathBuf::from(format!("/proc/{pid}/status"));
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let kib = field(&text, "VmHWM").with_context(|| format!("no VmHWM in {}", file.display()))?;
    Ok(kib << 10)
}

/// The number after `name:` on a line of its own.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?.strip_prefix(':')?;
        rest.split_whitespace().next()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_program_and_nothing_else() {
        let text = "pos:\t0\nflags:\t02000002\nprog_type:\t26\nprog_id:\t41\nrun_time_ns:\t1780\n\
                    run_cnt:\t10\nrecursion_misses:\t3\n";
        let counters = Counters {
            runs: 10,
            time_ns: 1780,
            misses: 3,
        };
        assert_eq!(program(text), Some((41, counters)));
        let link = "pos:\t0\nlink_type:\ttracing\nlink_id:\t7\nprog_id:\t41\n";
        assert_eq!(program(link), None);
    }

    #[test]
    fn a_name_is_not_mistaken_for_a_longer_one() {
        assert_eq!(
            field("VmHWMx:\t1 kB\nVmHWM:\t  2048 kB\n", "VmHWM"),
            Some(2048)
        );
        assert_eq!(field("VmHWM:\t? kB\n", "VmHWM"), None);
    }

    #[test]
    fn this_process_has_run_and_has_memory() {
        let this = std::process::id();
        assert!(cpu_ns(this).expect("is readable") > 0);
        assert!(peak_rss_bytes(this).expect("is readable") > 1 << 16);
    }
}
