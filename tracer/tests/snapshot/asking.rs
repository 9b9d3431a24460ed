//! Questions after single timewait sockets, held against those that each test makes.

use std::collections::HashSet;
use std::io::Read;
use std::net::{Ipv6Addr, Shutdown, SocketAddr, SocketAddrV6, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use std::{fs, thread};

use tracer::model::{
    Answer, Event, Existing, Found, Look, MonoNs, Question, TcpState, TimewaitEnd, TimewaitNews,
};
use tracer::source::clock::boot_time;
use tracer::source::snapshot::take;
use tracer::source::sock_diag::ask;
use tracer::track::asking::{Asker, Mode};

use super::place::{Place, can_run};

/// Closes both ends, the client's first, and waits until both know.
pub(crate) fn close((client, server): (TcpStream, TcpStream)) {
    client.shutdown(Shutdown::Write).expect("to shut down");
    to_the_end(&server);
    drop(server);
    to_the_end(&client);
}

fn to_the_end(mut stream: &TcpStream) {
    stream
        .read_to_end(&mut Vec::new())
        .expect("the end of the stream");
}

/// Returns the timewait sockets of a place, as soon as there are so many.
pub(crate) fn timewait(place: &Place, count: usize) -> Vec<Existing> {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let mut found = take(std::slice::from_ref(&place.netns)).existing;
        found.retain(|one| one.left_ns.is_some());
        if found.len() == count {
            return found;
        }
        assert!(Instant::now() < end, "{count} expected: {found:?}");
        thread::yield_now();
    }
}

fn question(existing: &Existing) -> Question {
    Question {
        netns: existing.netns,
        tuple: existing.tuple,
        cookie: existing.cookie,
        interface: None,
    }
}

fn ask_one(place: &Place, question: Question) -> Look {
    let mut looks = place.run(|| ask(&[question]));
    assert_eq!(looks.len(), 1);
    looks.remove(0)
}

fn found(look: &Look) -> Found {
    match look.answer {
        Answer::Found(found) => found,
        _ => panic!("not found: {look:?}"),
    }
}

#[test]
fn a_timewait_socket_is_found_by_its_ends_and_its_cookie() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let (four, addr) = place.listen("127.0.0.1:0");
    let (any, any_addr) = place.listen("[::]:0");
    let six = SocketAddr::new("::1".parse().expect("::1"), any_addr.port());
    let mapped = SocketAddr::new("::ffff:127.0.0.1".parse().expect("it"), any_addr.port());
    close(place.connect(&four, addr));
    close(place.connect(&any, six));
    // An AF_INET6 socket at both ends, and IPv4 between them.
    close(place.connect(&any, mapped));

    for existing in timewait(&place, 3) {
        let before = boot_time();
        let look = ask_one(&place, question(&existing));
        assert!(before <= look.before && look.before < look.after && look.after <= boot_time());
        let there = found(&look);
        assert_eq!(there.state, TcpState::TimeWait, "{existing:?}");
        assert_eq!(there.interface, 0);
        let (listed, left) = (existing.left_ns, there.left_ns);
        assert!(
            left <= listed && left > Some(55_000_000_000),
            "{listed:?} {left:?}"
        );
        assert!(listed <= Some(60_000_000_000), "{listed:?}");

        let mut stranger = question(&existing);
        stranger.cookie += 1 << 40;
        assert_eq!(ask_one(&place, stranger).answer, Answer::Absent);
        // A listener has that port, and nobody is there at the other end's.
        let mut nobody = question(&existing);
        nobody.tuple.remote.port = Some(9);
        assert_eq!(ask_one(&place, nobody).answer, Answer::Absent);
    }
}

#[test]
fn a_timewait_socket_that_is_bound_to_an_interface_is_found_however_much_is_known() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    // Who connects to a link-local address is bound to the interface that it is on.
    place.add_link_local("fe80::7/64");
    let lo = 1;
    let (listener, addr) = place.listen("[::]:0");
    let local = Ipv6Addr::from([0xfe80, 0, 0, 0, 0, 0, 0, 7]);
    let to = SocketAddrV6::new(local, addr.port(), 0, lo);
    close(place.connect(&listener, to.into()));

    let existing = timewait(&place, 1).remove(0);
    for (interface, there) in [(None, true), (Some(lo), true), (Some(0), false)] {
        let mut question = question(&existing);
        question.interface = interface;
        let look = ask_one(&place, question);
        if there {
            assert_eq!(found(&look).interface, lo, "{interface:?}");
        } else {
            assert_eq!(look.answer, Answer::Absent, "{interface:?}");
        }
    }
}

