//! Processes with names that would do harm on a terminal or in a file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use tempfile::tempdir;
use tests::host::Pair;
use tests::matcher::Story;
use tests::recording::Recording;
use tests::tracer::{self, Tracer};

use super::{HOOK, named_pair, program, serve_one};

btf_only!(names_that_would_do_harm);

/// What a process calls itself: an escape sequence, a quote, a line's end, a comma.
const TITLE: &[u8] = b"\x1b[31m\"\n,x";
/// A program's file; a path has no zero and its names no slash, and that is all.
const FILE: &[u8] = b"\x1b]0;'\"\n,y\x07";
/// An argument.
const WORD: &[u8] = b"\x1b[2J \"z\"\n";

fn names_that_would_do_harm() {
    let directory = tempdir().expect("make a directory");
    let path = program(directory.path(), OsStr::from_bytes(FILE));
    let file = directory.path().join("evidence");
    let pair = Pair::new();
    let mut two = named_pair(&pair);
    two.client.rename(TITLE);
    two.server.exec(&path, &[WORD]);
    two.listen();
    let recording = Recording::start(&pair, &file, &[]);
    let mut tracer = Tracer::watch(HOOK, &pair, &[]);
    let ends = serve_one(&pair, &mut two, |two, command| {
        two.server.tell(command);
    });
    tracer.wait_ended(2);
    let trace = tracer.stop();
    recording.stop();

    let mut story = Story::of(&trace);
    let client = story.client(ends);
    client.owned_at_last(two.client.pid(), &String::from_utf8_lossy(TITLE));
    let server = story.server(ends);
    server.owned_at_last(two.server.pid(), &String::from_utf8_lossy(FILE));
    let process = server.process();
    assert_eq!(process.exe.as_deref(), path.to_str(), "{}", server.told());
    let last = process.args.iter().flatten().last().map(String::as_str);
    assert_eq!(last, str::from_utf8(WORD).ok(), "{}", server.told());
    story.nothing_else(HOOK);

    let json: Vec<&str> = trace.lines.iter().map(|(text, _)| text.as_str()).collect();
    demand_clean("json", &json.join("\n"));
    let changes = trace.seen().count();
    let csv = shown(&file, &["--csv", "--only", "changes"]);
    demand_clean("csv", &csv);
    assert_eq!(csv.lines().count(), changes + 1, "{csv}");
    let lines = shown(&file, &["--only", "changes"]);
    demand_clean("text", &lines);
    let named = |name: &str| lines.lines().filter(|line| line.contains(name)).count();
    assert!(named("[31m") > 0, "{lines}");
    assert_eq!(named("[31m") + named("]0;"), changes, "{lines}");
    demand_clean("text", &shown(&file, &["-v"]));
}

/// Returns what is shown of evidence.
fn shown(file: &std::path::Path, args: &[&str]) -> String {
    let mut command: Command = tracer::command();
    let shown = command.arg("show").args(args).arg(file).output();
    let shown = shown.expect("show the evidence");
    assert!(shown.status.success(), "{shown:?}");
    String::from_utf8(shown.stdout).expect("text")
}

/// Demands that nothing in it moves a cursor or ends a line early.
fn demand_clean(what: &str, text: &str) {
    let harmful = text.chars().find(|&one| one.is_control() && one != '\n');
    assert_eq!(harmful, None, "{what}: {text:?}");
    assert!(text.contains("31m"), "{what} names the client: {text}");
}
