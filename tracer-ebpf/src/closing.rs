//! What a connection had carried as its full socket closes.

use tracer_ebpf::{KIND_TRAFFIC, TrafficRecord, traffic_known as told};

use crate::{
    emit::begin,
    loaded::{configured, present},
    typed::{Typed, read},
};

/// Reads a field of the socket into the record, or zero where this kernel has no such field; returns the flag where
/// it has.
macro_rules! copy {
    ($record:ident.$to:ident, $from:expr, $at:ident : $type:ty, $flag:expr) => {
        match present(configured!(traffic.$at)) {
            Some(at) => {
                (*$record).$to = read::<$type>($from, at).into();
                $flag
            }
            None => {
                (*$record).$to = 0;
                0
            }
        }
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
        let mut flags = 0;
        (*record).socket = socket as u64;
        (*record).cookie = cookie;
        if cookie != 0 {
            flags |= told::COOKIE;
        }
        flags |= copy!(record.bytes_sent, tcp, bytes_sent: u64, told::BYTES);
        flags |= copy!(record.bytes_received, tcp, bytes_received: u64, told::BYTES);
        flags |= copy!(record.bytes_acked, tcp, bytes_acked: u64, told::BYTES);
        flags |= copy!(record.bytes_retransmitted, tcp, bytes_retransmitted: u64, told::BYTES);
        flags |= copy!(record.segments_sent, tcp, segments_sent: u32, told::SEGMENTS);
        flags |= copy!(record.segments_received, tcp, segments_received: u32, told::SEGMENTS);
        flags |= copy!(record.retransmits, tcp, retransmits: u32, told::RETRANSMITS);
        flags |= copy!(record.smoothed_rtt, tcp, smoothed_rtt: u32, told::RTT);
        flags |= copy!(record.congestion_window, tcp, congestion_window: u32, told::CONGESTION_WINDOW);
        flags |= copy!(record.pending_retransmits, tcp, pending_retransmits: u8, told::TIMERS);
        flags |= copy!(record.probes, tcp, probes: u8, told::TIMERS);
        flags |= copy!(record.user_timeout_ms, tcp, user_timeout: u32, told::TIMERS);
        flags |= copy!(record.flags, socket, flags: u32, told::FLAGS);
        (*record).linger_zero = match present(configured!(traffic.linger_time)) {
            Some(at) => u16::from(read::<u64>(socket, at) == 0),
            None => 0,
        };
        let received = present(configured!(traffic.received_up_to));
        let taken = present(configured!(traffic.read_up_to));
        (*record).unread = match (received, taken) {
            (Some(received), Some(taken)) => {
                flags |= told::UNREAD;
                read::<u32>(tcp, received).wrapping_sub(read::<u32>(tcp, taken))
            }
            _ => 0,
        };
        if let Some(at) = present(configured!(traffic.program)) {
            flags |= told::PROGRAM;
            if read::<u64>(tcp, at) != 0 {
                flags |= told::HAS_PROGRAM;
            }
        }
        (*record).old_state = old_state as u16;
        let written = present(configured!(traffic.written_up_to));
        let acked = present(configured!(traffic.acked_up_to));
        (*record).waiting = match (written, acked) {
            (Some(written), Some(acked)) => {
                flags |= told::WAITING;
                read::<u32>(tcp, written).wrapping_sub(read::<u32>(tcp, acked))
            }
            _ => 0,
        };
        (*record).known = flags;
    }
}
