//! Why the hook is not attached, in words that say what to try next.

use std::error;
use std::io;

use aya::EbpfError;
use aya::programs::ProgramError;
use thiserror::Error;

use super::{Hook, Method};
use crate::source::relocate::RelocateError;

/// How the lines of the verifier's log begin that say how much it did, and nothing of why it refused.
const STATISTICS: [&str; 3] = ["processed ", "verification time ", "stack depth "];

/// Why the hook is not attached.
#[derive(Debug, Error)]
pub enum LiveError {
    /// A hook was wanted and cannot be had.
    #[error("cannot attach to sock:inet_sock_set_state via {}: {cause}; {next}", hook.name())]
    Attach {
        /// The hook.
        hook: Hook,
        /// Why.
        cause: String,
        /// What to try.
        next: &'static str,
        /// All that the kernel's verifier said; empty where it was not asked.
        verifier_log: String,
        /// Whether the kernel refused for want of privileges.
        not_permitted: bool,
    },
    /// Neither hook can be had.
    #[error("{btf}; and {classic}")]
    Neither {
        /// Why not the BTF one.
        btf: Box<LiveError>,
        /// Why not the classic one.
        classic: Box<LiveError>,
    },
    /// The method that was asked for, of following timewait and request sockets, cannot be had.
    #[error("{0}; use `--time-wait auto`, or run `tracer doctor` to see what this host allows")]
    Method(MethodError),
    /// A process was to be followed with its children, and cannot be.
    #[error("cannot follow a process and its children: {cause}; {next}")]
    Follow {
        /// Why.
        cause: String,
        /// What to try.
        next: &'static str,
        /// All that the kernel's verifier said; empty where it was not asked.
        verifier_log: String,
        /// Whether the kernel refused for want of privileges.
        not_permitted: bool,
    },
    /// What wakes the agent cannot be waited for.
    #[error("cannot wait for the ring buffer: {0}")]
    Wait(#[source] io::Error),
    /// This kernel's offsets cannot be put into the object.
    #[error("cannot fit the object to this kernel: {0}; use `--hook classic`")]
    Object(#[source] RelocateError),
    /// A map of the object cannot be used.
    #[error("cannot use the object's map {name}: {cause}; this is a fault of the build")]
    Map {
        /// Its name.
        name: &'static str,
        /// Why.
        cause: String,
    },
}

/// Why a method of following timewait and request sockets cannot be had.
#[derive(Debug, Error)]
#[error("cannot follow TIME_WAIT via {}: {cause}", method.name())]
pub struct MethodError {
    method: Method,
    cause: String,
    verifier_log: String,
    not_permitted: bool,
}

impl MethodError {
    pub(super) fn new(method: Method, cause: String, not_permitted: bool) -> Self {
        Self {
            method,
            cause,
            verifier_log: String::new(),
            not_permitted,
        }
    }

    /// The kernel has no such field.
    pub(super) fn lacks(method: Method, field: &str) -> Self {
        Self::new(method, format!("this kernel has no field {field}"), false)
    }

    /// The kernel refused a program for a function or a tracepoint.
    pub(super) fn of(method: Method, place: &str, error: &ProgramError) -> Self {
        let not_permitted = is_permission(error);
        let (cause, verifier_log) = refusal(error);
        Self {
            verifier_log,
            ..Self::new(method, format!("{place}: {cause}"), not_permitted)
        }
    }
}

impl LiveError {
    /// Returns what the verifier said, whichever hook it was about.
    pub fn verifier_log(&self) -> &str {
        match self {
            Self::Attach { verifier_log, .. } | Self::Follow { verifier_log, .. } => verifier_log,
            Self::Neither { btf, .. } => btf.verifier_log(),
            Self::Method(error) => &error.verifier_log,
            _ => "",
        }
    }

    /// Returns whether the kernel's verifier refused the program of a hook.
    pub(super) fn is_refused_program(&self) -> bool {
        matches!(self, Self::Attach { verifier_log, not_permitted: false, .. } if !verifier_log.is_empty())
    }

    /// Returns whether the kernel refused for want of privileges.
    pub fn not_permitted(&self) -> bool {
        match self {
            Self::Attach { not_permitted, .. } | Self::Follow { not_permitted, .. } => {
                *not_permitted
            }
            Self::Neither { btf, classic } => btf.not_permitted() || classic.not_permitted(),
            Self::Method(error) => error.not_permitted,
            _ => false,
        }
    }
}

/// Words the loader's refusal.
pub(super) fn load_error(hook: Hook, error: EbpfError) -> LiveError {
    match error {
        EbpfError::ProgramError(error) => program_error(hook, &error),
        other => {
            let cause = chain(&other);
            LiveError::Attach {
                hook,
                not_permitted: is_permission(&other),
                next: remedy(is_permission(&other)),
                cause,
                verifier_log: String::new(),
            }
        }
    }
}

/// Words the refusal of a program, its verifier's log shortened to the verdict.
pub(super) fn program_error(hook: Hook, error: &ProgramError) -> LiveError {
    let not_permitted = is_permission(error);
    let (cause, verifier_log) = refusal(error);
    LiveError::Attach {
        hook,
        cause,
        next: remedy(not_permitted),
        verifier_log,
        not_permitted,
    }
}

/// Words the refusal of a program that follows processes.
pub(super) fn follow_error(error: &ProgramError) -> LiveError {
    let not_permitted = is_permission(error);
    let (cause, verifier_log) = refusal(error);
    LiveError::Follow {
        cause,
        next: remedy(not_permitted),
        verifier_log,
        not_permitted,
    }
}

/// Says that this kernel has no field without which no process can be followed.
pub(super) fn follow_lacks(field: &str) -> LiveError {
    LiveError::Follow {
        cause: format!("this kernel has no field {field}"),
        next: remedy(false),
        verifier_log: String::new(),
        not_permitted: false,
    }
}

/// Words what is wrong with a map.
pub(super) fn map_error(name: &'static str, cause: &str) -> LiveError {
    LiveError::Map {
        name,
        cause: cause.to_owned(),
    }
}

/// What the kernel answered, and all that its verifier said.
fn refusal(error: &ProgramError) -> (String, String) {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let log = verifier_log.to_string();
            (
                format!(
                    "the kernel refused the program: {io_error}{}",
                    last_lines(&log)
                ),
                log,
            )
        }
        other => (chain(other), String::new()),
    }
}

