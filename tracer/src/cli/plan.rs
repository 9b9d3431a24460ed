//! What will be done: the options, checked and turned into what each room takes.

use std::net::IpAddr;
use std::time::Duration;

use tracer_ebpf::{Config, FILTER_SLOTS, KernelFilter, Prefix as KernelPrefix};

use super::args::{ColorArg, FilterArgs, HookArg, LiveArgs, NamesArg, PartArg};
use crate::model::{Family, Naming};
use crate::track::{Limits, Listening, Prefix, Selection};

/// What `live` will do, apart from what only this host can tell.
#[derive(Debug)]
pub struct Plan {
    /// Which connections are shown. Namespaces are filled in when they have been looked up.
    pub selection: Selection,
    /// What the kernel side decides early. Namespaces and cgroup are filled in likewise.
    pub filter: KernelFilter,
    /// Network namespaces as typed.
    pub netns: Vec<String>,
    /// cgroup as typed.
    pub cgroup: Option<String>,
    /// The filters in words.
    pub filters: Vec<String>,
    /// Bounds of the tracker.
    pub limits: Limits,
    /// Hook.
    pub hook: HookArg,
    /// Size of the ring buffer in bytes.
    pub ring_bytes: u32,
    /// When to stop by itself.
    pub duration: Option<Duration>,
    /// How to write.
    pub output: OutputPlan,
    /// How much to say: 1 for the connections that were there before, 2 for the kernel side.
    pub verbose: u8,
    /// Whether to leave out the first line and the notes.
    pub quiet: bool,
}

/// How to write.
#[derive(Clone, Copy, Debug)]
pub struct OutputPlan {
    /// Format.
    pub format: Format,
    /// What the tracepoint said, uncorrected.
    pub raw: bool,
    /// Parts that are written.
    pub parts: Parts,
    /// Whose names the states have.
    pub names: Naming,
    /// Use of colour.
    pub color: ColorArg,
}

/// Output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// JSON Lines.
    Json,
    /// CSV.
    Csv,
}

/// Parts of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// State changes.
    pub changes: bool,
    /// Timelines.
    pub timelines: bool,
    /// The summary.
    pub summary: bool,
}

impl Plan {
    /// Makes the plan. What was typed has been checked word by word; this puts it together.
    pub fn new(args: LiveArgs) -> Self {
        let raw = args.output.raw;
        let listening = match (args.filters.listening, args.filters.all || raw) {
            (true, _) => Listening::Only,
            (_, true) => Listening::Shown,
            _ => Listening::Hidden,
        };
        let selection = selection(&args.filters, listening);
        Self {
            filter: kernel_filter(&selection),
            filters: describe(&args.filters),
            selection,
            netns: args.filters.netns,
            cgroup: args.filters.cgroup,
            limits: Limits {
                connections: args.max_connections as usize,
                // Raw changes are not completed, so there is nothing to wait for.
                hold_ns: if raw { 0 } else { Limits::default().hold_ns },
            },
            hook: args.hook,
            ring_bytes: args.ring_size.0,
            duration: args.duration,
            output: OutputPlan {
                format: match (args.output.json, args.output.csv) {
                    (true, _) => Format::Json,
                    (_, true) => Format::Csv,
                    _ => Format::Text,
                },
                raw,
                parts: parts(&args.output.only, raw),
                names: args.output.names.into(),
                color: args.output.color,
            },
            verbose: args.verbose,
            quiet: args.quiet,
        }
    }

    /// Returns the filters that only the BTF hook can decide, as typed.
    pub fn needs_btf(&self) -> Vec<&'static str> {
        let selection = &self.selection;
        let needs = [
            (!self.netns.is_empty(), "--netns"),
            (self.cgroup.is_some(), "--cgroup"),
            (!selection.uids.is_empty(), "--uid"),
            (!selection.pids.is_empty(), "--pid"),
            (!selection.comms.is_empty(), "--comm"),
        ];
        needs
            .into_iter()
            .filter_map(|(needed, name)| needed.then_some(name))
            .collect()
    }

    /// Lets only these network namespaces pass.
    pub fn select_netns(&mut self, inodes: Vec<u32>) {
        (self.filter.netns, self.filter.netns_len) = slots(&inodes);
        self.selection.netns = inodes;
    }

    /// Lets only this cgroup, `level` below the root, and those below it pass.
    pub fn select_cgroup(&mut self, id: u64, level: u32) {
        self.filter.cgroup = id;
        self.filter.cgroup_level = level;
        self.selection.cgroup_by_kernel = true;
    }
}

