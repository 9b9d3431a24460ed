//! The process that is using a socket: which one it is, and what is told of it once.
//!
//! **Owns:** the memory of which processes have been told.
//! **Never:** a word of a process that only passes by: whoever calls [`Task::tell`] has seen it hold the socket.
//!
//! # Kernel
//!
//! Paths are not put together in the kernel, since that would take its locks: the names are copied on the way up,
//! from the last to the first.

use aya_ebpf::{
    helpers::{
        bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
        generated::{
            bpf_get_current_comm, bpf_get_current_task_btf, bpf_probe_read_kernel,
            bpf_probe_read_kernel_str, bpf_probe_read_user,
        },
    },
    macros::map,
    maps::{Array, PerCpuArray},
};
use tracer_ebpf::{
    ARGS_SIZE, CGROUP_PATH_SIZE, EXE_SIZE, KIND_PROCESS, ProcessRecord, known,
    process_known as told,
};

use crate::{
    emit::emit_silently,
    filter::Halves,
    loaded::{configured, placed, present},
    minisocks::probe,
    rings::{Between, exchange},
    typed::{Typed, read, write_halves},
};

/// A thread of the kernel's own: `PF_KTHREAD`.
const KERNEL_THREAD: u32 = 0x0020_0000;
/// A task on its way out: `PF_EXITING`.
const EXITING: u32 = 0x0000_0004;
/// How many processes are remembered; two of the same slot are told again and again.
const SLOTS: u32 = 1 << 16;
/// The most that one name takes, its end included: `NAME_MAX` and one.
const NAME_SIZE: usize = 256;
/// What [`write_exe`] says of a path that it wrote, and of one whose file has no name any more.
const PATH: u64 = 1;
const DELETED: u64 = 2;
/// The most steps on the way up a path.
const STEPS: u32 = 24;

/// Which processes have been told: the number in the low half, the incarnation above it. A number's slot is its
/// low bits.
#[map]
static TOLD: Array<u64> = Array::with_max_entries(SLOTS, 0);

/// Where paths are put together: each with room for one more name behind its end.
#[repr(C)]
struct Paths {
    /// Not zero while a program uses it: where a kernel lets another task's come between, that one tells its process at the
    /// next occasion.
    is_taken: u64,
    exe: [u8; EXE_SIZE + NAME_SIZE],
    cgroup: [u8; 512 + NAME_SIZE],
}

#[map]
static PATHS: PerCpuArray<Paths> = PerCpuArray::with_max_entries(1, 0);

/// The task on the CPU.
pub(crate) struct Task {
    /// Its process.
    pub(crate) tgid: u32,
    /// The thread.
    pub(crate) tid: u32,
    /// Digest of the process's start and executions; zero where it is not looked at.
    pub(crate) incarnation: u16,
    /// How often its process has become another program; zero where it is not looked at.
    executions: u32,
    /// Whether it is a thread of the kernel's own.
    pub(crate) is_kernel: bool,
    /// Whether it is exiting.
    pub(crate) is_exiting: bool,
    /// Its structure in the kernel; null where it is not looked at.
    structure: Typed,
}

/// What tells the process on the CPU from others, and from what it was before it became another program.
#[inline(always)]
pub(crate) fn current_program() -> u64 {
    // SAFETY: the verifier checks the read.
    let executions: u32 = unsafe {
        let task: Typed = bpf_get_current_task_btf().cast();
        read(task, placed!(usage.process.executions))
    };
    program((bpf_get_current_pid_tgid() >> 32) as u32, executions)
}

#[inline(always)]
fn program(tgid: u32, executions: u32) -> u64 {
    u64::from(executions) << 32 | u64::from(tgid)
}

impl Task {
    /// Looks who is on the CPU.
    #[inline(always)]
    pub(crate) fn current() -> Self {
        let ids = bpf_get_current_pid_tgid();
        let (structure, incarnation, executions, state) =
            Self::look().unwrap_or((core::ptr::null(), 0, 0, 0));
        Self {
            tgid: (ids >> 32) as u32,
            tid: ids as u32,
            incarnation,
            executions,
            is_kernel: state & KERNEL_THREAD != 0,
            is_exiting: state & EXITING != 0,
            structure,
        }
    }

