//! Timewait and request sockets: which function was at work, and what that means.

use std::mem::offset_of;

use tracer_ebpf::{MINISOCK_SIZE, MinisockRecord as Record, caller, minisock_known as known, what};

use super::{DecodeError, family, sixteen};
use crate::model::endpoint::address_from_bytes;
use crate::model::{
    Endpoint, Event, MonoNs, Request, RequestEnd, RequestNews, Socket, TcpState, Ticks, Timewait,
    TimewaitEnd, TimewaitNews, Tuple,
};

type Bytes = [u8; MINISOCK_SIZE];

pub(super) fn timewait(bytes: &Bytes) -> Result<Event, DecodeError> {
    let common = common(bytes)?;
    let substate = TcpState::from_kernel(field!(bytes, state: u16));
    if !matches!(substate, TcpState::FinWait2 | TcpState::TimeWait) {
        refuse!(state, field!(bytes, state: u16));
    }
    let timer = Ticks {
        now: field!(bytes, jiffies: u64),
        expires: field!(bytes, expires: u64),
    };
    let news = match field!(bytes, what: u16) {
        what::ARMED => TimewaitNews::Armed(timer),
        what::EXPIRED => TimewaitNews::Ended {
            end: TimewaitEnd::Expired,
            timer: Some(timer),
        },
        what::REMOVED => TimewaitNews::Ended {
            end: timewait_end(field!(bytes, caller: u16), substate),
            timer: Some(timer),
        },
        other => refuse!(what, other),
    };
    Ok(Event::Timewait(Timewait {
        at: common.at,
        error_ns: 0,
        cookie: common.cookie,
        netns: common.netns,
        tuple: common.tuple,
        substate,
        news,
    }))
}

/// What the function that took a timewait socket out stands for.
///
/// # Kernel
///
/// `tcp_v4_rcv` and `tcp_v6_rcv` take one out themselves for two reasons, which its substate tells
/// apart: `TCP_TW_SYN`, only in TIME_WAIT, and `TCP_TW_RST`, only in FIN_WAIT2
/// (`tcp_timewait_state_process`).
fn timewait_end(by: u16, substate: TcpState) -> TimewaitEnd {
    match (u32::from(by), substate) {
        (caller::CONNECT, _) => TimewaitEnd::Reused,
        (caller::RECEIVE, TcpState::TimeWait) | (caller::TPROXY, _) => TimewaitEnd::NewSyn,
        (caller::RECEIVE | caller::TIMEWAIT_PROCESS, _) => TimewaitEnd::Reset,
        (caller::ABORT, _) => TimewaitEnd::Killed,
        (caller::NETNS_EXIT, _) => TimewaitEnd::NetnsGone,
        _ => TimewaitEnd::Unknown,
    }
}

pub(super) fn request(bytes: &Bytes) -> Result<Event, DecodeError> {
    let common = common(bytes)?;
    let news = match field!(bytes, what: u16) {
        what::ARMED => RequestNews::Armed,
        what::EXPIRED => RequestNews::Expired(timed_out(bytes)),
        what::REMOVED => RequestNews::Ended(match u32::from(field!(bytes, caller: u16)) {
            caller::REQUEST_COMPLETE => RequestEnd::Completed,
            caller::REQUEST_TIMER => timed_out(bytes),
            caller::REQUEST_CHECK => RequestEnd::Reset,
            caller::RECEIVE => RequestEnd::ListenerClosed,
            caller::ABORT => RequestEnd::Killed,
            caller::NETNS_EXIT => RequestEnd::NetnsGone,
            _ => RequestEnd::Unknown,
        }),
        other => refuse!(what, other),
    };
    Ok(Event::Request(Request {
        at: common.at,
        address: Socket(field!(bytes, address: u64)),
        netns: common.netns,
        tuple: common.tuple,
        retransmits: field!(bytes, retransmits: u16),
        news,
    }))
}

