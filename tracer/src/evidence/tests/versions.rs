//! Files of other versions, and files that are no evidence.

use super::samples::{entries, file, head};
use super::whole::read;
use crate::evidence::chain::Chain;
use crate::evidence::layout::{FILE_HEADER_SIZE, FileHeader, FrameHeader, KIND_ENTRIES, VERSION};
use crate::evidence::lines::Line;
use crate::evidence::payload::Draft;
use crate::evidence::{Entry, EvidenceError, Reader, verify};
use crate::model::MonoNs;

const HEADER: FileHeader = FileHeader {
    version: VERSION,
    sequence: 0,
    previous: None,
};

/// A file of frames of these kinds and payloads, without a seal.
fn file_of(frames: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut file = HEADER.to_bytes().to_vec();
    let mut chain = Chain::start(&file);
    for (sequence, (kind, plain)) in (0..).zip(frames) {
        let stored = zstd::bulk::compress(plain, 1).expect("any bytes can be packed");
        let header = FrameHeader {
            kind: *kind,
            sequence,
            stored: stored.len() as u32,
            plain: plain.len() as u32,
            payload_check: crc32fast::hash(&stored),
        };
        let header = header.to_bytes();
        chain = chain.link(&header, &stored);
        file.extend([&header[..], &stored, &chain.0].concat());
    }
    file
}

/// A payload of these lines.
fn payload(lines: &[&[u8]]) -> Vec<u8> {
    let mut draft = Draft::default();
    assert!(lines.iter().all(|line| draft.line(line)));
    let mut plain = Vec::new();
    draft.finish(&mut plain);
    plain
}

fn line(entry: &Entry) -> Vec<u8> {
    let mut line = Vec::new();
    Line::of(entry).write(&mut line);
    line
}

#[test]
fn what_a_later_agent_adds_is_passed_over_and_counted() {
    let head = Entry::Head(Box::new(head()));
    let mut added = line(&head);
    added.pop();
    added.extend_from_slice(br#","mood":{"deep":[1,"two"]}}"#);
    let file = file_of(&[
        (KIND_ENTRIES, payload(&[&added])),
        (9, b"an index, perhaps".to_vec()),
        (
            KIND_ENTRIES,
            payload(&[
                br#"{"weather":[{"type":"end"}],"type":"forecast"}"#,
                br#"{"at":7,"type":"end","why":null}"#,
            ]),
        ),
    ]);
    assert_eq!(read(&file), (vec![head, Entry::End(MonoNs(7))], None, None));
    let verdict = verify(&*file, None).expect("evidence");
    assert_eq!((verdict.unknown_entries, verdict.damage_count), (2, 0));
    assert!(!verdict.is_whole(), "nothing seals it");
}

#[test]
fn a_later_version_is_refused_by_its_number() {
    let later = FileHeader {
        version: VERSION + 1,
        ..HEADER
    };
    let error = Reader::open(&later.to_bytes()[..]).expect_err("a later version");
    assert!(matches!(error, EvidenceError::Version(3)), "{error}");
    let error = error.to_string();
    assert!(
        error.contains("version 3") && error.contains("versions 1 to 2"),
        "{error}"
    );
}

#[test]
fn what_is_no_evidence_is_called_so() {
    for bytes in [
        &b""[..],
        b"\x89PNG\r\n\x1a\n",
        b"{\"type\":\"session\"}\n",
        &[0; 4096],
    ] {
        let error = Reader::open(bytes).expect_err("no evidence");
        assert!(matches!(error, EvidenceError::NotEvidence), "{error}");
    }
    let whole = file(&entries(), 3);
    let error = Reader::open(&whole[..20]).expect_err("a header that is cut");
    assert!(matches!(error, EvidenceError::Cut(20)), "{error}");
    let mut bent = whole[..FILE_HEADER_SIZE].to_vec();
    bent[30] ^= 1;
    let error = Reader::open(&*bent).expect_err("a header that is damaged");
    assert!(matches!(error, EvidenceError::Header), "{error}");
}

#[test]
fn entries_without_a_head_are_not_replayed() {
    let file = file_of(&[(KIND_ENTRIES, payload(&[&line(&Entry::End(MonoNs(7)))]))]);
    let (read, damage, _) = read(&file);
    assert_eq!(read, []);
    let damage = damage.expect("a damage").to_string();
    assert!(damage.contains("one head"), "{damage}");
    assert_eq!(verify(&*file, None).expect("evidence").damage_count, 1);
}
