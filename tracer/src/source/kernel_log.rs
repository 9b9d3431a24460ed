//! The kernel side's own diagnostics, on standard error.

use std::io::{self, Write as _};

use aya::Ebpf;
use aya_log::EbpfLogger;
use log::{Log, Metadata, Record};

/// What aya-log brings from the kernel side.
pub(super) struct KernelLog(EbpfLogger<StandardError>);

impl KernelLog {
    /// Opens the log, or `None` where the object carries none.
    pub(super) fn open(object: &mut Ebpf) -> Option<Self> {
        EbpfLogger::init_with_logger(object, StandardError)
            .ok()
            .map(Self)
    }

    /// Writes what has come.
    pub(super) fn flush(&mut self) {
        self.0.flush();
    }
}

/// Writes each message as a line; which levels come is decided when the object is loaded.
struct StandardError;

impl Log for StandardError {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // Where standard error cannot be written, there is nobody to tell.
        let _ = writeln!(io::stderr(), "tracer: kernel side: {}", record.args());
    }

    fn flush(&self) {}
}
