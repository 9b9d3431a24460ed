//! `cargo xtask setup`: finds what the eBPF build needs, or installs it.
//!
//! **Owns:** the order of preference: what the user has, then what Debian has, then advice.
//! **Never:** asks anything; what it is about to install it says before.
//!
//! Every run looks again, which is cheap, and so follows what the user installs or removes.

use anyhow::{Result, anyhow};

use crate::compiler::{self, Compiler};
use crate::linker::{self, Linker};
use crate::packages;
use crate::place::Place;
use crate::record;
use crate::root::NotAllowed;

/// What stands in the end.
pub(crate) struct Ready {
    pub(crate) place: Place,
    compiler: Compiler,
    linker: Linker,
}

impl std::fmt::Display for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (compiler, linker) = (&self.compiler, &self.linker);
        writeln!(f, "eBPF compiler  {}", compiler.version)?;
        writeln!(f, "  toolchain    {}", compiler.toolchain)?;
        writeln!(f, "eBPF linker    {}", linker.version)?;
        write!(f, "  file         {}", linker.file.display())
    }
}

/// Everything that building takes.
///
/// # Errors
///
/// [`NotAllowed`] with what a person has to run, where something can neither be found nor installed.
pub(crate) fn for_build() -> Result<Ready> {
    let place = Place::find()?;
    let installed = linker::installed();
    let nightly = compiler::nightly(installed.is_some());
    let compiler = nightly.map_or_else(|| compiler::debian(&place), |found| Ok(Some(found)))?;
    let linker = installed.or_else(|| linker::built(&place));

    let mut missing = Vec::new();
    if compiler.is_none() {
        missing.push(packages::COMPILER);
    }
    if linker.is_none() {
        missing.push(packages::LINKER);
    }
    packages::install(&missing).map_err(|error| advise(&error))?;

    let compiler = compiler.map_or_else(|| installed_compiler(&place), Ok)?;
    let linker = linker.map_or_else(|| linker::build(&place), Ok)?;
    record::write(&place, &compiler, &linker)?;
    Ok(Ready {
        place,
        compiler,
        linker,
    })
}

/// Debian's compiler, after its packages were installed.
fn installed_compiler(place: &Place) -> Result<Compiler> {
    compiler::debian(place)?.ok_or_else(|| {
        advise(&anyhow!(
            "/usr/bin/rustc is too old, or has no `core` for BPF"
        ))
    })
}

/// Adds the way that works on any distribution.
fn advise(error: &anyhow::Error) -> anyhow::Error {
    let advice = format!(
        "{error:#}\nOr, on any distribution, where rustup can download:\n  \
         rustup toolchain install nightly --component rust-src\n  \
         cargo install cargo-binstall && cargo binstall bpf-linker\nand then start this again."
    );
    NotAllowed(advice).into()
}
