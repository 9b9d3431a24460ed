//! The terminal's other screen, which leaves what was on the first as it was.
//!
//! **Owns:** the sequences that a terminal takes, and that they are taken back: at the end, after an
//! error, and in a panic.

use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

/// The other screen (xterm's 1049), no cursor, and lines that end at the edge rather than go on below.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l";
/// All of that taken back.
pub(super) const LEAVE: &[u8] = b"\x1b[?7h\x1b[?25h\x1b[?1049l";

/// Whether the other screen is shown.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// The other screen, as long as it lives.
#[derive(Debug)]
pub(super) struct OtherScreen(());

impl OtherScreen {
    /// Returns whether there is a terminal that can show it.
    pub(super) fn is_possible() -> bool {
        let is_able = |term: std::ffi::OsString| !term.is_empty() && term != "dumb";
        io::stdout().is_terminal() && std::env::var_os("TERM").is_some_and(is_able)
    }

    /// Shows it.
    pub(super) fn enter() -> io::Result<Self> {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            // What the panic says belongs on the screen that stays.
            let _ = leave();
            before(panic);
        }));
        SHOWN.store(true, Ordering::Relaxed);
        let screen = Self(());
        write(ENTER)?;
        Ok(screen)
    }

    /// Draws these lines, and nothing below them.
    pub(super) fn draw(&self, lines: &[String]) -> io::Result<()> {
        // Each line is emptied before it is written: behind one that fills it, the cursor stands on
        // its last column. All in one go, so that nothing flickers.
        let lines: Vec<String> = lines.iter().map(|line| format!("\x1b[K{line}")).collect();
        write(format!("\x1b[H{}\x1b[J", lines.join("\r\n")).as_bytes())
    }
}

impl Drop for OtherScreen {
    fn drop(&mut self) {
        // Whoever drops it after an error has that to tell.
        let _ = leave();
    }
}

fn leave() -> io::Result<()> {
    match SHOWN.swap(false, Ordering::Relaxed) {
        true => write(LEAVE),
        false => Ok(()),
    }
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
