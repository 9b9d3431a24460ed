//! The command line as typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};

use super::findings::FindingArgs;
use super::moment::{Moment, parse_moment};
use super::parse::{
    RingSize, parse_cgroup, parse_comm, parse_duration, parse_interval, parse_prefix,
    parse_ring_size, parse_state,
};
use super::record::RecordArgs;
use crate::model::{Prefix, TcpState};

/// Heading of the options on how things are shown.
const OUTPUT: &str = "Output";

/// Shows every TCP state change of this host as it happens, and the timeline of each connection
/// when it ends.
///
/// Without a command, `live` is meant: `sudo tracer --port 443`.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    long_about,
    args_conflicts_with_subcommands = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 done · 1 done, but changes were lost, evidence is not whole, or --fail-on \
                  found something · 2 wrong usage · 3 this host or user does not allow it · 4 an internal or I/O error.\n\
                  A closed pipe is success."
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// Options of `live`, where no command is given.
    #[command(flatten)]
    pub live: LiveArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Trace this host until Ctrl-C, or a program until it ends: `live -- PROGRAM`.
    Live(Box<LiveArgs>),
    /// Tell how many connections are in TIME_WAIT, how long, whose, and how near the ports are to running
    /// out.
    TimeWait(Box<TimeWaitArgs>),
    /// Trace this host, or a program, into a file of evidence.
    Record(Box<RecordVerbArgs>),
    /// Show evidence as `live` showed it: needs no privileges.
    Show(Box<ShowArgs>),
    /// Tell whether evidence is whole and unaltered.
    Verify(VerifyArgs),
    /// Explain the TCP states, or one of them.
    States(StatesArgs),
    /// Tell what this host allows, and what will be missing.
    Doctor(DoctorArgs),
    /// Wait to be told, and then become a program: how a trace starts its command.
    #[command(hide = true)]
    RunWhenTold(RunWhenToldArgs),
}

/// Options of `live`.
#[derive(Debug, ClapArgs)]
pub struct LiveArgs {
    /// Which connections are shown.
    #[command(flatten)]
    pub filters: FilterArgs,
    /// How they are shown.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What is found wrong.
    #[command(flatten)]
    pub findings: FindingArgs,
    /// Keep it as evidence too, in this file, which must not exist yet.
    #[arg(long, value_name = "FILE", help_heading = "Recording")]
    pub record: Option<PathBuf>,
    /// How much of it is kept.
    #[command(flatten)]
    pub recording: RecordArgs,
    /// How it is traced.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// Run this program, as the user who called sudo, and show what it and its children do, until it ends.
    #[arg(last = true, value_name = "PROGRAM", help_heading = "Arguments")]
    pub command: Vec<OsString>,
}

/// Options of `record`.
#[derive(Debug, ClapArgs)]
pub struct RecordVerbArgs {
    /// The file; it must not exist yet.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How much of it is kept.
    #[command(flatten)]
    pub recording: RecordArgs,
    /// Which connections are kept.
    #[command(flatten)]
    pub filters: FilterArgs,
    /// How it is traced.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// Run this program, as the user who called sudo, and trace until it ends; what it and its children do is what
    /// `show` shows.
    #[arg(last = true, value_name = "PROGRAM", help_heading = "Arguments")]
    pub command: Vec<OsString>,
}

/// Options of `show`.
#[derive(Debug, ClapArgs)]
pub struct ShowArgs {
    /// Files of one trace, in their order.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Which connections are shown; without any, those that were asked for when it was recorded.
    #[command(flatten)]
    pub filters: FilterArgs,
    /// How they are shown.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What is found wrong.
    #[command(flatten)]
    pub findings: FindingArgs,
    /// Which part is shown.
    #[command(flatten)]
    pub part: PartOfTimeArgs,
    /// Replace addresses and names by stable pseudonyms, prefixes kept, so that it can leave the house; filters are
    /// given in true names.
    #[arg(long, help_heading = OUTPUT)]
    pub redact: bool,
    /// Say more: connections that were there before, and how exact times are.
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
    /// Leave out the first line and the notes.
    #[arg(short, long)]
    pub quiet: bool,
}

/// Which part of the time is shown.
#[derive(Debug, ClapArgs)]
pub struct PartOfTimeArgs {
    /// Show what happened from this moment on: 2026-01-31T17:03:48Z, or 17:03:48 of the day on which the
    /// evidence begins, or +90s after it begins.
    #[arg(long, value_name = "TIME", value_parser = parse_moment, help_heading = OUTPUT)]
    pub since: Option<Moment>,
    /// Show what happened until this moment.
    #[arg(long, value_name = "TIME", value_parser = parse_moment, help_heading = OUTPUT)]
    pub until: Option<Moment>,
}

