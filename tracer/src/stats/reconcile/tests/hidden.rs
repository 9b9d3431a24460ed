//! Counters of timewait and request sockets, and those that no trace predicts.

use super::*;
use crate::model::{KernelCounters, RequestEnd, RequestNews, Socket, Ticks};

const HZ: u32 = 250;
const ALL: Tells = Tells {
    timewait_hz: Some(HZ),
    timewait_ends: true,
    request_ends: true,
};

/// What the kernel counted, by name; all other counters of these are zero.
fn counted(at: u64, counters: &[(&str, u64)]) -> Reading {
    let names = [
        "TW",
        "TWKilled",
        "TWRecycled",
        "TCPTimeWaitOverflow",
        "EmbryonicRsts",
        "ListenOverflows",
        "ListenDrops",
    ];
    let values = names.map(|name| {
        let found = counters.iter().find(|(one, _)| *one == name);
        found.map_or(0, |(_, value)| *value).to_string()
    });
    let fails = counters.iter().find(|(one, _)| *one == "AttemptFails");
    let text = format!(
        "Tcp: AttemptFails\nTcp: {}\nTcpExt: {}\nTcpExt: {}\n",
        fails.map_or(0, |(_, value)| *value),
        names.join(" "),
        values.join(" ")
    );
    Reading {
        netns: 1,
        before: MonoNs(at),
        after: MonoNs(at + 10),
        counters: KernelCounters::parse(&text),
    }
}

/// Compares what happens between the readings at 100 and 300 with what the kernel counted.
fn compared(
    tells: Tells,
    happens: impl FnOnce(&mut Reconciler),
    kernel: &[(&str, u64)],
) -> Vec<Comparison> {
    let mut reconciler = Reconciler::new(vec![counted(100, &[])], &[], tells);
    happens(&mut reconciler);
    reconciler.close(vec![counted(300, kernel)]);
    reconciler.compare()
}

fn figures(all: &[Comparison], counter: &str) -> (Option<i64>, Option<i64>, Option<bool>) {
    let one = of(all, counter);
    (one.kernel, one.traced, one.agree)
}

fn timewait(socket: u64, at: u64, news: TimewaitNews) -> Timewait {
    Timewait {
        at: MonoNs(at),
        error_ns: 0,
        cookie: Some(socket),
        netns: Some(1),
        tuple: change(socket, at, FinWait2, Close).tuple(),
        substate: TimeWait,
        news,
    }
}

fn armed(socket: u64, at: u64, ticks: u64) -> Timewait {
    let timer = Ticks {
        now: 1_000,
        expires: 1_000 + ticks,
    };
    timewait(socket, at, TimewaitNews::Armed(timer))
}

fn ended(socket: u64, at: u64, end: TimewaitEnd) -> Timewait {
    timewait(socket, at, TimewaitNews::Ended { end, timer: None })
}

fn closed(socket: u64, at: u64, refused: Option<bool>) -> StateChange {
    StateChange {
        timewait_refused: refused,
        ..in_netns(1, change(socket, at, FinWait2, Close))
    }
}

fn request(at: u64, end: RequestEnd) -> Request {
    Request {
        at: MonoNs(at),
        address: Socket(1),
        netns: Some(1),
        tuple: change(1, at, Listen, SynRecv).tuple(),
        retransmits: 0,
        news: RequestNews::Ended(end),
    }
}

#[test]
fn a_timewait_socket_counts_once_by_the_time_that_it_begins_with() {
    let four_seconds = u64::from(4 * HZ);
    let all = compared(
        ALL,
        |reconciler| {
            reconciler.count_timewait(&armed(1, 200, u64::from(60 * HZ)));
            reconciler.count(&closed(1, 201, Some(false)));
            // It begins anew, and is older than the trace.
            reconciler.count_timewait(&armed(1, 210, u64::from(60 * HZ)));
            reconciler.count_timewait(&armed(9, 211, u64::from(60 * HZ)));
            reconciler.count_timewait(&armed(2, 220, four_seconds));
            reconciler.count(&closed(2, 221, Some(false)));
            reconciler.count_timewait(&armed(3, 230, four_seconds + 1));
            reconciler.count(&closed(3, 231, Some(false)));
            // Full sockets that end without one, between ends that had one too.
            reconciler.count(&closed(4, 240, Some(false)));
            reconciler.count(&closed(3, 250, Some(false)));
        },
        &[("TW", 2), ("TWKilled", 1)],
    );
    assert_eq!(figures(&all, "TW"), (Some(2), Some(2), Some(true)));
    assert_eq!(figures(&all, "TWKilled"), (Some(1), Some(1), Some(true)));
}

/// A timewait socket gives its ends to the next connection, which ends without one.
#[test]
fn the_ends_of_one_that_began_anew_count_nothing_for_the_next() {
    let all = compared(
        ALL,
        |reconciler| {
            reconciler.count_timewait(&armed(1, 200, u64::from(60 * HZ)));
            reconciler.count(&closed(1, 201, Some(false)));
            reconciler.count_timewait(&armed(1, 210, u64::from(60 * HZ)));
            let next = StateChange {
                cookie: Some(2),
                ..closed(1, 220, None)
            };
            reconciler.count(&next);
        },
        &[("TW", 1)],
    );
    assert_eq!(figures(&all, "TW"), (Some(1), Some(1), Some(true)));
}