    /// Writes its name to where it belongs.
    #[inline(always)]
    pub(crate) unsafe fn write_name(&self, place: *mut [u8; 16]) {
        if configured!(usage.tells_processes) == 0 {
            // SAFETY: the caller has room for sixteen bytes, which the helper writes whatever it returns.
            unsafe { bpf_get_current_comm(place.cast(), size_of::<[u8; 16]>() as u32) };
            return;
        }
        let at = placed!(usage.process.comm);
        // SAFETY: the verifier checks the reads; the caller has room for sixteen bytes at a multiple of eight. A helper would do
        // the same, byte by byte.
        unsafe {
            let halves: Halves = [read(self.structure, at), read(self.structure, at + 8)];
            write_halves(place, halves);
        }
    }

    /// What [`current_program`] says of it.
    #[inline(always)]
    pub(crate) fn program(&self) -> u64 {
        program(self.tgid, self.executions)
    }

    #[inline(always)]
    fn look() -> Option<(Typed, u16, u32, u32)> {
        if configured!(usage.tells_processes) == 0 {
            return None;
        }
        // SAFETY: offsets come from the kernel's own types, and the verifier checks them.
        unsafe {
            let task: Typed = bpf_get_current_task_btf().cast();
            let flags: u32 = read(task, placed!(usage.process.flags));
            let leader: Typed = read(task, placed!(usage.process.leader));
            let start: u64 = read(leader, placed!(usage.process.start));
            let executions: u32 = read(task, placed!(usage.process.executions));
            let mixed = (start ^ (u64::from(executions) << 48)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let incarnation = (mixed >> 48) as u16;
            Some((task, incarnation, executions, flags))
        }
    }

    /// The bits that say of it what a record's flags say.
    #[inline(always)]
    pub(crate) fn flags(&self) -> u32 {
        if configured!(usage.tells_processes) == 0 {
            return 0;
        }
        let mut flags = known::INCARNATION;
        if self.is_kernel {
            flags |= known::KERNEL_TASK;
        }
        if self.is_exiting {
            flags |= known::EXITING_TASK;
        }
        flags
    }

    /// Tells its process, unless that has been done.
    #[inline(always)]
    pub(crate) fn tell(&self, mono_ns: u64) {
        if configured!(usage.tells_processes) == 0 || self.is_kernel {
            return;
        }
        let Some(place) = TOLD.get_ptr_mut(self.tgid & (SLOTS - 1)) else {
            return;
        };
        let this = u64::from(self.incarnation) << 32 | u64::from(self.tgid);
        // SAFETY: the pointer is to an element of the map, which outlives the program. Two CPUs may write it at
        // once; then one of them tells its process again.
        unsafe {
            if place.read_volatile() == this {
                return;
            }
            if tell_current(this, mono_ns) != 0 {
                place.write_volatile(this);
            }
        }
    }
}

/// Tells the current process, whose number stands in the low half of `this`, and its incarnation above that; returns 0 where
/// it could not.
///
/// A global function, which the verifier checks once and by itself: followed from every place that calls it, the loops
/// up the paths took a third of a second.
#[inline(never)]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn tell_current(this: u64, mono_ns: u64) -> u64 {
    let Some(paths) = PATHS.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: the pointer is to this CPU's element of the map, which outlives the program.
    unsafe {
        if exchange(&raw mut (*paths).is_taken, 1) != 0 {
            return 0;
        }
        let sent = tell_with(paths, this, mono_ns);
        (&raw mut (*paths).is_taken).write_volatile(0);
        u64::from(sent)
    }
}

