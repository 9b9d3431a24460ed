//! What this process may do.

use std::io;

use super::{Host, not_ok, ok};
use crate::model::host::{Check, Verdict};

const STATUS: &str = "/proc/self/status";
const UID_MAP: &str = "/proc/self/uid_map";

/// A capability that some part of the work needs, by its number in `linux/capability.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// `CAP_NET_ADMIN`: named because people grant it, and not needed.
    NetAdmin = 12,
    /// `CAP_SYS_PTRACE`: to see the namespaces of other users' processes.
    SysPtrace = 19,
    /// `CAP_SYS_ADMIN`: to enter network namespaces; stands for the next two as well.
    SysAdmin = 21,
    /// `CAP_PERFMON`: to load a program that traces.
    Perfmon = 38,
    /// `CAP_BPF`: to load a program and make its maps.
    Bpf = 39,
}

impl Capability {
    const ALL: [Self; 5] = [
        Self::Bpf,
        Self::Perfmon,
        Self::SysAdmin,
        Self::SysPtrace,
        Self::NetAdmin,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::SysPtrace => "CAP_SYS_PTRACE",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::Perfmon => "CAP_PERFMON",
            Self::Bpf => "CAP_BPF",
        }
    }
}

/// What a process may do.
///
/// # Kernel
///
/// Loading and attaching asks for capabilities in the initial user namespace: root in a container
/// with a user namespace of its own may have all of them and still be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privileges {
    /// Effective user id, as its own user namespace numbers it.
    pub uid: u32,
    /// Effective capabilities, bit by number.
    pub effective: u64,
    /// Whether its user namespace is the initial one; `None` if that could not be told.
    pub initial_user_namespace: Option<bool>,
}

impl Privileges {
    /// Returns whether the process has a capability in its own user namespace.
    pub fn has(&self, capability: Capability) -> bool {
        self.effective & (1 << capability as u64) != 0
    }

    /// Returns whether the kernel would let it load and attach a program that traces.
    pub fn may_attach(&self) -> bool {
        let both = self.has(Capability::Bpf) && self.has(Capability::Perfmon);
        self.initial_user_namespace != Some(false) && (both || self.has(Capability::SysAdmin))
    }

    /// Reads what `/proc/PID/status` and `/proc/PID/uid_map` say.
    fn parse(status: &str, uid_map: Option<&str>) -> Option<Self> {
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
        // Real, effective, saved, file system.
        let uid = field("Uid:")?.split_whitespace().nth(1)?;
        Some(Self {
            uid: uid.parse().ok()?,
            effective: u64::from_str_radix(field("CapEff:")?.trim(), 16).ok()?,
            initial_user_namespace: uid_map.map(is_whole_range),
        })
    }
}

/// Returns whether every user id is mapped to itself, which only the initial namespace has.
fn is_whole_range(uid_map: &str) -> bool {
    let mut words = uid_map.split_whitespace();
    words.by_ref().take(3).eq(["0", "0", "4294967295"]) && words.next().is_none()
}

impl Host {
    /// Returns what this process may do.
    ///
    /// # Errors
    ///
    /// What the kernel answered, or that its answer was not understood.
    pub(super) fn privileges(&self) -> io::Result<Privileges> {
        let status = self.read(STATUS)?;
        let uid_map = self.read(UID_MAP).ok();
        Privileges::parse(&status, uid_map.as_deref()).ok_or_else(|| {
            let message = format!("{STATUS} has no line CapEff or Uid that can be read");
            io::Error::new(io::ErrorKind::InvalidData, message)
        })
    }
}

pub(super) fn check(privileges: &io::Result<Privileges>) -> Check {
    let name = "privileges";
    let privileges = match privileges {
        Ok(privileges) => privileges,
        Err(error) => {
            return not_ok(
                name,
                Verdict::Unknown,
                format!("cannot read {STATUS}: {error}"),
                "Whether the kernel lets this process attach will show when it tries.",
                "mount /proc, or run as root",
            );
        }
    };
    let found = describe(privileges);
    if !privileges.may_attach() {
        let advice = match privileges.initial_user_namespace {
            Some(false) => "run it on the host, outside the container or user namespace",
            _ => "run with sudo, or grant CAP_BPF and CAP_PERFMON",
        };
        let means = "The kernel will not let this process attach to the tracepoint. \
                     `tracer states` works without.";
        return not_ok(name, Verdict::Missing, found, means, advice);
    }
    let enters = privileges.has(Capability::SysAdmin);
    let sees = privileges.has(Capability::SysPtrace);
    if enters && sees {
        return ok(
            name,
            found,
            "Enough to attach, and to find and enter other network namespaces.",
        );
    }
    not_ok(
        name,
        Verdict::Limited,
        found,
        "Enough to attach. Network namespaces of others stay unseen or cannot be entered: a \
         connection there that is older than the trace shows with its next change only.",
        "grant CAP_SYS_ADMIN (to enter) and CAP_SYS_PTRACE (to find) as well",
    )
}

fn describe(privileges: &Privileges) -> String {
    let list = |wanted: bool| {
        let names = Capability::ALL
            .into_iter()
            .filter(|&capability| privileges.has(capability) == wanted)
            // Nobody misses it.
            .filter(|&capability| wanted || capability != Capability::NetAdmin)
            .map(Capability::name);
        names.collect::<Vec<_>>().join(", ")
    };
    let mut text = format!("uid {}", privileges.uid);
    for (word, names) in [("with", list(true)), ("without", list(false))] {
        if !names.is_empty() {
            text.push_str(&format!("; {word} {names}"));
        }
    }
    if privileges.initial_user_namespace == Some(false) {
        text.push_str("; in a user namespace of its own");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Option<&str> = Some("         0          0 4294967295\n");

    fn privileges(effective: &str, uid_map: Option<&str>) -> Privileges {
        let status = format!("Name:\tx\nUid:\t1000\t0\t0\t0\nCapEff:\t{effective}\n");
        Privileges::parse(&status, uid_map).expect("both lines")
    }

    #[test]
    fn attaching_needs_both_capabilities_or_the_old_one() {
        let bpf = 1u64 << 39;
        let perfmon = 1u64 << 38;
        let may = |bits: u64| privileges(&format!("{bits:016x}"), WHOLE).may_attach();
        assert!(may(bpf | perfmon));
        assert!(may(1 << 21));
        assert!(!may(bpf));
        assert!(!may(perfmon | 1 << 12));
        assert!(!may(0));
    }

    #[test]
    fn root_of_a_container_is_not_root() {
        let all = "000001ffffffffff";
        assert!(privileges(all, WHOLE).may_attach());
        assert!(privileges(all, None).may_attach());
        assert!(!privileges(all, Some("0 100000 65536")).may_attach());
        assert!(!privileges(all, Some("0 0 4294967295\n1 2 3")).may_attach());
        assert_eq!(privileges(all, WHOLE).uid, 0);
    }

    #[test]
    fn a_status_without_the_lines_is_not_understood() {
        assert_eq!(Privileges::parse("Name:\tx\n", WHOLE), None);
        assert_eq!(Privileges::parse("Uid:\t1\nCapEff:\t0\n", WHOLE), None);
        assert_eq!(Privileges::parse("Uid:\t1\t1\nCapEff:\tzz\n", WHOLE), None);
    }
}
