//! What happens between state changes: whose a connection is as time goes on, and what is told of its end.

use super::*;
use crate::model::{
    Bytes, Figures, ProcessSeen, Segment as Happened, SegmentNews, Socket, Standing, Task, Traffic,
    Use, Way,
};
use crate::track::Follows;

const MS: u64 = 1_000_000;

fn comm(name: &[u8]) -> Comm {
    Comm::new(name).expect("a short name")
}

fn task(pid: u32, name: &[u8]) -> Task {
    Task {
        incarnation: Some(pid as u16),
        ..Task::named(pid, pid, comm(name))
    }
}

/// The task makes this change itself.
fn by(task: Task, mut change: StateChange) -> Event {
    change.task = task;
    change.task_holds_socket = Some(true);
    Event::StateChange(change)
}

/// A listening socket with the local end that connections of this test have.
fn listens(task: Task, socket: u64, at: u64, like: u64) -> Event {
    let mut listener = change(socket, at, Close, Listen);
    listener.shown.local_port = 1000 + like as u16;
    listener.shown.remote_port = 0;
    by(task, listener)
}

fn used(task: Task, socket: u64, at: u64) -> Event {
    Event::Use(Use {
        at: MonoNs(at),
        socket: Socket(socket),
        cookie: Some(socket),
        task,
        task_is_followed: false,
        way: Way::Received,
    })
}

fn happened(socket: u64, at: u64, what: SegmentNews) -> Event {
    Event::Segment(Happened {
        at: MonoNs(at),
        socket: Socket(socket),
        cookie: Some(socket),
        what,
        state: Close,
    })
}

fn traffic(socket: u64, at: u64, standing: Standing) -> Event {
    Event::Traffic(Traffic {
        at: MonoNs(at),
        socket: Socket(socket),
        cookie: Some(socket),
        figures: Figures {
            bytes: Some(Bytes {
                sent: 79,
                retransmitted: 0,
                received: 153,
            }),
            ..Figures::default()
        },
        standing,
    })
}

fn run(events: &[Event]) -> Vec<Output> {
    let mut tracker = Tracker::new(Selection::default(), Limits::default());
    tracker.follow(Follows {
        resets: true,
        ..Follows::default()
    });
    tracker.handle(&Event::ExistingComplete);
    for event in events {
        tracker.handle(event);
    }
    tracker.finish(MonoNs(100 * MS));
    std::iter::from_fn(|| tracker.poll()).collect()
}

fn owners(shown: &[Output]) -> Vec<(Option<u32>, Option<u32>)> {
    let pid = |process: Option<(u32, Comm)>| process.map(|(pid, _)| pid);
    changes(shown)
        .iter()
        .map(|change| (pid(change.owner.process), pid(change.owner.other_opener())))
        .collect()
}

#[test]
fn a_connection_is_its_listeners_until_somebody_uses_it() {
    let (master, worker) = (task(10, b"nginx"), task(11, b"nginx"));
    let shown = run(&[
        listens(master, 1, 5, 2),
        Event::StateChange(change(2, 10, Listen, SynRecv)),
        Event::StateChange(change(2, 20, SynRecv, Established)),
        used(worker, 2, 30),
        Event::StateChange(change(2, 40, Established, CloseWait)),
        by(worker, change(2, 50, CloseWait, LastAck)),
        Event::StateChange(change(2, 60, LastAck, Close)),
    ]);
    let listener = (Some(10), None);
    let used = (Some(11), Some(10));
    assert_eq!(owners(&shown), [listener, listener, used, used, used]);
    let owner = timelines(&shown)[0].owner;
    assert_eq!(owner.process, Some((11, comm(b"nginx"))));
    assert_eq!(owner.opened_by, Some((10, comm(b"nginx"))));
}

#[test]
fn a_line_that_waits_keeps_the_owner_of_its_moment() {
    let (master, worker) = (task(10, b"nginx"), task(11, b"nginx"));
    let selection = Selection {
        states: vec![CloseWait],
        ..Selection::default()
    };
    // Before Linux 6.15 a child shows its ends with its second change, and so whose it is.
    let mut nameless = change(2, 10, Listen, SynRecv);
    nameless.shown.remote_port = 0;
    nameless.cookie = None;
    let events = [
        listens(master, 1, 5, 2),
        Event::StateChange(nameless),
        Event::StateChange(change(2, 20, SynRecv, Established)),
        used(worker, 2, 30),
        Event::StateChange(change(2, 40, Established, CloseWait)),
    ];
    let listener = (Some(10), None);
    let expected = [listener, listener, (Some(11), Some(10))];
    assert_eq!(owners(&run(&events)), expected);
    let waited = outputs(selection, Limits::default(), &events);
    assert_eq!(owners(&waited), expected);
}