#[inline(always)]
unsafe fn tell_with(paths: *mut Paths, this: u64, mono_ns: u64) -> bool {
    // SAFETY: offsets come from the kernel's own types, and the verifier checks them; what it does not follow is read
    // with helpers that cannot fault.
    unsafe {
        let task = bpf_get_current_task_btf() as u64;
        let offsets = &crate::loaded::config().usage.process;
        let leader: u64 = probe(task, crate::loaded::loaded(&offsets.leader)).unwrap_or(0);
        let memory: u64 = probe(task, crate::loaded::loaded(&offsets.memory)).unwrap_or(0);
        let exe = &raw mut (*paths).exe;
        let cgroup = &raw mut (*paths).cgroup;
        clear(exe.cast(), EXE_SIZE / 8);
        clear(cgroup.cast(), CGROUP_PATH_SIZE / 8);
        let mut flags = 0;
        match write_exe(memory) {
            PATH => flags |= told::EXE,
            DELETED => flags |= told::EXE | told::EXE_DELETED,
            _ => {}
        }
        if write_cgroup() != 0 {
            flags |= told::CGROUP_PATH;
        }
        emit_silently(
            Between::Interrupts,
            KIND_PROCESS,
            mono_ns,
            |record: *mut ProcessRecord| {
                (*record).tgid = this as u32;
                (*record).incarnation = (this >> 32) as u16;
                (*record).reserved = 0;
                (*record).reserved_words = [0; 2];
                (*record).uid = bpf_get_current_uid_gid() as u32;
                let start = probe(leader, configured!(usage.process.start));
                (*record).start_ns = start.unwrap_or(0);
                if start.is_some() {
                    flags |= told::START;
                }
                let parent: Option<u32> = probe::<u64>(leader, configured!(usage.process.parent))
                    .and_then(|parent| probe(parent, configured!(usage.process.tgid)));
                (*record).parent = parent.unwrap_or(0);
                if parent.is_some() {
                    flags |= told::PARENT;
                }
                (*record).comm = probe(leader, configured!(usage.process.comm)).unwrap_or([0; 16]);
                copy(&raw mut (*record).exe, exe.cast());
                copy(&raw mut (*record).cgroup_path, cgroup.cast());
                if write_args(record, memory) {
                    flags |= told::ARGS;
                }
                (*record).known = flags;
            },
        )
    }
}

/// Reads a pointer; zero where there is none, or nothing is mapped, since the helper then writes zeros.
///
/// Without a branch: on the way up a path, each would give the verifier two ways to follow at every step.
#[inline(always)]
unsafe fn pointer(object: u64, offset: u32) -> u64 {
    let Some(at) = present(offset) else {
        return 0;
    };
    let place = object.wrapping_add(at as u64);
    let mut value = 0_u64;
    // SAFETY: the helper writes as much as the value has, and cannot fault.
    unsafe {
        bpf_probe_read_kernel(
            (&raw mut value).cast(),
            8,
            place as *const core::ffi::c_void,
        )
    };
    value
}

/// Sets `words` words to zero.
#[inline(always)]
unsafe fn clear(place: *mut u64, words: usize) {
    let mut word = 0;
    while word < words {
        // SAFETY: the caller has that many.
        unsafe { place.add(word).write_volatile(0) };
        word += 1;
    }
}

/// Copies a path into a record.
#[inline(always)]
unsafe fn copy<const SIZE: usize>(to: *mut [u8; SIZE], from: *const u8) {
    // SAFETY: the record has room for that many bytes, and the helper cannot fault.
    unsafe { bpf_probe_read_kernel(to.cast(), SIZE as u32, from.cast()) };
}

/// Appends a name to a path of at most `room` bytes, a power of two, behind which there is room for one name more. Returns
/// whether it fitted.
#[inline(always)]
unsafe fn push(path: *mut u8, used: &mut usize, room: usize, name: u64) -> bool {
    // Read anew, so that the compiler does not take away what tells the verifier how far it goes.
    // SAFETY: a reference is valid to read from.
    let at = unsafe { (used as *const usize).read_volatile() } & (room - 1);
    // SAFETY: behind each of `room` bytes there is room for a whole name, and the helper cannot fault.
    let taken = unsafe {
        bpf_probe_read_kernel_str(
            path.add(at).cast(),
            NAME_SIZE as u32,
            name as *const core::ffi::c_void,
        )
    };
    if taken <= 1 {
        return false;
    }
    *used = at + taken as usize;
    *used < room
}

/// Writes the path of the executable: up to the root of the file system, then on from the place where that is mounted.
///
/// A global function, as [`tell_current`] is; returns 0 where the path is not known, or has no room.
#[inline(never)]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn write_exe(memory: u64) -> u64 {
    if memory == 0 || !exe_of(memory) {
        return 0;
    }
    // SAFETY: `probe` reads any address without a fault.
    let hashed = (|| unsafe {
        let file: u64 = probe(memory, configured!(usage.process.exe))?;
        let entry: u64 = probe(file, configured!(usage.process.file_entry))?;
        probe::<u64>(entry, configured!(usage.process.entry_hashed))
    })();
    match hashed {
        Some(0) => DELETED,
        _ => PATH,
    }
}

