//! Connections that one process listens for, and others accept.

use tempfile::tempdir;
use tests::host::Pair;
use tests::matcher::Story;
use tests::method::Method;
use tests::peer::exec;
use tests::tracer::Tracer;
use tests::traffic::Ends;

use super::{HOOK, named_pair, program, serve_one};

btf_only!(
    preforked_children_accept,
    accepted_and_not_used,
    forked_after_accept,
    threads_have_the_name_of_their_process,
    listener_inherited,
);

/// A server that forks first: the listener is its parent's, each connection the child's that took it.
fn preforked_children_accept() {
    let pair = Pair::new();
    let mut two = named_pair(&pair);
    two.listen();
    let children = [two.server.fork(), two.server.fork()];
    for child in 0..2 {
        two.server.tell_child(child, "rename 7473742d776f726b6572"); // tst-worker
    }
    let mut tracer = Tracer::watch(HOOK, &pair, &[]);
    let ends = [1, 0].map(|child| {
        let ends = serve_one(&pair, &mut two, |two, command| {
            two.server.tell_child(child, command);
        });
        (ends, children[child])
    });
    tracer.wait_ended(4);
    let trace = tracer.stop();

    let (client, parent) = (two.client.pid(), two.server.pid());
    let mut story = Story::of(&trace);
    for (ends, child) in ends {
        story
            .server(ends)
            .owners(&[
                ("SYN_RECV", Some(parent)),
                ("ESTABLISHED", Some(parent)),
                ("CLOSE_WAIT", Some(child)),
                ("LAST_ACK", Some(child)),
                ("CLOSE", Some(child)),
            ])
            .owned_at_last(child, "tst-worker")
            .opened_by(Some(parent));
        story
            .client(ends)
            .owned_by(HOOK, client)
            .owned_at_last(client, "tst-client")
            .opened_by(None);
    }
    story.nothing_else(HOOK);
}

/// Where functions can be hooked, accept alone tells whose a connection is; elsewhere that is the listener's until it
/// is used.
fn accepted_and_not_used() {
    let pair = Pair::new();
    let mut two = named_pair(&pair);
    two.listen();
    let child = two.server.fork();
    let mut tracer = Tracer::watch(HOOK, &pair, &[]);
    let listener = two.at_server();
    let ends = Ends {
        client: two.client.connect(listener),
        server: listener,
    };
    two.server.tell_child(0, "accept");
    tracer.wait_changes(4);
    let trace = tracer.stop();

    let parent = two.server.pid();
    let mut story = Story::of(&trace);
    let server = story.server(ends);
    server.owners(&[("SYN_RECV", Some(parent))]);
    let owner = server.timeline().owner.as_ref().and_then(|one| one.pid);
    let opener = server.timeline().opened_by.as_ref().map(|one| one.pid);
    let wanted = match Method::Fentry.missing() {
        None => (Some(child), Some(parent)),
        Some(_) => (Some(parent), None),
    };
    assert_eq!((owner, opener), wanted, "owner, opener\n{}", server.told());
    story
        .client(ends)
        .owned_at_last(two.client.pid(), "tst-client")
        .opened_by(None);
    story.nothing_else(HOOK);
}

/// The parent accepts and leaves the connection to a child that it makes for it.
fn forked_after_accept() {
    let pair = Pair::new();
    let mut two = named_pair(&pair);
    two.listen();
    let mut tracer = Tracer::watch(HOOK, &pair, &[]);
    let kept = two.close_client_first();
    let mut child = 0;
    let left = serve_one(&pair, &mut two, |two, command| match command {
        "accept" => {
            two.server.accept();
            child = two.server.fork();
            two.server.close();
        }
        _ => {
            two.server.tell_child(0, command);
        }
    });
    tracer.wait_ended(4);
    let trace = tracer.stop();

    let parent = two.server.pid();
    let mut story = Story::of(&trace);
    story
        .server(kept)
        .owned_by(HOOK, parent)
        .owned_at_last(parent, "tst-server")
        .opened_by(None);
    let server = story.server(left);
    server
        .owners(&[
            ("ESTABLISHED", Some(parent)),
            ("CLOSE_WAIT", Some(child)),
            ("LAST_ACK", Some(child)),
        ])
        .opened_by(Some(parent));
    assert_eq!(
        server.process().ppid,
        Some(parent),
        "parent\n{}",
        server.told()
    );
    for ends in [kept, left] {
        story.client(ends).owned_by(HOOK, two.client.pid());
    }
    story.nothing_else(HOOK);
}

