//! The example in the description of the format is a file that can be read.
//!
//! `TRACER_BLESS=1` writes it anew, for a person to review.

use std::path::{Path, PathBuf};
use std::{env, fs};

use super::samples::{batch, clock, head, record};
use super::whole::read;
use crate::evidence::frames::Frames;
use crate::evidence::{Entry, Head, Sealed, TimeZoneOf, Turn, User};
use crate::model::MonoNs;

pub(super) fn entries() -> [Entry; 3] {
    let head = Head {
        boot_id: Some("5a8b0d2e-7a3f-4a67-9f0e-0d9e0c9a4c11".to_owned()),
        hostname: "web1".to_owned(),
        missing: Vec::new(),
        privileges: None,
        netns: Vec::new(),
        clock: clock(1_000_000, 0),
        user: User {
            uid: 1000,
            name: None,
        },
        zone: TimeZoneOf {
            iana: None,
            offset_s: 0,
        },
        ..head()
    };
    let first = record(2_000_000, 1);
    let mut second = record(2_001_000, 1);
    second[64..68].copy_from_slice(&[2, 0, 1, 0]);
    let turn = Turn {
        batch: batch([&*first, &*second]),
        emptied: true,
        timeout: Some(MonoNs(2_100_000)),
        ..Turn::default()
    };
    [
        Entry::Head(Box::new(head)),
        Entry::Turn(turn),
        Entry::End(MonoNs(3_000_000)),
    ]
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/evidence.md")
}

/// As `hexdump -C` prints it.
fn dump(bytes: &[u8]) -> String {
    let mut dump = String::new();
    for (row, some) in bytes.chunks(16).enumerate() {
        let hex: Vec<String> = some.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = some.iter().map(|&byte| match byte {
            b' '..=b'~' => char::from(byte),
            _ => '.',
        });
        let text: String = text.collect();
        dump += &format!("{:08x}  {:<47}  |{text}|\n", 16 * row, hex.join(" "));
    }
    dump
}

/// Reads such a dump.
fn undump(dump: &str) -> Vec<u8> {
    dump.lines()
        .flat_map(|line| line[10..57].split_whitespace())
        .map(|byte| u8::from_str_radix(byte, 16).expect("two digits"))
        .collect()
}

/// The block of the page behind a mark: where it begins, and its text.
fn block<'p>(page: &'p str, mark: &str) -> &'p str {
    let mark = format!("<!-- {mark} -->\n");
    let (_, rest) = page.split_once(&mark).expect("the mark is on the page");
    let (_, rest) = rest.split_once("```text\n").expect("a block follows it");
    rest.split_once("```").expect("the block ends").0
}

/// The first frame's payload: text, and what stands behind it.
fn payload(file: &[u8]) -> (String, Vec<u8>) {
    let mut frames = Frames::open(file).expect("evidence");
    let frame = frames.next().and_then(Result::ok).expect("a frame");
    let payload = frame.payload.expect("it is whole");
    let (length, rest) = payload.split_first_chunk().expect("a length");
    let (text, records) = rest.split_at(u32::from_le_bytes(*length) as usize);
    let text = String::from_utf8(text.to_vec()).expect("text");
    (text, records.to_vec())
}

fn bless() {
    let file = file_of_example();
    let (text, records) = payload(&file);
    let mut page_text = fs::read_to_string(page()).expect("the page");
    let blocks = [
        ("file", dump(&file)),
        ("text", text),
        ("records", dump(&records)),
    ];
    for (mark, block) in blocks {
        let mark = format!("<!-- {mark} -->\n");
        let (before, rest) = page_text
            .split_once(&mark)
            .expect("the mark is on the page");
        let rest = match rest.strip_prefix("\n```text\n") {
            Some(old) => old.split_once("```\n").expect("the block ends").1,
            None => rest,
        };
        page_text = format!("{before}{mark}\n```text\n{block}```\n{rest}");
    }
    fs::write(page(), page_text).expect("the page can be written");
}

fn file_of_example() -> Vec<u8> {
    let [Entry::Head(head), ..] = entries() else {
        panic!("a head comes first");
    };
    let mut writer = crate::evidence::Writer::new(&head, None);
    entries().iter().for_each(|entry| writer.entry(entry));
    writer.seal(Sealed::Ended).to_vec()
}

/// The example as the first version of the format has it.
pub(super) fn file_of_version_1() -> Vec<u8> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus");
    fs::read(corpus.join("reader/version_1")).expect("the sample can be read")
}

#[test]
fn a_file_of_the_first_version_is_read_as_ever() {
    let file = file_of_version_1();
    assert_eq!(file[8..10], [1, 0]);
    assert_eq!(read(&file), (entries().to_vec(), None, Some(Sealed::Ended)));
}

#[test]
fn the_example_of_the_page_is_read_and_explained_rightly() {
    if env::var_os("TRACER_BLESS").is_some() {
        bless();
    }
    let page = fs::read_to_string(page()).expect("the page");
    let file = undump(block(&page, "file"));
    assert_eq!(read(&file), (entries().to_vec(), None, Some(Sealed::Ended)));
    assert_eq!(dump(&file), block(&page, "file"));
    let (text, records) = payload(&file);
    assert_eq!(text, block(&page, "text"));
    assert_eq!(dump(&records), block(&page, "records"));
    // zstd may pack otherwise one day; what it packs may not change unseen.
    assert_eq!(payload(&file_of_example()), (text, records));
}
