//! Who is measured.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cmd;

/// The same line from bpftrace: who, both ends, both states.
const BPFTRACE: &str = "tracepoint:sock:inet_sock_set_state { \
    printf(\"%lu %d %s %d %d %d %d\\n\", nsecs, pid, comm, args->sport, args->dport, \
    args->oldstate, args->newstate); }";

/// Runs before a contender: tracefs in a mount namespace of its own, a line that says so, and then it
/// becomes the contender when it is told to.
const PREPARE: &str = "[ -e /sys/kernel/tracing/events ] || \
    mount -t tracefs tracefs /sys/kernel/tracing; echo ready; read -r _; exec \"$0\" \"$@\" < /dev/null";

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
    /// `lost N events`, among other lines on either output.
    Events,
}

impl Output {
    /// Whether a loss is told where it happened, rather than in sum at the end.
    pub(super) const fn tells_losses_anywhere(self) -> bool {
        matches!(self, Self::Csv | Self::Events)
    }
}

/// One way to watch.
#[derive(Clone, Debug)]
pub(super) struct Contender {
    pub(super) name: String,
    /// How it says what it lost.
    pub(super) output: Output,
    /// How the name of the program begins that runs once for each state change, as the kernel keeps
    /// it; empty where it has no other programs.
    pub(super) hook: &'static str,
    program: PathBuf,
    args: Vec<String>,
    /// The Debian package that has it.
    package: Option<&'static str>,
}

/// Names that other parts ask for.
pub(super) const EMPTY: &str = "empty program";
pub(super) const RECORD: &str = "tracer record --time-wait off";
pub(super) const RECORD_ALL: &str = "tracer record";
pub(super) const TEXT: &str = "tracer live --time-wait off";
pub(super) const JSON: &str = "tracer live --json --time-wait off";
pub(super) const START: &str = "tracer live --json";
pub(super) const TIMER: &str = "tracer live --json --time-wait timer";
pub(super) const TCPSTATES: &str = "tcpstates";

/// The floor first; then this agent, then its peers.
pub(super) fn all(agent: &Path) -> Result<Vec<Contender>> {
    let tracer = |name: &str, output| of_agent(agent, name, output);
    let peer = |name: &str, args: &[&str], package| Contender {
        name: name.to_owned(),
        output: Output::Events,
        hook: "",
        program: PathBuf::from(name),
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        package: Some(package),
    };
    let empty = Contender {
        name: EMPTY.to_owned(),
        output: Output::Events,
        hook: "",
        program: env::current_exe().context("cannot tell which file this program is")?,
        args: vec!["bench-empty".to_owned()],
        package: None,
    };
    Ok(vec![
        empty,
        tracer(RECORD, Output::Evidence),
        tracer("tracer live --only summary --time-wait off", Output::Text),
        tracer(TEXT, Output::Text),
        tracer(JSON, Output::Json),
        tracer("tracer live --csv --time-wait off", Output::Csv),
        tracer("tracer live --hook classic --json", Output::Json),
        tracer("tracer live --json --time-wait diag", Output::Json),
        tracer(TIMER, Output::Json),
        tracer("tracer live --json --time-wait fentry", Output::Json),
        tracer(RECORD_ALL, Output::Evidence),
        peer(TCPSTATES, &[], "libbpf-tools"),
        peer("tcplife", &[], "libbpf-tools"),
        peer("bpftrace", &["-e", BPFTRACE], "bpftrace"),
    ])
}

/// The agent, with the words that follow `tracer` in a name.
pub(super) fn of_agent(agent: &Path, name: &str, output: Output) -> Contender {
    Contender {
        name: name.to_owned(),
        output,
        hook: "state_change",
        program: agent.to_owned(),
        args: name.split(' ').skip(1).map(str::to_owned).collect(),
        package: None,
    }
}

impl Contender {
    /// How to start it, not to outlive us; the process stays the same one through all of it. It says
    /// `ready`, and becomes the contender when it has read a line.
    pub(super) fn command(&self) -> Result<Command> {
        let program = match self.program.is_file() {
            true => self.program.clone(),
            false => cmd::find(&self.program.to_string_lossy()).with_context(|| self.missing())?,
        };
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]);
        // Shells let what they start in the background ignore interrupts, and that is inherited.
        command.args(["env", "--default-signal=INT"]);
        command.args(["unshare", "--mount", "sh", "-c"]);
        command.arg(PREPARE).arg(program).args(&self.args);
        Ok(command)
    }

    fn missing(&self) -> String {
        match self.package {
            Some(package) => format!("it is not installed (sudo apt-get install {package})"),
            None => format!("there is no file {}", self.program.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_others_ask_for_are_there_once() {
        let all = all(Path::new("/agent")).expect("this program has a file");
        for name in [EMPTY, RECORD, RECORD_ALL, TEXT, JSON, TIMER, TCPSTATES] {
            let with_name = all.iter().filter(|one| one.name == name);
            assert_eq!(with_name.count(), 1, "{name}");
        }
    }

    #[test]
    fn what_is_missing_is_told_with_its_package() {
        let mut contender = of_agent(Path::new("no-such-program"), START, Output::Json);
        let why = |one: &Contender| one.command().expect_err("is missing").to_string();
        assert_eq!(why(&contender), "there is no file no-such-program");
        contender.package = Some("some-tools");
        assert_eq!(
            why(&contender),
            "it is not installed (sudo apt-get install some-tools)"
        );
    }
}
