//! Which hook can be had: the kernel's types, tracefs, and lockdown.

use std::io;
use std::path::PathBuf;
use std::{fs, str};

use super::super::live::Hook;
use super::kernel::{KernelRelease, OLDEST_KERNEL};
use super::{Host, cannot_read, not_ok, ok};
use crate::model::host::{Check, Verdict};

pub(super) const BTF: &str = "/sys/kernel/btf/vmlinux";
/// The type that a kernel with the tracepoint has for it.
const BTF_TYPE: &[u8] = b"btf_trace_inet_sock_set_state";
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
const FORMAT: &str = "events/sock/inet_sock_set_state/format";
const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

/// The kernel's types, as far as the hook needs them.
pub(super) enum Types {
    /// They describe the tracepoint.
    Described { bytes: usize },
    /// They do not.
    Silent { bytes: usize },
    /// There are none.
    Absent,
    /// They cannot be read.
    Unreadable(String),
}

/// The tracepoint in tracefs, as this process sees it. The paths are mount points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tracefs {
    /// Its layout can be read.
    Readable(PathBuf),
    /// tracefs is there, without the tracepoint.
    NoTracepoint(PathBuf),
    /// This process may not look, or the kernel's lockdown forbids it.
    Denied(PathBuf),
    /// tracefs is in neither of the usual places.
    NotMounted,
    /// Something else is wrong.
    Broken(String),
}

impl Host {
    pub(super) fn types(&self) -> Types {
        let path = self.path(BTF);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Types::Absent,
            Err(error) => return Types::Unreadable(cannot_read(&path, &error)),
        };
        let described = bytes.split(|&byte| byte == 0).any(|name| name == BTF_TYPE);
        let bytes = bytes.len();
        match described {
            true => Types::Described { bytes },
            false => Types::Silent { bytes },
        }
    }

    /// Returns how this process sees the tracepoint in tracefs.
    pub fn tracefs(&self) -> Tracefs {
        let mut seen = Tracefs::NotMounted;
        for place in TRACEFS {
            let place = self.path(place);
            let format = place.join(FORMAT);
            seen = match fs::read(&format) {
                Ok(_) => return Tracefs::Readable(place),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    Tracefs::Denied(place)
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Tracefs::Broken(cannot_read(&format, &error))
                }
                Err(_) if place.join("events").exists() => Tracefs::NoTracepoint(place),
                // What the place before showed stands.
                Err(_) => continue,
            };
        }
        seen
    }

    /// Returns the mode that lockdown is in; `None` where the kernel has none or does not show it.
    pub(super) fn lockdown(&self) -> Option<String> {
        let text = self.read(LOCKDOWN).ok()?;
        let (_, rest) = text.split_once('[')?;
        let (mode, _) = rest.split_once(']')?;
        Some(mode.to_owned())
    }
}

/// Returns the name of the hook that `--hook auto` would take.
pub(super) fn chosen(
    release: Option<&KernelRelease>,
    types: &Types,
    tracefs: &Tracefs,
) -> Option<&'static str> {
    if release.is_some_and(|release| *release < OLDEST_KERNEL) {
        return None;
    }
    if matches!(types, Types::Described { .. }) {
        return Some(Hook::Btf.name());
    }
    matches!(tracefs, Tracefs::Readable(_)).then_some(Hook::Classic.name())
}

pub(super) fn check_types(types: &Types) -> Check {
    let name = "kernel types";
    let without = "Without them the classic hook is taken.";
    match types {
        Types::Described { bytes } => ok(
            name,
            format!(
                "BTF in {BTF} ({}), with the tracepoint's type",
                size(*bytes)
            ),
            "The typed hook can be taken: it also gives cookie, namespace, cgroup, uid, error and \
             the process that holds a socket.",
        ),
        Types::Silent { bytes } => not_ok(
            name,
            Verdict::Missing,
            format!(
                "BTF in {BTF} ({}), without {}",
                size(*bytes),
                str::from_utf8(BTF_TYPE).unwrap_or_default()
            ),
            without,
            "boot a kernel with the tracepoint sock:inet_sock_set_state (4.16 or later)",
        ),
        Types::Absent => not_ok(
            name,
            Verdict::Missing,
            format!("no {BTF}"),
            without,
            "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y",
        ),
        Types::Unreadable(why) => {
            not_ok(name, Verdict::Unknown, why.as_str(), without, "run as root")
        }
    }
}