fn remedy(not_permitted: bool) -> &'static str {
    match not_permitted {
        true => "run as root (`sudo tracer`), or with CAP_BPF and CAP_PERFMON",
        false => "run `tracer doctor` to see what this host allows",
    }
}

/// The verifier's verdict stands at the end of its log, before the statistics.
fn last_lines(log: &str) -> String {
    let said = said(log);
    let shown = said.len().saturating_sub(2);
    let mut text = String::new();
    for line in &said[shown..] {
        text.push_str(": ");
        text.push_str(line.trim());
    }
    if shown > 0 {
        text.push_str(&format!(" ({shown} lines omitted, see them with -v)"));
    }
    text
}

/// The lines of the verifier's log but its statistics.
fn said(log: &str) -> Vec<&str> {
    let is_figure = |line: &str| STATISTICS.iter().any(|start| line.starts_with(start));
    log.lines()
        .filter(|line| !line.trim().is_empty() && !is_figure(line))
        .collect()
}

/// An error and its causes in one line.
fn chain(error: &dyn error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

/// Whether it was refused to whoever asked. The verifier says "permission denied", too, of what a program may not do; then it says why.
fn is_permission(error: &(dyn error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(ProgramError::LoadError { verifier_log, .. }) = error.downcast_ref()
            && !said(&verifier_log.to_string()).is_empty()
        {
            return false;
        }
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.kind() == io::ErrorKind::PermissionDenied
        {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "0: R1=ctx()\n12: (79) r1 = *(u64 *)(r2 +0)\nR2 invalid mem access 'scalar'\n\
        verification time 37 usec\nstack depth 0+0\nprocessed 13 insns (limit 1000000)\n";

    #[test]
    fn the_verdict_is_shown_and_not_the_statistics() {
        assert_eq!(
            last_lines(LOG),
            ": 12: (79) r1 = *(u64 *)(r2 +0): R2 invalid mem access 'scalar' (1 lines omitted, see them with -v)"
        );
    }

    #[test]
    fn statistics_alone_say_nothing() {
        let nothing =
            "\nverification time 37 usec\nstack depth 0+0\nprocessed 0 insns (limit 1000000)\n";
        assert_eq!(last_lines(nothing), "");
        assert!(said(nothing).is_empty() && !said(LOG).is_empty());
    }
}
