//! What `time-wait` will do: a trace, and how its figures are told.

use std::path::PathBuf;
use std::time::Duration;

use super::args::{HookArg, LiveArgs, OutputArgs, TimeWaitArg, TimeWaitArgs};
use super::findings::FindingArgs;
use super::plan::Plan;
use super::record::RecordArgs;
use super::show::Filters;

/// What `time-wait` will do.
#[derive(Debug)]
pub struct TimeWaitPlan {
    /// The trace.
    pub plan: Plan,
    /// How often the figures are told before the end; a screen has a pace of its own.
    pub interval: Option<Duration>,
    /// Rows of each list.
    pub rows: usize,
    /// Files of evidence; where there are none, this host is traced.
    pub files: Vec<PathBuf>,
    /// Which connections of evidence.
    pub filters: Filters,
}

impl TimeWaitPlan {
    /// Makes the plan.
    ///
    /// # Errors
    ///
    /// There would be nothing to tell, and why.
    pub fn new(args: TimeWaitArgs) -> Result<Self, String> {
        if args.trace.time_wait == TimeWaitArg::Off {
            return Err(
                "cannot tell of TIME_WAIT with `--time-wait off`, which does not follow it; leave \
                 that out, or take `--time-wait diag`, which attaches nothing more"
                    .to_owned(),
            );
        }
        if matches!(args.trace.hook, HookArg::Classic) {
            return Err(
                "cannot tell of TIME_WAIT with the classic hook, which does not tell the cookie by \
                 which a timewait socket is known; use `--hook btf`"
                    .to_owned(),
            );
        }
        if args.filters.listening || args.filters.all {
            return Err(
                "cannot tell of TIME_WAIT with -l or -a: a listening socket is never in it; leave \
                 them out, or choose a listener's connections by `--lport`"
                    .to_owned(),
            );
        }
        let filters = match args.files.is_empty() {
            true => Filters::none(),
            false => Filters::new(args.filters.clone())?,
        };
        let plan = Plan::new(LiveArgs {
            filters: args.filters,
            output: OutputArgs {
                json: args.json,
                csv: false,
                raw: false,
                only: Vec::new(),
                names: args.names,
                color: args.color,
            },
            findings: FindingArgs::default(),
            trace: args.trace,
            record: None,
            recording: RecordArgs::default(),
            command: Vec::new(),
        })?;
        Ok(Self {
            plan,
            interval: args.interval,
            rows: usize::from(args.top),
            files: args.files,
            filters,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::args::{Args, Verb};
    use super::*;
    use crate::cli::plan::Format;

    fn plan(options: &str) -> Result<TimeWaitPlan, String> {
        let words = ["tracer", "time-wait"].into_iter();
        let args = Args::try_parse_from(words.chain(options.split_whitespace()))
            .map_err(|error| error.to_string())?;
        let Some(Verb::TimeWait(args)) = args.verb else {
            panic!("{options}: another verb");
        };
        TimeWaitPlan::new(*args)
    }

    #[test]
    fn what_leaves_nothing_to_tell_is_refused_and_says_what_to_type() {
        for (options, next) in [
            ("--time-wait off", "--time-wait diag"),
            ("-l", "--lport"),
            ("-a", "--lport"),
            ("--interval 10ms", "100ms"),
            ("--top 0", "1..=1000"),
            ("--hook classic", "--hook btf"),
            ("--csv", "--csv"),
        ] {
            let said = plan(options).expect_err(options);
            assert!(said.contains(next), "{options}: {said}");
        }
    }

    #[test]
    fn filters_and_the_rest_mean_what_they_mean_for_live() {
        let planned = plan("--rport 80 --json --interval 2s --top 3 --duration 1m").expect("good");
        assert_eq!(planned.plan.selection.remote_ports, [80]);
        assert_eq!(planned.plan.filters, ["--rport 80"]);
        assert_eq!(planned.plan.output.format, Format::Json);
        assert_eq!(planned.plan.duration, Some(Duration::from_secs(60)));
        assert_eq!(planned.interval, Some(Duration::from_secs(2)));
        assert_eq!(planned.rows, 3);
        assert_eq!(plan("").expect("good").interval, None);
    }
}