/// Options of `verify`.
#[derive(Debug, ClapArgs)]
pub struct VerifyArgs {
    /// Files of one trace, in their order.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The seal that the last file must have, as `record` and `verify` print it.
    #[arg(long, value_name = "SEAL")]
    pub seal: Option<String>,
    /// One JSON object a file.
    #[arg(long)]
    pub json: bool,
}

/// Options of `time-wait`.
#[derive(Debug, ClapArgs)]
pub struct TimeWaitArgs {
    /// Files of evidence, in their order; without any, this host is traced.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Which connections count.
    #[command(flatten)]
    pub filters: FilterArgs,
    /// JSON Lines: the session, then one object with all figures at the end.
    #[arg(long, help_heading = OUTPUT)]
    pub json: bool,
    /// Tell the figures this often, not only at the end; a live screen, each second if not told.
    #[arg(long, value_name = "TIME", value_parser = parse_interval, help_heading = OUTPUT)]
    pub interval: Option<std::time::Duration>,
    /// Rows of each list.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000), help_heading = OUTPUT)]
    pub top: u16,
    /// Whose names the states have.
    #[arg(long, value_enum, default_value_t = NamesArg::Netstat, help_heading = OUTPUT)]
    pub names: NamesArg,
    /// When to use colour.
    #[arg(long, value_enum, default_value_t = ColorArg::Auto, help_heading = OUTPUT)]
    pub color: ColorArg,
    /// How it is traced.
    #[command(flatten)]
    pub trace: TraceArgs,
}

/// How it is traced.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Tracing")]
pub struct TraceArgs {
    /// Stop after this time, such as 10s, 500ms, 2m.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<std::time::Duration>,
    /// How to attach to the tracepoint; auto takes btf where the kernel has BTF.
    #[arg(long, value_enum, default_value_t = HookArg::Auto)]
    pub hook: HookArg,
    /// How TIME_WAIT, and FIN_WAIT2 and SYN_RECV in small sockets, are followed: auto takes fentry
    /// where the kernel allows it, else timer, else diag.
    #[arg(long, value_enum, value_name = "METHOD", default_value_t = TimeWaitArg::Auto)]
    pub time_wait: TimeWaitArg,
    /// Size of the ring buffers of all CPUs together, such as 64M; each CPU's is rounded down to a power of two, and two
    /// smaller ones beside it come on top. Without it, 8M, or 512K for each CPU if that is more.
    #[arg(long, value_name = "BYTES", value_parser = parse_ring_size)]
    pub ring_size: Option<RingSize>,
    /// Most connections followed at once; beyond it the oldest is let go, and counted.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: u32,
    /// Keep what looking into other network namespaces takes (CAP_SYS_ADMIN, CAP_SYS_PTRACE and
    /// CAP_DAC_READ_SEARCH) while it is traced; --time-wait diag keeps it too. Else no capability is kept,
    /// and what cannot be looked at any more is said.
    #[arg(long)]
    pub keep_privileges: bool,
    /// Say more: connections that were there before, the verifier's whole log; twice: the kernel
    /// side's own diagnostics.
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
    /// Leave out the first line and the notes; draw no live screen.
    #[arg(short, long)]
    pub quiet: bool,
}

/// Which connections are shown. A connection that matches is shown whole, from its first change.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Filters (a connection that matches is shown whole)")]
pub struct FilterArgs {
    /// Port at either end.
    #[arg(long = "port", value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub ports: Vec<u16>,
    /// Local port.
    #[arg(long = "lport", value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub local_ports: Vec<u16>,
    /// Remote port.
    #[arg(long = "rport", value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub remote_ports: Vec<u16>,
    /// Address at either end: 10.0.0.0/8, 2001:db8::1.
    #[arg(long = "addr", value_name = "CIDR", value_delimiter = ',', value_parser = parse_prefix)]
    pub addrs: Vec<Prefix>,
    /// Local address.
    #[arg(long = "laddr", value_name = "CIDR", value_delimiter = ',', value_parser = parse_prefix)]
    pub local_addrs: Vec<Prefix>,
    /// Remote address.
    #[arg(long = "raddr", value_name = "CIDR", value_delimiter = ',', value_parser = parse_prefix)]
    pub remote_addrs: Vec<Prefix>,
    /// IPv4 only, IPv4 through IPv6 sockets included.
    #[arg(short = '4', conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// IPv6 only.
    #[arg(short = '6')]
    pub ipv6: bool,
    /// Process that opened the connection (connected, or listens), or is seen using it.
    #[arg(long = "pid", value_name = "PID", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub pids: Vec<u32>,
    /// What that process starts, too, and what that starts.
    #[arg(long)]
    pub follow: bool,
    /// Name of that process: the kernel keeps 15 bytes of it.
    #[arg(long = "comm", value_name = "NAME", value_delimiter = ',', value_parser = parse_comm)]
    pub comms: Vec<String>,
    /// Owner of the socket.
    #[arg(long = "uid", value_name = "UID", value_delimiter = ',')]
    pub uids: Vec<u32>,
    /// cgroup (version 2) of the socket, or one above it: a path below /sys/fs/cgroup or an id;
    /// digits alone are an id, ./123 is a path.
    #[arg(long, value_name = "PATH|ID", value_parser = parse_cgroup)]
    pub cgroup: Option<String>,
    /// Network namespace: a name from `ip netns list`, a path, a process id, or an inode number.
    #[arg(long, value_name = "NETNS", value_delimiter = ',')]
    pub netns: Vec<String>,
    /// A state that the connection has been in, such as CLOSE_WAIT.
    #[arg(long = "state", value_name = "STATE", value_delimiter = ',', value_parser = parse_state)]
    pub states: Vec<TcpState>,
    /// Only listening sockets.
    #[arg(short, long)]
    pub listening: bool,
    /// Listening sockets too.
    #[arg(short, long, conflicts_with = "listening")]
    pub all: bool,
    /// The command that is run, whose connections are meant; each verb that runs one takes it where that
    /// stands.
    #[arg(skip)]
    pub command: Vec<String>,
}

