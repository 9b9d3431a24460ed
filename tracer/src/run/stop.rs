//! What ends a trace: a signal, the time that was asked for, or the end of the command that is traced.

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
use tokio::time::{Instant, sleep_until, timeout};

use super::command::Running;
use super::failure::Failure;
use super::say;

/// For so long a command that was interrupted is waited for before that is said, and an interrupt that it was ended by.
const UNSAID: Duration = Duration::from_secs(1);

/// For so long the connections of a command that has ended may take to close.
const SETTLE: Duration = Duration::from_secs(1);

/// Exit code of a trace that is ended without its summary: `Exit::Incomplete`.
const INCOMPLETE: i32 = 1;

/// What ends a trace.
pub(super) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    deadline: Option<Instant>,
    /// What is traced until it ends, if anything is.
    command: Option<Running>,
    /// Whether an interrupt came while a command ran, which got it too where both are at one terminal.
    was_interrupted: bool,
    /// When it is said that a command is waited for.
    say_at: Option<Instant>,
    /// The command has ended: until when its connections may take to end, too.
    settled_by: Option<Instant>,
    /// What hears of a second signal, until a thread does.
    second: Option<Second>,
}

/// Where signals are told, and what is written to the terminal with the second.
struct Second {
    signals: UnixStream,
    /// How many signals are heeded as they should be, before one ends the process.
    heeded: usize,
    farewell: &'static [u8],
}

impl Stop {
    /// Listens from now on.
    ///
    /// A second interrupt or termination ends the process at once, as incomplete: the first one is heeded
    /// between two writes, and a reader that does not read can keep a write waiting for ever. The
    /// terminal is then given `farewell`, if there is one.
    ///
    /// A command has the first interrupt to itself: it ends as it does, and the trace with it. The second ends the
    /// trace, and the third the process.
    pub(super) fn listen(
        farewell: Option<&'static [u8]>,
        command: Option<Running>,
    ) -> Result<Self, Failure> {
        let failed = |cause: io::Error| Failure::System {
            what: "listen for signals",
            cause,
        };
        let listen = |kind| signal(kind).map_err(failed);
        let second = match (farewell, &command) {
            (None, None) => end_at_once().map(|()| None),
            (farewell, None) => end_with(farewell.unwrap_or_default(), 1).map(Some),
            (farewell, Some(_)) => end_with(farewell.unwrap_or_default(), 2).map(Some),
        }
        .map_err(failed)?;
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            deadline: None,
            command,
            was_interrupted: false,
            say_at: None,
            settled_by: None,
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

    /// Returns the command, if there is one.
    pub(super) fn command(&self) -> Option<&Running> {
        self.command.as_ref()
    }

    /// Lets the command run, if there is one.
    pub(super) fn begin_command(&mut self) -> Result<(), Failure> {
        self.command.as_mut().map_or(Ok(()), Running::begin)
    }

    /// Says what has become of the command, if there is one and anything is to be said.
    pub(super) async fn fate_of_command(&mut self) -> Result<Option<String>, Failure> {
        let Some(command) = &mut self.command else {
            return Ok(None);
        };
        if !self.was_interrupted && command.was_interrupted() {
            // The same interrupt may come here behind the end that it led to.
            let interrupt = timeout(UNSAID, self.interrupt.recv()).await;
            self.was_interrupted = interrupt.is_ok();
        }
        command.fate(self.was_interrupted)
    }

    /// Waits for the end, or for the command's, which its connections may outlive a little: returns whether it is the
    /// end.
    pub(super) async fn wait(&mut self) -> bool {
        let was_settling = self.is_settling();
        loop {
            let is_reached = self.is_reached().await;
            if is_reached || self.is_settling() != was_settling {
                return is_reached;
            }
        }
    }

    /// Returns whether the command has ended, and the trace goes on until its connections have.
    pub(super) fn is_settling(&self) -> bool {
        self.settled_by.is_some()
    }

    /// Waits for something to happen; returns whether that is the end.
    async fn is_reached(&mut self) -> bool {
        let is_settling = self.is_settling();
        let until = async |moment: Option<Instant>| match moment {
            Some(moment) => sleep_until(moment).await,
            None => pending().await,
        };
        let ended = async {
            match &mut self.command {
                Some(command) if !is_settling => command.ended().await,
                _ => pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => self.command.is_none() || self.interrupt_again(),
            _ = self.terminate.recv() => true,
            _ = self.hangup.recv() => true,
            () = until(self.deadline) => true,
            () = ended => {
                self.settled_by = Some(Instant::now() + SETTLE);
                // Whoever interrupted it wants to be done.
                self.was_interrupted
            }
            () = until(self.settled_by) => true,
            () = until(self.say_at) => {
                self.say_at = None;
                let name = self.command.as_ref().map_or("the command", Running::name);
                say(&format!("waiting for {name} to end; Ctrl-C once more ends the trace without it"));
                false
            }
        }
    }

    /// An interrupt came that a command has got, too; returns whether it is not the first.
    fn interrupt_again(&mut self) -> bool {
        self.say_at = Some(Instant::now() + UNSAID);
        std::mem::replace(&mut self.was_interrupted, true)
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

/// Hears of signals, for a thread that ends the process with the one that follows those that are heeded, and may
/// write to the terminal before.
fn end_with(farewell: &'static [u8], heeded: usize) -> io::Result<Second> {
    let (signals, told) = UnixStream::pair()?;
    for number in [SIGINT, SIGTERM] {
        pipe::register(number, told.try_clone()?)?;
    }
    Ok(Second {
        signals,
        heeded,
        farewell,
    })
}

impl Second {
    fn wait_for_it(self) -> io::Result<()> {
        let Self {
            mut signals,
            heeded,
            farewell,
        } = self;
        let wait = move || {
            if signals.read_exact(&mut vec![0; heeded + 1]).is_ok() {
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
