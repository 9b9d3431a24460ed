//! Who we are, and how to become root where only root will do.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cmd;

/// This machine or this user does not allow it; the text says what a person has to run.
#[derive(Debug)]
pub(crate) struct NotAllowed(pub(crate) String);

impl std::fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotAllowed {}

/// Whether this process runs as root. `/proc/self` belongs to the effective user.
pub(crate) fn is_root() -> Result<bool> {
    let process = fs::metadata("/proc/self").context("cannot ask /proc/self who we are")?;
    Ok(process.uid() == 0)
}

/// The program as root: by itself for root, else through sudo. Without a terminal nobody can type
/// a password, so sudo is told not to wait for one.
pub(crate) fn command(program: &Path) -> Result<Command> {
    if is_root()? {
        return Ok(Command::new(program));
    }
    if cmd::find("sudo").is_none() {
        return Err(NotAllowed("this takes root, and there is no sudo here".to_owned()).into());
    }
    let mut sudo = Command::new("sudo");
    if !io::stdin().is_terminal() {
        sudo.arg("--non-interactive");
    }
    sudo.arg("--").arg(program);
    Ok(sudo)
}