/// How things are shown.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = OUTPUT)]
pub struct OutputArgs {
    /// JSON Lines, one object a line.
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// CSV, with a heading.
    #[arg(long)]
    pub csv: bool,
    /// What the tracepoint itself said, uncorrected, listening sockets included.
    #[arg(long)]
    pub raw: bool,
    /// Only these parts.
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',')]
    pub only: Vec<PartArg>,
    /// Whose names the states have.
    #[arg(long, value_enum, default_value_t = NamesArg::Netstat)]
    pub names: NamesArg,
    /// When to use colour.
    #[arg(long, value_enum, default_value_t = ColorArg::Auto)]
    pub color: ColorArg,
}

/// Options of `states`.
#[derive(Debug, ClapArgs)]
pub struct StatesArgs {
    /// A state, by any of its names: TIME_WAIT, FIN-WAIT-1, estab.
    pub name: Option<String>,
    /// Draw the states and their transitions.
    #[arg(long, conflicts_with = "name")]
    pub diagram: bool,
    /// Draw them as SVG.
    #[arg(long, requires = "diagram")]
    pub svg: bool,
    /// Whose names the states have.
    #[arg(long, value_enum, default_value_t = NamesArg::Netstat)]
    pub names: NamesArg,
    /// When to use colour.
    #[arg(long, value_enum, default_value_t = ColorArg::Auto)]
    pub color: ColorArg,
}

/// Options of `doctor`.
#[derive(Debug, ClapArgs)]
pub struct DoctorArgs {
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
    /// When to use colour.
    #[arg(long, value_enum, default_value_t = ColorArg::Auto)]
    pub color: ColorArg,
}

/// Options of `run-when-told`.
#[derive(Debug, ClapArgs)]
pub struct RunWhenToldArgs {
    /// The program's file.
    pub program: PathBuf,
    /// Its words, its name first.
    #[arg(last = true, required = true)]
    pub words: Vec<OsString>,
}

/// Parts of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PartArg {
    /// State changes.
    Changes,
    /// Timelines.
    Timelines,
    /// Both ends of each connection on this host, as one story.
    Conversations,
    /// What is found wrong or suspicious.
    Findings,
    /// The summary.
    Summary,
}

/// Names of states.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum NamesArg {
    /// `SYN_RECV`, `FIN_WAIT1`, `CLOSE`
    Netstat,
    /// `SYN-RECV`, `FIN-WAIT-1`, `UNCONN`
    Ss,
    /// `SYN-RECEIVED`, `FIN-WAIT-1`, `CLOSED`
    Rfc,
}

/// Use of colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorArg {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Methods of following timewait and request sockets, which the tracepoint never shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TimeWaitArg {
    /// The best that the kernel allows; off with --raw.
    Auto,
    /// Hook the functions that such a socket passes through.
    Fentry,
    /// Watch the kernel's timers: exact, at a small cost for every timer of the host.
    Timer,
    /// Ask for each timewait socket again and again: nothing attached, less exact, no SYN_RECV; keeps
    /// privileges.
    Diag,
    /// Do not follow them.
    Off,
}

/// Hooks.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum HookArg {
    /// BTF where it can be had, else classic.
    Auto,
    /// A raw tracepoint with BTF.
    Btf,
    /// The classic tracepoint.
    Classic,
}
