//! Properties of lives that begin in request sockets and end in timewait sockets.

use super::*;
use crate::model::event::ShownTuple;
use crate::model::{
    Request, RequestEnd, RequestNews, Socket, Ticks, Timewait, TimewaitEnd, TimewaitNews,
};
use crate::track::{Follows, Timewaits};

/// How one connection lives.
#[derive(Clone, Copy, Debug)]
struct Kind {
    /// It begins in a request socket, rather than by a connect.
    passive: bool,
    /// Its child shows its ends only with its second change.
    nameless: bool,
    /// Its request socket dies.
    fails: bool,
    /// Its timewait socket begins in FIN_WAIT2.
    orphan: bool,
    /// The other end closes then.
    peer_closes: bool,
}

type Life = (Kind, Vec<u64>);

fn lives() -> impl Strategy<Value = Vec<Vec<Life>>> {
    let kind = (any::<[bool; 3]>(), 0..4_u8, any::<bool>()).prop_map(|(flags, fails, closes)| {
        let [passive, nameless, orphan] = flags;
        Kind {
            passive,
            nameless,
            fails: fails == 0,
            orphan,
            peer_closes: closes,
        }
    });
    let life = (kind, prop::collection::vec(1_u64..1000, 9));
    prop::collection::vec(prop::collection::vec(life, 1..4), 1..4)
}

/// Something that happened, and the states that were truly held.
#[derive(Default)]
struct Story {
    events: Vec<(u64, Event)>,
    truth: BTreeSet<(TcpState, MonoNs, u64)>,
}

impl Story {
    fn held(&mut self, state: TcpState, from: u64, until: u64) {
        self.truth.insert((state, MonoNs(from), until - from));
    }

    /// Tells the lives at one address, one after the other.
    fn tell(&mut self, number: usize, lives: &[Life]) {
        let mut at = 1;
        for (index, (kind, gaps)) in lives.iter().enumerate() {
            let cookie = (number * 100 + index) as u64;
            at = self.tell_one(number as u64, cookie, *kind, gaps, at);
        }
    }

    fn tell_one(&mut self, socket: u64, cookie: u64, kind: Kind, gaps: &[u64], at: u64) -> u64 {
        let mut at = at;
        let mut gaps = gaps.iter().cycle();
        let mut next = || {
            at += gaps.next().copied().unwrap_or(1);
            at
        };
        let change = |at: u64, from, to| {
            let mut change = change(socket, at, from, to);
            change.cookie = Some(cookie);
            change.timewait_refused = Some(false);
            change
        };
        let tuple = change(0, SynSent, Established).tuple();
        let request = |at: u64, news| {
            Event::Request(Request {
                at: MonoNs(at),
                address: Socket(socket + 5000),
                netns: Some(1),
                tuple,
                retransmits: 0,
                news,
            })
        };
        let timewait = |at: u64, substate, news| {
            Event::Timewait(Timewait {
                at: MonoNs(at),
                error_ns: 0,
                cookie: Some(cookie),
                netns: Some(1),
                tuple,
                substate,
                news,
            })
        };
        let mut push = |at: u64, event: Event| self.events.push((at, event));

        let begun = next();
        let established;
        if kind.passive {
            push(begun, request(begun, RequestNews::Armed));
            let over = next();
            if kind.fails {
                push(over, request(over, RequestNews::Ended(RequestEnd::Reset)));
                self.held(SynRecv, begun, over);
                return over;
            }
            let mut child = change(over, Listen, SynRecv);
            if kind.nameless {
                child.cookie = None;
                child.shown = ShownTuple {
                    remote_port: 0,
                    ..child.shown
                };
            }
            push(over, Event::StateChange(child));
            let completed = RequestNews::Ended(RequestEnd::Completed);
            push(over + 1, request(over + 1, completed));
            established = next() + 1;
            push(
                established,
                Event::StateChange(change(established, SynRecv, Established)),
            );
        } else {
            push(begun, Event::StateChange(change(begun, Close, SynSent)));
            established = next();
            push(
                established,
                Event::StateChange(change(established, SynSent, Established)),
            );
        }
        let (fin_wait1, fin_wait2) = (next() + 1, next() + 1);
        for (at, from, to) in [
            (fin_wait1, Established, FinWait1),
            (fin_wait2, FinWait1, FinWait2),
        ] {
            push(at, Event::StateChange(change(at, from, to)));
        }
        let armed = next() + 1;
        let arm = |expires| TimewaitNews::Armed(Ticks { now: 0, expires });
        let first = if kind.orphan { FinWait2 } else { TimeWait };
        push(armed, timewait(armed, first, arm(1)));
        push(
            armed + 1,
            Event::StateChange(change(armed + 1, FinWait2, Close)),
        );
        let mut last = first;
        let mut time_wait = armed;
        if kind.orphan && kind.peer_closes {
            time_wait = next() + 2;
            last = TimeWait;
            push(time_wait, timewait(time_wait, TimeWait, arm(2)));
        }
        let over = next() + 2;
        let end = TimewaitEnd::Expired;
        let ended = TimewaitNews::Ended { end, timer: None };
        push(over, timewait(over, last, ended));

        let first = if kind.passive { SynRecv } else { SynSent };
        self.held(first, begun, established);
        self.held(Established, established, fin_wait1);
        self.held(FinWait1, fin_wait1, fin_wait2);
        if last == TimeWait {
            self.held(FinWait2, fin_wait2, time_wait);
            self.held(TimeWait, time_wait, over);
        } else {
            self.held(FinWait2, fin_wait2, over);
        }
        over
    }
}

