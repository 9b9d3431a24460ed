//! What runs inside a machine: the agent, the test programs, and the programs that these start.
//!
//! **Owns:** the root directory of a machine, but for the modules of its kernel.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::archive::Archive;
use super::modules::Module;
use crate::cmd;
use crate::place::Place;
use crate::test::suites::Suite;

/// The first process.
const INIT: &[u8] = include_bytes!("init.sh");

/// Programs of this machine that tests start, by their names.
const STARTED: &[&str] = &[
    "cat",
    "cp",
    "id",
    "ip",
    "mount",
    "sh",
    "stdbuf",
    "tcpstates",
    "umount",
    "unshare",
];

/// What stdbuf makes another program load; `ldd` does not know.
const LOADED: &str = "/usr/libexec/coreutils/libstdbuf.so";

/// The one program that the first process needs; Debian's is one file without libraries.
const BUSYBOX: &str = "/bin/busybox";

/// Empty at first: mounted over, or written to.
const DIRECTORIES: &[&str] = &["dev", "proc", "run", "sys", "tmp"];

/// `makedev` of /dev/console, the first process's terminal.
const CONSOLE: (u32, u32) = (5, 1);

/// Files by their path inside.
pub(super) struct Userland(BTreeMap<PathBuf, Vec<u8>>);

impl Userland {
    /// Reads all of it.
    pub(super) fn gather(place: &Place, suites: &[Suite], filter: &[String]) -> Result<Self> {
        let mut userland = Self(BTreeMap::new());
        userland.add_as("/init", INIT.to_vec());
        userland.add_as("/arguments", arguments(filter));
        userland.add_file(Path::new(BUSYBOX), Path::new(BUSYBOX))?;
        userland.add_program(&place.agent(), Path::new("/tracer"))?;
        for suite in suites.iter().filter(|suite| suite.needs_root()) {
            let inside = Path::new("/suites").join(suite.name().replace(' ', "-"));
            userland.add_program(suite.file(), &inside)?;
        }
        for name in STARTED {
            let program = cmd::find(name)
                .with_context(|| format!("there is no {name} here, which the tests start"))?;
            userland.add_program(&program, &program)?;
        }
        userland.add_program(Path::new(LOADED), Path::new(LOADED))?;
        Ok(userland)
    }

    /// The initramfs with these modules, which are loaded in their order.
    pub(super) fn archive(&self, modules: &[Module]) -> Vec<u8> {
        let mut archive = Archive::default();
        for directory in DIRECTORIES {
            archive.directory(Path::new(directory));
        }
        archive.device(Path::new("/dev/console"), CONSOLE);
        for (path, content) in &self.0 {
            archive.file(path, content);
        }
        for (number, Module { name, object }) in modules.iter().enumerate() {
            archive.file(Path::new(&format!("/modules/{number:02}-{name}")), object);
        }
        archive.finish()
    }

    /// Adds a program with its libraries; these stay where they are on this machine.
    fn add_program(&mut self, file: &Path, inside: &Path) -> Result<()> {
        self.add_file(file, inside)?;
        for library in libraries(file)? {
            self.add_file(&library, &library)?;
        }
        Ok(())
    }

    fn add_file(&mut self, file: &Path, inside: &Path) -> Result<()> {
        let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        self.0.insert(inside.to_owned(), content);
        Ok(())
    }

    fn add_as(&mut self, inside: &str, content: Vec<u8>) {
        self.0.insert(PathBuf::from(inside), content);
    }
}

/// What every suite is told, each word ended by a zero byte.
fn arguments(filter: &[String]) -> Vec<u8> {
    filter
        .iter()
        .flat_map(|word| word.bytes().chain([0]))
        .collect()
}

fn libraries(file: &Path) -> Result<Vec<PathBuf>> {
    let listed = cmd::read(Command::new("ldd").arg(file))?;
    if let Some(missing) = listed.lines().find(|line| line.contains("not found")) {
        bail!("{} lacks a library: {}", file.display(), missing.trim());
    }
    Ok(listed.lines().filter_map(library).collect())
}

/// Reads `libc.so.6 => /lib/libc.so.6 (0x…)` or `/lib64/ld-linux.so.2 (0x…)`; what the kernel
/// brings along has no file.
fn library(line: &str) -> Option<PathBuf> {
    let found = line.split_once("=> ").map_or(line, |(_, file)| file);
    let file = found.split_ascii_whitespace().next()?;
    file.starts_with('/').then(|| PathBuf::from(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_ldd() {
        let is = |line: &str, file: Option<&str>| {
            assert_eq!(library(line), file.map(PathBuf::from), "{line}");
        };
        is("\tlinux-vdso.so.1 (0x00007ffc)", None);
        is(
            "\tlibc.so.6 => /lib/libc.so.6 (0x00007f)",
            Some("/lib/libc.so.6"),
        );
        is(
            "\t/lib64/ld-linux-x86-64.so.2 (0x00007f)",
            Some("/lib64/ld-linux-x86-64.so.2"),
        );
        is("\tstatically linked", None);
    }

    #[test]
    fn a_word_with_a_space_stays_one() {
        assert_eq!(arguments(&["a b".to_owned(), "c".to_owned()]), b"a b\0c\0");
    }
}
