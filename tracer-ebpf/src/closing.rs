//! What a connection had carried as its full socket closes.

use tracer_ebpf::{KIND_TRAFFIC, TrafficRecord, traffic_known as told};

use crate::{
    emit::begin,
    loaded::{configured, placed},
    typed::{Typed, read},
};

/// Reads a field of the socket into the record: zero where this kernel has no such field.
macro_rules! copy {
    ($record:ident.$to:ident, $from:expr, $at:ident : $type:ty) => {
        (*$record).$to = read::<$type>($from, placed!(traffic.$at)).into()
    };
}

/// Writes the figures of `tcp`, which is `socket` as the wider type, into room for them.
#[inline(always)]
pub(crate) unsafe fn write_traffic(
    record: *mut TrafficRecord,
    mono_ns: u64,
    socket: Typed,
    tcp: Typed,
    cookie: u64,
    old_state: i32,
) {
    // SAFETY: offsets come from the kernel's own types, and the verifier checks them; the record is a reserved one.
    unsafe {
        begin(record, KIND_TRAFFIC, mono_ns);
        (*record).socket = socket as u64;
        (*record).cookie = cookie;
        let mut flags = configured!(traffic.known);
        if cookie != 0 {
            flags |= told::COOKIE;
        }
        copy!(record.bytes_sent, tcp, bytes_sent: u64);
        copy!(record.bytes_received, tcp, bytes_received: u64);
        copy!(record.bytes_acked, tcp, bytes_acked: u64);
        copy!(record.bytes_retransmitted, tcp, bytes_retransmitted: u64);
        copy!(record.segments_sent, tcp, segments_sent: u32);
        copy!(record.segments_received, tcp, segments_received: u32);
        copy!(record.retransmits, tcp, retransmits: u32);
        copy!(record.smoothed_rtt, tcp, smoothed_rtt: u32);
        copy!(record.congestion_window, tcp, congestion_window: u32);
        copy!(record.pending_retransmits, tcp, pending_retransmits: u8);
        copy!(record.probes, tcp, probes: u8);
        copy!(record.user_timeout_ms, tcp, user_timeout: u32);
        copy!(record.flags, socket, flags: u32);
        let linger: u64 = read(socket, placed!(traffic.linger_time));
        (*record).linger_zero = u16::from(linger == 0);
        let received: u32 = read(tcp, placed!(traffic.received_up_to));
        (*record).unread = received.wrapping_sub(read(tcp, placed!(traffic.read_up_to)));
        let written: u32 = read(tcp, placed!(traffic.written_up_to));
        (*record).waiting = written.wrapping_sub(read(tcp, placed!(traffic.acked_up_to)));
        if read::<u64>(tcp, placed!(traffic.program)) != 0 {
            flags |= told::HAS_PROGRAM;
        }
        (*record).old_state = old_state as u16;
        (*record).known = flags;
    }
}
