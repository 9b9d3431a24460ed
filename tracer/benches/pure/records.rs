//! The bytes of records, as the kernel side writes them.

use std::mem::offset_of;

use tracer::model::TcpState;
use tracer_ebpf::{
    KIND_PROCESS, KIND_REQUEST, KIND_SEGMENT, KIND_STATE_CHANGE, KIND_TIMEWAIT, KIND_TRAFFIC,
    KIND_USE, MINISOCK_SIZE, MinisockRecord, PROCESS_SIZE, ProcessRecord, SEGMENT_SIZE,
    STATE_CHANGE_SIZE, SegmentRecord, StateChangeRecord, TRAFFIC_SIZE, TrafficRecord, USE_SIZE,
    UseRecord, caller, known, minisock_known, segment, traffic_known, usage, usage_known, what,
};

const AF_INET: u16 = 2;
const IPPROTO_TCP: u16 = 6;
/// The only network namespace, and its cgroup.
const NETNS: u32 = 4_026_531_840;
const CGROUP: u64 = 4_242;
/// Who uses the sockets, and a digest of its start.
const PID: u32 = 1_234;
const INCARNATION: u16 = 77;
const COMM: [u8; 16] = *b"server\0\0\0\0\0\0\0\0\0\0";
/// Nanoseconds of a tick of the kernel's timers.
pub(super) const TICK_NS: u64 = 4_000_000;

/// A socket, and both ends of its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Socket {
    pub(super) address: u64,
    pub(super) cookie: u64,
    pub(super) local: ([u8; 4], u16),
    pub(super) remote: ([u8; 4], u16),
}

/// Whose task runs as a state changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The one that has the socket.
    Program,
    /// Whichever a segment interrupted.
    Anybody,
}

/// Writes the fields of a record, each where its layout has it.
macro_rules! record {
    ($type:ident, $size:expr, $($name:ident: $value:expr),* $(,)?) => {{
        let mut bytes = [0; $size];
        $({
            let value = $value.to_ne_bytes();
            bytes[offset_of!($type, $name)..][..value.len()].copy_from_slice(&value);
        })*
        bytes
    }};
}

/// Writes an IPv4 address, or a name, where the layout has it.
macro_rules! put {
    ($bytes:ident, $type:ident, $name:ident: $value:expr) => {{
        let value = $value;
        $bytes[offset_of!($type, $name)..][..value.len()].copy_from_slice(&value);
    }};
}

/// The process that all sockets belong to is seen using one.
pub(super) fn process(at: u64) -> [u8; PROCESS_SIZE] {
    let mut bytes = record!(ProcessRecord, PROCESS_SIZE,
        kind: KIND_PROCESS,
        size: PROCESS_SIZE as u16,
        mono_ns: at,
        tgid: PID,
        uid: 1_000_u32,
        incarnation: INCARNATION,
    );
    put!(bytes, ProcessRecord, comm: COMM);
    bytes
}

/// A change of a full socket's state, with the errno that is pending on it.
pub(super) fn change(
    at: u64,
    socket: &Socket,
    from: TcpState,
    to: TcpState,
    by: By,
    error: u32,
) -> [u8; STATE_CHANGE_SIZE] {
    use known::{
        BOUND_PORT, CGROUP as HAS_CGROUP, COOKIE, ERROR, HOLDS_SOCKET, LOCK_OWNER,
        NETNS as HAS_NETNS, UID,
    };
    let is_first = to == TcpState::SynSent;
    let holds = if by == By::Program { HOLDS_SOCKET } else { 0 };
    let known = COOKIE
        | HAS_NETNS
        | HAS_CGROUP
        | UID
        | LOCK_OWNER
        | ERROR
        | BOUND_PORT
        | known::INCARNATION;
    let mut bytes = record!(StateChangeRecord, STATE_CHANGE_SIZE,
        kind: KIND_STATE_CHANGE,
        size: STATE_CHANGE_SIZE as u16,
        mono_ns: at,
        socket: socket.address,
        cookie: socket.cookie,
        cgroup: CGROUP,
        known: (known | holds | known::TIMEWAIT),
        netns: NETNS,
        uid: 1_000_u32,
        tgid: PID,
        tid: PID,
        error: error,
        old_state: number(from),
        new_state: number(to),
        family: AF_INET,
        protocol: IPPROTO_TCP,
        local_port: (if is_first { 0 } else { socket.local.1 }),
        remote_port: socket.remote.1,
        bound_port: (if is_first { 0 } else { socket.local.1 }),
        incarnation: INCARNATION,
    );
    put!(bytes, StateChangeRecord, local_addr: socket.local.0);
    put!(bytes, StateChangeRecord, remote_addr: socket.remote.0);
    put!(bytes, StateChangeRecord, comm: COMM);
    bytes
}