fn story(lives: &[Vec<Life>]) -> Story {
    let mut story = Story::default();
    for (number, lives) in lives.iter().enumerate() {
        story.tell(number, lives);
    }
    story.events.sort_by_key(|(at, _)| *at);
    story
}

fn run(events: Vec<Event>) -> Vec<Output> {
    let mut tracker = Tracker::new(Selection::default(), Limits::default());
    tracker.follow(Follows {
        resets: false,
        timewaits: Timewaits::Hooked,
        requests: true,
        armings: false,
        since: MonoNs(0),
        tick_ns: Some(4_000_000),
    });
    tracker.handle(&Event::ExistingComplete);
    for event in events {
        tracker.handle(&event);
    }
    tracker.finish(MonoNs(1_000_000));
    std::iter::from_fn(|| tracker.poll()).collect()
}

proptest! {
    #[test]
    fn every_life_is_told_once_and_whole(lives in lives()) {
        let story = story(&lives);
        let count: usize = lives.iter().map(Vec::len).sum();
        let events = story.events.into_iter().map(|(_, event)| event).collect();
        let timelines = timelines(run(events));
        prop_assert_eq!(timelines.len(), count);
        let mut told = BTreeSet::new();
        for timeline in &timelines {
            for segment in &timeline.segments {
                let (Some(start), Span::Known(ns)) = (segment.start, segment.span) else {
                    panic!("nothing is unknown here: {timeline:?}");
                };
                told.insert((segment.state, start, ns));
            }
            prop_assert!(matches!(
                timeline.ended,
                Some(Ending::TimeWaitOver(_) | Ending::FinWait2Over(_) | Ending::NotEstablished(_))
            ), "{timeline:?}");
        }
        prop_assert_eq!(told, story.truth);
    }

    /// Whatever is lost, what is then called known is true.
    #[test]
    fn loss_never_yields_a_false_duration_in_a_small_socket(
        lives in lives(),
        lost in prop::collection::vec(any::<bool>(), 60),
        runs in 1_usize..6,
    ) {
        let story = story(&lives);
        let is_lost = |index: usize| lost[(index / runs) % lost.len()];
        let mut events = Vec::new();
        let mut losing: Option<Loss> = None;
        for (index, (at, event)) in story.events.into_iter().enumerate() {
            let at = MonoNs(at);
            if !is_lost(index) {
                events.extend(losing.take().map(Event::Loss));
                events.push(event);
                continue;
            }
            let cause = LossCause::RingFull { cpu: 0 };
            let loss = losing.get_or_insert(Loss { beside: 0, cause, lost: 0, since: at, until: at });
            loss.lost += 1;
            loss.until = at;
        }
        events.extend(losing.map(Event::Loss));
        for timeline in timelines(run(events)) {
            for segment in &timeline.segments {
                if let Span::Known(ns) = segment.span {
                    let start = segment.start.expect("a known time has a start");
                    let told = (segment.state, start, ns);
                    prop_assert!(story.truth.contains(&told), "{told:?} in {timeline:?}");
                }
            }
        }
    }
}