#[test]
fn many_are_asked_after_at_once_and_each_answer_is_its_own() {
    if !can_run() {
        return;
    }
    const COUNT: usize = 500;
    let place = Place::new();
    let (listener, addr) = place.listen("127.0.0.1:0");
    for _ in 0..COUNT {
        close(place.connect(&listener, addr));
    }
    let mut questions: Vec<Question> = timewait(&place, COUNT).iter().map(question).collect();
    let mut absent = HashSet::new();
    for (index, question) in questions.iter_mut().enumerate() {
        if index % 3 == 0 {
            question.cookie += 1 << 40;
            absent.insert(index);
        }
    }
    let looks = place.run(|| ask(&questions));
    assert_eq!(looks.len(), COUNT);
    for (index, look) in looks.iter().enumerate() {
        if absent.contains(&index) {
            assert_eq!(look.answer, Answer::Absent, "{index}");
        } else {
            assert_eq!(found(look).state, TcpState::TimeWait, "{index}");
        }
    }
}

#[test]
fn a_timewait_socket_is_there_until_its_time_is_over_and_then_it_is_not() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    place.run(|| fs::write("/proc/sys/net/ipv4/tcp_fin_timeout", "1").expect("to set it"));
    let (listener, addr) = place.listen("127.0.0.1:0");
    let (client, server) = place.connect(&listener, addr);
    let before = boot_time();
    drop(client);
    let existing = timewait(&place, 1).remove(0);
    assert_eq!(existing.state, TcpState::FinWait2);

    let question = question(&existing);
    let mut last = found(&ask_one(&place, question));
    assert_eq!(last.state, TcpState::FinWait2);
    let gone = loop {
        let look = ask_one(&place, question);
        match look.answer {
            Answer::Found(found) => {
                assert!(found.left_ns <= last.left_ns, "{last:?} {found:?}");
                last = found;
            }
            Answer::Absent => break look.after,
            _ => panic!("{look:?}"),
        }
        let late = boot_time().since(before) > Some(30_000_000_000);
        assert!(!late, "it does not go: {last:?}");
    };
    // The timer wheel is never early, and its slot was a tick wide at least.
    assert_eq!(last.left_ns, Some(0));
    assert!(gone.since(before) >= Some(1_000_000_000));
    drop::<(TcpListener, TcpStream)>((listener, server));
}

#[test]
fn what_cannot_be_asked_says_so_and_the_others_are_answered() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let (listener, addr) = place.listen("127.0.0.1:0");
    close(place.connect(&listener, addr));
    let whole = question(&timewait(&place, 1).remove(0));
    let mut partial = whole;
    partial.tuple.local.port = None;
    let looks = place.run(|| ask(&[partial, whole]));
    assert!(matches!(&looks[0].answer, Answer::Failed(why) if why.contains("both of its ends")));
    assert_eq!(found(&looks[1]).state, TcpState::TimeWait);
    assert_eq!(place.run(|| ask(&[])), []);
}

#[test]
fn an_asker_tells_when_a_timewait_socket_ended() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    place.run(|| fs::write("/proc/sys/net/ipv4/tcp_fin_timeout", "3").expect("to set it"));
    let (listener, addr) = place.listen("127.0.0.1:0");
    let (client, server) = place.connect(&listener, addr);
    drop(client);
    let existing = timewait(&place, 1).remove(0);
    let mut asker = Asker::new(Mode::Diag, None, 10);
    asker.handle(&Event::Existing(existing.clone()));

    // Beside the asker's few questions, as many as there is time for: they know better.
    let question = question(&existing);
    let (mut there, mut gone) = (existing.at, None);
    let mut asked = 0;
    let told = loop {
        let look = ask_one(&place, question);
        match look.answer {
            Answer::Found(_) => there = look.before,
            Answer::Absent => gone = gone.or(Some(look.after)),
            _ => panic!("{look:?}"),
        }
        let mut told = Vec::new();
        for question in asker.questions(boot_time()) {
            asked += 1;
            told.extend(asker.answer(&question, &ask_one(&place, question)));
        }
        if let Some(Event::Timewait(timewait)) = told.pop() {
            break timewait;
        }
        let late = boot_time().since(existing.at) > Some(30_000_000_000);
        assert!(!late, "no end is told");
    };
    let end = TimewaitEnd::Expired;
    assert_eq!(told.news, TimewaitNews::Ended { end, timer: None });
    assert_eq!(told.substate, TcpState::FinWait2);
    let earliest = MonoNs(told.at.0 - told.error_ns);
    let latest = told.at.plus(told.error_ns);
    assert!(
        earliest <= gone.unwrap_or(latest) && there <= latest,
        "{told:?} {there:?} {gone:?}"
    );
    assert!(told.error_ns < 500_000_000, "{told:?}");
    assert!((5..=40).contains(&asked), "{asked}");
    drop::<(TcpListener, TcpStream)>((listener, server));
}
