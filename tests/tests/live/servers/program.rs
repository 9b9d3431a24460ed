//! Programs that a test starts, and what `/proc` says of processes.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use rustix::process::{Pid, Signal, kill_process};
use tests::ask_until;
use tests::require::skip_without;

/// Where programs are that `PATH` leaves out for all but root.
const FOR_ROOT: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Returns the files of programs; says which is missing, where one is.
pub(super) fn all<const N: usize>(names: [&str; N]) -> Option<[PathBuf; N]> {
    let files = names.map(|name| find(name).ok_or(name));
    if let Some(name) = files.iter().find_map(|file| file.as_ref().err()) {
        skip_without(name);
        return None;
    }
    Some(files.map(|file| file.expect("none is missing")))
}

/// Returns the file of a program.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(FOR_ROOT.map(PathBuf::from));
    directories
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

/// A process, as a trace has to tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) pid: u32,
    pub(super) ppid: u32,
    pub(super) exe: PathBuf,
    pub(super) comm: String,
}

impl Known {
    /// Asks `/proc` who a living process is.
    pub(super) fn look(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Its name may hold anything, but nothing behind it a bracket.
        let (before, behind) = stat.rsplit_once(") ")?;
        let (_, comm) = before.split_once('(')?;
        Some(Self {
            pid,
            ppid: behind.split(' ').nth(1)?.parse().ok()?,
            exe: fs::read_link(format!("/proc/{pid}/exe")).ok()?,
            comm: comm.to_owned(),
        })
    }

    /// Says who a process is, or was, that is known to have been started so.
    pub(super) fn started(pid: u32, ppid: u32, exe: &Path) -> Self {
        let exe = exe.canonicalize().expect("find the program");
        Self::named(pid, ppid, exe.clone(), &exe)
    }

    /// The same, of one that was started by another name than its file's.
    pub(super) fn named(pid: u32, ppid: u32, exe: PathBuf, called: &Path) -> Self {
        let name = called.file_name().expect("a file's name");
        Self {
            pid,
            ppid,
            exe,
            comm: name.to_string_lossy().chars().take(15).collect(),
        }
    }

    /// Returns the processes that this one started and that live.
    pub(super) fn children(&self) -> Vec<Self> {
        let entries = fs::read_dir("/proc").expect("list processes");
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(Self::look)
            .filter(|process| process.ppid == self.pid)
            .collect()
    }
}

/// A program that runs. Dropped before it ended, it is killed.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) child: Child,
    file: PathBuf,
}

impl Program {
    /// Starts it in the calling thread's network namespace.
    pub(super) fn start(file: &Path, command: &mut Command) -> Self {
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("start {}: {error}", file.display()));
        Self {
            child,
            file: file.to_owned(),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks `/proc` who it is, when it has become its program.
    pub(super) fn known(&self) -> Known {
        let file = self.file.canonicalize().expect("find the program");
        let known = ask_until(|| Known::look(self.pid()).filter(|known| known.exe == file));
        known.unwrap_or_else(|| panic!("{} does not run", self.file.display()))
    }

    /// Waits for its end, which has to be a good one, and returns what it wrote.
    pub(super) fn output(mut self) -> String {
        drop(self.child.stdin.take());
        let mut text = String::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_string(&mut text).expect("read its output");
        }
        let status = self.child.wait().expect("wait for a program");
        assert!(status.success(), "{}: {status}", self.file.display());
        text
    }

    /// Sends it a signal and waits for its end.
    pub(super) fn end(mut self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("send it a signal");
        let ended = ask_until(|| self.child.try_wait().expect("ask for its end"));
        assert!(ended.is_some(), "{} does not end", self.file.display());
    }
}

impl Drop for Program {
    /// A server that is killed leaves its workers behind: they are ended with it.
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let workers = Known::look(self.pid()).map(|known| known.children());
        // These fail only for processes that have ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let is_there =
            |worker: &&Known| Known::look(worker.pid).is_some_and(|now| now.exe == worker.exe);
        for worker in workers.iter().flatten().filter(is_there) {
            let pid = i32::try_from(worker.pid).ok().and_then(Pid::from_raw);
            let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
        }
    }
}

/// Returns a command whose input is empty and whose output is read by [`Program::output`].
pub(super) fn command(file: &Path) -> Command {
    let mut command = Command::new(file);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}
