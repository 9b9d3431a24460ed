//! Events for the tests of the pure rooms, a line each.

use std::net::{IpAddr, Ipv4Addr};

use crate::model::event::{Comm, ShownTuple};
use crate::model::{
    CloseError, Family, Loss, LossCause, MonoNs, Socket, StateChange, Task, TcpState,
};

/// A change of the socket numbered so, with a cookie and ends that follow from the number.
pub(crate) fn change(socket: u64, at: u64, from: TcpState, to: TcpState) -> StateChange {
    StateChange {
        at: MonoNs(at),
        cpu: 0,
        socket: Socket(socket),
        cookie: Some(socket),
        from,
        to,
        socket_family: Family::Ipv4,
        shown: ShownTuple {
            local_addr: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
            local_port: 1000 + socket as u16,
            remote_addr: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
            remote_port: 80,
        },
        bound_port: Some(1000 + socket as u16),
        netns: Some(1),
        cgroup: None,
        uid: None,
        error: Some(CloseError(0)),
        task: Task::named(1, 1, Comm::default()),
        task_holds_socket: Some(false),
        task_is_followed: false,
        timewait_refused: None,
        timewait_made: false,
    }
}

/// The same in another network namespace.
pub(crate) fn in_netns(netns: u32, mut change: StateChange) -> StateChange {
    change.netns = Some(netns);
    change
}

/// A loss of one change between two moments.
pub(crate) fn loss(since: u64, until: u64) -> Loss {
    Loss {
        beside: 0,
        cause: LossCause::RingFull { cpu: 0 },
        lost: 1,
        since: MonoNs(since),
        until: MonoNs(until),
    }
}