/// Why a request socket is given up whose time is over.
fn timed_out(bytes: &Bytes) -> RequestEnd {
    if TcpState::from_kernel(field!(bytes, state: u16)) != TcpState::Listen {
        return RequestEnd::ListenerClosed;
    }
    let flags = field!(bytes, known: u32);
    match flags & known::HANDSHAKE != 0 && flags & known::ACKED != 0 {
        true => RequestEnd::AcceptQueueFull,
        false => RequestEnd::TimedOut,
    }
}

/// What both kinds have.
struct Common {
    at: MonoNs,
    cookie: Option<u64>,
    netns: Option<u32>,
    tuple: Tuple,
}

fn common(bytes: &Bytes) -> Result<Common, DecodeError> {
    let size = field!(bytes, size: u16);
    if usize::from(size) != MINISOCK_SIZE {
        refuse!(size, size);
    }
    for (index, byte) in bytes[offset_of!(Record, reserved)..][..6]
        .iter()
        .enumerate()
    {
        if *byte != 0 {
            return Err(DecodeError::Field {
                field: "reserved",
                offset: offset_of!(Record, reserved) + index,
                value: u64::from(*byte),
            });
        }
    }
    let Some(family) = family(field!(bytes, family: u16)) else {
        refuse!(family, field!(bytes, family: u16));
    };
    let end = |addr: usize, port: u16| {
        let addr = address_from_bytes(family, sixteen(bytes, addr));
        Endpoint::new(Some(addr), (port != 0).then_some(port))
    };
    let flags = field!(bytes, known: u32);
    let cookie = field!(bytes, cookie: u64);
    Ok(Common {
        at: MonoNs(field!(bytes, mono_ns: u64)),
        cookie: (flags & known::COOKIE != 0 && cookie != 0).then_some(cookie),
        netns: (flags & known::NETNS != 0).then(|| field!(bytes, netns: u32)),
        tuple: Tuple {
            local: end(
                offset_of!(Record, local_addr),
                field!(bytes, local_port: u16),
            ),
            remote: end(
                offset_of!(Record, remote_addr),
                field!(bytes, remote_port: u16),
            ),
        },
    })
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use proptest::prelude::*;

    use super::super::decode;
    use super::*;
    use crate::model::Event;
    use tracer_ebpf::{KIND_REQUEST, KIND_TIMEWAIT};

    /// A timewait socket whose time is over.
    fn record(kind: u16, what: u16, by: u32, state: u16) -> Bytes {
        let mut bytes = [0; MINISOCK_SIZE];
        let mut put = |at: usize, value: &[u8]| bytes[at..][..value.len()].copy_from_slice(value);
        put(offset_of!(Record, kind), &kind.to_ne_bytes());
        put(
            offset_of!(Record, size),
            &(MINISOCK_SIZE as u16).to_ne_bytes(),
        );
        put(offset_of!(Record, mono_ns), &77_u64.to_ne_bytes());
        put(offset_of!(Record, address), &0xffff_8881_u64.to_ne_bytes());
        put(offset_of!(Record, cookie), &9_u64.to_ne_bytes());
        put(offset_of!(Record, jiffies), &100_u64.to_ne_bytes());
        put(offset_of!(Record, expires), &90_u64.to_ne_bytes());
        put(
            offset_of!(Record, known),
            &(known::COOKIE | known::NETNS).to_ne_bytes(),
        );
        put(offset_of!(Record, netns), &5_u32.to_ne_bytes());
        put(offset_of!(Record, what), &what.to_ne_bytes());
        put(offset_of!(Record, caller), &(by as u16).to_ne_bytes());
        put(offset_of!(Record, state), &state.to_ne_bytes());
        put(offset_of!(Record, family), &2_u16.to_ne_bytes());
        put(offset_of!(Record, local_port), &40_112_u16.to_ne_bytes());
        put(offset_of!(Record, remote_port), &443_u16.to_ne_bytes());
        put(offset_of!(Record, local_addr), &[10, 0, 0, 5]);
        put(offset_of!(Record, remote_addr), &[10, 0, 0, 6]);
        bytes
    }

    fn timewait_of(bytes: &Bytes) -> Timewait {
        match decode(bytes) {
            Ok(Event::Timewait(timewait)) => timewait,
            other => panic!("no timewait socket: {other:?}"),
        }
    }

    fn end_of_request(bytes: &Bytes) -> RequestNews {
        match decode(bytes) {
            Ok(Event::Request(request)) => request.news,
            other => panic!("no request socket: {other:?}"),
        }
    }

    #[test]
    fn a_timewait_socket_is_read_as_it_was_written() {
        let found = timewait_of(&record(KIND_TIMEWAIT, what::EXPIRED, 0, 6));
        assert_eq!((found.at, found.cookie), (MonoNs(77), Some(9)));
        assert_eq!((found.netns, found.error_ns), (Some(5), 0));
        assert_eq!(found.substate, TcpState::TimeWait);
        assert_eq!(found.tuple.local.to_string(), "10.0.0.5:40112");
        assert_eq!(found.tuple.remote.to_string(), "10.0.0.6:443");
        let timer = Some(Ticks {
            now: 100,
            expires: 90,
        });
        let end = TimewaitEnd::Expired;
        assert_eq!(found.news, TimewaitNews::Ended { end, timer });
    }

    #[test]
    fn who_took_it_out_tells_why() {
        let ended =
            |by, state| match timewait_of(&record(KIND_TIMEWAIT, what::REMOVED, by, state)).news {
                TimewaitNews::Ended { end, .. } => end,
                other => panic!("it has not ended: {other:?}"),
            };
        let (fin_wait2, time_wait) = (5, 6);
        assert_eq!(ended(caller::CONNECT, time_wait), TimewaitEnd::Reused);
        assert_eq!(ended(caller::RECEIVE, time_wait), TimewaitEnd::NewSyn);
        assert_eq!(ended(caller::RECEIVE, fin_wait2), TimewaitEnd::Reset);
        assert_eq!(
            ended(caller::TIMEWAIT_PROCESS, time_wait),
            TimewaitEnd::Reset
        );
        assert_eq!(ended(caller::ABORT, time_wait), TimewaitEnd::Killed);
        assert_eq!(ended(caller::NETNS_EXIT, time_wait), TimewaitEnd::NetnsGone);
        assert_eq!(ended(caller::UNKNOWN, time_wait), TimewaitEnd::Unknown);
    }

    #[test]
    fn a_request_that_ran_out_is_told_from_one_that_had_no_room() {
        let (listen, close) = (10, 7);
        let by = caller::REQUEST_TIMER;
        let mut bytes = record(KIND_REQUEST, what::REMOVED, by, listen);
        assert_eq!(
            end_of_request(&bytes),
            RequestNews::Ended(RequestEnd::TimedOut)
        );
        bytes[offset_of!(Record, known)..][..4]
            .copy_from_slice(&(known::HANDSHAKE | known::ACKED).to_ne_bytes());
        assert_eq!(
            end_of_request(&bytes),
            RequestNews::Ended(RequestEnd::AcceptQueueFull)
        );
        assert_eq!(
            end_of_request(&record(KIND_REQUEST, what::EXPIRED, 0, close)),
            RequestNews::Expired(RequestEnd::ListenerClosed)
        );
    }

    #[test]
    fn what_no_record_holds_is_named() {
        let refused = |bytes: &[u8]| decode(bytes).expect_err("it is broken").to_string();
        let whole = record(KIND_TIMEWAIT, what::ARMED, 0, 6);
        assert!(refused(&whole[..111]).contains("a record of 111 bytes, expected 112"));
        assert!(refused(&record(KIND_TIMEWAIT, 9, 0, 6)).contains("`what` at byte 62 holds 9"));
        assert!(refused(&record(KIND_TIMEWAIT, 1, 0, 1)).contains("`state` at byte 66 holds 1"));
        let mut stray = whole;
        stray[75] = 1;
        assert!(refused(&stray).contains("`reserved` at byte 75 holds 1"));
    }

    proptest! {
        #[test]
        fn no_change_to_a_record_makes_it_panic(
            at in 0..MINISOCK_SIZE,
            byte: u8,
            kind in KIND_TIMEWAIT..=KIND_REQUEST,
        ) {
            let mut bytes = record(kind, what::ARMED, 0, 6);
            bytes[at] = byte;
            let _ = decode(&bytes);
        }
    }
}
