//! What ends a trace: a signal, or the time that was asked for.

use std::future::pending;
use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};
use signal_hook::low_level::pipe;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::failure::Failure;

/// Exit code of a trace that is ended without its summary: `Exit::Incomplete`.
const INCOMPLETE: i32 = 1;

/// What ends a trace.
pub(super) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    deadline: Option<Instant>,
    /// What hears of a second signal, until a thread does.
    second: Option<Second>,
}

/// Where signals are told, and what is written to the terminal with the second.
struct Second {
    signals: UnixStream,
    farewell: &'static [u8],
}

impl Stop {
    /// Listens from now on.
    ///
    /// A second interrupt or termination ends the process at once, as incomplete: the first one is heeded
    /// between two writes, and a reader that does not read can keep a write waiting for ever. The
    /// terminal is then given `farewell`, if there is one.
    pub(super) fn listen(farewell: Option<&'static [u8]>) -> Result<Self, Failure> {
        let failed = |cause: io::Error| Failure::System {
            what: "listen for signals",
            cause,
        };
        let listen = |kind| signal(kind).map_err(failed);
        let second = match farewell {
            Some(farewell) => end_with(farewell).map(Some),
            None => end_at_once().map(|()| None),
        }
        .map_err(failed)?;
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            deadline: None,
            second,
        })
    }

    /// Starts what heeds the second signal, where that takes a thread: to be called when privileges are given up,
    /// which takes that there is none, and before anything is written.
    pub(super) fn heed_second(&mut self) -> Result<(), Failure> {
        let Some(second) = self.second.take() else {
            return Ok(());
        };
        second.wait_for_it().map_err(|cause| Failure::System {
            what: "listen for signals",
            cause,
        })
    }

    /// Stops after a time, too; one too far away to be told is none.
    pub(super) fn after(&mut self, duration: Option<Duration>) {
        self.deadline = duration.and_then(|duration| Instant::now().checked_add(duration));
    }

    /// Waits for the end.
    pub(super) async fn wait(&mut self) {
        let deadline = async {
            match self.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.terminate.recv() => (),
            _ = self.hangup.recv() => (),
            () = deadline => (),
        }
    }
}

/// Ends the process with the second signal, from within the signal's handler.
fn end_at_once() -> io::Result<()> {
    let asked = Arc::new(AtomicBool::new(false));
    for number in [SIGINT, SIGTERM] {
        register_conditional_shutdown(number, INCOMPLETE, Arc::clone(&asked))?;
        register(number, Arc::clone(&asked))?;
    }
    Ok(())
}

/// Hears of signals, for a thread that ends the process with the second, and may write to the terminal before.
fn end_with(farewell: &'static [u8]) -> io::Result<Second> {
    let (signals, told) = UnixStream::pair()?;
    for number in [SIGINT, SIGTERM] {
        pipe::register(number, told.try_clone()?)?;
    }
    Ok(Second { signals, farewell })
}

impl Second {
    fn wait_for_it(self) -> io::Result<()> {
        let Self {
            mut signals,
            farewell,
        } = self;
        let wait = move || {
            if signals.read_exact(&mut [0; 2]).is_ok() {
                // Past the lock that whoever is stuck in a write may hold.
                let _ = rustix::io::write(io::stdout(), farewell);
                exit(INCOMPLETE);
            }
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(wait)?;
        Ok(())
    }
}
