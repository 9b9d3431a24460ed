//! Connections of which it is not plain whose they are.

use std::net::{Ipv4Addr, SocketAddr};

use tests::ask_until;
use tests::host::Pair;
use tests::matcher::Story;
use tests::peer::Peer;
use tests::tracer::Tracer;
use tests::traffic::Ends;

use super::{HOOK, named_pair};
use crate::SECOND_PROCESS;

btf_only!(two_share_a_port, both_ends_on_one_host);

/// Two processes listen on one port (`SO_REUSEPORT`): nobody opened a connection there until one of them uses it.
fn two_share_a_port() {
    let pair = Pair::new();
    let mut two = named_pair(&pair);
    two.listen();
    let mut sharers = [0, 1].map(|_| Peer::start(SECOND_PROCESS, &pair.server));
    let shared = pair.server.at(8001);
    let mut tracer = Tracer::watch(HOOK, &pair, &["-a"]);
    for sharer in &mut sharers {
        sharer.tell(&format!("share {shared}"));
    }
    let alone = two.close_client_first();
    let ends = Ends {
        client: two.client.connect(shared),
        server: shared,
    };
    let took = ask_until(|| {
        let mut sharers = sharers.iter_mut();
        sharers.position(|sharer| sharer.tell("accept-one") != "none")
    });
    let user = &mut sharers[took.expect("one of them takes the connection")];
    two.client.close();
    ends.wait_server(&pair.server, "CLOSE_WAIT");
    user.close();
    let user = user.pid();
    tracer.wait_ended(4);
    let trace = tracer.stop();

    let mut story = Story::of(&trace);
    story
        .server(ends)
        .owners(&[
            ("SYN_RECV", None),
            ("ESTABLISHED", None),
            ("LAST_ACK", Some(user)),
            ("CLOSE", Some(user)),
        ])
        .opened_by(None);
    let server = two.server.pid();
    story
        .server(alone)
        .owners(&[("SYN_RECV", Some(server)), ("CLOSE", Some(server))]);
    for ends in [ends, alone] {
        story.client(ends).owned_by(HOOK, two.client.pid());
    }
    for sharer in &sharers {
        let listening = trace.seen().filter(|change| change.to == "LISTEN");
        let mut owners = listening.filter_map(|change| change.owner.as_ref()?.pid);
        assert!(owners.any(|pid| pid == sharer.pid()), "{trace}");
    }
}

/// On loopback one end's segments come in while the other end's process is on the CPU.
fn both_ends_on_one_host() {
    let pair = Pair::new();
    let [mut client, mut server] = [0, 1].map(|_| Peer::start(SECOND_PROCESS, &pair.server));
    let listener = SocketAddr::from((Ipv4Addr::LOCALHOST, 8000));
    server.listen(listener);
    let mut tracer = Tracer::watch(HOOK, &pair, &[]);
    let mut all = Vec::new();
    for client_first in [true, false] {
        let ends = Ends {
            client: client.connect(listener),
            server: listener,
        };
        server.accept();
        if client_first {
            client.close();
            ends.wait_server(&pair.server, "CLOSE_WAIT");
            server.close();
        } else {
            server.close();
            ends.wait_client(&pair.server, "CLOSE_WAIT");
            client.close();
        }
        all.push(ends);
    }
    tracer.wait_ended(4);
    let trace = tracer.stop();

    let mut story = Story::of(&trace);
    for ends in all {
        story.client(ends).owned_by(HOOK, client.pid());
        story
            .server(ends)
            .owned_by(HOOK, server.pid())
            .owners(&[("SYN_RECV", Some(server.pid()))]);
    }
    story.nothing_else(HOOK);
}
