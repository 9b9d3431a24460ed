//! Who is measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cmd;

/// The same line from bpftrace: who, both ends, both states.
const BPFTRACE: &str = "tracepoint:sock:inet_sock_set_state { \
    printf(\"%lu %d %s %d %d %d %d\\n\", nsecs, pid, comm, args->sport, args->dport, \
    args->oldstate, args->newstate); }";

/// How a contender says what it lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// The agent's text: a line of the summary.
    Text,
    /// The agent's JSON Lines: a field of the summary.
    Json,
    /// The agent's rows of the type `loss`.
    Csv,
    /// Evidence, in a file that the agent makes; the last lines on standard error.
    Evidence,
    /// `lost N events`, among other lines on either output; what it shows goes to `/dev/null`.
    Events,
    /// The same, in a file with what it shows.
    EventsInFile,
}

/// One way to watch, or nothing at all.
pub(super) struct Contender {
    pub(super) name: String,
    /// How it says what it lost.
    pub(super) output: Output,
    program: Option<Program>,
}

struct Program {
    name: PathBuf,
    args: Vec<String>,
}

/// Nothing first, which the others are compared to; then this agent, then its peers.
pub(super) fn all(agent: &Path) -> Vec<Contender> {
    let tracer = |args: &str, output| {
        let args: Vec<String> = args.split(' ').map(str::to_owned).collect();
        Contender {
            name: format!("tracer {}", args.join(" ")),
            output,
            program: Some(Program {
                name: agent.to_owned(),
                args,
            }),
        }
    };
    let peer = |name: &str, args: &[&str], output| Contender {
        name: name.to_owned(),
        output,
        program: Some(Program {
            name: PathBuf::from(name),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
        }),
    };
    vec![
        Contender {
            name: "nothing attached".to_owned(),
            output: Output::Events,
            program: None,
        },
        tracer("live --only summary --time-wait off", Output::Text),
        tracer("live --json --time-wait off", Output::Json),
        tracer("live --csv --time-wait off", Output::Csv),
        tracer("live --time-wait off", Output::Text),
        tracer("live --hook classic --json", Output::Json),
        tracer("live --json --time-wait diag", Output::Json),
        tracer("live --json", Output::Json),
        tracer("live --only summary", Output::Text),
        tracer("record --time-wait off", Output::Evidence),
        tracer("record", Output::Evidence),
        peer("tcpstates", &[], Output::Events),
        peer("tcplife", &[], Output::Events),
        peer("bpftrace", &["-e", BPFTRACE], Output::EventsInFile),
    ]
}

impl Contender {
    pub(super) fn is_baseline(&self) -> bool {
        self.program.is_none()
    }

    /// How to start it: with tracefs in a mount namespace of its own, and not to outlive us. The
    /// process stays the same one through all of it. `None` for nothing.
    pub(super) fn command(&self) -> Result<Option<Command>> {
        let Some(Program { name, args }) = &self.program else {
            return Ok(None);
        };
        let program = match name.is_file() {
            true => name.clone(),
            false => cmd::find(&name.to_string_lossy()).context("it is not installed")?,
        };
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "unshare", "--mount", "sh", "-c"]);
        command.arg(
            "[ -e /sys/kernel/tracing/events ] || \
             mount -t tracefs tracefs /sys/kernel/tracing; exec \"$0\" \"$@\"",
        );
        command.arg(program).args(args);
        Ok(Some(command))
    }
}
