//! What will be done: the options, checked and turned into what each room takes.

use std::ffi::OsString;
use std::time::Duration;

use super::args::{
    ColorArg, FilterArgs, HookArg, LiveArgs, NamesArg, OutputArgs, PartArg, RecordVerbArgs,
    TimeWaitArg,
};
use super::findings::{FindingArgs, FindingPlan};
use super::record::RecordPlan;
use super::{command, contradiction, filter_words};
use crate::model::{Cgroup, EarlyFilter, Family, Naming};
use crate::track::{Limits, Listening, Selection};

/// What `live` will do, apart from what only this host can tell.
#[derive(Debug)]
pub struct Plan {
    /// Which connections are shown. Namespaces are filled in when they have been looked up.
    pub selection: Selection,
    /// What the kernel side decides early. Namespaces and cgroup are filled in likewise.
    pub early: EarlyFilter,
    /// Network namespaces as typed.
    pub netns: Vec<String>,
    /// cgroup as typed.
    pub cgroup: Option<String>,
    /// The filters in a person's words.
    pub filters: Vec<String>,
    /// The filters as the words of a command line.
    pub filter_words: Vec<String>,
    /// Bounds of the tracker.
    pub limits: Limits,
    /// Hook.
    pub hook: HookArg,
    /// How timewait and request sockets are followed.
    pub time_wait: TimeWaitArg,
    /// Whether network namespaces of others are looked into while it is traced, which takes privileges.
    pub keep_privileges: bool,
    /// Size of the ring buffers in bytes, if it is not to be the usual one.
    pub ring_bytes: Option<u32>,
    /// The program that is run and traced until it ends, and its arguments; empty where none is.
    pub command: Vec<OsString>,
    /// When to stop by itself.
    pub duration: Option<Duration>,
    /// How to write.
    pub output: OutputPlan,
    /// What is found wrong.
    pub findings: FindingPlan,
    /// How much to say: 1 for the connections that were there before, 2 for the kernel side.
    pub verbose: u8,
    /// Whether to leave out the first line and the notes.
    pub quiet: bool,
    /// The file that keeps it as evidence, if any does.
    pub record: Option<RecordPlan>,
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

impl OutputPlan {
    pub(super) fn new(args: &OutputArgs) -> Self {
        Self {
            format: match (args.json, args.csv) {
                (true, _) => Format::Json,
                (_, true) => Format::Csv,
                _ => Format::Text,
            },
            raw: args.raw,
            parts: parts(&args.only, args.raw),
            names: args.names.into(),
            color: args.color,
        }
    }
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
    /// Conversations.
    pub conversations: bool,
    /// What is found wrong.
    pub findings: bool,
    /// The summary.
    pub summary: bool,
}

impl Plan {
    /// Makes the plan. What was typed has been checked word by word; this puts it together.
    ///
    /// # Errors
    ///
    /// No socket can match the filters, and why.
    pub fn new(mut args: LiveArgs) -> Result<Self, String> {
        let raw = args.output.raw;
        let words = args.command.iter();
        args.filters.command = words
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        command::refuse(&args.filters)?;
        let selection = chosen(&args.filters, raw)?;
        contradiction::refuse_conversations(&args.output)?;
        contradiction::refuse_method(
            args.trace.time_wait,
            raw,
            args.trace.hook,
            &args.filters.states,
        )?;
        Ok(Self {
            early: early_filter(&selection),
            filters: filter_words::describe(&args.filters),
            filter_words: filter_words::words(&args.filters),
            selection,
            netns: args.filters.netns,
            cgroup: args.filters.cgroup,
            limits: Limits {
                connections: args.trace.max_connections as usize,
                // Raw changes are not completed, so there is nothing to wait for.
                hold_ns: if raw { 0 } else { Limits::default().hold_ns },
            },
            hook: args.trace.hook,
            time_wait: match raw {
                true => TimeWaitArg::Off,
                false => args.trace.time_wait,
            },
            keep_privileges: args.trace.keep_privileges
                || matches!(args.trace.time_wait, TimeWaitArg::Diag),
            ring_bytes: args.trace.ring_size.map(|size| size.0),
            command: args.command,
            duration: args.trace.duration,
            output: OutputPlan::new(&args.output),
            findings: FindingPlan::new(&args.findings)?,
            verbose: args.trace.verbose,
            quiet: args.trace.quiet,
            record: args
                .record
                .map(|file| RecordPlan::new(file, &args.recording))
                .transpose()?,
        })
    }

    /// Makes the plan of `record`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn record(args: RecordVerbArgs) -> Result<Self, String> {
        Self::new(LiveArgs {
            filters: args.filters,
            output: OutputArgs {
                json: false,
                csv: false,
                raw: false,
                only: Vec::new(),
                names: NamesArg::Netstat,
                color: ColorArg::Auto,
            },
            findings: FindingArgs::default(),
            record: Some(args.file),
            recording: args.recording,
            trace: args.trace,
            command: args.command,
        })
    }

    /// Returns the filters that only the BTF hook can decide, as typed.
    pub fn needs_btf(&self) -> Vec<&'static str> {
        let selection = &self.selection;
        let needs = [
            (!self.netns.is_empty(), "--netns"),
            (self.cgroup.is_some(), "--cgroup"),
            (!selection.uids.is_empty(), "--uid"),
            (!selection.pids.is_empty(), "--pid"),
            (!self.command.is_empty(), "a command"),
            (!selection.comms.is_empty(), "--comm"),
        ];
        needs
            .into_iter()
            .filter_map(|(needed, name)| needed.then_some(name))
            .collect()
    }

    /// Lets only these network namespaces pass.
    pub fn select_netns(&mut self, inodes: Vec<u32>) {
        self.early.netns.clone_from(&inodes);
        self.selection.netns = inodes;
    }

    /// Lets only this cgroup, and those below it, pass.
    pub fn select_cgroup(&mut self, cgroup: Cgroup) {
        self.early.cgroup = Some(cgroup);
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
        // Timelines and findings are a reading of the changes, and raw changes are not read.
        return Parts {
            changes: true,
            timelines: !raw,
            conversations: false,
            findings: !raw,
            summary: true,
        };
    }
    Parts {
        changes: asked(PartArg::Changes),
        timelines: asked(PartArg::Timelines),
        conversations: asked(PartArg::Conversations),
        findings: asked(PartArg::Findings),
        summary: asked(PartArg::Summary),
    }
}

/// Returns which connections the filters mean, apart from what only a host can tell; `raw` shows listening
/// sockets too.
///
/// # Errors
///
/// No socket can match the filters, and why.
pub(super) fn chosen(filters: &FilterArgs, raw: bool) -> Result<Selection, String> {
    let listening = match (filters.listening, filters.all || raw) {
        (true, _) => Listening::Only,
        (_, true) => Listening::Shown,
        _ => Listening::Hidden,
    };
    contradiction::refuse(filters, listening)?;
    Ok(selection(filters, listening))
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
        followed: args.follow || !args.command.is_empty(),
        comms: args.comms.clone(),
        uids: args.uids.clone(),
        cgroup_by_kernel: false,
        netns: Vec::new(),
        states: args.states.clone(),
        listening,
    }
}

/// What of a selection can be decided at the first change, and never changes.
fn early_filter(selection: &Selection) -> EarlyFilter {
    EarlyFilter {
        family: selection.family,
        remote_ports: selection.remote_ports.clone(),
        remote_addrs: selection.remote_addrs.clone(),
        netns: Vec::new(),
        cgroup: None,
    }
}