#[test]
fn others_of_the_same_moment_do_not_hide_a_beginning() {
    let all = compared(
        ALL,
        |reconciler| {
            for socket in 1..=1_024 {
                reconciler.count_timewait(&armed(socket, 200, 60_000));
            }
            for socket in 1..=1_024 {
                reconciler.count(&closed(socket, 201, Some(false)));
            }
        },
        &[("TW", 1_024)],
    );
    assert_eq!(figures(&all, "TW").2, Some(true));
}

#[test]
fn a_beginning_while_counters_are_read_may_fall_on_either_side() {
    for kernel in [0, 1, 2] {
        let all = compared(
            ALL,
            |reconciler| {
                reconciler.count_timewait(&armed(1, 105, 60_000));
                reconciler.count(&closed(1, 111, Some(false)));
            },
            &[("TW", kernel)],
        );
        assert_eq!(figures(&all, "TW").2, Some(kernel < 2), "{kernel}");
    }
}

#[test]
fn a_difference_in_timewait_sockets_is_told() {
    let all = compared(
        ALL,
        |reconciler| reconciler.count_timewait(&ended(1, 200, TimewaitEnd::Expired)),
        &[("TW", 1), ("TWRecycled", 1)],
    );
    assert_eq!(figures(&all, "TW"), (Some(1), Some(0), Some(false)));
    assert_eq!(figures(&all, "TWRecycled"), (Some(1), Some(0), Some(false)));
}

#[test]
fn one_that_a_connect_takes_over_is_recycled() {
    let all = compared(
        ALL,
        |reconciler| {
            reconciler.count_timewait(&ended(1, 200, TimewaitEnd::Reused));
            reconciler.count_timewait(&ended(2, 200, TimewaitEnd::NewSyn));
        },
        &[("TWRecycled", 1)],
    );
    assert_eq!(figures(&all, "TWRecycled"), (Some(1), Some(1), Some(true)));
}

#[test]
fn what_the_method_does_not_tell_is_the_kernels_own_figure_where_it_moved() {
    let all = compared(
        Tells::default(),
        |reconciler| reconciler.count(&closed(1, 200, None)),
        &[("TW", 5), ("TCPTimeWaitOverflow", 2), ("ListenDrops", 3)],
    );
    for (counter, kernel) in [("TW", 5), ("TCPTimeWaitOverflow", 2), ("ListenDrops", 3)] {
        assert_eq!(figures(&all, counter), (Some(kernel), None, None));
    }
    for counter in ["TWKilled", "TWRecycled", "EmbryonicRsts", "ListenOverflows"] {
        assert!(all.iter().all(|one| one.counter != counter), "{counter}");
    }
}

#[test]
fn a_kernel_that_counts_as_they_expire_is_not_held_against_beginnings() {
    let tells = Tells {
        timewait_hz: None,
        ..ALL
    };
    let all = compared(
        tells,
        |reconciler| {
            reconciler.count_timewait(&armed(1, 200, 60_000));
            reconciler.count(&closed(1, 201, Some(false)));
        },
        &[],
    );
    assert!(all.iter().all(|one| one.counter != "TW"));
}

#[test]
fn a_refused_timewait_socket_is_an_overflow() {
    let all = compared(
        ALL,
        |reconciler| {
            reconciler.count(&closed(1, 200, Some(true)));
            reconciler.count(&closed(2, 200, Some(false)));
        },
        &[("TCPTimeWaitOverflow", 1)],
    );
    let overflow = figures(&all, "TCPTimeWaitOverflow");
    assert_eq!(overflow, (Some(1), Some(1), Some(true)));
}

#[test]
fn half_open_connections_that_a_reset_ends_count_twice() {
    let happens = |reconciler: &mut Reconciler| {
        reconciler.count_request(&request(200, RequestEnd::Reset));
        reconciler.count_request(&request(200, RequestEnd::TimedOut));
        reconciler.count_request(&request(200, RequestEnd::Completed));
    };
    let kernel = [("EmbryonicRsts", 1), ("AttemptFails", 1)];
    let all = compared(ALL, happens, &kernel);
    for (counter, _) in kernel {
        assert_eq!(figures(&all, counter), (Some(1), Some(1), Some(true)));
    }
    let all = compared(ALL, happens, &[("EmbryonicRsts", 1), ("AttemptFails", 2)]);
    assert_eq!(figures(&all, "AttemptFails").2, Some(false), "no excuse");
}

#[test]
fn a_full_queue_that_ends_one_is_no_failed_attempt() {
    let happens =
        |reconciler: &mut Reconciler| reconciler.count_request(&request(200, RequestEnd::Reset));
    let kernel = [("EmbryonicRsts", 1), ("ListenOverflows", 1)];
    let all = compared(ALL, happens, &kernel);
    assert_eq!(
        figures(&all, "AttemptFails"),
        (Some(0), Some(1), Some(true))
    );
    assert_eq!(
        figures(&compared(ALL, happens, &kernel[..1]), "AttemptFails").2,
        Some(false)
    );
}
