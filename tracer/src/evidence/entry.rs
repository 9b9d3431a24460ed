//! What a trace takes in, in its order. A trace that is given the same entries tells the same.

pub use crate::model::Clock;
use crate::model::{
    Batch, Existing, Look, Loss, MonoNs, Privileges, Process, Question, Reading, ResetReasons,
    TcpSettings,
};

/// One step of a trace.
///
/// # Order
///
/// [`Head`](Entry::Head) once, at the begin of each file; [`Counters`](Entry::Counters) and
/// [`Namespaces`](Entry::Namespaces) of the begin; turns; the [`Processes`](Entry::Processes) that hold the sockets
/// that existed, and those, ended by
/// [`ExistingComplete`](Entry::ExistingComplete); turns, and clocks and namespaces now and then;
/// [`Closing`](Entry::Closing); turns; [`End`](Entry::End). Evidence that was cut lacks the last of these.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// What traced, on what, and how.
    Head(Box<Head>),
    /// The kernel's counters as the trace began.
    Counters(Vec<Reading>),
    /// What the figures of a trace are held against. Later ones replace earlier ones.
    Namespaces(Vec<Namespace>),
    /// Paths of cgroups, by id.
    Cgroups(Vec<(u64, String)>),
    /// Who processes are. Later ones replace earlier ones, process by process.
    Processes(Vec<Process>),
    /// A socket that existed when the trace began.
    Existing(Existing),
    /// All that existed have been told.
    ExistingComplete,
    /// One turn of the trace.
    Turn(Turn),
    /// The clocks, read at one moment.
    Clock(Clock),
    /// The trace was told to end.
    Closing(Closing),
    /// The trace ended.
    End(MonoNs),
}

/// What one turn of a trace took in: records from the ring buffers first, answers next, and then time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turn {
    /// Records as the kernel side wrote them.
    pub batch: Batch,
    /// Losses that were learnt of after these records had been read.
    pub losses: Vec<Loss>,
    /// Whether the ring buffers held no more then that was made before.
    pub emptied: bool,
    /// Questions that were asked, and the answers.
    pub asked: Option<Asked>,
    /// The moment up to which everything is told that waited for time to pass.
    pub timeout: Option<MonoNs>,
}

/// Questions after timewait sockets.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The moment by which they were due.
    pub now: MonoNs,
    /// Each with its answer, in the order in which the answers were taken in.
    pub answers: Vec<(Question, Look)>,
}

/// How a trace began to end.
#[derive(Clone, Debug, PartialEq)]
pub struct Closing {
    /// The moment; whatever is newer need not be read.
    pub at: MonoNs,
    /// The kernel's counters, read just before.
    pub counters: Vec<Reading>,
    /// Processes that were to be followed and were not: too many were alive.
    pub not_followed: u64,
}

/// A network namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Namespace {
    /// Its inode number.
    pub inode: u32,
    /// What it is called, where something is known: a name below `/run/netns`, or a process.
    pub name: Option<String>,
    /// Its settings, where they could be read.
    pub settings: Option<TcpSettings>,
}

impl Namespace {
    /// Returns the name that somebody gave it, rather than a process that leads to it: the last part of `/run/netns/NAME`.
    pub fn own_name(&self) -> Option<&str> {
        let (place, name) = self.name.as_deref()?.rsplit_once('/')?;
        (place.ends_with("/netns") && !name.is_empty()).then_some(name)
    }
}

/// What traced, on what, and how: all that is needed to tell the rest, on any host.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Version of the agent.
    pub tracer: String,
    /// Version of the layouts of the kernel side's records (`tracer_ebpf::ABI_VERSION`).
    pub abi: u32,
    /// Kernel release, as `uname -r` prints it.
    pub kernel: String,
    /// Machine, as `uname -m` prints it; it also says in which byte order records are.
    pub machine: String,
    /// Identity of this boot; `None` where it cannot be read.
    pub boot_id: Option<String>,
    /// Name of the host.
    pub hostname: String,
    /// GNU build id of the kernel, which its type information belongs to, in hexadecimal digits.
    pub build_id: Option<String>,
    /// How the tracepoint was attached: `tp_btf` or `tracepoint`.
    pub hook: String,
    /// How TIME_WAIT was followed: `fentry`, `timer`, `diag` or `off`.
    pub time_wait: String,
    /// How half-open connections were followed: `fentry`, `timer` or `off`.
    pub half_open: String,
    /// Whether the timers' method saw that a timer was set anew within its slot of the timer wheel.
    pub sees_silent_rearms: bool,
    /// Ticks of the kernel in a second, where they were known and needed.
    pub hz: Option<u32>,
    /// Whether resets that this host sends were told.
    pub tells_resets: bool,
    /// The kernel's reasons for these, by number; none where it tells none.
    pub reset_reasons: ResetReasons,
    /// What the host did not allow, in a person's words.
    pub missing: Vec<String>,
    /// What could not be looked into when the trace began.
    pub notes: Vec<String>,
    /// What the process that traced could still do; `None` where nothing is told.
    pub privileges: Option<Privileges>,
    /// Options that filter, as typed, in words of their own: `--port`, `443`.
    pub filters: Vec<String>,
    /// Inode numbers of the network namespaces that `--netns` meant.
    pub netns: Vec<u32>,
    /// The whole command line.
    pub command: Vec<String>,
    /// Who ran it; of one who used `sudo`, who that was.
    pub user: User,
    /// When the trace began.
    pub start: MonoNs,
    /// The clocks as it began: what every time is told by.
    pub clock: Clock,
    /// Time zone of the host.
    pub zone: TimeZoneOf,
    /// Size of the ring buffers of all CPUs together in bytes.
    pub ring_bytes: u32,
    /// Most connections that were followed at once.
    pub max_connections: u64,
    /// For how long a change waited for an end that its connection did not show yet, in nanoseconds.
    pub hold_ns: u64,
    /// Whether addresses and names are pseudonyms, here and in all that follows.
    pub redacted: bool,
    /// Random bytes in hexadecimal digits that stand nowhere else, and are never shown: what the pseudonyms of a redacted
    /// replay are made with.
    pub secret: Option<String>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// uid.
    pub uid: u32,
    /// Name, where one is known.
    pub name: Option<String>,
}

/// A time zone, known in two ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZoneOf {
    /// Name in the IANA database.
    pub iana: Option<String>,
    /// Seconds east of UTC as the trace began.
    pub offset_s: i32,
}
