//! What this kernel tells ftrace and no BPF program.
//!
//! # Kernel
//!
//! Seen on a virtual machine with its provider's own Linux 6.18: while a thread of the init process is on the CPU, into which
//! even root may not look, no BPF program is run, on tracepoints of any kind, and nothing counts that. An interrupt that comes
//! then may handle packets: these changes no tracer sees. ftrace does, but where it is to filter them. So a scenario that they
//! are missing from says nothing of the agent.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::tracefs::{WHERE, with_tracefs};

/// What the agent's programs are attached to and an interrupt may bring about. Not timers: there are too many.
const EVENTS: [&str; 5] = [
    "sock/inet_sock_set_state",
    "sock/inet_sk_error_report",
    "tcp/tcp_retransmit_skb",
    "tcp/tcp_send_reset",
    "tcp/tcp_receive_reset",
];

/// How much of that is kept for each CPU until somebody looks, in KiB.
const BUFFER_KIB: &str = "16384";

/// A watch on it, from its making on.
#[derive(Debug)]
pub struct Unseen {
    /// None where this kernel keeps nothing back that is known of.
    instance: Option<Arc<Instance>>,
    /// How many lines there were when it began.
    before: usize,
}

impl Unseen {
    /// Begins to watch.
    ///
    /// # Panics
    ///
    /// Panics where there is something to be watched and tracefs refuses.
    pub fn watch() -> Self {
        static SHARED: Mutex<Weak<Instance>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let instance = shared.upgrade().or_else(|| {
            let tasks = tasks_that_hide();
            let made = (!tasks.is_empty()).then(|| Arc::new(Instance::new(tasks)));
            *shared = made.as_ref().map_or_else(Weak::new, Arc::downgrade);
            made
        });
        let lines = instance.as_ref().map(|instance| instance.lines());
        Self {
            before: lines.map_or(0, |lines| lines.len()),
            instance,
        }
    }

    /// Returns what was kept back since, as ftrace tells it.
    pub fn events(&self) -> Vec<String> {
        let lines = self.instance.as_ref().map(|instance| instance.lines());
        lines.map_or_else(Vec::new, |lines| {
            lines.into_iter().skip(self.before).collect()
        })
    }
}

/// A buffer of ftrace's own, in which nothing else is.
#[derive(Debug)]
struct Instance {
    directory: PathBuf,
    tasks: BTreeSet<u32>,
    told: Mutex<Told>,
}

/// What it has told so far.
#[derive(Debug)]
struct Told {
    /// None at its end only: an open file would keep the instance.
    pipe: Option<File>,
    /// The lines of tasks that hide.
    lines: Vec<String>,
    /// The begin of a line whose end is still to be read.
    begun: Vec<u8>,
}

impl Instance {
    fn new(tasks: BTreeSet<u32>) -> Self {
        // One of its own: the one before may be on its way out.
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("tracer-tests-{}-{number}", std::process::id());
        let directory = Path::new(WHERE).join("instances").join(name);
        let pipe = with_tracefs(|| begin(&directory));
        let pipe = pipe.unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        Self {
            directory,
            tasks,
            told: Mutex::new(Told {
                pipe: Some(pipe),
                lines: Vec::new(),
                begun: Vec::new(),
            }),
        }
    }

    /// The lines so far, of tasks that hide.
    fn lines(&self) -> Vec<String> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let Told { pipe, lines, begun } = &mut *told;
        let mut buffer = vec![0; 1 << 16];
        while let Some(got) = read_some(pipe.as_mut(), &mut buffer) {
            begun.extend_from_slice(&buffer[..got]);
            let whole = begun.iter().rposition(|&byte| byte == b'\n');
            let rest = begun.split_off(whole.map_or(0, |end| end + 1));
            let text = std::mem::replace(begun, rest);
            let text = String::from_utf8_lossy(&text);
            let hides = |line: &&str| task_of(line).is_some_and(|task| self.tasks.contains(&task));
            lines.extend(text.lines().filter(hides).map(str::to_owned));
        }
        lines.clone()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let told = self.told.get_mut().unwrap_or_else(PoisonError::into_inner);
        told.pipe = None;
        if let Err(error) = with_tracefs(|| fs::remove_dir(&self.directory)) {
            eprintln!("{} stays: {error}", self.directory.display());
        }
    }
}

/// Makes the instance, and opens what it tells.
fn begin(directory: &Path) -> io::Result<File> {
    fs::create_dir(directory)?;
    let put = |file: &Path, text: &str| File::create(file)?.write_all(text.as_bytes());
    put(&directory.join("buffer_size_kb"), BUFFER_KIB)?;
    for event in EVENTS {
        let enable = directory.join("events").join(event).join("enable");
        // Not all kernels have all of them.
        if enable.exists() {
            put(&enable, "1")?;
        }
    }
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(directory.join("trace_pipe"))
}

/// Reads what is there; `None` where there is nothing for now.
fn read_some(pipe: Option<&mut File>, buffer: &mut [u8]) -> Option<usize> {
    match pipe?.read(buffer) {
        Ok(0) => None,
        Ok(got) => Some(got),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("read the trace: {error}"),
    }
}

/// The task that was on the CPU: `NAME-TASK  [CPU]`, and a name may have anything in it.
fn task_of(line: &str) -> Option<u32> {
    let is_cpu = |rest: &str| {
        let number = rest.split_once(']').map_or("", |(number, _)| number);
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut places = line.match_indices(" [");
    places.find_map(|(at, mark)| {
        let (_, task) = line[..at].trim_end().rsplit_once('-')?;
        is_cpu(&line[at + mark.len()..]).then(|| task.parse().ok())?
    })
}

/// The threads of processes into which even root may not look.
fn tasks_that_hide() -> BTreeSet<u32> {
    let numbers = |path: PathBuf| {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
    };
    let hides = |pid: &u32| {
        let looked = fs::read_link(format!("/proc/{pid}/exe"));
        looked.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    };
    if !rustix::process::geteuid().is_root() {
        return BTreeSet::new();
    }
    let processes = numbers(PathBuf::from("/proc")).filter(hides);
    processes
        .flat_map(|pid| numbers(PathBuf::from(format!("/proc/{pid}/task"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_of_a_line_is_found_whatever_its_name() {
        let line =
            "    a-worker-70        [001] ..s2. 56201.584013: inet_sock_set_state: family=AF_INET";
        assert_eq!(task_of(line), Some(70));
        assert_eq!(task_of("   a-b [1] c-17   [000] d... 1.0: x"), Some(17));
        assert_eq!(task_of("CPU:0 [LOST 3 EVENTS]"), None);
    }
}
