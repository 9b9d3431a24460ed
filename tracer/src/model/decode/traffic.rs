//! Figures of connections.

use std::mem::offset_of;

use tracer_ebpf::{TRAFFIC_SIZE, TrafficRecord as Record, traffic_known as known};

use super::DecodeError;
use crate::model::traffic::DONE;
use crate::model::{Bytes, Event, Figures, MonoNs, Segments, Socket, Standing, Timers, Traffic};

/// What was sent and received of data.
///
/// # Kernel
///
/// `bytes_sent` counts what is sent again, `bytes_received` the other end's FIN, which sets `SOCK_DONE`.
fn data(bytes: &[u8; TRAFFIC_SIZE]) -> Bytes {
    let retransmitted = field!(bytes, bytes_retransmitted: u64);
    let received = field!(bytes, bytes_received: u64);
    let had_fin = field!(bytes, flags: u32) & DONE != 0;
    Bytes {
        sent: field!(bytes, bytes_sent: u64).saturating_sub(retransmitted),
        retransmitted,
        received: received.saturating_sub(u64::from(had_fin)),
    }
}

/// Nanoseconds that an eighth of a microsecond has.
const NS_IN_EIGHTH: u64 = 125;

pub(super) fn traffic(bytes: &[u8; TRAFFIC_SIZE]) -> Result<Event, DecodeError> {
    let size = field!(bytes, size: u16);
    if usize::from(size) != TRAFFIC_SIZE {
        refuse!(size, size);
    }
    let linger_zero = field!(bytes, linger_zero: u16);
    if linger_zero > 1 {
        refuse!(linger_zero, linger_zero);
    }
    let flags = field!(bytes, known: u32);
    let has = |flag: u32| flags & flag != 0;
    let rtt = field!(bytes, smoothed_rtt: u32);
    Ok(Event::Traffic(Traffic {
        at: MonoNs(field!(bytes, mono_ns: u64)),
        socket: Socket(field!(bytes, socket: u64)),
        cookie: has(known::COOKIE).then(|| field!(bytes, cookie: u64)),
        figures: Figures {
            bytes: has(known::BYTES).then(|| data(bytes)),
            segments: has(known::SEGMENTS).then(|| Segments {
                sent: field!(bytes, segments_sent: u32),
                received: field!(bytes, segments_received: u32),
            }),
            retransmits: has(known::RETRANSMITS).then(|| field!(bytes, retransmits: u32)),
            rtt_ns: (has(known::RTT) && rtt != 0).then(|| u64::from(rtt) * NS_IN_EIGHTH),
            congestion_window: has(known::CONGESTION_WINDOW)
                .then(|| field!(bytes, congestion_window: u32)),
        },
        standing: Standing {
            unread: has(known::UNREAD).then(|| field!(bytes, unread: u32)),
            waiting: has(known::WAITING).then(|| field!(bytes, waiting: u32)),
            flags: has(known::FLAGS).then(|| (field!(bytes, flags: u32), linger_zero == 1)),
            timers: has(known::TIMERS).then(|| Timers {
                retransmits: field!(bytes, pending_retransmits: u16),
                probes: field!(bytes, probes: u16),
                user_timeout_ms: field!(bytes, user_timeout_ms: u32),
            }),
            has_program: has(known::PROGRAM).then(|| has(known::HAS_PROGRAM)),
        },
    }))
}
