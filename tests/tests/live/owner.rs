//! Whose socket it is: the process that used it, never the one that was only on the CPU.

use std::process;

use tests::host::Pair;
use tests::matcher::Story;
use tests::peer::Peer;
use tests::tracer::{Hook, Tracer};
use tests::traffic::Ends;

use super::SECOND_PROCESS;

both_hooks!(the_client_is_another_process, the_server_is_another_process);

fn the_client_is_another_process(hook: Hook) {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut peer = Peer::start(SECOND_PROCESS, &pair.client);
    let mut tracer = Tracer::watch(hook, &pair, &[]);

    // Each side closes first once: the other side's change then runs in the closer's context.
    let mut all = Vec::new();
    for client_first in [true, false] {
        let ends = Ends {
            client: peer.connect(listener.local()),
            server: listener.local(),
        };
        let server = listener.accept();
        if client_first {
            peer.close();
            ends.wait_server(&pair.server, "CLOSE_WAIT");
            server.close();
        } else {
            server.close();
            ends.wait_client(&pair.client, "CLOSE_WAIT");
            peer.close();
        }
        all.push(ends);
    }

    tracer.wait_ended(4);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    for ends in all {
        story.client(ends).owned_by(hook, peer.pid());
        story.server(ends).owned_by(hook, process::id());
    }
    story.nothing_else(hook);
}

fn the_server_is_another_process(hook: Hook) {
    let pair = Pair::new();
    let mut peer = Peer::start(SECOND_PROCESS, &pair.server);
    peer.listen(pair.server.at(8000));
    let mut tracer = Tracer::watch(hook, &pair, &[]);

    let client = pair.client.socket();
    client.connect(pair.server.at(8000));
    let ends = Ends {
        client: client.local(),
        server: pair.server.at(8000),
    };
    assert_eq!(peer.accept(), ends.client);
    client.close();
    ends.wait_server(&pair.server, "CLOSE_WAIT");
    peer.close();

    tracer.wait_ended(2);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    let client = story.client(ends);
    client.owned_by(hook, process::id());
    let server = story.server(ends);
    server.owned_by(hook, peer.pid());
    // What happened in nobody's own context has no owner yet: that the client's ACK or FIN came
    // is not the client's doing at the server's socket.
    for change in server
        .changes()
        .filter(|one| one.to != "LAST_ACK" && one.to != "CLOSE")
    {
        let pid = change.owner.as_ref().and_then(|owner| owner.pid);
        assert_eq!(pid, None, "{}", server.told());
    }
    story.nothing_else(hook);
}
