//! What this host allows, looked at before anything is tried.
//!
//! **Owns:** the checks of `tracer doctor`, and the same facts as typed answers for error messages.
//! **Never:** a change of the host: nothing is mounted, loaded or set; and no word on how a report
//! is written.

mod hooks;
mod kernel;
mod network;
mod privileges;
mod settings;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::host::{Check, Conclusion, HostReport, Verdict};

pub use hooks::Tracefs;
pub use kernel::{KernelRelease, OLDEST_KERNEL, ReleaseError};
pub use privileges::{Capability, Privileges};

use hooks::Types;
use network::{list_sockets, look_for_namespaces};

/// A host to look at: this one, or a directory that holds another's `/proc` and `/sys`.
pub struct Host {
    root: PathBuf,
    machine: String,
    /// Lists the TCP sockets of the own namespace and returns their number, or why it cannot.
    list_sockets: fn() -> Result<usize, String>,
    /// Tries to enter every network namespace.
    namespaces: fn() -> network::Seen,
}

impl Host {
    /// Returns the host that this process runs on.
    pub fn this() -> Self {
        Self {
            root: PathBuf::from("/"),
            machine: rustix::system::uname()
                .machine()
                .to_string_lossy()
                .into_owned(),
            list_sockets,
            namespaces: look_for_namespaces,
        }
    }

    /// Looks at everything that decides whether and how this host can be traced.
    ///
    /// Takes some milliseconds: it reads the kernel's types, lists the sockets of one namespace and
    /// tries to enter the others.
    pub fn report(&self) -> HostReport {
        let release = self.kernel_release();
        let privileges = self.privileges();
        let types = self.types();
        let tracefs = self.tracefs();
        let hook = hooks::chosen(release.as_ref().ok(), &types, &tracefs);
        let lockdown = self.lockdown();

        let checks = vec![
            kernel::check_release(&self.release_text(), &release),
            kernel::check_machine(&self.machine),
            privileges::check(&privileges),
            hooks::check_types(&types),
            hooks::check_tracefs(&tracefs, hook),
            hooks::check_hook(hook, &tracefs),
            hooks::check_lockdown(&lockdown),
            network::check_sock_diag(&(self.list_sockets)()),
            network::check_namespaces(&(self.namespaces)()),
            settings::check_jit(self),
            settings::check_unprivileged(self),
            settings::check_statistics(self),
            network::check_time_wait(self, &types),
        ];
        HostReport {
            conclusion: conclude(&checks, hook),
            checks,
        }
    }

    /// Returns the place of an absolute path on this host.
    fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// Reads a small file without the newline at its end.
    fn read(&self, absolute: &str) -> io::Result<String> {
        fs::read_to_string(self.path(absolute)).map(|text| text.trim_end().to_owned())
    }
}

/// Returns the release of the running kernel.
///
/// # Errors
///
/// Why it cannot be read, or what was read that is no release.
pub fn kernel_release() -> Result<KernelRelease, ReleaseError> {
    Host::this().kernel_release()
}

/// Returns what this process may do; `None` if `/proc` does not tell.
pub fn privileges() -> Option<Privileges> {
    Host::this().privileges().ok()
}

/// Returns whether this process may attach the hook; `None` if `/proc` does not tell.
pub fn is_root_like() -> Option<bool> {
    privileges().map(|privileges| privileges.may_attach())
}

/// Returns where tracefs is mounted and shows the tracepoint to this process.
pub fn tracefs() -> Option<PathBuf> {
    match Host::this().tracefs() {
        Tracefs::Readable(place) => Some(place),
        _ => None,
    }
}

/// Returns the file that holds the kernel's types, if it describes the tracepoint.
pub fn btf() -> Option<PathBuf> {
    let host = Host::this();
    matches!(host.types(), Types::Described { .. }).then(|| host.path(hooks::BTF))
}

fn conclude(checks: &[Check], hook: Option<&'static str>) -> Conclusion {
    /// What no trace can do without.
    const NEEDED: [&str; 3] = ["kernel", "privileges", "hook"];
    let missing = checks
        .iter()
        .filter(|check| NEEDED.contains(&check.name) && check.verdict == Verdict::Missing);
    let mut reasons: Vec<String> = missing
        .map(|check| format!("{}: {}", check.name, check.found))
        .collect();
    if let Some(hook) = hook
        && reasons.is_empty()
    {
        return Conclusion::Traceable { hook };
    }
    if reasons.is_empty() {
        reasons.push("hook: none can be seen".to_owned());
    }
    Conclusion::NotTraceable { reasons }
}

/// Makes a check that came out well.
fn ok(name: &'static str, found: impl Into<String>, means: impl Into<String>) -> Check {
    Check {
        name,
        verdict: Verdict::Ok,
        found: found.into(),
        means: means.into(),
        advice: None,
    }
}

/// Makes a check that did not, with what to do about it.
fn not_ok(
    name: &'static str,
    verdict: Verdict,
    found: impl Into<String>,
    means: impl Into<String>,
    advice: &str,
) -> Check {
    Check {
        verdict,
        advice: Some(advice.to_owned()),
        ..ok(name, found, means)
    }
}

/// Names a file as a person knows it, whatever directory holds it in a test.
fn cannot_read(path: &Path, cause: &io::Error) -> String {
    format!("cannot read {}: {cause}", path.display())
}
