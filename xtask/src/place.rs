//! Where things are: the workspace, its target directory, the agent.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::cmd;

/// The directories that the verbs work in.
pub(crate) struct Place {
    /// The checkout.
    pub(crate) workspace: PathBuf,
    /// Cargo's target directory for it, wherever `CARGO_TARGET_DIR` or a configuration puts it.
    pub(crate) target: PathBuf,
}

impl Place {
    /// Asks cargo, which alone knows all the ways to move a target directory.
    pub(crate) fn find() -> Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("the package xtask has no directory above it")?;
        let metadata = cmd::read(
            Command::new(cargo())
                .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
                .arg("--manifest-path")
                .arg(workspace.join("Cargo.toml")),
        )?;
        let metadata: Value =
            serde_json::from_str(&metadata).context("cargo metadata wrote no JSON")?;
        let target = metadata["target_directory"]
            .as_str()
            .context("cargo metadata names no target directory")?;
        Ok(Self {
            workspace: workspace.to_owned(),
            target: PathBuf::from(target),
        })
    }

    /// The agent, once it is built.
    pub(crate) fn agent(&self) -> PathBuf {
        self.target.join("release/tracer")
    }

    /// A cargo that works in the workspace and builds into its target directory.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new(cargo());
        cargo
            .current_dir(&self.workspace)
            .env("CARGO_TARGET_DIR", &self.target);
        cargo
    }
}

/// The cargo that runs this program; cargo says so itself.
pub(crate) fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}