pub(super) fn check_tracefs(tracefs: &Tracefs, hook: Option<&'static str>) -> Check {
    let name = "tracefs";
    // Only the classic hook reads it.
    let needed = hook != Some(Hook::Btf.name());
    let (means, absent) = match needed {
        true => ("The classic hook cannot be taken.", Verdict::Missing),
        false => (
            "Not needed: the typed hook works without. `--hook classic` would not.",
            Verdict::Limited,
        ),
    };
    match tracefs {
        Tracefs::Readable(place) => ok(
            name,
            format!(
                "{}, and the tracepoint's layout is readable",
                place.display()
            ),
            "The classic hook can be taken.",
        ),
        Tracefs::NotMounted => not_ok(
            name,
            absent,
            "not mounted in /sys/kernel/tracing or /sys/kernel/debug/tracing",
            means,
            "mount -t tracefs tracefs /sys/kernel/tracing",
        ),
        Tracefs::NoTracepoint(place) => not_ok(
            name,
            absent,
            format!("{}, without sock:inet_sock_set_state", place.display()),
            means,
            "boot a kernel with that tracepoint (4.16 or later, CONFIG_TRACEPOINTS)",
        ),
        Tracefs::Denied(place) => not_ok(
            name,
            Verdict::Unknown,
            format!("{} does not let this process in", place.display()),
            "Whether the classic hook can be taken is not known.",
            "run as root; if it is root, see lockdown below",
        ),
        Tracefs::Broken(why) => not_ok(name, Verdict::Unknown, why.as_str(), means, "run as root"),
    }
}

pub(super) fn check_hook(hook: Option<&'static str>, tracefs: &Tracefs) -> Check {
    let name = "hook";
    let Some(hook) = hook else {
        if matches!(tracefs, Tracefs::Denied(_)) {
            return not_ok(
                name,
                Verdict::Unknown,
                "not tp_btf; whether the classic tracepoint can be had is not known",
                "A trace may start, without much that only the typed hook tells.",
                "run as root",
            );
        }
        return not_ok(
            name,
            Verdict::Missing,
            "neither tp_btf nor the classic tracepoint can be had",
            "Nothing can be traced.",
            "see kernel, kernel types and tracefs above",
        );
    };
    if hook == Hook::Btf.name() {
        return ok(
            name,
            format!("auto takes {hook}"),
            "Every field of a change is known, but for those that this kernel's structures lack: \
             a session's first line names them.",
        );
    }
    not_ok(
        name,
        Verdict::Limited,
        format!("auto takes the classic {hook}"),
        "A trace does not tell the socket cookie, the network namespace, the cgroup, the owner's \
         uid, which process holds a socket, or the error that ended a connection.",
        "boot a kernel with BTF to have them",
    )
}

pub(super) fn check_lockdown(lockdown: &Option<String>) -> Check {
    let name = "lockdown";
    match lockdown.as_deref() {
        None => ok(name, "none seen", "Nothing is forbidden by it."),
        Some("none") => ok(name, "none", "Nothing is forbidden by it."),
        Some("integrity") => ok(
            name,
            "integrity",
            "It forbids changing the kernel. Reading it, as a trace does, is allowed.",
        ),
        Some("confidentiality") => not_ok(
            name,
            Verdict::Limited,
            "confidentiality",
            "It closes tracefs and forbids programs to copy kernel memory: the classic hook and \
             `--cgroup` are refused. The typed hook does without both, but a kernel may refuse it.",
            "boot with lockdown=integrity if a trace is refused",
        ),
        Some(other) => not_ok(
            name,
            Verdict::Unknown,
            format!("a mode that is not known here: {other}"),
            "What it forbids will show when it refuses.",
            "see kernel_lockdown(7)",
        ),
    }
}

/// Writes a size as people read it.
fn size(bytes: usize) -> String {
    const MIB: usize = 1 << 20;
    if bytes < MIB {
        return format!("{} KiB", bytes >> 10);
    }
    format!("{}.{} MiB", bytes / MIB, bytes % MIB * 10 / MIB)
}
