//! Processes that are followed with what they start: `--pid PID --follow`.

use std::net::SocketAddr;

use tests::host::Pair;
use tests::latch::Latch;
use tests::matcher::Story;
use tests::peer::{Peer, script};
use tests::tracer::{Hook, Tracer, command};
use tests::traffic::{Ends, Socket};

use super::SECOND_PROCESS;

btf_only!(
    children_from_before_and_after_are_shown,
    whoever_is_not_followed_is_not_shown,
    nobody_is_not_followed,
);

/// What a client shows whose server closes first.
pub(crate) const CLIENT: &str = "CLOSE SYN_SENT ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE";

/// Words for a shell that connect to a server, wait for it to close, and close.
pub(crate) fn client(pair: &Pair, server: SocketAddr) -> String {
    let connect = format!("connect {server}");
    script(SECOND_PROCESS, &pair.client, &[&connect, "await", "close"])
}

/// Takes a connection and closes it at once.
pub(crate) fn serve(listener: &Socket) -> Ends {
    let connection = listener.accept();
    let ends = Ends {
        client: connection.remote(),
        server: listener.local(),
    };
    connection.close();
    ends
}

/// Follows a process on what happens between two hosts.
fn follow(pair: &Pair, pid: u32) -> Tracer {
    let only = Hook::Btf.only(pair);
    let pid = pid.to_string();
    let only = only.iter().map(String::as_str);
    let args: Vec<&str> = only.chain(["--pid", &pid, "--follow"]).collect();
    Tracer::start(Hook::Btf, &args)
}

/// A child that there is when the trace begins starts another one that connects; and so does the process itself.
fn children_from_before_and_after_are_shown() {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let client = client(&pair, listener.local());
    let mut latch = Latch::new();
    let mut peer = Peer::start(SECOND_PROCESS, &pair.client);
    peer.tell(&format!("start {}; {client}", latch.wait()));
    let mut tracer = follow(&pair, peer.pid());

    latch.open();
    let of_grandchild = serve(&listener);
    peer.tell(&format!("start {client}"));
    let of_child = serve(&listener);
    peer.connect(listener.local());
    let of_itself = serve(&listener);
    peer.tell("await");
    peer.close();

    tracer.wait_ended(3);
    let trace = tracer.stop();
    trace.demand_whole();
    let mut story = Story::of(&trace);
    for ends in [of_grandchild, of_child, of_itself] {
        story.client(ends).states(CLIENT);
    }
    story.no_other_lines();
    let filters = trace.session().filters.to_string();
    assert!(filters.contains("\"--follow\""), "{filters}");
}

/// Another process does the same at the same time, and so does a child of that; the server's ends are its own.
fn whoever_is_not_followed_is_not_shown() {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let [mut followed, mut other] = [(); 2].map(|()| Peer::start(SECOND_PROCESS, &pair.client));
    let mut tracer = follow(&pair, followed.pid());
    other.tell(&format!("start {}", client(&pair, listener.local())));
    serve(&listener);
    for peer in [&mut other, &mut followed] {
        peer.connect(listener.local());
    }
    serve(&listener);
    let shown = serve(&listener);
    for peer in [&mut other, &mut followed] {
        peer.tell("await");
        peer.close();
    }
    tracer.wait_ended(1);
    let trace = tracer.stop();
    trace.demand_whole();
    let mut story = Story::of(&trace);
    story.client(shown).states(CLIENT);
    story.no_other_lines();
}

/// Where there is nobody to follow, silence would pass for an answer.
fn nobody_is_not_followed() {
    // No process has this number: the kernel's limit is below it.
    for (args, next) in [
        (&["--pid", "4194305", "--follow"][..], "no such process"),
        (&["--follow"], "--pid"),
    ] {
        let output = command()
            .args(["live", "--duration", "1ms"])
            .args(args)
            .output()
            .expect("run the agent");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(next), "{said}");
    }
}
