//! Which Rust compiler builds for BPF.
//!
//! Building for BPF takes a `core` for it and an unstable feature of aya-ebpf. A nightly with
//! rust-src has both. Debian's rustc-web has the first, and is told by `RUSTC_BOOTSTRAP` to permit
//! the second, to that crate alone; aya-build then leaves the prebuilt `core` as it is.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cmd;
use crate::packages::LLVM_MAJOR;
use crate::place::{self, Place};

/// The target without an operating system that objects for this machine are built for.
const BPF_TARGET: &str = if cfg!(target_endian = "big") {
    "bpfeb-unknown-none"
} else {
    "bpfel-unknown-none"
};

/// A compiler for BPF that is there.
pub(crate) struct Compiler {
    /// What `rustup run` takes: a toolchain's name, or the path of one.
    pub(crate) toolchain: String,
    /// Crates that may use unstable features; empty for a nightly.
    pub(crate) bootstrap: &'static str,
    /// What it says of itself, for people.
    pub(crate) version: String,
}

/// A nightly of rustup's with the sources of `core`.
///
/// `linker_is_installed` tells whether a bpf-linker came from elsewhere, presumably with an LLVM
/// for this nightly; ours cannot read what a newer LLVM wrote.
pub(crate) fn nightly(linker_is_installed: bool) -> Option<Compiler> {
    let list = cmd::read(Command::new("rustup").args(["toolchain", "list", "--verbose"])).ok()?;
    list.lines()
        .filter(|line| line.starts_with("nightly"))
        .filter_map(|line| {
            let name = line.split_whitespace().next()?;
            let directory = Path::new(&line[line.find('/')?..]);
            let source = directory.join("lib/rustlib/src/rust/library/core/src/lib.rs");
            let about = About::ask(&directory.join("bin/rustc"))?;
            let can_be_linked = linker_is_installed || about.llvm_major <= LLVM_MAJOR;
            (source.is_file() && can_be_linked).then(|| Compiler {
                toolchain: name.to_owned(),
                bootstrap: "",
                version: about.version,
            })
        })
        .next()
}

/// Debian's rustc, if it is recent enough and has `core` for BPF.
///
/// rustup and aya-build want a whole toolchain, and rustc-web comes without a cargo; so one is put
/// together under the target directory: that rustc, and the cargo that runs us.
pub(crate) fn debian(place: &Place) -> Result<Option<Compiler>> {
    let rustc = Path::new("/usr/bin/rustc");
    let core = Path::new("/usr/lib/rustlib").join(BPF_TARGET);
    let Some(about) = About::ask(rustc).filter(|_| core.is_dir()) else {
        return Ok(None);
    };
    if !about.is_recent() || about.llvm_major > LLVM_MAJOR {
        return Ok(None);
    }
    let toolchain = place.target.join("ebpf/rust");
    let bin = toolchain.join("bin");
    fs::create_dir_all(&bin).with_context(|| format!("cannot create {}", bin.display()))?;
    link(rustc, &bin.join("rustc"))?;
    link(&place::cargo(), &bin.join("cargo"))?;
    Ok(Some(Compiler {
        toolchain: toolchain.display().to_string(),
        bootstrap: "aya_ebpf,tracer_object",
        version: about.version,
    }))
}

fn link(original: &Path, link: &Path) -> Result<()> {
    if fs::read_link(link).is_ok_and(|present| present == original) {
        return Ok(());
    }
    if link.is_symlink() {
        fs::remove_file(link).with_context(|| format!("cannot replace {}", link.display()))?;
    }
    symlink(original, link).with_context(|| format!("cannot create {}", link.display()))
}

/// What a rustc says of itself.
struct About {
    version: String,
    minor: u32,
    llvm_major: u32,
}

impl About {
    fn ask(rustc: &Path) -> Option<Self> {
        Self::parse(&cmd::read(Command::new(rustc).arg("-vV")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let mut release = field("release: ")?.split(['.', '-']);
        Some(Self {
            version: text.lines().next()?.to_owned(),
            minor: release.nth(1)?.parse().ok()?,
            llvm_major: field("LLVM version: ")?.split('.').next()?.parse().ok()?,
        })
    }

    /// Whether the workspace's `rust-version` is met.
    fn is_recent(&self) -> bool {
        let wanted = env!("CARGO_PKG_RUST_VERSION").split('.').nth(1);
        wanted
            .and_then(|minor| minor.parse().ok())
            .is_some_and(|minor: u32| self.minor >= minor)
    }
}

#[cfg(test)]
mod tests {
    use super::About;

    #[test]
    fn reads_what_rustc_says_of_itself() {
        let text = "rustc 1.97.0-nightly (e50aa6fba 2026-05-19)\nbinary: rustc\n\
                    release: 1.97.0-nightly\nLLVM version: 22.1.4";
        let about = About::parse(text).expect("is well formed");
        assert_eq!(about.version, "rustc 1.97.0-nightly (e50aa6fba 2026-05-19)");
        assert_eq!((about.minor, about.llvm_major), (97, 22));
        assert!(about.is_recent());
        let old = About::parse("rustc 1.63.0\nrelease: 1.63.0\nLLVM version: 14.0.6")
            .expect("is well formed");
        assert!(!old.is_recent());
        assert!(About::parse("something else").is_none());
    }
}
