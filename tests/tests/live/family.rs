//! IPv6, and IPv4 through sockets of the IPv6 family.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tests::host::Pair;
use tests::matcher::Story;
use tests::tracer::{Hook, Tracer};
use tests::traffic::{Connection, Ends, Socket};

both_hooks!(ipv6, ipv4_mapped_at_the_server, ipv4_mapped_at_the_client);

fn ipv6(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.socket6();
    listener.bind(pair.server.at6(8000));
    listener.listen(4);
    let target = pair.server.at6(8000);
    judge(
        hook,
        &pair,
        pair.client.socket6(),
        &listener,
        target,
        target,
    );
}

/// The server listens for both families with one socket, and is reached by IPv4.
fn ipv4_mapped_at_the_server(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.socket6();
    listener.bind((Ipv6Addr::UNSPECIFIED, 8000).into());
    listener.listen(4);
    let target = pair.server.at(8000);
    judge(hook, &pair, pair.client.socket(), &listener, target, target);
}

/// The client uses a socket of the IPv6 family to reach an IPv4 address.
fn ipv4_mapped_at_the_client(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.socket();
    listener.bind((Ipv4Addr::UNSPECIFIED, 8000).into());
    listener.listen(4);
    let target = pair.server.at(8000);
    let mapped = (pair.server.ipv4.to_ipv6_mapped(), 8000).into();
    judge(
        hook,
        &pair,
        pair.client.socket6(),
        &listener,
        mapped,
        target,
    );
}

fn judge(
    hook: Hook,
    pair: &Pair,
    client: Socket,
    listener: &Socket,
    target: SocketAddr,
    reached: SocketAddr,
) {
    let mut tracer = Tracer::watch(hook, pair, &[]);
    client.connect(target);
    let server = listener.accept();
    let ends = Ends {
        client: client.local(),
        server: reached,
    };
    Connection {
        client,
        server,
        ends,
    }
    .close_client_first(pair);

    tracer.wait_ended(2);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    story
        .client(ends)
        .states("CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE")
        .opened("active")
        .closed_first("local");
    story
        .server(ends)
        .states("LISTEN SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE")
        .opened("passive")
        .closed_first("remote");
    story.nothing_else(hook);
}