#[test]
fn of_listeners_of_several_processes_none_is_taken_by_guess() {
    let events = |second: u32| {
        [
            listens(task(10, b"a"), 1, 5, 3),
            listens(task(second, b"b"), 2, 6, 3),
            Event::StateChange(change(3, 10, Listen, SynRecv)),
            Event::StateChange(change(3, 20, SynRecv, Established)),
        ]
    };
    assert_eq!(owners(&run(&events(11))), [(None, None); 2]);
    assert_eq!(owners(&run(&events(10))), [(Some(10), None); 2]);
}

#[test]
fn a_listener_that_comes_later_had_nothing_to_do_with_it() {
    let shown = run(&[
        Event::StateChange(change(2, 10, Listen, SynRecv)),
        listens(task(10, b"late"), 1, 15, 2),
        Event::StateChange(change(2, 20, SynRecv, Established)),
    ]);
    assert_eq!(owners(&shown), [(None, None); 2]);
}

#[test]
fn who_connected_stays_known_when_another_process_takes_over() {
    let shown = run(&[
        by(task(10, b"ssh"), change(2, 10, Close, SynSent)),
        Event::StateChange(change(2, 20, SynSent, Established)),
        used(task(12, b"child"), 2, 30),
        by(task(12, b"child"), change(2, 40, Established, FinWait1)),
    ]);
    let opener = (Some(10), None);
    assert_eq!(owners(&shown), [opener, opener, (Some(12), Some(10))]);
}

#[test]
fn a_thread_of_the_kernel_owns_nothing() {
    let kernel = Task {
        is_kernel: true,
        ..task(3, b"kworker/0:1")
    };
    let shown = run(&[
        Event::StateChange(change(2, 20, SynSent, Established)),
        by(kernel, change(2, 30, Established, Close)),
    ]);
    assert_eq!(owners(&shown), [(None, None); 2]);
}

#[test]
fn what_a_process_was_started_as_goes_with_its_connections() {
    let mut process = Process::named(10, comm(b"curl"));
    process.exe = Some("/usr/bin/curl".to_owned());
    let seen = |incarnation| {
        Event::Process(ProcessSeen {
            at: MonoNs(9),
            process: process.clone(),
            incarnation,
        })
    };
    let exe_of = |incarnation| {
        let shown = run(&[
            seen(incarnation),
            by(task(10, b"thread"), change(2, 10, Close, SynSent)),
            Event::StateChange(change(2, 20, SynSent, Close)),
        ]);
        let timeline = timelines(&shown)[0];
        let exe = timeline.people.process.as_ref().map(|one| one.exe.clone());
        (timeline.owner.process, exe)
    };
    let curl = Some((10, comm(b"curl")));
    assert_eq!(exe_of(10), (curl, Some(Some("/usr/bin/curl".to_owned()))));
    // It had the number before.
    assert_eq!(exe_of(77), (Some((10, comm(b"thread"))), None));
}

/// An established connection that its program closes at `at`.
fn aborted(at: u64, unread: u32) -> [Event; 3] {
    let standing = Standing {
        unread: Some(unread),
        flags: Some((0, false)),
        has_program: Some(true),
        ..Standing::default()
    };
    [
        Event::StateChange(change(2, at - 10, SynSent, Established)),
        traffic(2, at, standing),
        by(task(10, b"app"), change(2, at, Established, Close)),
    ]
}

#[test]
fn a_close_waits_for_the_reset_that_says_more() {
    let reset = SegmentNews::ResetSent { reason: Some(11) };
    let mut events = aborted(MS, 5).to_vec();
    events.push(happened(2, MS + 4_000, reset));
    let shown = run(&events);
    let timeline = timelines(&shown)[0];
    assert_eq!(timeline.ended, Some(Ending::AbortedUnread(5)));
    assert_eq!(timeline.closed_first, Some(Closer::Local));
    let marks: Vec<_> = timeline.marks.first.iter().map(|mark| mark.what).collect();
    assert_eq!(marks, [reset]);
    let bytes = timeline.figures.and_then(|figures| figures.bytes);
    assert_eq!(bytes.map(|bytes| bytes.received), Some(153));
}

