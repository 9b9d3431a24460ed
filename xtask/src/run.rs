//! `cargo xtask run`: builds as the user, and starts the agent, as root where it needs that.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::root;
use crate::{build, cmd};

/// The verbs of the agent that never need privileges.
const PLAIN: &[&str] = &["states", "show", "verify", "help"];

/// Becomes the agent, so that signals and its exit code pass through.
pub(crate) fn agent(args: &[String]) -> Result<()> {
    let agent = build::agent()?.agent();
    let mut command = if needs_root(args) {
        root::command(&agent)?
    } else {
        Command::new(&agent)
    };
    if args.is_empty() {
        command.arg("live");
    }
    command.args(args);
    if !root::is_root()? && needs_root(args) {
        eprintln!("xtask: starting {}", cmd::show(&command));
    }
    Err(command.exec()).with_context(|| format!("cannot start {}", cmd::show(&command)))
}

fn needs_root(args: &[String]) -> bool {
    let asks_for_help = args
        .iter()
        .take_while(|arg| *arg != "--")
        .any(|arg| ["-h", "--help", "-V", "--version"].contains(&arg.as_str()));
    let verb = args.iter().find(|arg| !arg.starts_with('-'));
    !asks_for_help && !verb.is_some_and(|verb| PLAIN.contains(&verb.as_str()))
}

#[cfg(test)]
mod tests {
    use super::needs_root;

    fn needs(args: &str) -> bool {
        let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
        needs_root(&args)
    }

    #[test]
    fn only_what_attaches_needs_root() {
        assert!(needs(""));
        assert!(needs("live --json"));
        assert!(needs("live -- curl --help"));
        assert!(needs("doctor"));
        assert!(!needs("states TIME_WAIT"));
        assert!(!needs("show file"));
        assert!(!needs("live --help"));
    }
}
