//! Nothing that names this host gets out, wherever it stands.

mod samples;

use proptest::prelude::*;

use super::*;
use crate::evidence::{Reader, Sealed, Writer};
use crate::model::{Event, Process, decode};
use samples::{IPV4, IPV6, MARKER, PLACE, entries, record, turn, v4, v6};

fn redact() -> Redact {
    Redact::new([7; 32])
}

fn redacted() -> Vec<Entry> {
    let mut redact = redact();
    let entries = entries().into_iter();
    entries.map(|entry| redact.entry(entry)).collect()
}

/// Everything in the entries, as it is printed and as the bytes of records.
fn everything(entries: &[Entry]) -> Vec<Vec<u8>> {
    let printed = entries
        .iter()
        .map(|entry| format!("{entry:?}").into_bytes());
    let records = entries.iter().flat_map(|entry| match entry {
        Entry::Turn(turn) => turn.batch.records().map(<[u8]>::to_vec).collect(),
        _ => Vec::new(),
    });
    printed.chain(records).collect()
}

fn holds(all: &[Vec<u8>], bytes: &[u8]) -> bool {
    all.iter()
        .any(|one| one.windows(bytes.len()).any(|window| window == bytes))
}

#[test]
fn no_name_and_no_address_gets_out() {
    let needles: [&[u8]; 8] = [
        MARKER.as_bytes(),
        b"93.184.216.34",
        &IPV4,
        b"2a00:1450",
        &IPV6,
        &PLACE.to_ne_bytes(),
        b"Europe",
        b"example",
    ];
    let before = everything(&entries());
    let after = everything(&redacted());
    for needle in needles {
        let text = String::from_utf8_lossy(needle);
        assert!(holds(&before, needle), "{text} is not even there");
        assert!(!holds(&after, needle), "{text} gets out: {:?}", redacted());
    }
}

#[test]
fn what_is_no_name_stays() {
    let after = redacted();
    for (before, after) in entries().into_iter().zip(&after) {
        match (before, after) {
            (Entry::Head(before), Entry::Head(after)) => {
                assert!(after.redacted);
                assert_eq!(after.start, before.start);
                assert_eq!(after.user.uid, before.user.uid);
                assert_eq!(after.zone.offset_s, before.zone.offset_s);
                assert_eq!(after.netns, before.netns);
                assert_eq!(after.build_id, before.build_id);
                assert_eq!(after.filters.len(), before.filters.len());
            }
            (Entry::Turn(before), Entry::Turn(after)) => {
                let read = |turn: &Turn| -> Vec<Event> {
                    let records = turn.batch.records();
                    records
                        .map(|one| decode(one).expect("a whole record"))
                        .collect()
                };
                for (before, after) in read(&before).into_iter().zip(read(after)) {
                    assert_eq!(before.at(), after.at());
                }
                assert_eq!(after.timeout, before.timeout);
            }
            (Entry::Existing(mut before), Entry::Existing(after)) => {
                before.tuple = after.tuple;
                assert_eq!(*after, before);
                assert_eq!(after.tuple.local.port, Some(1));
            }
            (Entry::Processes(before), Entry::Processes(after)) => {
                let numbers = |one: &Process| (one.pid, one.ppid, one.started, one.uid);
                let all = |some: &[Process]| some.iter().map(numbers).collect::<Vec<_>>();
                assert_eq!(all(after), all(&before));
            }
            (Entry::Namespaces(_), _) | (Entry::Cgroups(_), _) => {}
            (before, after) => assert_eq!(*after, before),
        }
    }
}

#[test]
fn an_address_has_one_pseudonym_wherever_it_stands() {
    let mut redact = redact();
    let [ipv4, ipv6] = [v4(), v6()].map(|addr| redact.address(addr));
    let all = redacted();
    let text = format!("{all:?}");
    assert!(text.contains(&format!("--laddr={ipv4}")));
    assert!(text.contains(&format!("{ipv4}:80. ::ffff:{ipv4}")));
    assert!(text.contains(&format!("[{ipv6}]:443")));
    for entry in &all {
        match entry {
            Entry::Existing(existing) => {
                assert_eq!(existing.tuple.local.addr, Some(ipv4));
                assert_eq!(existing.tuple.remote.addr, Some(ipv6));
            }
            Entry::Turn(turn) => {
                for record in turn.batch.records() {
                    let shown = match decode(record).expect("a whole record") {
                        Event::StateChange(change) => change.shown.remote_addr,
                        Event::Timewait(timewait) => timewait.tuple.remote.addr.expect("known"),
                        Event::Request(request) => request.tuple.remote.addr.expect("known"),
                        other => panic!("no record: {other:?}"),
                    };
                    assert!([ipv4, ipv6].contains(&shown.to_canonical()), "{shown}");
                }
            }
            _ => {}
        }
    }
}

#[test]
fn a_record_that_nobody_can_read_is_left_out_and_counted() {
    let mut redact = redact();
    let mut turn = turn();
    let whole = turn.batch.records().count();
    turn.batch.push(b"\x09\0\x10\0 quagga and more");
    turn.batch.push(&record(1, 128, 2, &IPV4)[..127]);
    turn.batch.push(&record(1, 128, 99, &IPV4));
    let Entry::Turn(after) = redact.entry(Entry::Turn(turn)) else {
        panic!("a turn stays one");
    };
    assert_eq!(after.batch.records().count(), whole);
    assert_eq!(redact.left_out(), 3);
}

#[test]
fn the_same_key_gives_the_same_and_another_does_not() {
    assert_eq!(redacted(), redacted());
    let mut other = Redact::new([8; 32]);
    let all: Vec<Entry> = entries()
        .into_iter()
        .map(|entry| other.entry(entry))
        .collect();
    let head = |entries: &[Entry]| match &entries[0] {
        Entry::Head(head) => head.clone(),
        other => panic!("no head: {other:?}"),
    };
    let (one, other) = (head(&redacted()), head(&all));
    assert_ne!(one.hostname, other.hostname);
    assert_ne!(one.boot_id, other.boot_id);
    assert_ne!(one.filters, other.filters);
}

#[test]
fn it_can_be_written_and_says_what_it_is() {
    let entries = redacted();
    let Entry::Head(head) = &entries[0] else {
        panic!("no head");
    };
    let mut writer = Writer::new(head, None);
    entries.iter().for_each(|entry| writer.entry(entry));
    let mut file = writer.cut().to_vec();
    writer.written();
    file.extend_from_slice(writer.seal(Sealed::Ended));
    let mut reader = Reader::open(file.as_slice()).expect("a header");
    let mut read = Vec::new();
    while let Some(entry) = reader.next() {
        read.push(entry.expect("undamaged"));
    }
    assert_eq!(read, entries);
    assert!(matches!(&read[0], Entry::Head(head) if head.redacted));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_or_gets_through(texts: [String; 4], option in 0..10_usize) {
        let option = ["--addr", "--comm", "--cgroup", "--netns", "--port", "-l", "--", "x", "", "-"][option];
        let mut redact = redact();
        for text in texts {
            let words = [option.to_owned(), text.clone(), format!("{option}={text}")];
            let redacted = redact.command(&words).concat() + &redact.text(&text) + &redact.release(&text);
            let redacted = redacted + &redact.cgroup(&text) + &redact.namespace(&text);
            let letters = |character: char| character.is_alphanumeric() && !character.is_ascii();
            prop_assert!(!redacted.contains(letters), "{redacted}");
        }
    }
}

#[test]
fn nothing_printed_of_it_tells_the_key() {
    assert_eq!(format!("{:?}", redact()), "Redact { left_out: 0 }");
}
