//! Loading the object and attaching it to the one tracepoint, either way.

use std::fs;
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread::{self, ScopedJoinHandle};

use aya::maps::{MapData, MapError, RingBuf};
use aya::programs::{BtfTracePoint, Program, ProgramError, ProgramFd, TracePoint};
use aya::{Btf as KernelBtf, Ebpf, EbpfLoader, Endianness};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tracer_ebpf::{ABSENT, Config, FOLLOWED_PROCESSES, LossCounter, PAGE_BYTES, RingConfig};

use super::error::{LiveError, follow_lacks, load_error, program_error};
use super::gather::Gathering;
use super::hidden::{self, Hidden};
use super::mapped::MappedArray;
use super::programs::Programs;
use super::rings::{Rings, ring_config};
use super::{Hook, Live, MethodChoice, Options};
use super::{between, follow};
use crate::model::ResetReasons;
use crate::source::btf::Btf;
use crate::source::format::classic_offsets;
use crate::source::kernel_filter::kernel_filter;
use crate::source::kernel_log::KernelLog;
use crate::source::losses::Losses;
use crate::source::minisocks;
use crate::source::offsets;
use crate::source::preflight::{KernelRelease, kernel_release};
use crate::source::relocate::relocate;
use crate::source::{processes, usage};

/// The object, as the build left it.
pub(in crate::source) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tracer-object-stripped"));

pub(super) const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
const FORMAT: &str = "events/sock/inet_sock_set_state/format";
/// What the classic hook cannot tell, in the session's words.
const CLASSIC_MISSING: [&str; 8] = [
    "the socket cookie",
    "the network namespace",
    "the cgroup",
    "the owner's uid",
    "which process holds a socket",
    "the error that ended a connection",
    "bytes, segments and round-trip times",
    "retransmissions and resets",
];

/// The kernel that began to count the changes for which it does not run a classic tracepoint's program,
/// because another BPF program is running on that CPU.
const COUNTS_CLASSIC_MISSES: KernelRelease = KernelRelease { major: 6, minor: 7 };

/// Attaches the typed hook, with offsets from the running kernel's BTF; without what it tells of processes where the kernel
/// takes the program only so.
pub(super) fn typed(options: &Options) -> Result<Live, LiveError> {
    let refused = match typed_with(options, true) {
        Err(error) if error.is_refused_program() => error,
        attached => return attached,
    };
    let Ok(mut live) = typed_with(options, false) else {
        return Err(refused);
    };
    live.missing
        .insert(0, format!("what processes were started as ({refused})"));
    Ok(live)
}

