//! What comes before a trace: whether it is possible, what is meant by the names that were typed, and the
//! hooks.

use super::command::Running;
use super::failure::Failure;
use super::say;
use crate::cli::args::{HookArg, TimeWaitArg};
use crate::cli::plan::Plan;
use crate::source::live::{HookChoice, Live, Method, MethodChoice, Options};
use crate::source::netns::{self, Resolved};
use crate::source::{cgroup, preflight, processes};

/// Refuses a host or a user with whom nothing can be traced, before the kernel does so in its own
/// words. What cannot be told is tried.
pub(super) fn refuse_host() -> Result<(), Failure> {
    if let Ok(release) = preflight::kernel_release()
        && release < preflight::OLDEST_KERNEL
    {
        return Err(Failure::NotAllowed(format!(
            "cannot trace on Linux {release}: what takes a ring buffer in one step (BPF_XCHG) came with \
             Linux {}; boot a newer kernel",
            preflight::OLDEST_KERNEL
        )));
    }
    if preflight::is_root_like() == Some(false) {
        return Err(Failure::NotAllowed(
            "cannot trace as this user: attaching to the kernel takes root, or CAP_BPF and \
             CAP_PERFMON; run `sudo tracer`, or `tracer doctor` to see what is missing"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Refuses filters that the classic hook has no answer to, rather than showing nothing.
pub(super) fn refuse_without_btf(plan: &Plan, classic: bool) -> Result<(), Failure> {
    let needed = plan.needs_btf();
    if !classic || needed.is_empty() {
        return Ok(());
    }
    let text = format!(
        "cannot filter by {} with the classic hook, which does not tell it; use `--hook btf`, or \
         filter by port or address",
        needed.join(", ")
    );
    Err(match plan.hook {
        HookArg::Classic => Failure::Usage(text),
        _ => Failure::NotAllowed(text),
    })
}

/// Looks up the namespaces and the cgroup that were typed; returns the namespaces, or `None` where
/// all are meant.
pub(super) fn look_up(plan: &mut Plan) -> Result<Option<Vec<Resolved>>, Failure> {
    if let Some(text) = &plan.cgroup {
        let found = cgroup::resolve(text)?;
        plan.select_cgroup(found);
    }
    if plan.netns.is_empty() {
        return Ok(None);
    }
    let found = plan
        .netns
        .iter()
        .map(|text| netns::resolve(text))
        .collect::<Result<Vec<_>, _>>()?;
    plan.select_netns(found.iter().map(Resolved::inode).collect());
    Ok(Some(found))
}

/// Returns the processes that are followed with their children, if any are: a command's, or those that were named.
pub(super) fn followed(
    plan: &Plan,
    command: Option<&Running>,
) -> Result<Option<Vec<u32>>, Failure> {
    if !plan.selection.followed {
        return Ok(None);
    }
    if processes::numbers_differ() {
        return Err(Failure::NotAllowed(
            "cannot follow a process from within a container: its processes have other numbers here than the \
             kernel tells; run tracer in the host's pid namespace (`docker run --pid host`)"
                .to_owned(),
        ));
    }
    if let Some(command) = command {
        return Ok(Some(vec![command.pid()]));
    }
    let there = processes::parents();
    match plan
        .selection
        .pids
        .iter()
        .find(|pid| !there.contains_key(pid))
    {
        Some(absent) => Err(Failure::Usage(format!(
            "cannot follow --pid {absent}: there is no such process; see `ps -e`"
        ))),
        None => Ok(Some(plan.selection.pids.clone())),
    }
}

/// Attaches the hooks.
pub(super) fn attach(plan: &Plan, follow: Option<Vec<u32>>) -> Result<Live, Failure> {
    let options = Options {
        hook: match plan.hook {
            HookArg::Auto => HookChoice::Auto,
            HookArg::Btf => HookChoice::Btf,
            HookArg::Classic => HookChoice::Classic,
        },
        hidden: match plan.time_wait {
            TimeWaitArg::Auto => MethodChoice::Auto,
            TimeWaitArg::Fentry => MethodChoice::Only(Method::Fentry),
            TimeWaitArg::Timer => MethodChoice::Only(Method::Timer),
            TimeWaitArg::Diag | TimeWaitArg::Off => MethodChoice::Off,
        },
        ring_bytes: plan.ring_bytes,
        filter: plan.early.clone(),
        follow,
        kernel_log: plan.verbose >= 2,
    };
    Live::attach(&options).map_err(|error| {
        if plan.verbose >= 1 && !error.verifier_log().is_empty() {
            say(error.verifier_log());
        }
        error.into()
    })
}
