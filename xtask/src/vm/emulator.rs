//! QEMU: the one that is installed, or else Debian's, installed or only unpacked.
//!
//! **Owns:** the order of preference, and how a QEMU that is not installed finds its libraries.
//! **Never:** gives up a package of the user's for it. Where installing would, it is unpacked below
//! the target directory and stays there.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::unpacking;
use crate::packages::Plan;
use crate::root::NotAllowed;
use crate::{cmd, packages};

const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";

/// Where Debian's packages have libraries.
const LIBRARIES: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];

/// A QEMU that can be started.
#[derive(Debug)]
pub(super) struct Emulator {
    program: PathBuf,
    /// Where its packages were unpacked, unless they are installed.
    tree: Option<PathBuf>,
}

impl Emulator {
    /// The one that is here, or else Debian's.
    ///
    /// # Errors
    ///
    /// [`NotAllowed`] with the commands to run by hand, where it can be neither installed nor
    /// unpacked.
    pub(super) fn get(directory: &Path) -> Result<Self> {
        let tree = directory.join("qemu");
        let found = || Self::installed().or_else(|| Self::unpacked(&tree));
        if let Some(emulator) = found() {
            return Ok(emulator);
        }
        match Plan::of(PACKAGE) {
            Ok(plan) if !plan.removed.is_empty() => unpack(&plan, &tree)?,
            // What hinders planning hinders installing, which tells what to do then.
            _ => packages::install(&[packages::EMULATOR])?,
        }
        found().with_context(|| {
            let tree = tree.display();
            format!("Debian's {PACKAGE} is here but does not run; `ldd {tree}/usr/bin/{PROGRAM}` may say why")
        })
    }

    fn installed() -> Option<Self> {
        Some(Self {
            program: cmd::find(PROGRAM)?,
            tree: None,
        })
    }

    /// One that is there but does not run, for want of a library say, is as good as none.
    fn unpacked(tree: &Path) -> Option<Self> {
        let emulator = Self {
            program: tree.join("usr/bin").join(PROGRAM),
            tree: Some(tree.to_owned()),
        };
        cmd::read(emulator.command().arg("--version")).ok()?;
        Some(emulator)
    }

    /// It, to be told what to do. Firmware and modules it finds itself: it looks for them from where
    /// it stands. Only the libraries have to be shown, and to no program but this one.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(tree) = &self.tree {
            let set = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
            let all = LIBRARIES.iter().map(|libraries| tree.join(libraries));
            let all = all.chain(env::split_paths(&set).filter(|path| !path.as_os_str().is_empty()));
            // A tree with a colon in its path cannot be named so, and its QEMU does not run then.
            command.env(
                "LD_LIBRARY_PATH",
                env::join_paths(all).unwrap_or(set.clone()),
            );
        }
        command
    }
}

/// Unpacks it with all that would be installed with it, after saying so.
fn unpack(plan: &Plan, tree: &Path) -> Result<()> {
    let removed = plan.removed.join(" ");
    eprintln!(
        "setup: about to unpack {PACKAGE} and what it needs, {} packages, below {}, as installing \
         it would remove {removed}",
        plan.installed.len(),
        tree.display()
    );
    unpacking::unpack(&plan.installed, tree).map_err(|error| {
        let advice = format!(
            "{PACKAGE} could not be unpacked, and installing it would remove {removed}: {error:#}\n\
             If {removed} may go, run as root\n  apt-get install --no-install-recommends {PACKAGE}\n\
             or else put a {PROGRAM} of your own into PATH, and then start this again."
        );
        NotAllowed(advice).into()
    })
}
