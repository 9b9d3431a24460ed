//! Files of evidence, opened to be read.
//!
//! **Owns:** how far reading has come, and what a person sees of that.
//! **Never:** a byte's meaning: that is the evidence room's.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, IsTerminal as _, Read, Write as _};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::failure::Failure;
use crate::model::printable;
use crate::privilege::{Confinement, confine_reader};

/// How often progress is told, and how long work is before it is.
const PACE: Duration = Duration::from_millis(250);

/// A file of evidence.
pub(super) struct EvidenceFile {
    /// Its name, safe to print.
    pub(super) name: String,
    /// Its bytes.
    pub(super) bytes: BufReader<Counted>,
}

/// Bytes of a file, counted as they are read.
pub(super) struct Counted {
    file: File,
    read: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

/// Opens all of them, and gives up every privilege and all other files before the first byte is read: whoever wrote
/// them may have wanted them to be read.
///
/// # Errors
///
/// One of them cannot be opened, or privileges not be given up.
pub(super) fn open(paths: &[PathBuf]) -> Result<(Vec<EvidenceFile>, Progress), Failure> {
    let read = Rc::new(Cell::new(0));
    let mut total = 0;
    let mut files = Vec::new();
    for path in paths {
        let name = printable(path);
        let failed = |cause: io::Error| Failure::Evidence(format!("cannot read {name}: {cause}"));
        let file = File::open(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        if about.is_dir() {
            return Err(Failure::Usage(format!(
                "cannot read {name}: it is a directory; give the files of evidence themselves"
            )));
        }
        total += about.len();
        let bytes = Counted {
            file,
            read: Rc::clone(&read),
        };
        files.push(EvidenceFile {
            bytes: BufReader::with_capacity(1 << 18, bytes),
            name,
        });
    }
    let confinement = confine_reader()?;
    let now = Instant::now();
    let progress = Progress {
        read,
        total,
        told: now,
        is_shown: io::stderr().is_terminal() && !io::stdout().is_terminal(),
        is_there: false,
        _confinement: confinement,
    };
    Ok((files, progress))
}

/// How far reading has come, on a terminal.
pub(super) struct Progress {
    read: Rc<Cell<u64>>,
    total: u64,
    told: Instant,
    is_shown: bool,
    is_there: bool,
    _confinement: Confinement,
}

impl Progress {
    /// Tells it, now and then.
    pub(super) fn tell(&mut self) {
        if !self.is_shown || self.told.elapsed() < PACE {
            return;
        }
        self.told = Instant::now();
        self.is_there = true;
        let share = self.read.get() * 100 / self.total.max(1);
        // Nobody is told that nobody can be told.
        let _ = write!(
            io::stderr(),
            "\rread {share:3} % of {} MiB",
            self.total >> 20
        );
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_there {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
