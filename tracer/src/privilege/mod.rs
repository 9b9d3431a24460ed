//! Giving up privileges, once and for all, when what needed them is done.
//!
//! **Owns:** the order contract, who the process runs as afterwards, and what it can still do.
//! **Never:** a privilege that comes back; a silence about one that could not be given up.
//!
//! # Order
//!
//! 1. Look at the host, load, attach; list what is there; open outputs.
//! 2. [`give_up`], on the only thread there is: capabilities, Landlock and seccomp belong to threads, and one
//!    that is there already would keep them.
//! 3. Write the first line; start threads; read what others sent.
//!
//! A program that reads a file of somebody else opens it, then calls [`confine_reader`], and then reads the first
//! byte.

mod calls;
mod capabilities;
mod identity;
mod offered;
mod paths;

use std::env;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::thread::yield_now;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::model::Privileges;

pub use capabilities::names as capability_names;
pub use identity::{Account, User, account, become_invoker, invoker};
pub use offered::offered;

/// For so long a thread that was joined may still be counted while the kernel takes it down.
const LINGER: Duration = Duration::from_secs(1);
/// Where a process looks up time zones: read while a file is replayed that was written elsewhere.
const TIME_ZONES: [&str; 5] = [
    "/usr/share/zoneinfo",
    "/usr/share/lib/zoneinfo",
    "/usr/lib/zoneinfo",
    "/etc/zoneinfo",
    "/etc/localtime",
];

/// What a process still needs.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    /// Files, and directories with all below them, that are read.
    pub read: Vec<PathBuf>,
    /// Directories in which, and below which, files are made, written, renamed and removed. The user who the
    /// process runs as must be allowed to, too: where somebody started it as root without `sudo`, it
    /// stays root for it, without root's capabilities.
    pub write_below: Vec<PathBuf>,
    /// Whether the kernel is asked after sockets.
    pub asks_sockets: bool,
    /// Whether network namespaces of others are found and entered. The capabilities for it are kept, and Landlock
    /// is not in force, which would hide the processes that lead to namespaces.
    pub enters_namespaces: bool,
}

/// The confinement of this process; to be held as long as it lasts.
#[derive(Debug)]
#[must_use = "directories below /proc stay open to it only while this is held"]
pub struct Confinement {
    /// What is in force.
    pub in_force: Privileges,
    _held: Vec<OwnedFd>,
}

/// Why privileges could not be given up.
#[derive(Debug, Error)]
pub enum PrivilegeError {
    /// A thread would keep what this one gives up.
    #[error(
        "cannot give up privileges: {threads} threads run, and each would keep its own; this is a fault of the \
         program, please report it"
    )]
    Threads {
        /// How many there are.
        threads: u64,
    },
    /// The kernel refuses.
    #[error(
        "cannot give up privileges: {what}: {cause}; see the limits of the container or service that this runs in"
    )]
    Refused {
        /// What was to be done.
        what: &'static str,
        /// What the kernel answered.
        cause: io::Error,
    },
    /// It said that it did, and it did not.
    #[error(
        "cannot give up privileges: still held after they were given up: {}; please report it with the output of \
         `tracer doctor`",
        .0.join(", ")
    )]
    StillHeld(Vec<String>),
}

impl PrivilegeError {
    fn refused(what: &'static str) -> impl Fn(rustix::io::Errno) -> Self {
        move |errno| Self::Refused {
            what,
            cause: errno.into(),
        }
    }
}

/// Gives up all privileges but those for what is `allowed`.
///
/// No capability is held or can be gained any more, unless namespaces are to be entered. The process
/// runs as whoever called `sudo` or `pkexec`; as nobody (65534) where root started it directly and no file
/// is to be made later; as the user that it runs as otherwise. What Landlock and seccomp of this
/// kernel offer is in force; where they offer nothing, that is told and no error.
///
/// # Errors
///
/// There is another thread, or a capability would still be held.
pub fn give_up(allowed: &Allowed) -> Result<Confinement, PrivilegeError> {
    wait_until_alone()?;
    let kept = match allowed.enters_namespaces {
        true => capabilities::ENTERING,
        false => capabilities::NONE,
    };
    // Opened while it is still allowed.
    let rules = (!allowed.enters_namespaces).then(|| paths::Rules::open(allowed));

    capabilities::empty_bounding_set(kept);
    capabilities::lock_secure_bits();
    identity::become_user(allowed);
    rustix::thread::set_no_new_privs(true).map_err(PrivilegeError::refused("set no_new_privs"))?;
    capabilities::keep_only(kept).map_err(PrivilegeError::refused("give up capabilities"))?;
    // Nobody else of the same user may look into the memory, or change it.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let (landlock, held) = match rules {
        Some(rules) => rules.enforce(),
        None => (None, Vec::new()),
    };
    calls::enforce(allowed);

    let in_force = capabilities::look(landlock);
    let wrong: Vec<String> = in_force
        .capabilities
        .iter()
        .filter(|name| !capability_names(kept).contains(name))
        .cloned()
        .collect();
    match wrong.is_empty() && in_force.no_new_privs {
        true => Ok(Confinement {
            in_force,
            _held: held,
        }),
        false => Err(PrivilegeError::StillHeld(wrong)),
    }
}

/// Gives up everything but what is open already, and the files of time zones: for a program that reads
/// what somebody else wrote. To be called before the first byte is read.
///
/// # Errors
///
/// As [`give_up`].
pub fn confine_reader() -> Result<Confinement, PrivilegeError> {
    let mut read = TIME_ZONES.map(PathBuf::from).to_vec();
    read.extend(env::var_os("TZDIR").map(PathBuf::from));
    give_up(&Allowed {
        read,
        ..Allowed::default()
    })
}

/// Returns once this thread is the only one.
fn wait_until_alone() -> Result<(), PrivilegeError> {
    let began = Instant::now();
    loop {
        // Without /proc nobody can tell.
        let threads = threads().unwrap_or(1);
        if threads <= 1 {
            return Ok(());
        }
        if began.elapsed() >= LINGER {
            return Err(PrivilegeError::Threads { threads });
        }
        yield_now();
    }
}

/// How many threads this process has.
fn threads() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Threads:"))?;
    line.trim().parse().ok()
}