impl From<NamesArg> for Naming {
    fn from(names: NamesArg) -> Self {
        match names {
            NamesArg::Netstat => Self::Netstat,
            NamesArg::Ss => Self::Ss,
            NamesArg::Rfc => Self::Rfc,
        }
    }
}

fn parts(only: &[PartArg], raw: bool) -> Parts {
    let asked = |part: PartArg| only.contains(&part);
    if only.is_empty() {
        // A timeline is a reading of the changes, and raw changes are not read.
        return Parts {
            changes: true,
            timelines: !raw,
            summary: true,
        };
    }
    Parts {
        changes: asked(PartArg::Changes),
        timelines: asked(PartArg::Timelines),
        summary: asked(PartArg::Summary),
    }
}

fn selection(args: &FilterArgs, listening: Listening) -> Selection {
    Selection {
        family: match (args.ipv4, args.ipv6) {
            (true, _) => Some(Family::Ipv4),
            (_, true) => Some(Family::Ipv6),
            _ => None,
        },
        ports: args.ports.clone(),
        local_ports: args.local_ports.clone(),
        remote_ports: args.remote_ports.clone(),
        addrs: args.addrs.clone(),
        local_addrs: args.local_addrs.clone(),
        remote_addrs: args.remote_addrs.clone(),
        pids: args.pids.clone(),
        comms: args.comms.clone(),
        uids: args.uids.clone(),
        cgroup_by_kernel: false,
        netns: Vec::new(),
        states: args.states.clone(),
        listening,
    }
}

/// What of a selection the kernel side can decide: what it knows at the first change and what
/// never changes. A list that does not fit is left to the agent alone.
fn kernel_filter(selection: &Selection) -> KernelFilter {
    let mut filter = Config::EMPTY.filter;
    filter.family = match selection.family {
        None => 0,
        Some(Family::Ipv4) => 4,
        Some(Family::Ipv6) => 6,
    };
    let ports: Vec<u32> = selection
        .remote_ports
        .iter()
        .copied()
        .map(u32::from)
        .collect();
    (filter.remote_ports, filter.remote_ports_len) = slots(&ports);
    let prefixes: Vec<KernelPrefix> = selection.remote_addrs.iter().map(kernel_prefix).collect();
    (filter.remote_prefixes, filter.remote_prefixes_len) = slots(&prefixes);
    filter
}

fn slots<T: Copy + Default>(values: &[T]) -> ([T; FILTER_SLOTS], u32) {
    let mut slots = [T::default(); FILTER_SLOTS];
    if values.len() > FILTER_SLOTS {
        return (slots, 0);
    }
    slots[..values.len()].copy_from_slice(values);
    (slots, values.len() as u32)
}

fn kernel_prefix(prefix: &Prefix) -> KernelPrefix {
    let (addr, len) = prefix.parts();
    let (addr, len) = match addr {
        IpAddr::V4(addr) => (addr.to_ipv6_mapped(), u32::from(len) + 96),
        IpAddr::V6(addr) => (addr, u32::from(len)),
    };
    let mask = u128::MAX.checked_shl(128 - len).unwrap_or(0);
    KernelPrefix {
        addr: halves(addr.octets()),
        mask: halves(mask.to_be_bytes()),
    }
}

/// The two halves as the kernel side compares them: network order, read as they stand.
fn halves(bytes: [u8; 16]) -> [u64; 2] {
    let half = |at: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&bytes[at..at + 8]);
        u64::from_ne_bytes(eight)
    };
    [half(0), half(8)]
}

/// The filters in the words of the options.
fn describe(args: &FilterArgs) -> Vec<String> {
    fn list<T: ToString>(name: &str, values: &[T]) -> Option<String> {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        (!values.is_empty()).then(|| format!("{name} {}", values.join(",")))
    }
    let flag = |name: &str, given: bool| given.then(|| name.to_owned());
    let comms: Vec<String> = args
        .comms
        .iter()
        .map(|comm| comm.escape_debug().to_string())
        .collect();
    [
        list("--port", &args.ports),
        list("--lport", &args.local_ports),
        list("--rport", &args.remote_ports),
        list("--addr", &args.addrs),
        list("--laddr", &args.local_addrs),
        list("--raddr", &args.remote_addrs),
        flag("-4", args.ipv4),
        flag("-6", args.ipv6),
        list("--pid", &args.pids),
        list("--comm", &comms),
        list("--uid", &args.uids),
        args.cgroup
            .as_ref()
            .map(|cgroup| format!("--cgroup {}", cgroup.escape_debug())),
        list("--netns", &args.netns),
        list("--state", &args.states),
        flag("--listening", args.listening),
        flag("--all", args.all),
    ]
    .into_iter()
    .flatten()
    .collect()
}
