//! The kernel side: one program on each of the two hooks of `sock:inet_sock_set_state`, and others,
//! attached where they are wanted, on the life of timewait and request sockets.
//!
//! **Owns:** reading what happened, deciding early whether anybody wants it, and handing it over
//! or counting it as lost.
//! **Never:** names, durations, identity: they are the agent's work, where they can be tested.
//!
//! Programs on different hooks of the same thing write the same record; what a hook cannot know keeps
//! its "known" bit clear.

#![cfg_attr(target_arch = "bpf", no_std)]
#![cfg_attr(target_arch = "bpf", no_main)]
// For the one instruction that the compiler does not make.
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

#[cfg(target_arch = "bpf")]
mod ages;
#[cfg(target_arch = "bpf")]
mod callers;
#[cfg(target_arch = "bpf")]
mod classic;
#[cfg(target_arch = "bpf")]
mod closing;
#[cfg(target_arch = "bpf")]
mod emit;
#[cfg(target_arch = "bpf")]
mod filter;
#[cfg(target_arch = "bpf")]
mod follow;
#[cfg(target_arch = "bpf")]
mod functions;
#[cfg(target_arch = "bpf")]
mod loaded;
#[cfg(target_arch = "bpf")]
mod minisocks;
#[cfg(target_arch = "bpf")]
mod processes;
#[cfg(target_arch = "bpf")]
mod refusal;
#[cfg(target_arch = "bpf")]
mod rings;
#[cfg(target_arch = "bpf")]
mod segments;
#[cfg(target_arch = "bpf")]
mod timers;
#[cfg(target_arch = "bpf")]
mod typed;
#[cfg(target_arch = "bpf")]
mod users;

/// Licences of the object: `bpf_probe_read_kernel` and others are for GPL-compatible programs only.
#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// Nothing in the object panics; the verifier would refuse a program that could get here.
#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[cfg(not(target_arch = "bpf"))]
fn main() {
    eprintln!("tracer-object runs inside the kernel; the agent, `tracer`, brings it there");
    std::process::exit(2);
}
