//! Whose socket it is: the process that used it, never the one that was only on the CPU.

use tests::host::Pair;
use tests::matcher::Story;
use tests::tracer::{Hook, Tracer};

use super::two_processes::TwoProcesses;

both_hooks!(each_end_is_its_own_process);

/// Each side closes first once: the other side's changes then run in the closer's context.
fn each_end_is_its_own_process(hook: Hook) {
    let pair = Pair::new();
    let mut two = TwoProcesses::start(&pair);
    two.listen();
    let mut tracer = Tracer::watch(hook, &pair, &[]);
    let client_first = two.close_client_first();
    let server_first = two.close_server_first();
    tracer.wait_ended(4);
    let trace = tracer.stop();

    let mut story = Story::of(&trace);
    for ends in [client_first, server_first] {
        let client = story.client(ends);
        client.owned_by(hook, two.client.pid());
        let server = story.server(ends);
        server.owned_by(hook, two.server.pid());
        // That the client's SYN and ACK came is nobody's doing at the server's socket: who listens there is told.
        let listens = (hook == Hook::Btf).then_some(two.server.pid());
        server.owners(&[("SYN_RECV", listens), ("ESTABLISHED", listens)]);
    }
    story.nothing_else(hook);
}
