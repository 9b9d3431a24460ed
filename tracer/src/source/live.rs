//! The running kernel: the object is loaded and attached, and its records are read.
//!
//! **Owns:** everything that touches aya.
//! **Never:** the meaning of a record: bytes go on to `model::decode`.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use aya::maps::{Array, MapData, PerCpuArray, RingBuf};
use aya::programs::{BtfTracePoint, ProgramError, ProgramFd, TracePoint};
use aya::{Btf as KernelBtf, Ebpf, EbpfError, EbpfLoader};
use thiserror::Error;
use tokio::io::unix::AsyncFd;
use tracer_ebpf::{ABSENT, Config};

use super::batch::Batch;
use super::btf::Btf;
use super::format::classic_offsets;
use super::kernel_filter::kernel_filter;
use super::kernel_log::KernelLog;
use super::losses::Losses;
use super::offsets;
use crate::model::EarlyFilter;

/// The object, as the build left it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tracer-object"));

const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
const FORMAT: &str = "events/sock/inet_sock_set_state/format";
/// What the classic hook cannot tell, in the session's words.
const CLASSIC_MISSING: [&str; 6] = [
    "the socket cookie",
    "the network namespace",
    "the cgroup",
    "the owner's uid",
    "which process holds a socket",
    "the error that ended a connection",
];

/// How the tracepoint is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// As a raw tracepoint with BTF, which gives the typed socket.
    Btf,
    /// As the classic tracepoint, which gives its fields.
    Classic,
}

impl Hook {
    /// Returns the name that the field uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Btf => "tp_btf",
            Self::Classic => "tracepoint",
        }
    }
}

/// Which hook is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookChoice {
    /// BTF where it can be had, else the classic one.
    #[default]
    Auto,
    /// BTF or nothing.
    Btf,
    /// The classic one or nothing.
    Classic,
}

/// What to attach.
#[derive(Clone, Debug)]
pub struct Options {
    /// Hook.
    pub hook: HookChoice,
    /// Size of the ring buffer in bytes: a power of two, and whole pages.
    pub ring_bytes: u32,
    /// What the kernel side decides early.
    pub filter: EarlyFilter,
    /// Whether the kernel side's own diagnostics are wanted.
    pub kernel_log: bool,
}

/// Why the hook is not attached.
#[derive(Debug, Error)]
pub enum LiveError {
    /// A hook was wanted and cannot be had.
    #[error("cannot attach to sock:inet_sock_set_state via {}: {cause}; {next}", hook.name())]
    Attach {
        /// The hook.
        hook: Hook,
        /// Why.
        cause: String,
        /// What to try.
        next: &'static str,
        /// All that the kernel's verifier said; empty where it was not asked.
        verifier_log: String,
        /// Whether the kernel refused for want of privileges.
        not_permitted: bool,
    },
    /// Neither hook can be had.
    #[error("{btf}; and {classic}")]
    Neither {
        /// Why not the BTF one.
        btf: Box<LiveError>,
        /// Why not the classic one.
        classic: Box<LiveError>,
    },
    /// The ring buffer cannot be waited for.
    #[error("cannot wait for the ring buffer: {0}")]
    Wait(#[source] io::Error),
    /// A map of the object cannot be used.
    #[error("cannot use the object's map {name}: {cause}; this is a fault of the build")]
    Map {
        /// Its name.
        name: &'static str,
        /// Why.
        cause: String,
    },
}

impl LiveError {
    /// Returns what the verifier said, whichever hook it was about.
    pub fn verifier_log(&self) -> &str {
        match self {
            Self::Attach { verifier_log, .. } => verifier_log,
            Self::Neither { btf, .. } => btf.verifier_log(),
            _ => "",
        }
    }

