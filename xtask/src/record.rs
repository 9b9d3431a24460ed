//! The record of a set-up, `target/ebpf/toolchain`, that `tracer/build.rs` reads.
//!
//! Lines of `key = value`; other lines are remarks. The keys:
//!
//! - `toolchain`: what `rustup run` takes, a toolchain's name or the path of one;
//! - `path`: directories to search before the rest of `PATH`, separated by colons;
//! - `bootstrap`: the value of `RUSTC_BOOTSTRAP`, that is the crates that may use unstable features
//!   of a stable compiler; empty for a nightly, which needs none.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::compiler::Compiler;
use crate::linker::Linker;
use crate::place::Place;

/// Writes the record, unless it says the same already: a newer file would rebuild the object.
pub(crate) fn write(place: &Place, compiler: &Compiler, linker: &Linker) -> Result<PathBuf> {
    let file = place.target.join("ebpf/toolchain");
    let text = text(compiler, linker)?;
    if fs::read_to_string(&file).is_ok_and(|present| present == text) {
        return Ok(file);
    }
    fs::create_dir_all(place.target.join("ebpf"))
        .and_then(|()| fs::write(&file, text))
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

fn text(compiler: &Compiler, linker: &Linker) -> Result<String> {
    let mut path: Vec<PathBuf> = linker
        .file
        .parent()
        .map(Path::to_owned)
        .into_iter()
        .collect();
    if compiler.toolchain.starts_with('/') {
        // Where there is no rustup, aya-build takes rustc and cargo from PATH.
        path.push(Path::new(&compiler.toolchain).join("bin"));
    }
    let path = env::join_paths(path).context("a directory with a colon cannot stand in PATH")?;
    Ok(format!(
        "How the eBPF object is built. Written by cargo xtask setup, read by tracer/build.rs.\n\
         toolchain = {}\npath = {}\nbootstrap = {}\n",
        compiler.toolchain,
        path.display(),
        compiler.bootstrap
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(toolchain: &str, bootstrap: &'static str) -> String {
        let compiler = Compiler {
            toolchain: toolchain.to_owned(),
            bootstrap,
            version: String::new(),
        };
        let linker = Linker {
            file: PathBuf::from("/tools/bin/bpf-linker"),
            version: String::new(),
        };
        text(&compiler, &linker).expect("no colons")
    }

    #[test]
    fn a_nightly_needs_only_the_linker_in_the_path() {
        let text = record("nightly", "");
        assert!(text.ends_with("toolchain = nightly\npath = /tools/bin\nbootstrap = \n"));
    }

    #[test]
    fn a_toolchain_by_path_is_searched_too() {
        let text = record("/t/ebpf/rust", "aya_ebpf");
        assert!(text.ends_with(
            "toolchain = /t/ebpf/rust\npath = /tools/bin:/t/ebpf/rust/bin\nbootstrap = aya_ebpf\n"
        ));
    }
}
