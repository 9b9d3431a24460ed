//! What the kernel offers to close a process in with, looked at without closing this one in.

use std::fs;
use std::thread;

use super::Allowed;
use super::paths::Rules;
use crate::model::host::{Check, Verdict};

/// Where the kernel tells what a filter of system calls can answer.
const SECCOMP: &str = "/proc/sys/kernel/seccomp/actions_avail";

/// Tells what of this host's confines a trace once it has begun.
pub fn offered() -> Check {
    // Landlock belongs to a thread, and ends with it.
    let landlock = thread::spawn(|| Rules::open(&Allowed::default()).enforce().0);
    let landlock = landlock.join().unwrap_or(None);
    let seccomp = fs::read_to_string(SECCOMP).is_ok_and(|actions| actions.contains("errno"));
    check(landlock, seccomp)
}

fn check(landlock: Option<u32>, seccomp: bool) -> Check {
    let landlock_text = match landlock {
        Some(abi) => format!("Landlock {abi}"),
        None => "no Landlock".to_owned(),
    };
    let seccomp_text = if seccomp { "seccomp" } else { "no seccomp" };
    let is_all = landlock.is_some() && seccomp;
    Check {
        name: "confinement",
        verdict: if is_all { Verdict::Ok } else { Verdict::Limited },
        found: format!("{landlock_text}, {seccomp_text}"),
        means: "Every capability is given up before the first line. What is found here also closes files, the \
                network and system calls to the process; what is not here cannot."
            .to_owned(),
        advice: landlock.is_none().then(|| {
            "boot with Landlock among the kernel's security modules (`lsm=landlock,…`; Linux 5.13)".to_owned()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_said() {
        let all = check(Some(6), true);
        assert_eq!((all.verdict, all.advice), (Verdict::Ok, None));
        assert_eq!(all.found, "Landlock 6, seccomp");
        let none = check(None, false);
        assert_eq!(none.verdict, Verdict::Limited);
        assert_eq!(none.found, "no Landlock, no seccomp");
        assert!(none.advice.is_some());
    }

    #[test]
    fn looking_closes_nothing() {
        offered();
        fs::read("/proc/sys/kernel/osrelease").expect("files are open still");
    }
}
