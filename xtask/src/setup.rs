//! `cargo xtask setup`: finds what the eBPF build needs, or installs it.
//!
//! **Owns:** the order of preference: what the user has, then what Debian has, then advice.
//! **Never:** asks anything; what it is about to install it says before.
//!
//! Every run looks again, which is cheap, and so follows what the user installs or removes.

use anyhow::Result;

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
pub(crate) fn for_build() -> Result<Ready> {
    let place = Place::find()?;
    let installed = linker::installed();
    let compiler = find_compiler(&place, installed.is_some())?;
    let linker = match installed.or_else(|| linker::built(&place)) {
        Some(linker) => linker,
        None => linker::build(&place).map_err(|error| advise("bpf-linker", &error))?,
    };
    record::write(&place, &compiler, &linker)?;
    Ok(Ready {
        place,
        compiler,
        linker,
    })
}

fn find_compiler(place: &Place, linker_is_installed: bool) -> Result<Compiler> {
    if let Some(compiler) = compiler::nightly(linker_is_installed) {
        return Ok(compiler);
    }
    if let Some(compiler) = compiler::debian(place)? {
        return Ok(compiler);
    }
    packages::install(packages::COMPILER)
        .map_err(|error| advise("a Rust compiler for eBPF", &error))?;
    compiler::debian(place)?.ok_or_else(|| {
        let reason = anyhow::anyhow!("Debian's rustc is too old here, or has no `core` for BPF");
        advise("a Rust compiler for eBPF", &reason)
    })
}

/// Adds the way that works on any distribution.
fn advise(what: &str, error: &anyhow::Error) -> anyhow::Error {
    let advice = format!(
        "{what} is missing. {error:#}\nOr, where rustup can download:\n  \
         rustup toolchain install nightly --component rust-src\n  \
         cargo install cargo-binstall && cargo binstall bpf-linker\nand then start this again."
    );
    NotAllowed(advice).into()
}