    /// Returns whether the kernel refused for want of privileges.
    pub fn not_permitted(&self) -> bool {
        match self {
            Self::Attach { not_permitted, .. } => *not_permitted,
            Self::Neither { btf, classic } => btf.not_permitted() || classic.not_permitted(),
            _ => false,
        }
    }
}

/// The attached hook.
pub struct Live {
    /// Which hook it is.
    pub hook: Hook,
    /// What the records will not tell on this host.
    pub missing: Vec<String>,
    ring: AsyncFd<RingBuf<MapData>>,
    losses: Losses,
    log: Option<KernelLog>,
    // Holds the programs and their links; dropping it detaches.
    _object: Ebpf,
}

impl Live {
    /// Loads the object and attaches the hook. From its return on, every change is seen or counted
    /// as lost.
    ///
    /// # Errors
    ///
    /// Why the hook, or either of them, cannot be attached.
    pub fn attach(options: &Options) -> Result<Self, LiveError> {
        match options.hook {
            HookChoice::Btf => attach_btf(options),
            HookChoice::Classic => attach_classic(options),
            HookChoice::Auto => attach_btf(options).or_else(|btf| {
                let mut live = attach_classic(options).map_err(|classic| LiveError::Neither {
                    btf: Box::new(btf_error(&btf)),
                    classic: Box::new(classic),
                })?;
                live.missing.insert(0, format!("the typed hook ({btf})"));
                Ok(live)
            }),
        }
    }

    /// Waits until there is something to read, or the kernel side has something to say.
    ///
    /// # Errors
    ///
    /// What the kernel answers to the wait.
    pub async fn readable(&mut self) -> io::Result<()> {
        let mut guard = self.ring.readable_mut().await?;
        // The reader drains until the ring is empty, and a record that comes later wakes anew.
        guard.clear_ready();
        Ok(())
    }

    /// Moves records from the ring buffer into `batch`, until the ring is empty or the batch full.
    /// Returns whether the ring was emptied.
    pub fn drain(&mut self, batch: &mut Batch) -> bool {
        if let Some(log) = &mut self.log {
            log.flush();
        }
        let ring = self.ring.get_mut();
        while !batch.is_full() {
            let Some(record) = ring.next() else {
                return true;
            };
            batch.push(&record);
        }
        false
    }

    /// Returns what has been lost since the last call. Called after [`drain`](Self::drain), it
    /// knows of every loss that came before a drained record of the same socket.
    ///
    /// # Errors
    ///
    /// What the kernel answers to reading the counters.
    pub fn losses(&mut self) -> io::Result<Vec<crate::model::Loss>> {
        self.losses.read()
    }
}

/// Rebuilds an error to put it into another; the cause is text already.
fn btf_error(error: &LiveError) -> LiveError {
    LiveError::Attach {
        hook: Hook::Btf,
        cause: match error {
            LiveError::Attach { cause, .. } => cause.clone(),
            other => other.to_string(),
        },
        next: match error {
            LiveError::Attach { next, .. } => next,
            _ => "run `tracer doctor`",
        },
        verifier_log: error.verifier_log().to_owned(),
        not_permitted: error.not_permitted(),
    }
}

fn attach_btf(options: &Options) -> Result<Live, LiveError> {
    let refuse = |cause: String, next: &'static str| LiveError::Attach {
        hook: Hook::Btf,
        cause,
        next,
        verifier_log: String::new(),
        not_permitted: false,
    };
    let bytes = fs::read(BTF_PATH).map_err(|error| {
        refuse(
            format!("cannot read the kernel's types from {BTF_PATH}: {error}"),
            "boot a kernel built with CONFIG_DEBUG_INFO_BTF, or use `--hook classic`",
        )
    })?;
    let types = Btf::parse(&bytes)
        .map_err(|error| refuse(format!("{BTF_PATH}: {error}"), "use `--hook classic`"))?;
    let found = offsets::find(&types).map_err(|field| {
        refuse(
            format!("this kernel has no field {field}"),
            "use `--hook classic`",
        )
    })?;
    if options.filter.cgroup.is_some() && found.offsets.cgroup_ancestors == ABSENT {
        return Err(refuse(
            "this kernel does not tell a cgroup's ancestors (struct cgroup.ancestors, Linux 6.1), \
             which --cgroup needs"
                .to_owned(),
            "filter by --netns or --comm instead",
        ));
    }
    let kernel_types = KernelBtf::from_sys_fs()
        .map_err(|error| refuse(format!("{BTF_PATH}: {error}"), "use `--hook classic`"))?;

