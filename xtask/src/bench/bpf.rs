//! What the bench asks of bpf(2): to load a program, to attach it, a program's name, and to measure
//! programs.
//!
//! **Owns:** every `unsafe` of this package, but for the pace of the machine.
//! **Never:** more of bpf(2) than the bench takes; the agent has aya for that.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

/// Commands of bpf(2), as `enum bpf_cmd` numbers them.
const PROG_LOAD: u32 = 5;
const PROG_GET_FD_BY_ID: u32 = 13;
const OBJ_GET_INFO_BY_FD: u32 = 15;
const RAW_TRACEPOINT_OPEN: u32 = 17;
const ENABLE_STATS: u32 = 32;
/// `BPF_PROG_TYPE_RAW_TRACEPOINT`.
const TYPE_RAW_TRACEPOINT: u32 = 17;

/// `BPF_STATS_RUN_TIME`.
const STATS_RUN_TIME: u32 = 0;

/// An instruction as the kernel reads it: the operation, registers, offset and value.
pub(super) type Instruction = [u8; 8];

/// Bytes of a name, its last 0 included (`BPF_OBJ_NAME_LEN`).
const NAME_BYTES: usize = 16;

/// The arguments of `BPF_PROG_LOAD` that are used here, as `union bpf_attr` places them.
#[repr(C)]
struct Load {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; NAME_BYTES],
}

/// Those of `BPF_RAW_TRACEPOINT_OPEN`.
#[repr(C)]
struct Open {
    name: u64,
    program: u32,
    padding: u32,
}

/// Those of `BPF_PROG_GET_FD_BY_ID`.
#[repr(C)]
struct ById {
    id: u32,
    next_id: u32,
    flags: u32,
}

/// Those of `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct Ask {
    program: u32,
    answer_bytes: u32,
    answer: u64,
}

/// The beginning of `struct bpf_prog_info`, up to the name; the kernel writes no more than asked for.
#[repr(C)]
#[derive(Default)]
struct Info {
    before_name: [u64; 8],
    name: [u8; NAME_BYTES],
}

/// Loads a raw tracepoint's program.
///
/// # Kernel
///
/// `BPF_PROG_TYPE_RAW_TRACEPOINT`, since Linux 4.17.
pub(super) fn load(name: &CStr, program: &[Instruction]) -> io::Result<OwnedFd> {
    let mut arguments = Load {
        program_type: TYPE_RAW_TRACEPOINT,
        instruction_count: u32::try_from(program.len()).map_err(io::Error::other)?,
        instructions: program.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: [0; NAME_BYTES],
    };
    // The last byte stays 0.
    for (to, from) in arguments.name[..NAME_BYTES - 1]
        .iter_mut()
        .zip(name.to_bytes())
    {
        *to = *from;
    }
    // SAFETY: both pointers are to memory that outlives the call, of the length that is told or ended
    // by a 0; the kernel only reads there. It judges the program itself.
    let descriptor = unsafe { bpf(PROG_LOAD, &mut arguments) }?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Runs a program at a tracepoint, until what is returned is closed.
pub(super) fn attach(program: &OwnedFd, tracepoint: &CStr) -> io::Result<OwnedFd> {
    let mut arguments = Open {
        name: tracepoint.as_ptr() as u64,
        program: program.as_raw_fd().cast_unsigned(),
        padding: 0,
    };
    // SAFETY: the name ends with a 0 and outlives the call; the kernel only reads there.
    let descriptor = unsafe { bpf(RAW_TRACEPOINT_OPEN, &mut arguments) }?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// The name of a program, cut at 15 bytes as the kernel keeps it.
///
/// # Kernel
///
/// Since Linux 4.15.
pub(super) fn name(id: u32) -> io::Result<String> {
    let mut arguments = ById {
        id,
        next_id: 0,
        flags: 0,
    };
    // SAFETY: there is no pointer in these arguments.
    let descriptor = unsafe { bpf(PROG_GET_FD_BY_ID, &mut arguments) }?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    let program = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let mut info = Info::default();
    let mut arguments = Ask {
        program: program.as_raw_fd().cast_unsigned(),
        answer_bytes: size_of::<Info>() as u32,
        answer: (&raw mut info) as u64,
    };
    // SAFETY: the answer outlives the call and has the length that is told. All of it is integers, so
    // whatever the kernel writes there is valid; what it reads there (other pointers) is zero.
    unsafe { bpf(OBJ_GET_INFO_BY_FD, &mut arguments) }?;
    let name = info.name.split(|byte| *byte == 0).next();
    Ok(String::from_utf8_lossy(name.unwrap_or_default()).into_owned())
}

/// Lets the kernel count and time every run of every program, until what is returned is closed.
///
/// # Kernel
///
/// Since Linux 5.8. `kernel.bpf_stats_enabled` does the same for as long as it is 1; either is enough.
pub(super) fn enable_stats() -> io::Result<OwnedFd> {
    let mut kind = STATS_RUN_TIME;
    // SAFETY: there is no pointer in these arguments.
    let descriptor = unsafe { bpf(ENABLE_STATS, &mut kind) }?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// The system call; what it returns is a descriptor for some commands, and 0 for the others.
///
/// # Safety
///
/// `arguments` has the layout that the command wants, and its pointers lead to memory that the kernel
/// may read and write as that command does.
unsafe fn bpf<T>(command: u32, arguments: &mut T) -> io::Result<i32> {
    // SAFETY: the caller vouches for the pointers within; the length is that of the arguments.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            (&raw mut *arguments).cast::<libc::c_void>(),
            size_of::<T>(),
        )
    };
    match returned {
        -1 => Err(io::Error::last_os_error()),
        descriptor => i32::try_from(descriptor).map_err(io::Error::other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    /// The offsets in `include/uapi/linux/bpf.h`.
    #[test]
    fn arguments_are_where_the_kernel_looks_for_them() {
        assert_eq!(offset_of!(Load, license), 16);
        assert_eq!(offset_of!(Load, log), 32);
        assert_eq!(offset_of!(Load, name), 48);
        assert_eq!(offset_of!(Open, program), 8);
        assert_eq!(offset_of!(Ask, answer), 8);
        assert_eq!(offset_of!(Info, name), 64);
        assert_eq!(size_of::<Info>(), 80);
    }
}
