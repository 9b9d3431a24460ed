//! seccomp: the system calls that a process still needs; every other one is refused with EPERM.
//!
//! **Never:** the end of the process for a call that was not foreseen: it fails, and that is told.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use libc::c_long;
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

use super::Allowed;

/// What needs no look at its arguments: memory, time, waiting, what is open already, and the files that
/// Landlock and the user's rights leave.
const HARMLESS: &[c_long] = &[
    // What is open.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_fallocate,
    libc::SYS_ftruncate,
    libc::SYS_fadvise64,
    libc::SYS_readahead,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    // What it looks like.
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_newfstatat,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_msync,
    libc::SYS_mincore,
    libc::SYS_mlock,
    libc::SYS_munlock,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_eventfd2,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_pipe2,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_wait4,
    libc::SYS_waitid,
    // Time and chance.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_times,
    libc::SYS_getrandom,
    // Signals of its own; no other process is reached.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigpending,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_tgkill,
    // Itself.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_capget,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrusage,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_membarrier,
    libc::SYS_set_tid_address,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    // Refused by another filter, in the words that let the C library take `clone` instead.
    libc::SYS_clone3,
];

/// The same by older names, which not every architecture has.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_wait,
    libc::SYS_time,
    libc::SYS_getpgrp,
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c_long] = &[];

/// What making files takes besides.
const MAKING_FILES: &[c_long] = &[
    libc::SYS_renameat2,
    libc::SYS_renameat,
    libc::SYS_unlinkat,
    libc::SYS_linkat,
    libc::SYS_fchmod,
    libc::SYS_fchown,
    libc::SYS_umask,
    libc::SYS_openat2,
];
#[cfg(target_arch = "x86_64")]
const MAKING_FILES_OLDER: &[c_long] = &[libc::SYS_rename, libc::SYS_unlink, libc::SYS_link];
#[cfg(not(target_arch = "x86_64"))]
const MAKING_FILES_OLDER: &[c_long] = &[];

/// `PR_GET_AUXV`, by which the clock in the process's own memory is found (Linux 6.4).
const PR_GET_AUXV: i32 = 0x4155_5856;

/// `prctl` that names a thread or a mapping, or asks.
const PRCTL: [i32; 8] = [
    PR_GET_AUXV,
    libc::PR_SET_NAME,
    libc::PR_GET_NAME,
    libc::PR_SET_VMA,
    libc::PR_GET_NO_NEW_PRIVS,
    libc::PR_GET_SECCOMP,
    libc::PR_GET_DUMPABLE,
    libc::PR_CAPBSET_READ,
];

/// Refuses every call that is not needed, from now on. Where the kernel cannot, nothing changes: what is
/// asked for afterwards says so.
pub(super) fn enforce(allowed: &Allowed) {
    let Ok([first, second]) = filters(allowed) else {
        return;
    };
    // A kernel that takes one takes the other.
    let _ = apply_filter(&first).and_then(|()| apply_filter(&second));
}

/// The filters, in the order in which they are to be put in force.
fn filters(allowed: &Allowed) -> Result<[BpfProgram; 2], Error> {
    let arch = TargetArch::try_from(ARCH)?;
    // What this one refuses is refused whatever the other says. The C library starts a thread by `clone3`,
    // whose flags lie in memory where no filter sees them, and by `clone` where that is not there.
    let enosys = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let missing = SeccompFilter::new(
        BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
        SeccompAction::Allow,
        enosys,
        arch,
    )?;
    let eperm = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let needed = SeccompFilter::new(needed(allowed)?, eperm, SeccompAction::Allow, arch)?;
    Ok([missing.try_into()?, needed.try_into()?])
}