/// Whichever thread uses a socket, its process is told, by the name of that.
fn threads_have_the_name_of_their_process() {
    let pair = Pair::new();
    let mut two = named_pair(&pair);
    two.listen();
    let mut tracer = Tracer::watch(HOOK, &pair, &[]);
    let listener = two.at_server();
    let in_thread = |command: &str| format!("thread tst-thread {command}");
    let connected = two.client.tell(&in_thread(&format!("connect {listener}")));
    let ends = Ends {
        client: connected.parse().expect("its local address"),
        server: listener,
    };
    two.server.tell(&in_thread("accept"));
    two.client.tell(&in_thread("send 5"));
    two.server.tell(&in_thread("receive 5"));
    two.client.tell(&in_thread("close"));
    ends.wait_server(&pair.server, "CLOSE_WAIT");
    two.server.tell(&in_thread("close"));
    tracer.wait_ended(2);
    let trace = tracer.stop();

    let mut story = Story::of(&trace);
    let (client, server) = (two.client.pid(), two.server.pid());
    story
        .client(ends)
        .owned_by(HOOK, client)
        .owned_at_last(client, "tst-client");
    story
        .server(ends)
        .owned_by(HOOK, server)
        .owned_at_last(server, "tst-server");
    // A timeline says beside it which thread it was.
    for (text, _) in &trace.lines {
        assert!(!text.contains("\"comm\":\"tst-thread"), "{text}");
    }
    story.nothing_else(HOOK);
}

/// One process listens and leaves that to another program, as inetd and systemd do. Who has seen it listen says who
/// did; who comes later says who has the listener then.
fn listener_inherited() {
    let directory = tempdir().expect("make a directory");
    let other = program(directory.path(), "tst-other");
    let pair = Pair::new();
    let mut two = named_pair(&pair);
    let mut early = Tracer::watch(HOOK, &pair, &["-a"]);
    two.listen();
    let child = two.server.fork();
    two.server.tell("deafen");
    two.server.tell_child(0, &exec(&other, &[b"inherits"]));
    let mut late = Tracer::watch(HOOK, &pair, &[]);
    let ends = serve_one(&pair, &mut two, |two, command| {
        two.server.tell_child(0, command);
    });
    let parent = two.server.pid();
    for (tracer, opener) in [(&mut early, parent), (&mut late, child)] {
        assert!(tracer.wait_ended(2), "both ends, for {opener}");
    }
    let (early, late) = (early.stop(), late.stop());

    let mut seen = Story::of(&early);
    let listener = seen.listener(ends.server);
    listener.owners(&[("LISTEN", Some(parent))]);
    for (story, opener) in [(&mut seen, parent), (&mut Story::of(&late), child)] {
        let server = story.server(ends);
        server
            .owners(&[("SYN_RECV", Some(opener)), ("LAST_ACK", Some(child))])
            .owned_at_last(child, "tst-other")
            .opened_by((opener != child).then_some(opener));
        let process = server.process();
        let exe = other.to_str();
        assert_eq!(process.exe.as_deref(), exe, "{}", server.told());
        let last = process.args.iter().flatten().last();
        let last = last.map(String::as_str);
        assert_eq!(last, Some("inherits"), "{}", server.told());
        story
            .client(ends)
            .owned_at_last(two.client.pid(), "tst-client");
        story.no_other_lines();
    }
}
