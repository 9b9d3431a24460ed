//! What apt-get would do to install a package, asked without doing it.

use std::process::Command;

use anyhow::Result;

use crate::cmd;

/// The packages that would come and go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Each as apt-get takes it: `name=version`.
    pub(crate) installed: Vec<String>,
    /// By name.
    pub(crate) removed: Vec<String>,
}

impl Plan {
    /// Asks apt-get. Package lists that are too old to know the package are renewed, where that is
    /// allowed.
    pub(crate) fn of(package: &str) -> Result<Self> {
        let ask = || {
            let options = ["-qq", "--simulate", "--no-install-recommends", "install"];
            cmd::read(Command::new("apt-get").args(options).arg(package))
        };
        let said = ask().or_else(|_| {
            cmd::run(super::apt_get()?.arg("update"))?;
            ask()
        })?;
        Ok(Self::parse(&said))
    }

    /// Reads `Inst name [version that is here] (version source [architecture])` and `Remv name
    /// [version]`; other lines tell of other things, and of the same once more.
    fn parse(said: &str) -> Self {
        let mut plan = Self {
            installed: Vec::new(),
            removed: Vec::new(),
        };
        for line in said.lines() {
            let mut words = line.split_ascii_whitespace();
            match (words.next(), words.next()) {
                (Some("Inst"), Some(name)) => {
                    let version = words.find_map(|word| word.strip_prefix('('));
                    plan.installed
                        .extend(version.map(|it| format!("{name}={it}")));
                }
                (Some("Remv"), Some(name)) => plan.removed.push(name.to_owned()),
                _ => {}
            }
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_what_goes_is_read_from_a_simulation() {
        let plan = Plan::parse(
            "NOTE: This is only a simulation!\n\
             The following packages will be REMOVED:\n  qemu-utils\n\
             Remv qemu-utils [1:10.0.2+ds-2+deb13u1~bpo12+1]\n\
             Inst libfdt1 (1.6.1-4+b1 Debian:12.15/oldstable [amd64])\n\
             Inst libnl-3-200 [3.5.0-1] (3.7.0-0.2+b1 Debian:12.15/oldstable [amd64]) []\n\
             Inst seabios (1.16.2-1 Debian:12.15/oldstable, Debian-Security:12/oldstable [all])\n\
             Conf libfdt1 (1.6.1-4+b1 Debian:12.15/oldstable [amd64])\n",
        );
        assert_eq!(
            plan.installed,
            [
                "libfdt1=1.6.1-4+b1",
                "libnl-3-200=3.7.0-0.2+b1",
                "seabios=1.16.2-1"
            ]
        );
        assert_eq!(plan.removed, ["qemu-utils"]);
    }

    #[test]
    fn where_nothing_has_to_be_done_nothing_is_planned() {
        let plan = Plan::parse("qemu-system-x86 is already the newest version (1:7.2).\n");
        assert!(plan.installed.is_empty() && plan.removed.is_empty());
    }
}