#[test]
fn a_close_without_a_reset_ends_by_itself_in_time() {
    let mut tracker = Tracker::new(Selection::default(), Limits::default());
    tracker.follow(Follows {
        resets: true,
        ..Follows::default()
    });
    tracker.handle(&Event::ExistingComplete);
    for event in aborted(MS, 0) {
        tracker.handle(&event);
    }
    let ended = |tracker: &mut Tracker| {
        let outputs: Vec<_> = std::iter::from_fn(|| tracker.poll()).collect();
        timelines(&outputs).len()
    };
    assert_eq!(ended(&mut tracker), 0);
    let due = tracker.poll_timeout().expect("it waits");
    assert_eq!(due, MonoNs(51 * MS));
    tracker.handle_timeout(due);
    assert_eq!(ended(&mut tracker), 1);
    assert_eq!(tracker.poll_timeout(), None);
}

#[test]
fn the_next_socket_at_the_address_does_not_take_the_end_away() {
    let mut events = aborted(MS, 0).to_vec();
    let mut next = change(2, MS + 500, Close, SynSent);
    next.cookie = Some(99);
    events.push(Event::StateChange(next));
    let shown = run(&events);
    assert_eq!(timelines(&shown)[0].ended, Some(Ending::Aborted));
}

#[test]
fn of_many_retransmissions_the_first_are_told_and_the_others_counted() {
    let mut events = vec![Event::StateChange(change(2, 10, SynSent, Established))];
    events.extend((0..40).map(|at| happened(2, 20 + at, SegmentNews::Retransmitted)));
    // Of another socket that had the address.
    let mut stale = happened(2, 70, SegmentNews::ResetReceived);
    if let Event::Segment(segment) = &mut stale {
        segment.cookie = Some(1);
    }
    events.push(stale);
    let shown = run(&events);
    let marks = &timelines(&shown)[0].marks;
    assert_eq!((marks.first.len(), marks.more), (32, 8));
}

const KILLED: u32 = 103;
const TIMED_OUT: u32 = 110;

fn reported(at: u64, state: TcpState, errno: u32) -> Event {
    Event::Segment(Happened {
        at: MonoNs(at),
        socket: Socket(1),
        cookie: Some(1),
        what: SegmentNews::Error(errno),
        state,
    })
}

/// A connection that ends with an error, just after other events.
fn ends_with<const N: usize>(errno: u32, before: [Event; N]) -> Timeline {
    let mut events = life(1, Close, &[(SynSent, 100), (Established, 110)]);
    events.extend(before);
    events.push(Event::StateChange(StateChange {
        error: Some(CloseError(errno)),
        ..change(1, 200_000_150, Established, Close)
    }));
    let shown = all(&events);
    timelines(&shown)[0].clone()
}

#[test]
fn the_error_that_ends_a_connection_is_told_by_its_end_alone() {
    let timeline = ends_with(TIMED_OUT, [reported(200_000_140, Established, TIMED_OUT)]);
    assert_eq!(timeline.ended, Some(Ending::TimedOut(Timeout::Unknown)));
    assert_eq!(timeline.marks.first, []);
}

#[test]
fn what_came_between_an_error_and_its_close_stays() {
    let reset = Event::Segment(Happened {
        at: MonoNs(200_000_145),
        socket: Socket(1),
        cookie: Some(1),
        what: SegmentNews::ResetSent { reason: None },
        state: Established,
    });
    let timeline = ends_with(KILLED, [reported(200_000_140, Established, KILLED), reset]);
    assert_eq!(timeline.ended, Some(Ending::Killed));
    let [mark] = timeline.marks.first[..] else {
        panic!("{:?}", timeline.marks)
    };
    assert_eq!(mark.what, SegmentNews::ResetSent { reason: None });
}

#[test]
fn an_error_that_ended_nothing_stays() {
    for other in [
        reported(200_000_140, Established, 113),
        reported(140, Established, TIMED_OUT),
        reported(200_000_140, SynSent, TIMED_OUT),
    ] {
        let timeline = ends_with(TIMED_OUT, [other.clone()]);
        assert_eq!(timeline.marks.first.len(), 1, "{other:?}");
    }
}

#[test]
fn another_name_is_no_other_process() {
    let process = |pid, name: &[u8]| (pid, Comm::new(name).expect("a short name"));
    let owner = |owner, opener| Owner {
        process: owner,
        opened_by: Some(opener),
        ..Owner::default()
    };
    let (before, after) = (process(7, b"curl"), process(7, b"other"));
    assert_eq!(owner(Some(after), before).other_opener(), None);
    let other = process(8, b"other");
    assert_eq!(owner(Some(other), before).other_opener(), Some(before));
    assert_eq!(owner(None, before).other_opener(), None);
}
