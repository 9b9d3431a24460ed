//! Which connection a change belongs to, where ports, sockets and addresses are used again.

use std::collections::BTreeSet;

use tests::host::Pair;
use tests::matcher::Story;
use tests::tracer::{Hook, Tracer};
use tests::traffic::{Connection, Ends};

both_hooks!(
    reused_tuple,
    reused_socket_address,
    connected_again_after_a_refusal,
    connected_again_after_disconnecting,
    a_thousand_at_once,
);

/// The same four numbers three times: after a reset, and after a TIME_WAIT that the new SYN ends.
fn reused_tuple(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut tracer = Tracer::watch(hook, &pair, &[]);
    let ends = Ends {
        client: pair.client.at(5000),
        server: listener.local(),
    };
    let open = || {
        let client = pair.client.socket();
        client.bind(ends.client);
        Connection::open_from(client, &listener)
    };

    let Connection { client, server, .. } = open();
    client.reset();
    server.receive_reset();
    server.close();
    open().close_server_first(&pair);
    ends.wait_server(&pair.server, "TIME_WAIT");
    open().close_client_first(&pair);

    tracer.wait_ended(6);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    story
        .client(ends)
        .states("CLOSE SYN_SENT ESTABLISHED CLOSE");
    story
        .client(ends)
        .states("CLOSE SYN_SENT ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE");
    story
        .client(ends)
        .states("CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE");
    story
        .server(ends)
        .states("LISTEN SYN_RECV ESTABLISHED CLOSE");
    story
        .server(ends)
        .states("LISTEN SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE");
    story
        .server(ends)
        .states("LISTEN SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE");
    story.nothing_else(hook);
}

/// The kernel gives a freed socket's memory to the next one at once.
fn reused_socket_address(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut tracer = Tracer::watch(hook, &pair, &[]);
    let all: Vec<(Ends, [u64; 2])> = (0..100)
        .map(|_| {
            let Connection {
                client,
                server,
                ends,
            } = Connection::open(&pair, &listener);
            let cookies = [client.cookie(), server.cookie()];
            client.reset();
            server.receive_reset();
            (ends, cookies)
        })
        .collect();

    tracer.wait_ended(200);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    for (ends, [client, server]) in all {
        let netns = (pair.client.netns.inode(), pair.server.netns.inode());
        let life = story.client(ends);
        life.states("CLOSE SYN_SENT ESTABLISHED CLOSE")
            .socket(hook, client, netns.0);
        let life = story.server(ends);
        life.states("LISTEN SYN_RECV ESTABLISHED CLOSE")
            .socket(hook, server, netns.1);
    }
    story.nothing_else(hook);
}

/// One socket, two connections: the first attempt is refused, and its port is not the second's.
fn connected_again_after_a_refusal(hook: Hook) {
    let pair = Pair::new();
    let mut tracer = Tracer::watch(hook, &pair, &[]);
    let client = pair.client.socket();
    let server_addr = pair.server.at(8000);
    client
        .try_connect(server_addr)
        .expect_err("nobody listens yet");
    tracer.wait_ended(1);

    let listener = pair.server.listen(8000, 4);
    let connection = Connection::open_from(client, &listener);
    let (ends, cookie) = (connection.ends, connection.client.cookie());
    connection.close_client_first(&pair);

    tracer.wait_ended(2);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    let netns = pair.client.netns.inode();
    let again = story.client(ends);
    again
        .states("CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE")
        .socket(hook, cookie, netns);
    let refused = story.conn_by("the refused attempt", |_, remote| {
        remote.known() == Some(server_addr)
    });
    refused
        .states("CLOSE SYN_SENT CLOSE")
        .socket(hook, cookie, netns);
    assert!(
        refused.number() < again.number(),
        "the refusal came first\n{trace}"
    );
    assert_ne!(
        refused.timeline().local.known(),
        Some(ends.client),
        "its own port\n{trace}"
    );
    story
        .server(ends)
        .states("LISTEN SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE");
    story.nothing_else(hook);
}

/// One socket, two connections: the first is dissolved while it is established.
fn connected_again_after_disconnecting(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut tracer = Tracer::watch(hook, &pair, &[]);

    let Connection {
        client,
        server,
        ends: first,
    } = Connection::open(&pair, &listener);
    client.disconnect();
    server.receive_reset();
    server.close();
    let connection = Connection::open_from(client, &listener);
    let (second, cookie) = (connection.ends, connection.client.cookie());
    connection.close_server_first(&pair);

    tracer.wait_ended(4);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    let netns = pair.client.netns.inode();
    story
        .client(first)
        .states("CLOSE SYN_SENT ESTABLISHED CLOSE")
        .socket(hook, cookie, netns);
    story
        .server(first)
        .states("LISTEN SYN_RECV ESTABLISHED CLOSE");
    story
        .client(second)
        .states("CLOSE SYN_SENT ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE")
        .socket(hook, cookie, netns);
    story
        .server(second)
        .states("LISTEN SYN_RECV ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE");
    story.nothing_else(hook);
}

fn a_thousand_at_once(hook: Hook) {
    const COUNT: usize = 1000;
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 128);
    let mut tracer = Tracer::watch(hook, &pair, &[]);

    let (mut clients, mut servers, mut all) = (Vec::new(), Vec::new(), BTreeSet::new());
    for _ in 0..COUNT {
        let Connection {
            client,
            server,
            ends,
        } = Connection::open(&pair, &listener);
        clients.push(client);
        servers.push(server);
        all.insert((ends.client, ends.server));
    }
    assert_eq!(all.len(), COUNT);
    drop(clients);
    pair.server
        .wait_sockets("a thousand in CLOSE_WAIT", |sockets| {
            sockets
                .iter()
                .filter(|socket| socket.state == "CLOSE_WAIT")
                .count()
                == COUNT
        });
    drop(servers);

    tracer.wait_ended(2 * COUNT);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    assert_eq!(trace.summary().changes, 10 * COUNT as u64, "{trace}");
    for (client, server) in all {
        let ends = Ends { client, server };
        story
            .client(ends)
            .states("CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE")
            .closed_first("local");
        story
            .server(ends)
            .states("LISTEN SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE")
            .closed_first("remote");
    }
    story.nothing_else(hook);
}