fn typed_with(options: &Options, tells_processes: bool) -> Result<Live, LiveError> {
    let refuse = |cause: String, next: &'static str| LiveError::Attach {
        hook: Hook::Btf,
        cause,
        next,
        verifier_log: String::new(),
        not_permitted: false,
    };
    let wants_minisocks = options.hidden != MethodChoice::Off;
    let gathering = Gathering::begin(wants_minisocks);
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
    let kernel_types = KernelBtf::parse(&types.attachable(), Endianness::default())
        .map_err(|error| refuse(format!("{BTF_PATH}: {error}"), "use `--hook classic`"))?;
    let processes = usage::processes(&types).filter(|_| tells_processes);
    let traffic = usage::traffic(&types);
    let reasons = usage::reset_reasons(&types).into_iter().collect();

    let (loader, addresses) = gathering.end();
    let minisocks = addresses.map(|addresses| minisocks::find(&types, addresses));
    let config = Config {
        usage: processes.unwrap_or(Config::EMPTY.usage),
        traffic,
        offsets: found.offsets,
        filter: kernel_filter(&options.filter),
        minisock: match &minisocks {
            Some(Ok(found)) => found.config,
            _ => Config::EMPTY.minisock,
        },
        follow: match &options.follow {
            Some(_) => processes::find(&types).map_err(follow_lacks)?,
            None => Config::EMPTY.follow,
        },
        rings: ring_config(options.ring_bytes),
        ..Config::EMPTY
    };
    let mut object = load(Hook::Btf, options, config, loader)?;
    let not_followed = match &options.follow {
        Some(named) => follow::attach(&mut object, &kernel_types, named)?,
        None => 0,
    };
    let mut programs = Programs::of(&mut object);
    let program: &mut BtfTracePoint = expected(Hook::Btf, programs.take("state_change_typed"))?;
    let hook = "inet_sock_set_state";
    // The verifier takes as long for this one as for all others.
    let (loaded, hidden, between) = thread::scope(|scope| {
        let load = || program.load(hook, &kernel_types);
        let loading = thread::Builder::new().spawn_scoped(scope, load).ok();
        let hidden = hidden::attach(
            &mut programs,
            &kernel_types,
            options.hidden,
            minisocks
                .as_ref()
                .map(|found| found.as_ref().map_err(|field| *field)),
        );
        let between = between::attach(&mut programs, &kernel_types, processes.is_some());
        let loaded = loading.map(ScopedJoinHandle::join);
        (loaded, hidden, between)
    });
    let loaded = match loaded {
        Some(ended) => ended.unwrap_or_else(|panic| resume_unwind(panic)),
        // This user may have no more threads.
        None => program.load(hook, &kernel_types),
    };
    let hidden = hidden?;
    let mut missing: Vec<String> = found.missing.into_iter().map(str::to_owned).collect();
    missing.extend(between.missing);
    loaded
        .and_then(|()| program.attach())
        .map_err(|error| program_error(Hook::Btf, &error))?;
    let fd = program
        .fd()
        .map_err(|error| program_error(Hook::Btf, &error))?
        .try_clone();
    let mut live = finish(object, fd, (Hook::Btf, &config.rings), missing, hidden)?;
    live.tells_resets = between.tells_resets;
    live.reset_reasons = ResetReasons(reasons);
    live.not_followed.0 = not_followed;
    Ok(live)
}

/// Attaches the classic hook, with offsets from the tracepoint's `format` file.
pub(super) fn classic(options: &Options) -> Result<Live, LiveError> {
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
    let offsets = classic_offsets(&text).map_err(|why| {
        refuse(
            format!("{}: {why}", path.display()),
            "use `--hook btf`",
            None,
        )
    })?;
    let config = Config {
        classic: offsets,
        filter: kernel_filter(&options.filter),
        rings: ring_config(options.ring_bytes),
        ..Config::EMPTY
    };
    let mut object = load(Hook::Classic, options, config, EbpfLoader::new())?;
    let program: &mut TracePoint =
        expected(Hook::Classic, object.program_mut("state_change_classic"))?;
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
    let mut missing = CLASSIC_MISSING.map(str::to_owned).to_vec();
    if kernel_release().is_ok_and(|release| release < COUNTS_CLASSIC_MISSES) {
        missing.push("changes that the kernel kept back while another BPF program ran".to_owned());
    }
    finish(
        object,
        fd,
        (Hook::Classic, &config.rings),
        missing,
        Hidden::default(),
    )
}

/// The tracepoint's `format` file, in whichever place tracefs is mounted; the usual one if in none.
fn format_file() -> PathBuf {
    let places = TRACEFS.map(|root| Path::new(root).join(FORMAT));
    let mounted = places.iter().find(|place| place.exists());
    mounted.unwrap_or(&places[0]).clone()
}

fn load(
    hook: Hook,
    options: &Options,
    config: Config,
    loader: EbpfLoader<'static>,
) -> Result<Ebpf, LiveError> {
    let code = relocate(OBJECT, &config).map_err(LiveError::Object)?;
    let bytes = config.to_bytes();
    // aya-log numbers its levels from 1, error, to 5, trace; zero lets the verifier drop them all.
    let level: u8 = if options.kernel_log { 5 } else { 0 };
    let followed = options.follow.as_ref().map_or(1, |_| FOLLOWED_PROCESSES);
    // It borrows what it is told.
    let mut loader: EbpfLoader<'_> = loader;
    loader
        .override_global("CONFIG", &bytes[..], true)
        .map_max_entries("LOSSES", possible_cpus()?)
        .override_global(aya_log::LEVEL, &level, false)
        .map_max_entries("PAGES", config.rings.all_pages())
        .map_max_entries("ENDS", config.rings.rings())
        .map_max_entries(follow::SET, followed)
        .map_max_entries(follow::COUNTER, possible_cpus()?)
        .load(&code)
        .map_err(|error| load_error(hook, error))
}

