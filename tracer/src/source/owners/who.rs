//! Who a process is, as `/proc` tells it.

use std::fs::{self, File};
use std::io::{self, Read};

use super::stat::Stat;
use crate::model::{Args, Process};

/// Bytes of arguments that are looked at: more than are kept, to see whether anything follows.
const ARGS_BYTES: u64 = 4096;

/// Describes the process that was met as `met`; `None` if it has ended, or its number is another one's by now.
pub(super) fn describe(pid: u32, met: Stat) -> Option<Process> {
    let place = |file: &str| format!("/proc/{pid}/{file}");
    let exe = fs::read_link(place("exe")).ok();
    let process = Process {
        pid,
        ppid: Some(met.ppid),
        started: Some(met.started),
        comm: met.comm,
        uid: fs::read(place("status")).ok().and_then(|text| uid(&text)),
        exe: exe.map(|path| path.to_string_lossy().into_owned()),
        args: args(&place("cmdline")).ok().flatten(),
        cgroup: fs::read(place("cgroup"))
            .ok()
            .and_then(|text| cgroup(&text)),
    };
    // Last: all that was read before was the same process's then.
    let now = Stat::of(pid).ok()?;
    (now.started == met.started).then_some(process)
}

fn args(path: &str) -> io::Result<Option<Args>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(ARGS_BYTES).read_to_end(&mut bytes)?;
    Ok(Args::read(&bytes))
}

/// Reads the real uid, the first of four.
fn uid(status: &[u8]) -> Option<u32> {
    let line = status
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(b"Uid:"))?;
    let numbers = str::from_utf8(line).ok()?;
    numbers.split_ascii_whitespace().next()?.parse().ok()
}

/// Reads the path in the hierarchy of version 2, whose number is 0.
fn cgroup(text: &[u8]) -> Option<String> {
    let path = text
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(b"0::"))?;
    Some(String::from_utf8_lossy(path).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MonoNs;

    #[test]
    fn the_own_process_is_known() {
        let pid = std::process::id();
        let met = Stat::of(pid).expect("the own process");
        let own = describe(pid, met).expect("the own process");
        let exe = std::env::current_exe().expect("the own file");
        assert_eq!(own.exe.as_deref(), exe.to_str());
        assert_eq!(own.uid, Some(rustix::process::getuid().as_raw()));
        let first = std::env::args().next();
        assert_eq!(own.args.expect("arguments").words.first(), first.as_ref());
    }

    #[test]
    fn whoever_has_the_number_now_is_another() {
        let pid = std::process::id();
        let mut met = Stat::of(pid).expect("the own process");
        met.started = MonoNs(met.started.0 - 10_000_000);
        assert_eq!(describe(pid, met), None);
    }

    #[test]
    fn the_real_user_counts() {
        let status = b"Name:\ta\nUmask:\t0022\nPid:\t7\nUid:\t1000\t0\t0\t0\nGid:\t1\t1\t1\t1\n";
        assert_eq!(uid(status), Some(1000));
        assert_eq!(uid(b"Name:\ta\n"), None);
        assert_eq!(uid(b"Uid:\t\n"), None);
    }

    #[test]
    fn the_hierarchy_of_version_2_counts() {
        let hybrid = b"12:cpu:/a\n1:name=systemd:/b\n0::/system.slice/nginx.service\n";
        assert_eq!(
            cgroup(hybrid).as_deref(),
            Some("/system.slice/nginx.service")
        );
        assert_eq!(cgroup(b"0::/\n").as_deref(), Some("/"));
        assert_eq!(cgroup(b"2:cpu:/a\n"), None);
    }
}