/// What a connection carried that is about to close.
pub(super) fn traffic(at: u64, socket: &Socket, from: TcpState) -> [u8; TRAFFIC_SIZE] {
    use traffic_known::{
        BYTES, CONGESTION_WINDOW, COOKIE, FLAGS, RETRANSMITS, RTT, SEGMENTS, TIMERS, UNREAD,
        WAITING,
    };
    let known = COOKIE | BYTES | SEGMENTS | RETRANSMITS | RTT | CONGESTION_WINDOW;
    record!(TrafficRecord, TRAFFIC_SIZE,
        kind: KIND_TRAFFIC,
        size: TRAFFIC_SIZE as u16,
        mono_ns: at,
        socket: socket.address,
        cookie: socket.cookie,
        bytes_sent: 1_460_u64,
        bytes_received: 512_u64,
        bytes_acked: 1_460_u64,
        known: (known | UNREAD | FLAGS | TIMERS | WAITING),
        segments_sent: 5_u32,
        segments_received: 6_u32,
        smoothed_rtt: 800_u32,
        congestion_window: 10_u32,
        old_state: number(from),
    )
}

/// A program takes a connection from its listener.
pub(super) fn accepted(at: u64, socket: &Socket) -> [u8; USE_SIZE] {
    let mut bytes = record!(UseRecord, USE_SIZE,
        kind: KIND_USE,
        size: USE_SIZE as u16,
        mono_ns: at,
        socket: socket.address,
        cookie: socket.cookie,
        known: (usage_known::COOKIE | usage_known::INCARNATION),
        tgid: PID,
        tid: PID,
        what: usage::ACCEPTED,
        incarnation: INCARNATION,
    );
    put!(bytes, UseRecord, comm: COMM);
    bytes
}

/// A reset leaves this host.
pub(super) fn reset_sent(at: u64, socket: &Socket, state: TcpState) -> [u8; SEGMENT_SIZE] {
    record!(SegmentRecord, SEGMENT_SIZE,
        kind: KIND_SEGMENT,
        size: SEGMENT_SIZE as u16,
        mono_ns: at,
        socket: socket.address,
        cookie: socket.cookie,
        known: usage_known::COOKIE,
        what: segment::RESET_SENT,
        state: number(state),
    )
}

/// Something happens to a small socket.
fn minisock(
    at: u64,
    kind: u16,
    what: u16,
    caller: u32,
    state: TcpState,
    socket: &Socket,
) -> [u8; MINISOCK_SIZE] {
    let ticks = at / TICK_NS;
    let has_cookie = if kind == KIND_TIMEWAIT {
        minisock_known::COOKIE
    } else {
        0
    };
    let mut bytes = record!(MinisockRecord, MINISOCK_SIZE,
        kind: kind,
        size: MINISOCK_SIZE as u16,
        mono_ns: at,
        address: (socket.address + 64),
        cookie: socket.cookie,
        jiffies: ticks,
        expires: (ticks + 60_000_000_000 / TICK_NS),
        known: (minisock_known::NETNS | has_cookie),
        netns: NETNS,
        what: what,
        caller: (caller as u16),
        state: number(state),
        family: AF_INET,
        local_port: socket.local.1,
        remote_port: socket.remote.1,
    );
    put!(bytes, MinisockRecord, local_addr: socket.local.0);
    put!(bytes, MinisockRecord, remote_addr: socket.remote.0);
    bytes
}

/// A SYN came in.
pub(super) fn request(at: u64, socket: &Socket) -> [u8; MINISOCK_SIZE] {
    minisock(
        at,
        KIND_REQUEST,
        what::ARMED,
        caller::UNKNOWN,
        TcpState::Listen,
        socket,
    )
}

/// The handshake of a half-open connection is complete.
pub(super) fn completed(at: u64, socket: &Socket) -> [u8; MINISOCK_SIZE] {
    minisock(
        at,
        KIND_REQUEST,
        what::REMOVED,
        caller::REQUEST_COMPLETE,
        TcpState::Listen,
        socket,
    )
}

/// TIME_WAIT begins.
pub(super) fn time_wait(at: u64, socket: &Socket) -> [u8; MINISOCK_SIZE] {
    minisock(
        at,
        KIND_TIMEWAIT,
        what::ARMED,
        caller::UNKNOWN,
        TcpState::TimeWait,
        socket,
    )
}

/// TIME_WAIT has run out.
pub(super) fn time_wait_over(at: u64, socket: &Socket) -> [u8; MINISOCK_SIZE] {
    minisock(
        at,
        KIND_TIMEWAIT,
        what::EXPIRED,
        caller::UNKNOWN,
        TcpState::TimeWait,
        socket,
    )
}

/// A state as the kernel numbers it.
fn number(state: TcpState) -> u16 {
    let is_it = |&number: &u16| TcpState::from_kernel(number) == state;
    (1..=12)
        .find(is_it)
        .expect("the kernel has a number for it")
}
