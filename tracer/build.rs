//! Builds the eBPF object and leaves it at `OUT_DIR/tracer-object`, and without what only debuggers read at
//! `OUT_DIR/tracer-object-stripped` for the agent to embed.
//!
//! **Owns:** reading what `cargo xtask setup` recorded, and handing it to aya-build.
//! **Never:** installs anything, and never looks further than the record and an installed nightly.
//!
//! aya-build takes its settings from the environment (`RUSTC_BOOTSTRAP`, `PATH`), and changing
//! one's own environment is `unsafe`; so the script runs itself once more with the right one.

#[path = "build/strip.rs"]
mod strip;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};
use aya_build::{Package, Toolchain};

/// Set for the second run, to the toolchain that it builds with.
const TOOLCHAIN: &str = "TRACER_EBPF_TOOLCHAIN";

/// What cannot be found by itself is set up by this command.
const REMEDY: &str = "run `cargo xtask setup`, which finds or installs what the eBPF build needs";

fn main() {
    if let Err(error) = build() {
        for line in format!("{error:#}").lines() {
            println!("cargo::error={line}");
        }
    }
}

fn build() -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("this package has no directory above it")?;
    match env::var(TOOLCHAIN) {
        Ok(toolchain) => build_object(workspace, &toolchain),
        Err(_) => run_again(&find_settings(workspace)?),
    }
}

/// How to build for BPF on this machine.
struct Settings {
    /// What `rustup run` takes: a toolchain's name, or the path of one.
    toolchain: String,
    /// Directories to search before the rest of `PATH`.
    path: Vec<PathBuf>,
    /// Crates that may use unstable features of a stable compiler; empty for a nightly.
    bootstrap: String,
}

/// Looks for the record in the target directory that is being built into, then in the workspace's
/// own, so that a build with another `CARGO_TARGET_DIR` needs no set-up of its own.
fn find_settings(workspace: &Path) -> Result<Settings> {
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").context("cargo did not set OUT_DIR")?);
    let record = out_dir
        .ancestors()
        .chain([workspace.join("target").as_path()])
        .map(|directory| directory.join("ebpf/toolchain"))
        .find(|file| file.is_file());
    match record {
        Some(file) => read_record(&file),
        None => installed_nightly(),
    }
}

/// Reads `key = value` lines; `xtask/src/record.rs` writes and documents them.
fn read_record(file: &Path) -> Result<Settings> {
    println!("cargo::rerun-if-changed={}", file.display());
    let text = fs::read_to_string(file)
        .with_context(|| format!("cannot read {}; {REMEDY}", file.display()))?;
    let value = |wanted: &str| {
        text.lines()
            .filter_map(|line| line.split_once('='))
            .find(|(key, _)| key.trim() == wanted)
            .map(|(_, value)| value.trim().to_owned())
            .with_context(|| format!("{} has no `{wanted}`; {REMEDY}", file.display()))
    };
    Ok(Settings {
        toolchain: value("toolchain")?,
        path: env::split_paths(&value("path")?).collect(),
        bootstrap: value("bootstrap")?,
    })
}

/// The usual set-up of people who write eBPF in Rust works without a record.
fn installed_nightly() -> Result<Settings> {
    let sysroot = Command::new("rustup")
        .args(["run", "nightly", "rustc", "--print", "sysroot"])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok());
    let has_source = sysroot.is_some_and(|sysroot| {
        Path::new(sysroot.trim())
            .join("lib/rustlib/src/rust/library/core/src/lib.rs")
            .is_file()
    });
    let has_linker = Command::new("bpf-linker").arg("--version").output().is_ok();
    if !(has_source && has_linker) {
        bail!("there is no compiler for eBPF yet; {REMEDY}");
    }
    Ok(Settings {
        toolchain: "nightly".to_owned(),
        path: Vec::new(),
        bootstrap: String::new(),
    })
}

/// Runs this script again with the environment that aya-build and its cargo expect.
fn run_again(settings: &Settings) -> Result<()> {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let path: OsString = env::join_paths(
        settings
            .path
            .iter()
            .cloned()
            .chain(env::split_paths(&inherited)),
    )
    .context("a directory of the record cannot stand in PATH")?;
    let mut script = Command::new(env::current_exe().context("cannot find this build script")?);
    script
        .env(TOOLCHAIN, &settings.toolchain)
        .env("PATH", path)
        // Its progress would reach the user as warnings of this package, at every build.
        .env("CARGO_TERM_QUIET", "true");
    if settings.bootstrap.is_empty() {
        script.env_remove("RUSTC_BOOTSTRAP");
    } else {
        script.env("RUSTC_BOOTSTRAP", &settings.bootstrap);
    }
    let status = script
        .status()
        .context("cannot start this build script again")?;
    if !status.success() {
        bail!("the build script ended with {status}");
    }
    Ok(())
}

fn build_object(workspace: &Path, toolchain: &str) -> Result<()> {
    // aya-build watches the package itself; versions and the release profile are the workspace's.
    for file in ["Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", workspace.join(file).display());
    }
    let root_dir = workspace.join("tracer-ebpf");
    let package = Package {
        name: "tracer-ebpf",
        root_dir: root_dir
            .to_str()
            .with_context(|| format!("{} is not UTF-8", root_dir.display()))?,
        ..Package::default()
    };
    aya_build::build_ebpf([package], Toolchain::Custom(toolchain)).map_err(|error| {
        anyhow!(
            "the eBPF object was not built with the toolchain `{toolchain}`: {error:#}\nif nothing \
             above names a mistake in tracer-ebpf, the toolchain or the bpf-linker does not fit: \
             update or remove it, and {REMEDY}"
        )
    })?;
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").context("cargo did not set OUT_DIR")?);
    let object = fs::read(out_dir.join("tracer-object")).context("cannot read the object")?;
    let stripped = strip::without_debug_info(&object)
        .context("the object is no ELF file as the linker makes them")?;
    fs::write(out_dir.join("tracer-object-stripped"), stripped)
        .context("cannot write the object without debug information")
}