#[inline(always)]
fn exe_of(memory: u64) -> bool {
    let Some(paths) = PATHS.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: the pointer is to this CPU's element of the map, which outlives the program.
    let path: *mut u8 = unsafe { (&raw mut (*paths).exe).cast() };
    // SAFETY: `probe` reads any address without a fault.
    let ends = (|| unsafe {
        let file: u64 = probe(memory, configured!(usage.process.exe))?;
        if file == 0 {
            return None;
        }
        let mount: u64 = probe(file, configured!(usage.process.file_mount))?;
        let entry: u64 = probe(file, configured!(usage.process.file_entry))?;
        Some((mount, entry))
    })();
    let Some((mut mount, mut entry)) = ends else {
        return false;
    };
    let Some(inner) = present(configured!(usage.process.mount_inner)) else {
        return false;
    };
    let inner = inner as u64;
    let mut used = 0;
    let mut step = 0;
    while step < STEPS {
        step += 1;
        // SAFETY: as above, and the path has room for one name more.
        let going = unsafe {
            let root: u64 = pointer(mount, configured!(usage.process.mount_root));
            if entry == root {
                let outer = mount.wrapping_sub(inner);
                let parent: u64 = pointer(outer, configured!(usage.process.mount_parent));
                if parent == outer || parent == 0 {
                    return used > 0;
                }
                entry = pointer(outer, configured!(usage.process.mount_point));
                mount = parent + inner;
                true
            } else {
                let name: u64 = pointer(entry, configured!(usage.process.entry_name));
                let above: u64 = pointer(entry, configured!(usage.process.entry_parent));
                if above == entry {
                    // A file that no directory holds, as memfd_create makes it.
                    return push(path, &mut used, EXE_SIZE, name);
                }
                entry = above;
                push(path, &mut used, EXE_SIZE, name)
            }
        };
        if !going {
            return false;
        }
    }
    false
}

/// Writes the path of the cgroup of version 2.
///
/// A global function likewise, which takes numbers alone: so it looks for the current task itself.
#[inline(never)]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn write_cgroup() -> u64 {
    // SAFETY: the helper takes nothing and gives the current task.
    u64::from(cgroup_of(unsafe { bpf_get_current_task_btf() } as u64))
}

#[inline(always)]
fn cgroup_of(task: u64) -> bool {
    let Some(paths) = PATHS.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: the pointer is to this CPU's element of the map, which outlives the program.
    let path: *mut u8 = unsafe { (&raw mut (*paths).cgroup).cast() };
    // SAFETY: `probe` reads any address without a fault.
    let node = (|| unsafe {
        let set: u64 = probe(task, configured!(usage.process.cgroups))?;
        let cgroup: u64 = probe(set, configured!(usage.process.default_cgroup))?;
        probe::<u64>(cgroup, configured!(usage.process.cgroup_node))
    })();
    let Some(mut node) = node else {
        return false;
    };
    let mut used = 0;
    let mut step = 0;
    while step < STEPS {
        step += 1;
        // SAFETY: as above, and the path has room for one name more.
        unsafe {
            let above: u64 = pointer(node, configured!(usage.process.node_parent));
            if above == 0 {
                return used <= CGROUP_PATH_SIZE;
            }
            let name: u64 = pointer(node, configured!(usage.process.node_name));
            if !push(path, &mut used, 512, name) {
                return false;
            }
            node = above;
        }
    }
    false
}

/// Writes the arguments, as far as there is room; returns whether they could be read.
#[inline(always)]
unsafe fn write_args(record: *mut ProcessRecord, memory: u64) -> bool {
    // SAFETY: a record is a reserved one, and `probe` reads any address without a fault.
    unsafe {
        let args = &raw mut (*record).args;
        clear(args.cast(), ARGS_SIZE / 8);
        (*record).args_len = 0;
        (*record).args_cut = 0;
        if memory == 0 {
            return false;
        }
        let start: Option<u64> = probe(memory, configured!(usage.process.args_start));
        let end: Option<u64> = probe(memory, configured!(usage.process.args_end));
        let (Some(start), Some(end)) = (start, end) else {
            return false;
        };
        let len = end.wrapping_sub(start);
        let taken = match len <= ARGS_SIZE as u64 {
            true => len as u32,
            false => ARGS_SIZE as u32,
        };
        if taken == 0 || taken as usize > ARGS_SIZE {
            return false;
        }
        // SAFETY: the record has room for that many bytes; the helper does not fault, and fails where a page is away.
        let failed = bpf_probe_read_user(args.cast(), taken, start as *const core::ffi::c_void);
        if failed != 0 {
            return false;
        }
        (*record).args_len = taken as u16;
        (*record).args_cut = u16::from(len > ARGS_SIZE as u64);
        true
    }
}
