//! What `show` will do with evidence.

use std::path::PathBuf;

use super::args::{FilterArgs, PartOfTimeArgs, ShowArgs};
use super::findings::FindingPlan;
use super::plan::{OutputPlan, chosen};
use super::{command, contradiction, filter_words};
use crate::track::Selection;

/// Which connections of evidence are told.
#[derive(Debug)]
pub struct Filters(FilterArgs);

/// What `show` will do.
#[derive(Debug)]
pub struct ShowPlan {
    /// Files of one trace, in their order.
    pub files: Vec<PathBuf>,
    /// Which connections.
    pub filters: Filters,
    /// Which part of the time.
    pub part: PartOfTimeArgs,
    /// How to write.
    pub output: OutputPlan,
    /// What is found wrong.
    pub findings: FindingPlan,
    /// Whether addresses and names are told as pseudonyms.
    pub redact: bool,
    /// Whether to tell of connections that were there before.
    pub verbose: bool,
    /// Whether to leave out the first line and the notes.
    pub quiet: bool,
}

impl ShowPlan {
    /// Makes the plan.
    ///
    /// # Errors
    ///
    /// No socket can match the filters, or they cannot be decided without the host, and why.
    pub fn new(args: ShowArgs) -> Result<Self, String> {
        let filters = Filters::new(args.filters)?;
        // It refuses what contradicts itself.
        chosen(&filters.0, args.output.raw)?;
        contradiction::refuse_conversations(&args.output)?;
        Ok(Self {
            files: args.files,
            filters,
            part: args.part,
            output: OutputPlan::new(&args.output),
            findings: FindingPlan::new(&args.findings)?,
            redact: args.redact,
            verbose: args.verbose > 0,
            quiet: args.quiet,
        })
    }
}

/// What a trace was asked to show.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// The filters as words of a command line.
    pub words: &'a [String],
    /// Inode numbers of the network namespaces that `--netns` meant.
    pub netns: &'a [u32],
}

/// The filters that are in force.
#[derive(Debug)]
pub struct InForce {
    /// As a selection.
    pub selection: Selection,
    /// In a person's words.
    pub words: Vec<String>,
    /// Whether no connection of a network namespace is left out, by these or when it was recorded.
    pub takes_whole_namespaces: bool,
}

impl Filters {
    /// Those of the trace.
    pub(super) fn none() -> Self {
        Self(FilterArgs::default())
    }

    /// Returns them as the words of a command line.
    pub fn words(&self) -> Vec<String> {
        filter_words::words(&self.0)
    }

    /// Reads such words.
    ///
    /// # Errors
    ///
    /// They are no filters of evidence, and why.
    pub fn of_words(words: &[String]) -> Result<Self, String> {
        Self::new(filter_words::parse(words)?)
    }

    pub(super) fn new(args: FilterArgs) -> Result<Self, String> {
        if args.cgroup.is_some() {
            return Err(
                "cannot filter evidence by --cgroup: which cgroups are below another, only the host \
                 can tell; filter by --comm, --pid or --port"
                    .to_owned(),
            );
        }
        let netns: Result<Vec<u32>, String> = args.netns.iter().map(|text| inode(text)).collect();
        netns.map(|_| Self(args))
    }

    /// Returns what is in force: these where any are given, else those of the trace.
    ///
    /// # Errors
    ///
    /// Filters of the trace are unknown to this version.
    pub fn in_force(&self, recorded: Recorded<'_>, raw: bool) -> Result<InForce, String> {
        let unknown = |cause: String| {
            format!(
                "cannot tell which filters the evidence was recorded with ({cause}); give filters, or take \
                 a version at least as new as the one that wrote it"
            )
        };
        let of_trace = filter_words::parse(recorded.words).map_err(unknown)?;
        command::refuse_unrecorded(&self.0, &of_trace)?;
        let mut then = chosen(&of_trace, raw)?;
        then.netns = recorded.netns.to_vec();
        then.cgroup_by_kernel = of_trace.cgroup.is_some();
        let was_whole = then.takes_whole_namespaces();
        let said = filter_words::describe(&of_trace);
        let (words, selection) = match self.words().is_empty() {
            true => (said, then),
            false => {
                let mut now = chosen(&self.0, raw)?;
                now.netns = self.0.netns.iter().flat_map(|text| inode(text)).collect();
                let of_recording = said.iter().map(|filter| format!("{filter} (recorded)"));
                let words = filter_words::describe(&self.0).into_iter();
                (words.chain(of_recording).collect(), now)
            }
        };
        Ok(InForce {
            takes_whole_namespaces: was_whole && selection.takes_whole_namespaces(),
            words,
            selection,
        })
    }
}

fn inode(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| {
        format!(
            "cannot filter evidence by --netns {}: give the inode number of the namespace, which \
             `--json` shows as `netns`",
            crate::model::printable(text)
        )
    })
}
