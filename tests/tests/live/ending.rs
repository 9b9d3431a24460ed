//! When and how the agent ends, and that lines come when they happen.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tests::ask_until;
use tests::host::Pair;
use tests::matcher::Story;
use tests::schema::Line;
use tests::tracer::{self, Hook, Tracer};
use tests::traffic::Connection;

btf_only!(
    sigterm_ends_with_the_summary,
    a_signal_is_heeded_from_the_first_line_on,
    duration_ends_with_the_summary,
    a_closed_pipe_ends_quietly,
    a_change_comes_without_another,
);

fn sigterm_ends_with_the_summary() {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut tracer = Tracer::watch(Hook::Btf, &pair, &[]);
    let connection = Connection::open(&pair, &listener);
    tracer.wait_changes(4);
    tracer.signal(Signal::TERM);
    let trace = tracer.finish();
    let mut story = Story::of(&trace);
    story
        .client(connection.ends)
        .states("CLOSE SYN_SENT ESTABLISHED");
    story
        .server(connection.ends)
        .states("LISTEN SYN_RECV ESTABLISHED");
    story.nothing_else(Hook::Btf);
}

/// Whoever has read the session line may stop the agent at once.
fn a_signal_is_heeded_from_the_first_line_on() {
    let pair = Pair::new();
    let _older = Connection::open(&pair, &pair.server.listen(8000, 4));
    for signal in [Signal::INT, Signal::TERM, Signal::INT, Signal::TERM] {
        let tracer = Tracer::watch(Hook::Btf, &pair, &[]);
        tracer.signal(signal);
        let trace = tracer.finish();
        assert_eq!(trace.code, Some(0), "{trace}");
    }
}

fn duration_ends_with_the_summary() {
    let pair = Pair::new();
    let trace = Tracer::watch(Hook::Btf, &pair, &["--duration", "300ms"]).finish();
    let lasted = trace.summary().duration_ns;
    assert!(
        (300_000_000..5_000_000_000).contains(&lasted),
        "{lasted} ns\n{trace}"
    );
    Story::of(&trace).nothing_else(Hook::Btf);
}

/// `tracer live | head -1`
fn a_closed_pipe_ends_quietly() {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    for format in [&["--json"][..], &["--csv"], &[]] {
        let mut child = tracer::command()
            .arg("live")
            .args(format)
            .args(Hook::Btf.only(&pair))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start the agent");
        let mut output = BufReader::new(child.stdout.take().expect("a piped output"));
        let mut first = String::new();
        output.read_line(&mut first).expect("read the first line");
        assert!(!first.is_empty(), "{format:?}: no first line");
        drop(output);
        Connection::open(&pair, &listener).close_client_first(&pair);

        let status = ask_until(|| child.try_wait().expect("ask for the agent's end"));
        if status.is_none() {
            child.kill().expect("kill the agent");
        }
        let mut said = String::new();
        let mut errors = child.stderr.take().expect("a piped error output");
        errors.read_to_string(&mut said).expect("read its errors");
        child.wait().expect("wait for the agent's end");
        let code = status.and_then(|status| status.code());
        assert_eq!((code, said.as_str()), (Some(0), ""), "{format:?}");
    }
}

/// One change, and then nothing that could push it out of a buffer.
fn a_change_comes_without_another() {
    let pair = Pair::new();
    let mut tracer = Tracer::watch(Hook::Btf, &pair, &[]);
    pair.client.lose_frames();
    let client = pair.client.socket();
    client.start_connect(pair.server.at(8000));
    let came = tracer.wait_for_within(
        Duration::from_secs(5),
        |line| matches!(line, Line::Change(change) if change.to == "SYN_SENT"),
    );
    let trace = tracer.stop();
    assert!(came, "{trace}");
}
