//! bpf-linker: finding one, or building the pinned one.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::cmd;
use crate::packages::{LLVM_MAJOR, LLVM_PREFIX};
use crate::place::Place;

/// The release that is built where none is installed.
const VERSION: &str = "0.13.0";

/// A bpf-linker that runs.
pub(crate) struct Linker {
    pub(crate) file: PathBuf,
    /// What it says of itself, for people.
    pub(crate) version: String,
}

impl Linker {
    /// One that is there but does not run, for want of its LLVM say, is as good as none.
    fn at(file: PathBuf) -> Option<Self> {
        let version = cmd::read(Command::new(&file).arg("--version")).ok()?;
        Some(Self { file, version })
    }
}

/// One that the user installed: in `PATH`, or where cargo installs.
pub(crate) fn installed() -> Option<Linker> {
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    cmd::find("bpf-linker")
        .into_iter()
        .chain(cargo_home.map(|directory| directory.join("bin/bpf-linker")))
        .find_map(Linker::at)
}

/// One that an earlier set-up built.
pub(crate) fn built(place: &Place) -> Option<Linker> {
    [&place.target, &place.workspace.join("target")]
        .into_iter()
        .map(|target| tools(target).join("bin/bpf-linker"))
        .find_map(Linker::at)
}

/// Builds the pinned one; its packages have to be there.
pub(crate) fn build(place: &Place) -> Result<Linker> {
    eprintln!("setup: building bpf-linker {VERSION}, about a minute");
    let start = Instant::now();
    let scratch = place.target.join("ebpf/bpf-linker-build");
    cmd::run(
        place
            .cargo()
            .env("LLVM_PREFIX", LLVM_PREFIX)
            .args(["install", "bpf-linker", "--quiet", "--locked", "--force"])
            .args(["--version", VERSION, "--no-default-features"])
            .args(["--features", &format!("llvm-{LLVM_MAJOR}")])
            .arg("--root")
            .arg(tools(&place.target))
            .arg("--target-dir")
            .arg(&scratch),
    )?;
    fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))?;
    let seconds = start.elapsed().as_secs_f32();
    eprintln!("setup: built bpf-linker in {seconds:.0} s");
    built(place).context("bpf-linker was built but does not run")
}

fn tools(target: &Path) -> PathBuf {
    target.join("tools")
}
