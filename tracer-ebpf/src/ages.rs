//! Since when each timewait socket exists: told for all of a network namespace when the agent asks.
//!
//! # Kernel
//!
//! * An iterator over TCP sockets (`iter/tcp`, Linux 5.9) calls the program for each socket of the
//!   namespace of the task that opened it, and once without a socket at the end. Small sockets are
//!   among them, and are held meanwhile.
//! * `tw_entry_stamp` (Linux 6.14) is `CLOCK_MONOTONIC` in milliseconds, cut to 32 bits
//!   (`tcp_time_wait`, `tcp_timewait_state_process`).

use aya_ebpf::{
    bindings::seq_file,
    helpers::generated::{bpf_ktime_get_ns, bpf_seq_write},
};
use tracer_ebpf::AgeRecord;

use crate::{
    emit::now_ns,
    loaded::{configured, present},
    minisocks::probe,
    typed::{Typed, read},
};

const TCP_TIME_WAIT: u8 = 6;
const MS: u64 = 1_000_000;

/// `struct bpf_iter__tcp`: each field has eight bytes.
#[repr(C)]
struct Iteration {
    /// Begins with a pointer to the file that is read.
    meta: *const *mut seq_file,
    socket: Typed,
    uid: u64,
}

/// Runs for every TCP socket of a namespace.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/tcp")]
extern "C" fn timewait_ages(ctx: *const Iteration) -> i32 {
    // SAFETY: the verifier checks every access that follows.
    let _ = unsafe { tell(ctx) };
    0
}

#[inline(always)]
unsafe fn tell(ctx: *const Iteration) -> Option<()> {
    // SAFETY: the verifier knows the types of what an iterator hands over.
    unsafe {
        let meta = core::ptr::read_volatile(&raw const (*ctx).meta);
        let socket = core::ptr::read_volatile(&raw const (*ctx).socket);
        if socket.is_null() {
            return None;
        }
        let state: u8 = read(socket, present(configured!(minisock.offsets.state))?);
        if state != TCP_TIME_WAIT {
            return None;
        }
        let address = socket as u64;
        let entered: u32 = probe(address, configured!(minisock.offsets.timewait_entered))?;
        let cookie: u64 = probe(address, configured!(minisock.offsets.cookie))?;
        if cookie == 0 {
            return None;
        }
        let now = bpf_ktime_get_ns();
        let age_ms = ((now / MS) as u32).wrapping_sub(entered);
        let age_ns = u64::from(age_ms) * MS + now % MS;
        let record = AgeRecord {
            cookie,
            entered_ns: now_ns().saturating_sub(age_ns),
        };
        let file = core::ptr::read_volatile(meta);
        bpf_seq_write(
            file,
            (&raw const record).cast(),
            size_of::<AgeRecord>() as u32,
        );
    }
    Some(())
}
