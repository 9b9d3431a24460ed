//! Servers and clients as they are used, in place of the test's own sockets: whose each end of each connection is, why it
//! ended and what it carried, held against what the programs themselves tell.
//!
//! **Owns:** what a program tells of its connections, and every process that it starts.
//! **Never:** a service of the host: each program is started by the test, on files and in a network namespace of the
//! test's own. Both ends are on loopback, where everything that comes from one end reaches the other in the context of
//! whoever sent it.

mod forking;
mod judge;
mod nginx;
mod postgres;
mod program;
mod redis;
mod stage;

/// When a server begins to listen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listening {
    /// Before the trace, which finds the listener.
    BeforeTheTrace,
    /// In the trace.
    InTheTrace,
}
