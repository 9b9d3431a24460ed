//! Which kernel this is, and whether it is new enough.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::{Host, not_ok, ok};
use crate::model::host::{Check, Verdict};

/// The oldest kernel that can be traced.
///
/// # Kernel
///
/// The exchange (`BPF_XCHG`) by which a program takes a ring buffer came with Linux 5.12; what else is needed, such as
/// `bpf_ktime_get_boot_ns` and the capability CAP_BPF, with 5.8.
pub const OLDEST_KERNEL: KernelRelease = KernelRelease {
    major: 5,
    minor: 12,
};

const RELEASE: &str = "/proc/sys/kernel/osrelease";

/// The two numbers of a kernel's release that its features go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelRelease {
    /// `6` in `6.12.117-amd64`.
    pub major: u32,
    /// `12` in `6.12.117-amd64`.
    pub minor: u32,
}

impl fmt::Display for KernelRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Why a kernel's release is not known.
#[derive(Debug, Error)]
pub enum ReleaseError {
    /// The file cannot be read.
    #[error("cannot read the kernel's release from {}: {cause}; is /proc mounted?", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel answered.
        cause: io::Error,
    },
    /// The file holds something else.
    #[error("the kernel calls its release {text:?}, which does not start with two numbers")]
    Odd {
        /// What it holds.
        text: String,
    },
}

impl KernelRelease {
    /// Reads the numbers at the start of a release such as `6.12.117-amd64` or `6.1-rc3`.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, rest) = text.trim().split_once('.')?;
        let end = rest.find(|letter: char| !letter.is_ascii_digit());
        Some(Self {
            major: major.parse().ok()?,
            minor: rest[..end.unwrap_or(rest.len())].parse().ok()?,
        })
    }
}

impl Host {
    /// Returns the release of this host's kernel.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, or what was read that is no release.
    pub fn kernel_release(&self) -> Result<KernelRelease, ReleaseError> {
        let text = self.read(RELEASE).map_err(|cause| ReleaseError::Read {
            path: self.path(RELEASE),
            cause,
        })?;
        KernelRelease::parse(&text).ok_or(ReleaseError::Odd { text })
    }

    /// Returns the release as the kernel writes it, or `?`.
    pub(super) fn release_text(&self) -> String {
        self.read(RELEASE).unwrap_or_else(|_| "?".to_owned())
    }
}

pub(super) fn check_release(text: &str, release: &Result<KernelRelease, ReleaseError>) -> Check {
    let name = "kernel";
    match release {
        Ok(release) if *release < OLDEST_KERNEL => not_ok(
            name,
            Verdict::Missing,
            format!("Linux {text} is older than {OLDEST_KERNEL}"),
            "Its BPF programs cannot exchange a word in one step (BPF_XCHG), by which they take a ring buffer.",
            &format!("boot Linux {OLDEST_KERNEL} or later"),
        ),
        Ok(_) => ok(
            name,
            format!("Linux {text}"),
            format!("New enough: {OLDEST_KERNEL} brought the last that is needed (BPF_XCHG)."),
        ),
        Err(error) => not_ok(
            name,
            Verdict::Unknown,
            error.to_string(),
            format!("Linux {OLDEST_KERNEL} is needed; a trace may be tried all the same."),
            "see `uname -r`",
        ),
    }
}

pub(super) fn check_machine(machine: &str) -> Check {
    let name = "architecture";
    if machine == "x86_64" {
        return ok(name, machine, "The one that is tested.");
    }
    not_ok(
        name,
        Verdict::Limited,
        machine,
        "Not tested on this architecture; what the kernel refuses is said when it refuses.",
        "try `tracer live --duration 10s` beside known traffic",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<(u32, u32)> {
        KernelRelease::parse(text).map(|release| (release.major, release.minor))
    }

    #[test]
    fn releases_of_every_style_are_read() {
        assert_eq!(parse("6.12.117+deb13-cloud-amd64"), Some((6, 12)));
        assert_eq!(parse("5.4.0-150-generic\n"), Some((5, 4)));
        assert_eq!(parse("6.1-rc3"), Some((6, 1)));
        assert_eq!(parse("7.0"), Some((7, 0)));
        assert_eq!(parse("6"), None);
        assert_eq!(parse("6.x"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn releases_are_ordered_by_number_not_by_letter() {
        let release = |text| KernelRelease::parse(text).expect("a release");
        assert!(release("5.15.1") > OLDEST_KERNEL);
        assert!(release("5.8") < OLDEST_KERNEL);
        assert!(release("5.12") >= OLDEST_KERNEL);
    }
}
