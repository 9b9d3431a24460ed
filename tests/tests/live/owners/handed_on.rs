//! Connections that outlive the program or the process that opened them, or come to another one.

use std::path::{Path, PathBuf};

use tempfile::{TempDir, tempdir};
use tests::host::Pair;
use tests::life::Life;
use tests::matcher::Story;
use tests::method::Method;
use tests::tracer::Tracer;
use tests::traffic::Ends;

use super::{HOOK, SENT, named_pair, program};
use crate::two_processes::TwoProcesses;

btf_only!(
    another_program_closes,
    another_program_reads,
    handed_over,
    exits_without_a_close,
    killed_without_a_close,
);

/// A client that has become another program since it connected.
struct Becoming<'p> {
    two: TwoProcesses<'p>,
    tracer: Tracer,
    ends: Ends,
    path: PathBuf,
    _directory: TempDir,
}

impl<'p> Becoming<'p> {
    fn new(pair: &'p Pair) -> Self {
        let directory = tempdir().expect("make a directory");
        let path = program(directory.path(), "tst-other");
        let mut two = named_pair(pair);
        two.listen();
        let mut tracer = Tracer::watch(HOOK, pair, &[]);
        let ends = two.open();
        tracer.wait_changes(4);
        two.client.exec(&path, &[b"two words", b"last"]);
        Self {
            two,
            tracer,
            ends,
            path,
            _directory: directory,
        }
    }
}

/// The process becomes another program, which closes what the one before opened.
fn another_program_closes() {
    let pair = Pair::new();
    let mut becoming = Becoming::new(&pair);
    let ends = becoming.ends;
    becoming.two.client.close();
    ends.wait_server(&pair.server, "CLOSE_WAIT");
    becoming.two.server.close();
    becoming.tracer.wait_ended(2);
    let trace = becoming.tracer.stop();

    let mut story = Story::of(&trace);
    let client = story.client(ends);
    is_the_other_program(&client, becoming.two.client.pid(), &becoming.path);
    client.owned_by(HOOK, becoming.two.client.pid());
    story
        .server(ends)
        .owned_at_last(becoming.two.server.pid(), "tst-server");
    story.nothing_else(HOOK);
}

/// The same, but it only reads, and is not done when the trace is.
fn another_program_reads() {
    let pair = Pair::new();
    let mut becoming = Becoming::new(&pair);
    let ends = becoming.ends;
    becoming.two.server.tell(&format!("send {SENT}"));
    becoming.two.client.tell(&format!("receive {SENT}"));
    let trace = becoming.tracer.stop();

    let mut story = Story::of(&trace);
    let client = story.client(ends);
    is_the_other_program(&client, becoming.two.client.pid(), &becoming.path);
    // The server neither reads nor closes. Where the kernel tells of its accept, only the thread's name is known.
    let name = match Method::Fentry.missing() {
        None => "second_process",
        Some(_) => "tst-server",
    };
    story
        .server(ends)
        .owned_at_last(becoming.two.server.pid(), name);
    story.nothing_else(HOOK);
}

fn is_the_other_program(client: &Life<'_>, pid: u32, path: &Path) {
    client.owned_at_last(pid, "tst-other").opened_by(None);
    let process = client.process();
    let path = path.to_str().expect("a path of letters");
    assert_eq!(process.exe.as_deref(), Some(path), "{}", client.told());
    let args = process.args.as_deref().unwrap_or_default();
    let ends: Vec<&str> = args.iter().map(String::as_str).collect();
    assert_eq!(ends.first(), Some(&path), "{}", client.told());
    assert!(
        ends.ends_with(&["two words", "last"]),
        "{ends:?}\n{}",
        client.told()
    );
    assert!(!process.args_cut, "{}", client.told());
}

/// A socket goes to another process by a message (`SCM_RIGHTS`).
fn handed_over() {
    let pair = Pair::new();
    let mut two = named_pair(&pair);
    let heir = two.client.fork();
    two.client.tell_child(0, "rename 7473742d68656972"); // tst-heir
    two.listen();
    let mut tracer = Tracer::watch(HOOK, &pair, &[]);
    let kept = two.close_client_first();
    let handed = two.open();
    two.client.tell("hand");
    two.client.tell_child(0, "take");
    two.server.tell(&format!("send {SENT}"));
    two.client.tell_child(0, &format!("receive {SENT}"));
    two.client.tell_child(0, "close");
    handed.wait_server(&pair.server, "CLOSE_WAIT");
    two.server.close();
    tracer.wait_ended(4);
    let trace = tracer.stop();

    let giver = two.client.pid();
    let mut story = Story::of(&trace);
    story
        .client(kept)
        .owned_by(HOOK, giver)
        .owned_at_last(giver, "tst-client")
        .opened_by(None);
    let client = story.client(handed);
    client
        .owners(&[
            ("SYN_SENT", Some(giver)),
            ("ESTABLISHED", Some(giver)),
            ("FIN_WAIT1", Some(heir)),
        ])
        .owned_at_last(heir, "tst-heir")
        .opened_by(Some(giver));
    let opener = client.timeline().opened_by.as_ref().expect("just seen");
    assert_eq!(opener.comm, "tst-client", "{}", client.told());
    for ends in [kept, handed] {
        story.server(ends).owned_by(HOOK, two.server.pid());
    }
    story.nothing_else(HOOK);
}

fn exits_without_a_close() {
    ends_without_a_close(|two| two.client.exit());
}

fn killed_without_a_close() {
    ends_without_a_close(|two| two.client.kill());
}

/// The kernel closes what a process leaves open, and it is that process's all the same.
fn ends_without_a_close(end: impl Fn(&mut TwoProcesses<'_>)) {
    let pair = Pair::new();
    let mut two = named_pair(&pair);
    two.listen();
    let mut tracer = Tracer::watch(HOOK, &pair, &[]);
    let closed = two.close_server_first();
    let left = two.open();
    end(&mut two);
    left.wait_server(&pair.server, "CLOSE_WAIT");
    two.server.close();
    tracer.wait_ended(4);
    let trace = tracer.stop();

    let (client, server) = (two.client.pid(), two.server.pid());
    let mut story = Story::of(&trace);
    story
        .client(left)
        .states("CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE")
        .owners(&[("FIN_WAIT1", Some(client)), ("CLOSE", Some(client))])
        .owned_at_last(client, "tst-client")
        .opened_by(None);
    story.client(closed).owned_by(HOOK, client);
    for ends in [closed, left] {
        story
            .server(ends)
            .owned_by(HOOK, server)
            .owned_at_last(server, "tst-server")
            .opened_by(None);
    }
    story.nothing_else(HOOK);
}