/// Takes a program for the type that it has in the object.
fn expected<'a, P>(hook: Hook, program: Option<&'a mut Program>) -> Result<&'a mut P, LiveError>
where
    &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
{
    program
        .ok_or(ProgramError::NotLoaded)
        .and_then(TryInto::try_into)
        .map_err(|error| program_error(hook, &error))
}

fn finish(
    mut object: Ebpf,
    fd: io::Result<ProgramFd>,
    (hook, rings): (Hook, &RingConfig),
    mut missing: Vec<String>,
    hidden: Hidden,
) -> Result<Live, LiveError> {
    missing.extend(hidden.missing);
    let fd = fd.map_err(LiveError::Wait)?;
    let mut take = |name: &'static str| {
        object.take_map(name).ok_or(LiveError::Map {
            name,
            cause: "it is not there".to_owned(),
        })
    };
    let wrong = |name: &'static str| {
        move |error: MapError| LiveError::Map {
            name,
            cause: error.to_string(),
        }
    };
    let bell = RingBuf::try_from(take("BELL")?).map_err(wrong("BELL"))?;
    let words = possible_cpus()? as usize * LossCounter::WORDS;
    let mut map = |name, words| {
        MappedArray::new(take(name)?, words).map_err(|cause| LiveError::Map {
            name,
            cause: format!("it cannot be mapped into memory: {cause}"),
        })
    };
    let counters = map("LOSSES", words)?;
    let epoch = map("EPOCH", 1)?;
    let ends = map("ENDS", Rings::ends_words(rings))?;
    let pages = map("PAGES", Rings::pages_words(rings))?;
    let sleeping = map("SLEEPING", 1)?;
    let not_followed = map(follow::COUNTER, possible_cpus()? as usize)?;
    Ok(Live {
        hook,
        timewait: hidden.timewait,
        sees_silent_rearms: hidden.sees_silent_rearms,
        requests: hidden.requests,
        missing,
        tells_resets: false,
        reset_reasons: ResetReasons::default(),
        ring_bytes: (rings.cpus * rings.pages).saturating_mul(PAGE_BYTES as u32),
        rings: Rings::new(rings, ends, pages, sleeping),
        bell: wait_for(bell).map_err(LiveError::Wait)?,
        losses: Losses::new(counters, epoch, fd),
        not_followed: (0, not_followed),
        log: KernelLog::open(&mut object),
        _object: object,
    })
}

/// One more than the greatest number that a CPU may ever have: their numbers need not be without gaps.
fn possible_cpus() -> Result<u32, LiveError> {
    const PATH: &str = "/sys/devices/system/cpu/possible";
    let refuse = |cause: String| LiveError::Map {
        name: "LOSSES",
        cause: format!("the numbers of CPUs cannot be read from {PATH}: {cause}"),
    };
    let text = fs::read_to_string(PATH).map_err(|error| refuse(error.to_string()))?;
    greatest(&text)
        .and_then(|greatest| greatest.checked_add(1))
        .ok_or_else(|| refuse(format!("{:?} is no list of them", text.trim_end())))
}

/// The greatest number of a list such as `0-3,8`.
fn greatest(list: &str) -> Option<u32> {
    let numbers = list.trim_end().split([',', '-']);
    let numbers: Option<Vec<u32>> = numbers.map(|number| number.parse().ok()).collect();
    numbers?.into_iter().max()
}

fn wait_for(ring: RingBuf<MapData>) -> io::Result<AsyncFd<RingBuf<MapData>>> {
    // SAFETY: the ring buffer owns its map's descriptor, which stays open and the same until the
    // ring buffer is dropped, and `AsyncFd` owns the ring buffer.
    let waiting = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) };
    waiting.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::greatest;

    #[test]
    fn the_greatest_number_of_a_list_is_found() {
        assert_eq!(greatest("0-1\n"), Some(1));
        assert_eq!(greatest("0-1,4-5,3\n"), Some(5));
        assert_eq!(greatest("0\n"), Some(0));
        assert_eq!(greatest("\n"), None);
        assert_eq!(greatest("0-x\n"), None);
    }
}
