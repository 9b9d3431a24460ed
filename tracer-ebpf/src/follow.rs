//! The processes that are followed: those that were named, and whatever they start.
//!
//! **Owns:** the set of them, from a fork to the end of a process.
//! **Never:** a cost where nobody asked: the verifier then drops the look-up, and nothing is attached.
//!
//! # Kernel
//!
//! * `sched_process_fork(parent, child)` comes before the child runs; a thread has its parent's `tgid`.
//! * `sched_process_free(task)` comes when nobody can meet the task any more, after all that it had open is
//!   closed; `sched_process_exit` comes before that. It comes for each thread: the process is gone with the
//!   one whose `pid` is its `tgid`, which a thread that executes a program takes over.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    helpers::bpf_get_smp_processor_id,
    macros::{btf_tracepoint, map},
    maps::{Array, HashMap},
    programs::BtfTracePointContext,
};
use tracer_ebpf::FOLLOWED_PROCESSES;

use crate::{
    loaded::{configured, present},
    typed::{Typed, read},
};

/// The processes that are followed (`tgid`); the agent writes the first ones, and makes it small where it
/// follows none.
#[map]
static FOLLOWED: HashMap<u32, u8> = HashMap::with_max_entries(FOLLOWED_PROCESSES, 0);

/// How many processes found no room there, of each CPU by its number; the agent makes room for each before
/// loading, and reads it as memory.
#[map]
static NOT_FOLLOWED: Array<u64> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Returns whether a process is followed.
#[inline(always)]
pub(crate) fn is_followed(tgid: u32) -> bool {
    configured!(follow.is_on) != 0 && FOLLOWED.get_ptr(tgid).is_some()
}

/// A process or a thread begins.
#[btf_tracepoint(function = "sched_process_fork")]
pub(crate) fn follow_fork(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the verifier checks every access that follows.
    let _ = unsafe { begins(ctx.arg(0), ctx.arg(1)) };
    0
}

/// A process or a thread is gone.
#[btf_tracepoint(function = "sched_process_free")]
pub(crate) fn follow_free(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: as above.
    let _ = unsafe { is_gone(ctx.arg(0)) };
    0
}

#[inline(always)]
unsafe fn begins(parent: Typed, child: Typed) -> Option<()> {
    // SAFETY: the tracepoint hands over two tasks.
    let (of_parent, of_child) = unsafe { (tgid(parent)?, tgid(child)?) };
    if of_child == of_parent || !is_followed(of_parent) {
        return None;
    }
    if FOLLOWED.insert(of_child, 1, 0).is_err() {
        // SAFETY: the helper takes nothing and only reads a number.
        let counter = NOT_FOLLOWED.get_ptr_mut(unsafe { bpf_get_smp_processor_id() })?;
        // SAFETY: the pointer is to this CPU's element of the map, which outlives the program, and only this
        // program writes it.
        unsafe { counter.write_volatile(*counter + 1) };
    }
    Some(())
}

#[inline(always)]
unsafe fn is_gone(task: Typed) -> Option<()> {
    // SAFETY: the tracepoint hands over a task.
    let pid: u32 = unsafe { read(task, present(configured!(follow.task_pid))?) };
    // SAFETY: as above.
    let tgid = unsafe { tgid(task)? };
    if pid == tgid {
        // Most are not there.
        let _ = FOLLOWED.remove(tgid);
    }
    Some(())
}

#[inline(always)]
unsafe fn tgid(task: Typed) -> Option<u32> {
    // SAFETY: the caller has a task.
    unsafe { Some(read(task, present(configured!(follow.task_tgid))?)) }
}
