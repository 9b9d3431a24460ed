//! What happens between state changes: uses of a socket, and segments.

use std::mem::offset_of;

use tracer_ebpf::known::FOLLOWED;
use tracer_ebpf::{SEGMENT_SIZE, USE_SIZE, segment as what, usage, usage_known as known};

use super::{DecodeError, sixteen};
use crate::model::event::Comm;
use crate::model::{Event, MonoNs, Segment, SegmentNews, Socket, Task, TcpState, Use, Way};

pub(super) fn used(bytes: &[u8; USE_SIZE]) -> Result<Event, DecodeError> {
    use tracer_ebpf::UseRecord as Record;
    let size = field!(bytes, size: u16);
    if usize::from(size) != USE_SIZE {
        refuse!(size, size);
    }
    let flags = field!(bytes, known: u32);
    let has = |flag: u32| flags & flag != 0;
    let way = match field!(bytes, what: u16) {
        usage::ACCEPTED => Way::Accepted,
        usage::RECEIVED => Way::Received,
        other => refuse!(what, other),
    };
    Ok(Event::Use(Use {
        at: MonoNs(field!(bytes, mono_ns: u64)),
        socket: Socket(field!(bytes, socket: u64)),
        cookie: has(known::COOKIE).then(|| field!(bytes, cookie: u64)),
        task: Task {
            pid: field!(bytes, tgid: u32),
            tid: field!(bytes, tid: u32),
            comm: Comm(sixteen(bytes, offset_of!(Record, comm))),
            incarnation: has(known::INCARNATION).then(|| field!(bytes, incarnation: u16)),
            is_kernel: false,
            is_exiting: false,
        },
        task_is_followed: has(FOLLOWED),
        way,
    }))
}

pub(super) fn segment(bytes: &[u8; SEGMENT_SIZE]) -> Result<Event, DecodeError> {
    use tracer_ebpf::SegmentRecord as Record;
    let size = field!(bytes, size: u16);
    if usize::from(size) != SEGMENT_SIZE {
        refuse!(size, size);
    }
    let reserved = field!(bytes, reserved: u32);
    if reserved != 0 {
        refuse!(reserved, reserved);
    }
    let flags = field!(bytes, known: u32);
    let has = |flag: u32| flags & flag != 0;
    let reason = field!(bytes, reason: u32);
    let what = match field!(bytes, what: u16) {
        what::RETRANSMITTED => SegmentNews::Retransmitted,
        what::RESET_SENT => SegmentNews::ResetSent {
            reason: has(known::REASON).then_some(reason),
        },
        what::RESET_RECEIVED => SegmentNews::ResetReceived,
        what::ERROR if has(known::REASON) => SegmentNews::Error(reason),
        other => refuse!(what, other),
    };
    Ok(Event::Segment(Segment {
        at: MonoNs(field!(bytes, mono_ns: u64)),
        socket: Socket(field!(bytes, socket: u64)),
        cookie: has(known::COOKIE).then(|| field!(bytes, cookie: u64)),
        what,
        state: TcpState::from_kernel(field!(bytes, state: u16)),
    }))
}