/// The calls that are needed, each with what its arguments must be.
fn needed(allowed: &Allowed) -> Result<BTreeMap<c_long, Vec<SeccompRule>>, Error> {
    let makes_files = !allowed.write_below.is_empty();
    let mut calls: BTreeMap<c_long, Vec<SeccompRule>> = BTreeMap::new();
    for list in [HARMLESS, OLDER] {
        calls.extend(list.iter().map(|&call| (call, Vec::new())));
    }
    if makes_files {
        for list in [MAKING_FILES, MAKING_FILES_OLDER] {
            calls.extend(list.iter().map(|&call| (call, Vec::new())));
        }
    }

    let executable = libc::PROT_EXEC.cast_unsigned().into();
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        calls.insert(call, vec![rule([without(2, executable)])?]);
    }
    let opening = match makes_files {
        true => [Vec::new(), Vec::new()],
        false => {
            let writes = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC;
            let writes = writes.cast_unsigned().into();
            [
                vec![rule([without(2, writes)])?],
                vec![rule([without(1, writes)])?],
            ]
        }
    };
    let [openat, open] = opening;
    calls.insert(libc::SYS_openat, openat);
    #[cfg(target_arch = "x86_64")]
    calls.insert(libc::SYS_open, open);
    #[cfg(not(target_arch = "x86_64"))]
    drop(open);

    // Threads, not processes: and so no namespace of its own either.
    let thread = libc::CLONE_THREAD.cast_unsigned().into();
    let starts_thread = SeccompCmpOp::MaskedEq(thread);
    calls.insert(
        libc::SYS_clone,
        vec![rule([condition(0, starts_thread, thread)])?],
    );
    // Nothing may be typed into the terminal for others to read.
    let not_typing =
        [libc::TIOCSTI, libc::TIOCLINUX].map(|request| condition(1, SeccompCmpOp::Ne, request));
    calls.insert(libc::SYS_ioctl, vec![rule(not_typing)?]);
    let mut asks = Vec::new();
    for option in PRCTL {
        asks.push(rule([is(0, option)])?);
    }
    calls.insert(libc::SYS_prctl, asks);
    // Limits are read, not set.
    calls.insert(libc::SYS_prlimit64, vec![rule([null(2)])?]);

    if allowed.asks_sockets || allowed.enters_namespaces {
        let diag = [is(0, libc::AF_NETLINK), is(2, libc::NETLINK_SOCK_DIAG)];
        calls.insert(libc::SYS_socket, vec![rule(diag)?]);
        calls.insert(libc::SYS_bind, Vec::new());
        calls.insert(libc::SYS_connect, Vec::new());
    }
    if allowed.enters_namespaces {
        calls.insert(libc::SYS_setns, vec![rule([is(1, libc::CLONE_NEWNET)])?]);
    }
    Ok(calls)
}

/// A rule that holds where all its conditions do.
fn rule<const N: usize>(
    conditions: [Result<SeccompCondition, Error>; N],
) -> Result<SeccompRule, Error> {
    let conditions: Result<Vec<_>, _> = conditions.into_iter().collect();
    Ok(SeccompRule::new(conditions?)?)
}

/// A condition on the lower half of an argument, which is all that the kernel takes of it.
fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, Error> {
    let half = SeccompCmpArgLen::Dword;
    Ok(SeccompCondition::new(argument, half, operator, value)?)
}

/// The argument is this one.
fn is(argument: u8, value: i32) -> Result<SeccompCondition, Error> {
    condition(argument, SeccompCmpOp::Eq, value.cast_unsigned().into())
}

/// The argument has none of these bits.
fn without(argument: u8, bits: u64) -> Result<SeccompCondition, Error> {
    condition(argument, SeccompCmpOp::MaskedEq(bits), 0)
}

/// The argument is a null pointer.
fn null(argument: u8) -> Result<SeccompCondition, Error> {
    let whole = SeccompCmpArgLen::Qword;
    Ok(SeccompCondition::new(argument, whole, SeccompCmpOp::Eq, 0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_needed_is_not_there() {
        let calls = needed(&Allowed::default()).expect("a list");
        for call in [
            libc::SYS_execve,
            libc::SYS_ptrace,
            libc::SYS_bpf,
            libc::SYS_socket,
            libc::SYS_connect,
            libc::SYS_setns,
            libc::SYS_unshare,
            libc::SYS_mount,
            libc::SYS_kill,
            libc::SYS_openat2,
            libc::SYS_unlinkat,
            libc::SYS_io_uring_setup,
        ] {
            assert!(!calls.contains_key(&call), "system call {call}");
        }
        assert_eq!(calls[&libc::SYS_openat].len(), 1, "for reading only");
    }

    #[test]
    fn every_variant_can_be_compiled() {
        for bits in 0..8 {
            let allowed = Allowed {
                write_below: match bits & 1 {
                    0 => Vec::new(),
                    _ => vec!["/".into()],
                },
                asks_sockets: bits & 2 != 0,
                enters_namespaces: bits & 4 != 0,
                ..Allowed::default()
            };
            assert!(filters(&allowed).is_ok(), "{allowed:?}");
        }
    }
}
