//! The running kernel: the object is loaded and attached, and its records are read.
//!
//! **Owns:** everything that touches aya.
//! **Never:** the meaning of a record: bytes go on to `model::decode`.

mod attach;
mod between;
mod error;
mod follow;
mod gather;
mod hidden;
mod mapped;
mod programs;
mod rings;

use std::io;
use std::time::Duration;

use aya::Ebpf;
use aya::maps::{MapData, RingBuf};
use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

use self::rings::Rings;
use super::clock::boot_time;
use super::kernel_log::KernelLog;
use super::losses::Losses;
use crate::model::{Batch, EarlyFilter, Loss, ResetReasons};

pub(super) use attach::OBJECT;
pub use error::LiveError;
pub use hidden::{Method, MethodChoice};
pub(super) use mapped::MappedArray;
pub use rings::CLOCK_MARGIN_NS as BEHIND_NS;
pub use tracer_ebpf::ABI_VERSION;

/// By when what one CPU wrote is seen by another one, by a wide margin: a store waits for its cache line, not longer.
const SEEN_BY_THEN: Duration = Duration::from_millis(10);

/// How the tracepoint is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// As a raw tracepoint with BTF, which gives the typed socket.
    Btf,
    /// As the classic tracepoint, which gives its fields.
    Classic,
}

impl Hook {
    /// Returns the name that the field uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Btf => "tp_btf",
            Self::Classic => "tracepoint",
        }
    }
}

/// Which hook is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookChoice {
    /// BTF where it can be had, else the classic one.
    #[default]
    Auto,
    /// BTF or nothing.
    Btf,
    /// The classic one or nothing.
    Classic,
}

/// What to attach.
#[derive(Clone, Debug)]
pub struct Options {
    /// Hook.
    pub hook: HookChoice,
    /// How timewait and request sockets are followed.
    pub hidden: MethodChoice,
    /// Size of the ring buffers of all CPUs together in bytes, if it is not to be the usual one.
    pub ring_bytes: Option<u32>,
    /// What the kernel side decides early.
    pub filter: EarlyFilter,
    /// The processes that are followed, with their children, if any are.
    pub follow: Option<Vec<u32>>,
    /// Whether the kernel side's own diagnostics are wanted.
    pub kernel_log: bool,
}

/// The attached hook.
pub struct Live {
    /// Which hook it is.
    pub hook: Hook,
    /// How timewait sockets are followed, if they are.
    pub timewait: Option<Method>,
    /// Whether the timers' method sees that a timer is set anew within its slot of the timer wheel.
    pub sees_silent_rearms: bool,
    /// How request sockets are followed, if they are.
    pub requests: Option<Method>,
    /// What the records will not tell on this host.
    pub missing: Vec<String>,
    /// Whether resets that this host sends are told.
    pub tells_resets: bool,
    /// The kernel's reasons for these; none where it tells none.
    pub reset_reasons: ResetReasons,
    /// Size of the first ring buffers of all CPUs together in bytes: what is asked for. Smaller ones come on top.
    pub ring_bytes: u32,
    rings: Rings,
    /// Wakes the agent.
    bell: AsyncFd<RingBuf<MapData>>,
    losses: Losses,
    /// How many processes found no room among those that are followed: as the trace began, and since.
    not_followed: (u64, MappedArray),
    log: Option<KernelLog>,
    // Holds the programs and their links; dropping it detaches.
    _object: Ebpf,
}

impl Live {
    /// Loads the object and attaches the hook. From its return on, every change is seen or counted
    /// as lost.
    ///
    /// # Errors
    ///
    /// Why the hook, or either of them, cannot be attached.
    pub fn attach(options: &Options) -> Result<Self, LiveError> {
        match options.hook {
            HookChoice::Btf => attach::typed(options),
            HookChoice::Classic => attach::classic(options),
            HookChoice::Auto => Self::attach_either(options),
        }
    }

    fn attach_either(options: &Options) -> Result<Self, LiveError> {
        let btf = match attach::typed(options) {
            Ok(live) => return Ok(live),
            // The classic hook could do it even less.
            Err(error @ (LiveError::Method(_) | LiveError::Follow { .. })) => return Err(error),
            Err(error) => error,
        };
        match attach::classic(options) {
            Ok(mut live) => {
                live.missing.insert(0, format!("the typed hook ({btf})"));
                Ok(live)
            }
            Err(classic) => Err(LiveError::Neither {
                btf: Box::new(btf),
                classic: Box::new(classic),
            }),
        }
    }

    /// Waits until there is something to read, or the kernel side has something to say.
    ///
    /// # Errors
    ///
    /// What the kernel answers to the wait.
    pub async fn readable(&mut self) -> io::Result<()> {
        if self.rings.ask_to_be_woken() {
            return Ok(());
        }
        tokio::select! {
            ready = self.bell.readable_mut() => {
                ready?.clear_ready();
                return Ok(());
            }
            // No event says that a store has become visible, so it is looked at once more.
            () = sleep(SEEN_BY_THEN) => {}
        }
        if self.rings.has_more() {
            return Ok(());
        }
        // Whoever wakes finds it empty, so that the next time it wakes anew.
        self.bell.readable_mut().await?.clear_ready();
        Ok(())
    }

    /// Moves the records into `batch` that were made [`BEHIND_NS`] before this call or earlier, until there are no more or the batch is full. Returns
    /// whether there are no more.
    pub fn drain(&mut self, batch: &mut Batch) -> bool {
        if let Some(log) = &mut self.log {
            log.flush();
        }
        self.rings.stay_awake();
        while self.bell.get_mut().next().is_some() {}
        self.rings.drain(boot_time(), batch)
    }

    /// Returns whether something was written that is not read yet.
    pub fn has_more(&self) -> bool {
        self.rings.has_more()
    }

    /// Returns how many processes were to be followed and are not: too many were alive.
    pub fn not_followed(&self) -> u64 {
        let (at_first, since) = &self.not_followed;
        at_first + (0..).map_while(|cpu| since.load(cpu)).sum::<u64>()
    }

    /// Returns what has been lost since the last call. Called after [`drain`](Self::drain), it
    /// knows of every loss that came before a drained record of the same socket.
    pub fn losses(&mut self) -> Vec<Loss> {
        self.losses.read()
    }
}