    let config = Config {
        offsets: found.offsets,
        filter: kernel_filter(&options.filter),
        ..Config::EMPTY
    };
    let mut object = load(Hook::Btf, options, config)?;
    let program: &mut BtfTracePoint = program(&mut object, Hook::Btf, "state_change_typed")?;
    program
        .load("inet_sock_set_state", &kernel_types)
        .map_err(|error| program_error(Hook::Btf, &error))?;
    program
        .attach()
        .map_err(|error| program_error(Hook::Btf, &error))?;
    let fd = program
        .fd()
        .map_err(|error| program_error(Hook::Btf, &error))?
        .try_clone();
    let missing = found.missing.into_iter().map(str::to_owned).collect();
    finish(object, fd, Hook::Btf, missing)
}

fn attach_classic(options: &Options) -> Result<Live, LiveError> {
    let refuse = |cause: String, next: &'static str, error: Option<&io::Error>| LiveError::Attach {
        hook: Hook::Classic,
        cause,
        next,
        verifier_log: String::new(),
        not_permitted: error.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied),
    };
    let path = format_file();
    let text = fs::read_to_string(&path).map_err(|error| {
        refuse(
            format!(
                "cannot read the tracepoint's layout from {}: {error}",
                path.display()
            ),
            "run as root, and mount tracefs: `mount -t tracefs tracefs /sys/kernel/tracing`",
            Some(&error),
        )
    })?;
    let classic = classic_offsets(&text).map_err(|why| {
        refuse(
            format!("{}: {why}", path.display()),
            "use `--hook btf`",
            None,
        )
    })?;
    let config = Config {
        classic,
        filter: kernel_filter(&options.filter),
        ..Config::EMPTY
    };
    let mut object = load(Hook::Classic, options, config)?;
    let program: &mut TracePoint = program(&mut object, Hook::Classic, "state_change_classic")?;
    program
        .load()
        .map_err(|error| program_error(Hook::Classic, &error))?;
    program
        .attach("sock", "inet_sock_set_state")
        .map_err(|error| program_error(Hook::Classic, &error))?;
    let fd = program
        .fd()
        .map_err(|error| program_error(Hook::Classic, &error))?
        .try_clone();
    let missing = CLASSIC_MISSING.map(str::to_owned).to_vec();
    finish(object, fd, Hook::Classic, missing)
}

/// The tracepoint's `format` file, in whichever place tracefs is mounted; the usual one if in none.
fn format_file() -> PathBuf {
    let places = TRACEFS.map(|root| Path::new(root).join(FORMAT));
    let mounted = places.iter().find(|place| place.exists());
    mounted.unwrap_or(&places[0]).clone()
}

fn load(hook: Hook, options: &Options, config: Config) -> Result<Ebpf, LiveError> {
    let bytes = config.to_bytes();
    // aya-log numbers its levels from 1, error, to 5, trace; zero lets the verifier drop them all.
    let level: u8 = if options.kernel_log { 5 } else { 0 };
    EbpfLoader::new()
        .override_global("CONFIG", &bytes[..], true)
        .override_global(aya_log::LEVEL, &level, false)
        .map_max_entries("EVENTS", options.ring_bytes)
        .load(OBJECT)
        .map_err(|error| load_error(hook, error))
}

