//! What a trace still needs when it has begun, and giving up all else.

use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::hidden::HiddenMethods;
use super::stop::Stop;
use super::surroundings::Counting;
use crate::cli::plan::Plan;
use crate::privilege::{Allowed, Confinement, give_up};
use crate::source::cgroup;
use crate::source::netns::NetNs;
use crate::source::preflight::{self, Capability, Privileges};

/// What is read of the own process and namespace: mounts, settings, counts of sockets.
const OWN: [&str; 2] = ["/proc/self", "/proc/sys/net/ipv4"];

/// Gives up all that the trace does not need any more; everything that it tells is written after this.
pub(super) fn give_up_for_trace(
    plan: &Plan,
    methods: &HiddenMethods,
    counting: &Counting,
    stop: &mut Stop,
) -> Result<Confinement, Failure> {
    let mut read: Vec<PathBuf> = OWN.map(PathBuf::from).to_vec();
    read.extend(cgroup::mount());
    read.extend(counting.reads());
    let confinement = give_up(&Allowed {
        read,
        // Another file is begun there, and the same one opened again where its disk comes back.
        write_below: plan
            .record
            .iter()
            .map(|record| directory(&record.path))
            .collect(),
        asks_sockets: methods.asks(),
        enters_namespaces: plan.keep_privileges,
    })?;
    stop.heed_second()?;
    Ok(confinement)
}

/// The directory that a file is in.
fn directory(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Whether namespaces of others are looked into until the end: where that is wanted, and possible.
pub(super) fn enters(plan: &Plan) -> bool {
    let may = |held: Privileges| held.has(Capability::SysAdmin) && held.has(Capability::SysPtrace);
    plan.keep_privileges && preflight::privileges().is_none_or(may)
}

/// Says which timewait sockets cannot be asked after, where they must be.
pub(super) fn unasked(plan: &Plan, methods: &HiddenMethods) -> Option<String> {
    let is_unasked = methods.asks() && !plan.keep_privileges;
    is_unasked.then(|| {
        "timewait sockets of other network namespaces, where they must be asked for: that takes \
         CAP_SYS_ADMIN and CAP_SYS_PTRACE, which --keep-privileges keeps"
            .to_owned()
    })
}

/// Says which settings are not looked at again, for a verb that shows them.
pub(super) fn unread(plan: &Plan, namespaces: &[NetNs]) -> Option<String> {
    let own = NetNs::own().ok().map(|own| own.inode);
    let others = namespaces.iter().any(|one| Some(one.inode) != own);
    (others && !plan.keep_privileges).then(|| {
        "settings of other network namespaces are those that they had when the trace began, and how many \
         timewait sockets the kernel counts there is not known: reading them again takes CAP_SYS_ADMIN, which \
         --keep-privileges keeps"
            .to_owned()
    })
}
