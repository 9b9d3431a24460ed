//! The walk through the open files of every process.

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::io;
use std::num::NonZero;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::fs::{Mode, OFlags, RawDir, openat, readlinkat_raw};
use rustix::io::Errno;

use super::stat::Stat;

/// Threads that walk: the kernel makes an entry and an inode for each file that is looked at, and does so side by side.
const MOST_THREADS: usize = 8;
/// Processes that are worth a thread of their own.
const WORTH_A_THREAD: usize = 32;
/// Names of descriptors that are listed at once.
const NAMES_BYTES: usize = 64 << 10;

/// What was met.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// The processes that have each wanted socket open, by its inode number, in the order of their numbers.
    pub(super) holders: HashMap<u32, Vec<u32>>,
    /// Each of those processes, as it was met.
    pub(super) stats: HashMap<u32, Stat>,
    /// How many processes were looked at.
    pub(super) looked_at: usize,
    /// How many could not be, and why the first of them could not.
    pub(super) refused: Option<String>,
}

/// What one thread met.
#[derive(Default)]
struct Met {
    held: Vec<(u32, u32)>,
    stats: Vec<(u32, Stat)>,
    looked_at: usize,
    refused: Vec<(u32, Errno)>,
}

/// Walks through all processes; those that end meanwhile are left out.
pub(super) fn walk(wanted: &HashSet<u32>) -> io::Result<Walked> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = rustix::fs::open("/proc", flags, Mode::empty())?;
    let mut pids = Vec::new();
    let mut names = Vec::with_capacity(NAMES_BYTES);
    let mut entries = RawDir::new(&proc, names.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        pids.extend(number(entry?.file_name()));
    }

    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = (pids.len() / WORTH_A_THREAD).clamp(1, cores.min(MOST_THREADS));
    let next = AtomicUsize::new(0);
    let look = || {
        let mut met = Met::default();
        let mut names = Vec::with_capacity(NAMES_BYTES);
        while let Some(&pid) = pids.get(next.fetch_add(1, Ordering::Relaxed)) {
            met.look_at(&proc, pid, wanted, &mut names);
        }
        met
    };
    let all: Vec<Met> = thread::scope(|scope| {
        // Where there can be no other thread, this one walks alone.
        let others: Vec<_> = (1..threads)
            .map_while(|_| thread::Builder::new().spawn_scoped(scope, look).ok())
            .collect();
        let own = look();
        let others = others.into_iter().filter_map(|other| other.join().ok());
        others.chain([own]).collect()
    });
    Ok(Walked::of(all))
}

impl Walked {
    fn of(all: Vec<Met>) -> Self {
        let mut walked = Self::default();
        let mut held = Vec::new();
        let mut refused = Vec::new();
        for met in all {
            held.extend(met.held);
            walked.stats.extend(met.stats);
            walked.looked_at += met.looked_at;
            refused.extend(met.refused);
        }
        held.sort_unstable();
        held.dedup();
        for (inode, pid) in held {
            walked.holders.entry(inode).or_default().push(pid);
        }
        let first = refused.iter().min_by_key(|(pid, _)| *pid);
        walked.refused = first.map(|(pid, errno)| {
            let processes = match refused.len() {
                1 => "one process".to_owned(),
                many => format!("{many} processes"),
            };
            format!(
                "{processes} cannot be looked into: /proc/{pid}/fd: {}; run as root, or with CAP_SYS_PTRACE",
                io::Error::from(*errno)
            )
        });
        walked
    }
}

impl Met {
    /// Looks at what a process has open.
    fn look_at(&mut self, proc: impl AsFd, pid: u32, wanted: &HashSet<u32>, names: &mut Vec<u8>) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let begin = self.held.len();
        let looked = openat(proc, format!("{pid}/fd"), flags, Mode::empty())
            .and_then(|files| self.look_through(files, pid, wanted, names));
        match looked {
            Ok(()) => self.looked_at += 1,
            // It has ended.
            Err(Errno::NOENT | Errno::SRCH) => {}
            Err(errno) => self.refused.push((pid, errno)),
        }
        if self.held.len() > begin {
            match Stat::of(pid) {
                Ok(stat) => self.stats.push((pid, stat)),
                // So has what it held, unless others hold it too.
                Err(_) => self.held.truncate(begin),
            }
        }
    }

    fn look_through(
        &mut self,
        files: impl AsFd,
        pid: u32,
        wanted: &HashSet<u32>,
        names: &mut Vec<u8>,
    ) -> rustix::io::Result<()> {
        let mut link = [0; 64];
        let mut entries = RawDir::new(files.as_fd(), names.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let length = match readlinkat_raw(files.as_fd(), entry.file_name(), &mut link) {
                Ok(length) => length,
                // Who may list them need not be let see where they lead.
                Err(errno @ (Errno::ACCESS | Errno::PERM)) => return Err(errno),
                // One that was closed meanwhile is no link any more, and `.` and `..` never were.
                Err(_) => continue,
            };
            if let Some(inode) = socket(&link[..length])
                && wanted.contains(&inode)
            {
                self.held.push((inode, pid));
            }
        }
        Ok(())
    }
}

/// Reads the name of a directory of `/proc` as a process id.
fn number(name: &CStr) -> Option<u32> {
    let text = name.to_str().ok()?;
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// Reads what a descriptor leads to as the inode number of a socket.
fn socket(link: &[u8]) -> Option<u32> {
    let digits = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::fs::MetadataExt;
    use std::{fs, process};

    use super::*;

    #[test]
    fn only_the_kernels_name_of_a_socket_is_one() {
        assert_eq!(socket(b"socket:[12345]"), Some(12_345));
        for other in [
            &b"socket:[]"[..],
            b"socket:[1",
            b"socket:[4294967296]",
            b"/tmp/socket:[1]",
            b"pipe:[12345]",
            b"",
        ] {
            assert_eq!(socket(other), None);
        }
    }

    #[test]
    fn the_own_sockets_are_met_and_told_once() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let _again = listener.try_clone().expect("the same again");
        let fd = std::os::fd::AsRawFd::as_raw_fd(&listener);
        let inode = fs::metadata(format!("/proc/self/fd/{fd}")).expect("its file");
        let inode = u32::try_from(inode.ino()).expect("a small number");
        let walked = walk(&HashSet::from([inode, 0])).expect("a walk");
        let own = process::id();
        // A child that another test has just begun has it too, until it runs its program.
        let holders = walked.holders.get(&inode).expect("somebody");
        let is_own = |pid: &&u32| **pid == own;
        assert_eq!(holders.iter().filter(is_own).count(), 1, "{holders:?}");
        assert!(walked.stats.contains_key(&own));
        assert!(walked.looked_at > 0);
    }
}
