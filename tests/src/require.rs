//! What the live tests need of the host, and what happens where it is missing.
//!
//! A test that cannot run says why. Where `TRACER_REQUIRE_LIVE=1` promises that it can, not
//! running is a failure.

use std::path::Path;
use std::{env, fs};

use crate::tracer::Hook;

/// Returns from a live test that cannot run here, after saying why. With `TRACER_REQUIRE_LIVE=1`
/// it fails instead.
#[macro_export]
macro_rules! require_live {
    ($hook:expr) => {
        if let Some(reason) = $crate::require::missing($hook) {
            $crate::require::skip(&reason);
            return;
        }
    };
}

/// Says why a test does not run.
///
/// # Panics
///
/// Panics where `TRACER_REQUIRE_LIVE=1` promises that it can run.
pub fn skip(reason: &str) {
    let required = env::var_os("TRACER_REQUIRE_LIVE").is_some_and(|value| value == "1");
    assert!(
        !required,
        "cannot run, though TRACER_REQUIRE_LIVE=1: {reason}"
    );
    eprintln!("skipped: {reason}");
}

/// Says why a test does not run that starts programs of others. A machine of its own has those alone that were brought
/// into it, and promises no more.
///
/// # Panics
///
/// Panics where `TRACER_REQUIRE_LIVE=1` promises that it can run, on any other host.
pub fn skip_without(program: &str) {
    let reason = format!("no {program}: `cargo xtask test` installs what is missing");
    match env::var_os("TRACER_OWN_MACHINE") {
        Some(_) => eprintln!("skipped: no {program} in this machine"),
        None => skip(&reason),
    }
}

/// Returns what the host lacks for tracing through `hook`.
pub fn missing(hook: Hook) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("not root: network namespaces and tracing need it".to_owned());
    }
    if let Err(reason) = crate::tracer::binary() {
        return Some(reason);
    }
    match hook {
        Hook::Btf if !Path::new("/sys/kernel/btf/vmlinux").exists() => {
            Some("no BTF: the kernel was built without CONFIG_DEBUG_INFO_BTF".to_owned())
        }
        Hook::Classic if !knows_tracefs() => {
            Some("no tracefs: the kernel was built without CONFIG_FTRACE".to_owned())
        }
        Hook::Btf | Hook::Classic => None,
    }
}

fn knows_tracefs() -> bool {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    known.lines().any(|line| line.ends_with("\ttracefs"))
}
