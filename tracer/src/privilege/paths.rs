//! Landlock: which files are open to the process, and that the network and other processes are not.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, make_bitflags,
};
use rustix::fs::{CWD, Mode, OFlags, openat};

use super::Allowed;

/// The newest interface that is asked for; of it, a kernel enforces what it knows.
const NEWEST: ABI = ABI::V10;

/// Files and directories that stay open to the process.
pub(super) struct Rules {
    /// Each held open: below `/proc` a rule goes with the directory that it was made for, and the kernel
    /// makes that one anew when nobody holds it.
    opened: Vec<(OwnedFd, BitFlags<AccessFs>)>,
}

impl Rules {
    /// Opens what is allowed; what is not there is not needed.
    pub(super) fn open(allowed: &Allowed) -> Self {
        let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
        let write =
            read | make_bitflags!(AccessFs::{WriteFile | MakeReg | RemoveFile | Truncate | Refer});
        let open = |path: &PathBuf, access: BitFlags<AccessFs>| {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let opened = openat(CWD, path, flags, Mode::empty()).ok()?;
            // A file has no entries.
            let is_directory = path.is_dir();
            let access = match is_directory {
                true => access,
                false => access & AccessFs::from_file(NEWEST),
            };
            Some((opened, access))
        };
        let read_only = allowed.read.iter().filter_map(|path| open(path, read));
        let written = allowed.write_below.iter();
        Self {
            opened: read_only
                .chain(written.filter_map(|path| open(path, write)))
                .collect(),
        }
    }

    /// Closes everything else. Returns the version of the interface that is in force, if one is, and what
    /// is to be held for it.
    pub(super) fn enforce(self) -> (Option<u32>, Vec<OwnedFd>) {
        let landlock = self.restrict().unwrap_or(None);
        let held = self.opened.into_iter().map(|(opened, _)| opened);
        (landlock, held.collect())
    }

    fn restrict(&self) -> Result<Option<u32>, RulesetError> {
        let mut rules = Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?;
        for (opened, access) in &self.opened {
            rules = rules.add_rule(PathBeneath::new(opened.as_fd(), *access))?;
        }
        let status = rules.restrict_self()?;
        Ok(match (status.ruleset, status.landlock) {
            (RulesetStatus::NotEnforced, _) => None,
            (_, LandlockStatus::Available { effective_abi, .. }) => {
                Some(effective_abi as i32 as u32)
            }
            _ => None,
        })
    }
}