fn program<'a, P>(
    object: &'a mut Ebpf,
    hook: Hook,
    name: &'static str,
) -> Result<&'a mut P, LiveError>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
{
    object
        .program_mut(name)
        .ok_or(ProgramError::NotLoaded)
        .and_then(TryInto::try_into)
        .map_err(|error| program_error(hook, &error))
}

fn finish(
    mut object: Ebpf,
    fd: io::Result<ProgramFd>,
    hook: Hook,
    missing: Vec<String>,
) -> Result<Live, LiveError> {
    let fd = fd.map_err(LiveError::Wait)?;
    let mut take = |name: &'static str| {
        object.take_map(name).ok_or(LiveError::Map {
            name,
            cause: "it is not there".to_owned(),
        })
    };
    let wrong = |name: &'static str| {
        move |error: aya::maps::MapError| LiveError::Map {
            name,
            cause: error.to_string(),
        }
    };
    let ring = RingBuf::try_from(take("EVENTS")?).map_err(wrong("EVENTS"))?;
    let counters = PerCpuArray::try_from(take("LOSSES")?).map_err(wrong("LOSSES"))?;
    let epoch = Array::try_from(take("EPOCH")?).map_err(wrong("EPOCH"))?;
    Ok(Live {
        hook,
        missing,
        ring: wait_for(ring).map_err(LiveError::Wait)?,
        losses: Losses::new(counters, epoch, fd),
        log: KernelLog::open(&mut object),
        _object: object,
    })
}

fn wait_for(ring: RingBuf<MapData>) -> io::Result<AsyncFd<RingBuf<MapData>>> {
    // SAFETY: the ring buffer owns its map's descriptor, which stays open and the same until the
    // ring buffer is dropped, and `AsyncFd` owns the ring buffer.
    let waiting = unsafe { AsyncFd::register_with_interest(ring, tokio::io::Interest::READABLE) };
    waiting.map_err(Into::into)
}

fn load_error(hook: Hook, error: EbpfError) -> LiveError {
    match error {
        EbpfError::ProgramError(error) => program_error(hook, &error),
        other => {
            let cause = chain(&other);
            LiveError::Attach {
                hook,
                not_permitted: is_permission(&other),
                next: remedy(is_permission(&other)),
                cause,
                verifier_log: String::new(),
            }
        }
    }
}

fn program_error(hook: Hook, error: &ProgramError) -> LiveError {
    let not_permitted = is_permission(error);
    let (cause, verifier_log) = match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let log = verifier_log.to_string();
            (
                format!(
                    "the kernel refused the program: {io_error}{}",
                    last_lines(&log)
                ),
                log,
            )
        }
        other => (chain(other), String::new()),
    };
    LiveError::Attach {
        hook,
        cause,
        next: remedy(not_permitted),
        verifier_log,
        not_permitted,
    }
}

fn remedy(not_permitted: bool) -> &'static str {
    match not_permitted {
        true => "run as root (`sudo tracer`), or with CAP_BPF and CAP_PERFMON",
        false => "run `tracer doctor` to see what this host allows",
    }
}

/// The verifier's verdict stands at the end of its log, before the statistics.
fn last_lines(log: &str) -> String {
    let said: Vec<&str> = log
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with("processed "))
        .collect();
    let shown = said.len().saturating_sub(2);
    let mut text = String::new();
    for line in &said[shown..] {
        text.push_str(": ");
        text.push_str(line.trim());
    }
    if shown > 0 {
        text.push_str(&format!(" ({shown} lines omitted, see them with -v)"));
    }
    text
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

fn is_permission(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.kind() == io::ErrorKind::PermissionDenied
        {
            return true;
        }
        next = error.source();
    }
    false
}

/// Where the kernel tells how often it did not call a program that was running already.
pub(super) fn fdinfo(program: &ProgramFd) -> PathBuf {
    use std::os::fd::AsFd;
    PathBuf::from(format!("/proc/self/fdinfo/{}", program.as_fd().as_raw_fd()))
}
