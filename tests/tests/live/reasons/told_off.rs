//! Connections that were never established, because somebody said so.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};

use tests::netlink;
use tests::traffic::Ends;

use super::{HOOK, Scene, ended};

btf_only!(
    refused,
    unreachable_host,
    unreachable_network,
    fails_at_once
);

/// Reserved for examples (RFC 5737): no host has it.
const FAR: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

fn refused() {
    let scene = Scene::new(&[]);
    let ends = connect_in_vain(
        &scene,
        scene.pair.server.at(8001),
        ErrorKind::ConnectionRefused,
    );
    let traced = scene.stop(1);
    let mut story = traced.story();
    let client = story.client(ends);
    client
        .states("CLOSE SYN_SENT CLOSE")
        .carried(HOOK, 0, 0)
        .events(&["reset_received SYN_SENT"])
        .nobody_closed_first();
    ended(&client, "refused");
    story.nothing_else(HOOK);
}

/// The server is a router that has been told that there is no such host.
fn unreachable_host() {
    unreachable(
        |scene| {
            let netns = &scene.pair.server.netns;
            netns
                .run(|| netlink::add_unreachable(FAR))
                .expect("make a host unreachable");
        },
        ErrorKind::HostUnreachable,
        "unreachable (EHOSTUNREACH)",
    );
}

/// The server is a router that knows no way to it.
fn unreachable_network() {
    unreachable(
        |_| (),
        ErrorKind::NetworkUnreachable,
        "unreachable (ENETUNREACH)",
    );
}

/// The first answer comes while `connect` is still at work, and is only noted then: it is the answer to the
/// second SYN, a second later, that ends the attempt.
fn unreachable(prepare: impl FnOnce(&Scene), error: ErrorKind, text: &str) {
    let scene = Scene::new(&[]);
    let (client, server) = (&scene.pair.client, &scene.pair.server);
    server.netns.set_sysctl("net/ipv4/ip_forward", "1");
    client
        .netns
        .run(|| netlink::add_route(FAR, server.ipv4))
        .expect("make the server a router");
    prepare(&scene);
    let ends = connect_in_vain(&scene, (FAR, 80).into(), error);
    let traced = scene.stop(1);
    let mut story = traced.story();
    let client = story.client(ends);
    client.states("CLOSE SYN_SENT CLOSE").carried(HOOK, 0, 0);
    let events = &client.timeline().events;
    assert!(
        events.iter().all(|event| event.what == "retransmitted"),
        "what ends a connection is told by its end alone\n{}",
        client.told()
    );
    ended(&client, text);
    story.nothing_else(HOOK);
}

/// This host itself knows that there is no way: the socket leaves CLOSE for no state, and nothing is told.
fn fails_at_once() {
    let scene = Scene::new(&[]);
    let netns = &scene.pair.client.netns;
    netns
        .run(|| netlink::add_unreachable(FAR))
        .expect("make a host unreachable");
    connect_in_vain(&scene, (FAR, 80).into(), ErrorKind::HostUnreachable);
    scene.stop(0).story().nothing_else(HOOK);
}

fn connect_in_vain(scene: &Scene, server: SocketAddr, expected: ErrorKind) -> Ends {
    let client = scene.pair.client.socket();
    let ends = Ends {
        client: scene.pair.client.at(5000),
        server,
    };
    client.bind(ends.client);
    let error = client.try_connect(server).expect_err("nobody is there");
    assert_eq!(error.kind(), expected, "{error}");
    ends
}
