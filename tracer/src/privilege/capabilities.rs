//! Capabilities: which are kept, and that no other comes back.

use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, SecureComputingMode, capabilities,
    clear_ambient_capability_set, no_new_privs, remove_capability_from_bounding_set,
    secure_computing_mode, set_capabilities, set_capabilities_secure_bits,
};

use crate::model::Privileges;

/// Nothing.
pub(super) const NONE: CapabilitySet = CapabilitySet::empty();
/// What finding and entering network namespaces of others takes: `setns`; to look at processes of other
/// users; and to pass the directory in which Docker mounts its own, which is root's alone.
pub(super) const ENTERING: CapabilitySet = CapabilitySet::SYS_ADMIN
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::DAC_READ_SEARCH);

/// Capabilities that this program knows to name.
const NAMED: [(CapabilitySet, &str); 7] = [
    (CapabilitySet::DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"),
    (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
    (CapabilitySet::SYS_PTRACE, "CAP_SYS_PTRACE"),
    (CapabilitySet::SYS_ADMIN, "CAP_SYS_ADMIN"),
    (CapabilitySet::SYSLOG, "CAP_SYSLOG"),
    (CapabilitySet::PERFMON, "CAP_PERFMON"),
    (CapabilitySet::BPF, "CAP_BPF"),
];

/// Names capabilities, by their number where they have no name here.
pub fn names(set: CapabilitySet) -> Vec<String> {
    let bits = (0..u64::BITS).filter(|bit| set.bits() & (1 << bit) != 0);
    bits.map(|bit| {
        let one = NAMED.iter().find(|(named, _)| named.bits() == 1 << bit);
        one.map_or_else(
            || format!("capability {bit}"),
            |(_, name)| (*name).to_owned(),
        )
    })
    .collect()
}

/// Empties the set of what any program started later could gain, as far as CAP_SETPCAP allows: without it,
/// `no_new_privs` does the same.
pub(super) fn empty_bounding_set(kept: CapabilitySet) {
    for bit in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        // A number that this kernel does not have is refused, and so is everything without CAP_SETPCAP.
        if !kept.contains(one) {
            let _ = remove_capability_from_bounding_set(one);
        }
    }
}

/// Takes every meaning from uid 0, for good, as far as CAP_SETPCAP allows: no change of user gives or takes
/// a capability from now on.
pub(super) fn lock_secure_bits() {
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    // Without CAP_SETPCAP, `no_new_privs` does as much.
    let _ = set_capabilities_secure_bits(bits);
}

/// Gives up all capabilities that are held but those.
pub(super) fn keep_only(kept: CapabilitySet) -> rustix::io::Result<()> {
    clear_ambient_capability_set()?;
    let held = capabilities(None)?;
    let kept = held.permitted & kept;
    set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: NONE,
        },
    )
}

/// Asks the kernel what is in force.
pub(super) fn look(landlock: Option<u32>) -> Privileges {
    // What cannot be asked for is taken for held.
    let held = capabilities(None).map_or(CapabilitySet::all(), |sets| {
        sets.permitted | sets.effective | sets.inheritable
    });
    let mode = secure_computing_mode();
    Privileges {
        capabilities: names(held),
        user: rustix::process::geteuid().as_raw(),
        no_new_privs: no_new_privs().unwrap_or(false),
        landlock,
        seccomp: mode.is_ok_and(|mode| mode == SecureComputingMode::Filter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_have_names() {
        let expected = ["CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN"];
        assert_eq!(names(ENTERING), expected);
        let unknown = CapabilitySet::from_bits_retain(1 << 63);
        assert_eq!(names(unknown), ["capability 63"]);
        assert!(names(NONE).is_empty());
    }
}
