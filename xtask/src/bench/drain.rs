//! The other end of a contender's pipe: reads all that it writes, so that it never has to wait for long.
//!
//! It is a thread of this process, so what reading costs is not counted as the contender's.

use std::io::{self, Read};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Result, anyhow};

use super::contender::Output;

/// Bytes taken at a time: what a pipe holds, unless somebody has changed that.
const CHUNK_BYTES: usize = 64 << 10;
/// Enough for all that is said at the end.
const TAIL_BYTES: usize = 1 << 20;

/// A pipe being read until its end.
pub(super) struct Drain {
    first: Arc<OnceLock<Instant>>,
    thread: JoinHandle<io::Result<Vec<u8>>>,
}

impl Drain {
    pub(super) fn start(pipe: impl Read + Send + 'static, output: Output) -> Self {
        let first = Arc::new(OnceLock::new());
        let seen = Arc::clone(&first);
        let thread = thread::spawn(move || read(pipe, output, &seen));
        Self { first, thread }
    }

    /// When the first byte came.
    pub(super) fn first(&self) -> Option<Instant> {
        self.first.get().copied()
    }

    /// Waits for the end; returns what tells of losses: all, or as much as is said at the end.
    pub(super) fn finish(self) -> Result<Vec<u8>> {
        let read = self
            .thread
            .join()
            .map_err(|_| anyhow!("the drain panicked"))?;
        Ok(read?)
    }
}

fn read(mut pipe: impl Read, output: Output, first: &OnceLock<Instant>) -> io::Result<Vec<u8>> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut kept = Vec::with_capacity(2 * TAIL_BYTES);
    loop {
        let read = pipe.read(&mut chunk)?;
        if read == 0 {
            return Ok(kept);
        }
        first.get_or_init(Instant::now);
        kept.extend_from_slice(&chunk[..read]);
        if !output.tells_losses_anywhere() && kept.len() > 2 * TAIL_BYTES - CHUNK_BYTES {
            kept.drain(..kept.len() - TAIL_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_the_rest_where_it_may_tell() {
        let mut text = vec![b'.'; 5 * TAIL_BYTES];
        text.extend_from_slice(b"\nthe end");
        let kept = |output| {
            let drain = Drain::start(io::Cursor::new(text.clone()), output);
            drain.finish().expect("can be read")
        };
        assert_eq!(kept(Output::Csv), text);
        let tail = kept(Output::Json);
        assert!(tail.len() >= TAIL_BYTES && tail.len() < 2 * TAIL_BYTES);
        assert!(tail.ends_with(b".\nthe end"));
    }

    #[test]
    fn the_first_byte_has_its_moment() {
        let silent = Drain::start(io::empty(), Output::Json);
        let loud = Drain::start(io::repeat(b'.').take(9), Output::Json);
        let (never, once) = (Arc::clone(&silent.first), Arc::clone(&loud.first));
        assert_eq!(silent.finish().expect("can be read"), b"");
        assert_eq!(loud.finish().expect("can be read").len(), 9);
        assert!(never.get().is_none() && once.get().is_some());
    }
}
