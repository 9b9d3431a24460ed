//! The reader in Python, which was written after the description alone, reads what is written here.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::example::{self, file_of_version_1};
use super::samples::{batch, entries, file, record};
use crate::evidence::lines::Line;
use crate::evidence::{Entry, Reader, Turn};

/// A Python that has zstandard, if there is one. Debian's is asked first: its packages are in no other.
fn python() -> Option<&'static str> {
    ["/usr/bin/python3", "python3"].into_iter().find(|python| {
        let asked = Command::new(python)
            .args(["-c", "import zstandard"])
            .output();
        asked.is_ok_and(|output| output.status.success())
    })
}

fn read_by(python: &str, file: &[u8]) -> Output {
    let mut written = tempfile::NamedTempFile::new().expect("a temporary file");
    written.write_all(file).expect("room for it");
    let script: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/evidence_reader.py");
    let mut command = Command::new(python);
    command.arg(script).arg(written.path());
    command.output().expect("Python starts")
}

/// The line that the other reader prints of an entry.
fn line(entry: &Entry) -> Value {
    let mut text = Vec::new();
    Line::of(entry).write(&mut text);
    let mut value: Value = serde_json::from_slice(&text).expect("JSON");
    if let Entry::Turn(turn) = entry {
        let hex = |record: &[u8]| record.iter().map(|byte| format!("{byte:02x}")).collect();
        value["records"] = turn
            .batch
            .records()
            .map(hex)
            .collect::<Vec<String>>()
            .into();
    }
    value
}

/// The lines that it prints of a whole file.
fn printed_by(python: &str, file: &[u8]) -> Vec<Value> {
    let output = read_by(python, file);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// The lines that are to be printed of a file of these entries.
fn expected(file: &[u8], entries: &[Entry]) -> Vec<Value> {
    let mut reader = Reader::open(file).expect("evidence");
    while reader.next().is_some() {}
    let mut lines: Vec<Value> = entries.iter().map(line).collect();
    let chain = reader.end().chain.to_string();
    lines.push(json!({ "type": "chain", "value": chain, "sealed": true }));
    lines
}

#[test]
fn the_reader_in_python_reads_the_same() {
    let Some(python) = python() else {
        let required = std::env::var_os("TRACER_REQUIRE_LIVE").is_some_and(|value| value == "1");
        assert!(!required, "there is no Python with zstandard");
        eprintln!("skipped: there is no Python with zstandard");
        return;
    };
    let records: Vec<Vec<u8>> = (0..500).map(|at| record(at * at % 1000, at % 7)).collect();
    let mut entries = entries();
    entries.push(Entry::Turn(Turn {
        batch: batch(records.iter().map(Vec::as_slice)),
        ..Turn::default()
    }));
    let file = file(&entries, 3);
    assert_eq!(printed_by(python, &file), expected(&file, &entries));
    let first = file_of_version_1();
    assert_eq!(
        printed_by(python, &first),
        expected(&first, &example::entries())
    );

    // In the second frame's payload.
    let mut damaged = file.clone();
    let at = file
        .windows(4)
        .rposition(|bytes| bytes == *b"\xf5TEF")
        .expect("a frame");
    damaged[at - 40] ^= 1;
    let output = read_by(python, &damaged);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("the content of frame 4"), "{errors}");
}
