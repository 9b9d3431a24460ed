//! Listening sockets: left out by default, shown with `-l` alone and with `-a` among the others.

use tests::host::Pair;
use tests::matcher::Story;
use tests::tracer::{Hook, Tracer};
use tests::traffic::{Connection, Ends};

both_hooks!(left_out_by_default, alone, with_its_children);

fn left_out_by_default(hook: Hook) {
    let pair = Pair::new();
    let mut tracer = Tracer::watch(hook, &pair, &[]);
    let ends = listen_once(&pair);
    tracer.wait_ended(2);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    children(&mut story, ends);
    story.nothing_else(hook);
}

fn alone(hook: Hook) {
    let pair = Pair::new();
    let mut tracer = Tracer::watch(hook, &pair, &["-l"]);
    let ends = listen_once(&pair);
    tracer.wait_ended(1);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    story
        .listener(ends.server)
        .states("CLOSE LISTEN CLOSE")
        .opened("listen");
    story.nothing_else(hook);
}

fn with_its_children(hook: Hook) {
    let pair = Pair::new();
    let mut tracer = Tracer::watch(hook, &pair, &["-a"]);
    let ends = listen_once(&pair);
    tracer.wait_ended(3);
    let trace = tracer.stop();
    let mut story = Story::of(&trace);
    story
        .listener(ends.server)
        .states("CLOSE LISTEN CLOSE")
        .opened("listen");
    children(&mut story, ends);
    story.nothing_else(hook);
}

fn listen_once(pair: &Pair) -> Ends {
    let listener = pair.server.listen(8000, 4);
    let connection = Connection::open(pair, &listener);
    let ends = connection.ends;
    connection.close_client_first(pair);
    listener.close();
    ends
}

fn children(story: &mut Story<'_>, ends: Ends) {
    story
        .client(ends)
        .states("CLOSE SYN_SENT ESTABLISHED FIN_WAIT1 FIN_WAIT2 CLOSE");
    story
        .server(ends)
        .states("LISTEN SYN_RECV ESTABLISHED CLOSE_WAIT LAST_ACK CLOSE");
}
