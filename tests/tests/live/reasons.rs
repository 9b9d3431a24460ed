//! Why connections end, what they had carried, and what happened to them on the way.
//!
//! Each scene has a neighbour: a connection of the same hosts that is closed in order before anything goes wrong.
//! How many bytes went either way is what the test itself sent and received.

mod aborted;
mod silent;
mod told_off;

use tests::attempt::kernel;
use tests::host::Pair;
use tests::life::Life;
use tests::matcher::Story;
use tests::schema::Line;
use tests::trace::Trace;
use tests::tracer::{Hook, Tracer};
use tests::traffic::{Connection, Ends, Socket};

btf_only!(closed_in_order, carried_before_time_wait);

const HOOK: Hook = Hook::Btf;
/// Bytes from the client to the server, in every connection that is said to have carried some.
const UP: usize = 3000;
/// Bytes from the server to the client.
const DOWN: usize = 70;

/// Two hosts, of which the server listens.
struct Scene {
    pair: Pair,
    listener: Socket,
    tracer: Tracer,
    /// What was closed in order.
    neighbour: Ends,
}

/// What was traced of it.
struct Traced {
    trace: Trace,
    neighbour: Ends,
}

impl Scene {
    fn new(more: &[&str]) -> Self {
        let pair = Pair::new();
        let listener = pair.server.listen(8000, 4);
        let tracer = Tracer::watch(HOOK, &pair, more);
        let mut scene = Self {
            neighbour: Ends {
                client: pair.client.at(0),
                server: listener.local(),
            },
            pair,
            listener,
            tracer,
        };
        let connection = scene.open();
        scene.neighbour = connection.ends;
        connection.close_client_first(&scene.pair);
        scene
    }

    /// Opens a connection over which bytes go both ways.
    fn open(&self) -> Connection {
        let connection = Connection::open(&self.pair, &self.listener);
        exchange(&connection);
        connection
    }

    /// Ends the trace when so many ends of connections more than the neighbour's have ended.
    fn stop(mut self, ended: usize) -> Traced {
        self.tracer.wait_all_ended(ended + 2);
        Traced {
            trace: self.tracer.stop(),
            neighbour: self.neighbour,
        }
    }
}

impl Traced {
    /// Begins to compare, and demands of the neighbour that nothing happened to it.
    fn story(&self) -> Story<'_> {
        let mut story = Story::of(&self.trace);
        let client = story.client(self.neighbour);
        client.carried(HOOK, UP, DOWN).uneventful();
        ended(&client, "in a timewait socket or closed: not known which");
        let server = story.server(self.neighbour);
        server.carried(HOOK, DOWN, UP).uneventful();
        ended(&server, "closed");
        story
    }
}

/// Sends and receives both ways.
fn exchange(Connection { client, server, .. }: &Connection) {
    client.send(&[b'u'; UP]);
    server.receive(&[b'u'; UP]);
    server.send(&[b'd'; DOWN]);
    client.receive(&[b'd'; DOWN]);
}

/// Demands how it ended, to the letter.
fn ended(life: &Life<'_>, text: &str) {
    let said = life.timeline().ended.as_deref();
    assert_eq!(said, Some(text), "ended\n{}", life.told());
}

/// Returns whether this kernel tells why it sends a reset.
fn tells_reset_reasons() -> bool {
    kernel() >= (6, 10)
}

fn closed_in_order() {
    let scene = Scene::new(&[]);
    let server_first = scene.open();
    let ends = server_first.ends;
    server_first.close_server_first(&scene.pair);
    let traced = scene.stop(2);
    let mut story = traced.story();
    let client = story.client(ends);
    client.carried(HOOK, UP, DOWN).uneventful();
    ended(&client, "closed");
    let server = story.server(ends);
    server.carried(HOOK, DOWN, UP).uneventful();
    ended(&server, "in a timewait socket or closed: not known which");
    story.nothing_else(HOOK);
}

/// What a connection carried is known as soon as a timewait socket takes it over, and stands in its timeline though the
/// trace ends before that does.
fn carried_before_time_wait() {
    let pair = Pair::new();
    let listener = pair.server.listen(8000, 4);
    let mut tracer = Tracer::watch(HOOK, &pair, &["--time-wait", "auto"]);
    let connection = Connection::open(&pair, &listener);
    let ends = connection.ends;
    exchange(&connection);
    connection.close_client_first(&pair);
    let waits = |line: &Line| matches!(line, Line::Change(change) if change.to == "TIME_WAIT");
    assert!(tracer.wait_for(waits), "a TIME_WAIT is told");
    tracer.wait_all_ended(1);
    let trace = tracer.stop();

    let mut story = Story::of(&trace);
    let client = story.client(ends);
    client.carried(HOOK, UP, DOWN).uneventful();
    assert_eq!(client.timeline().ended, None, "{}", client.told());
    let server = story.server(ends);
    server.carried(HOOK, DOWN, UP).uneventful();
    ended(&server, "closed");
    story.nothing_else(HOOK);
}
