//! Debian's packages without installing them: fetched, unpacked, kept.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{cmd, packages};

/// Downloads packages and unpacks them into one tree, which has its name only when it is whole. What
/// was there before is replaced.
pub(super) fn unpack(packages: &[impl AsRef<str>], tree: &Path) -> Result<()> {
    let partial = tree.with_file_name("partial");
    remove(&partial)?;
    fs::create_dir_all(&partial).with_context(|| format!("cannot make {}", partial.display()))?;
    let unpacked = partial.join("tree");
    for file in packages::download(packages, &partial)? {
        let mut extract = Command::new("dpkg-deb");
        cmd::run(extract.arg("--extract").arg(&file).arg(&unpacked))?;
    }
    remove(tree)?;
    fs::rename(&unpacked, tree).with_context(|| format!("cannot make {}", tree.display()))?;
    remove(&partial)
}

fn remove(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)
            .with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    Ok(())
}
