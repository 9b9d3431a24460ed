//! Where functions of the running kernel lie, from `/proc/kallsyms`.
//!
//! **Never:** an address that the kernel hides: to those who may not know them it shows zeros, and
//! that is then an error.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;

use thiserror::Error;

const PATH: &str = "/proc/kallsyms";
/// Bytes that are looked at in one go. The kernel hands over a page at a time.
const CHUNK: usize = 32 << 10;
/// Bytes of a name by which nearly all others are left out; no name that is wanted has fewer.
const PREFIX: usize = 4;

/// Why there are no addresses.
#[derive(Debug, Error)]
pub(super) enum KallsymsError {
    #[error("cannot read {PATH}: {0}; it takes a kernel with CONFIG_KALLSYMS")]
    Read(#[source] io::Error),
    #[error(
        "{PATH} shows no addresses to this user; run as root, or set kernel.kptr_restrict to 1"
    )]
    Hidden,
}

/// One function, or one part of it that the compiler put elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// Its name, without what the compiler appended.
    pub(super) name: &'static str,
    /// Its code. The end is where the next symbol begins.
    pub(super) code: Range<u64>,
}

/// Finds functions, parts of them included (`name.cold`, `name.constprop.0`).
pub(super) fn find(wanted: &[&'static str]) -> Result<Vec<Function>, KallsymsError> {
    let file = File::open(PATH).map_err(KallsymsError::Read)?;
    search(file, wanted)
}

/// Reads to the end: a part of a function may lie far from it, and a module's behind all of the kernel's.
fn search(mut text: impl Read, wanted: &[&'static str]) -> Result<Vec<Function>, KallsymsError> {
    let mut search = Search::new(wanted);
    let mut chunk = vec![0; CHUNK];
    let mut filled = 0;
    loop {
        let read = match text.read(&mut chunk[filled..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(KallsymsError::Read)?,
        };
        filled += read;
        let last = chunk[..filled].iter().rposition(|&byte| byte == b'\n');
        let lines = match last {
            // The end, or a line longer than any that a kernel makes.
            _ if read == 0 || (last.is_none() && filled == CHUNK) => filled,
            Some(last) => last + 1,
            None => 0,
        };
        search.take(&chunk[..lines]);
        if read == 0 {
            return search.end();
        }
        chunk.copy_within(lines..filled, 0);
        filled -= lines;
    }
}

/// What has been found so far.
struct Search<'a> {
    wanted: &'a [&'static str],
    prefixes: Vec<[u8; PREFIX]>,
    found: Vec<Function>,
    /// The function that the next symbol ends.
    open: Option<(&'static str, u64)>,
    any_address: bool,
}

impl<'a> Search<'a> {
    fn new(wanted: &'a [&'static str]) -> Self {
        let prefix = |name: &&str| name.as_bytes().first_chunk().copied();
        let mut prefixes: Vec<_> = wanted.iter().filter_map(prefix).collect();
        debug_assert_eq!(prefixes.len(), wanted.len(), "none is that short");
        prefixes.sort_unstable();
        prefixes.dedup();
        Self {
            wanted,
            prefixes,
            found: Vec::new(),
            open: None,
            any_address: false,
        }
    }

    /// Takes whole lines in.
    ///
    /// There are a hundred thousand and more, so of most only the kind and the beginning of the name are looked at.
    ///
    /// # Kernel
    ///
    /// A line is `ffffffff82008620 T name`, with `\t[module]` behind those of modules; the kernel's own
    /// come in the order of their addresses.
    fn take(&mut self, lines: &[u8]) {
        for line in lines.split(|&byte| byte == b'\n') {
            let Some(symbol) = Symbol::of(line) else {
                continue;
            };
            let named = self.named(symbol.name);
            if named.is_none() && self.open.is_none() && self.any_address {
                continue;
            }
            let Some(address) = symbol.address() else {
                continue;
            };
            self.any_address |= address != 0;
            if let Some((name, start)) = self.open
                && address > start
            {
                let code = start..address;
                self.found.push(Function { name, code });
                self.open = None;
            }
            if let Some(name) = named {
                self.open = Some((name, address));
            }
        }
    }

    /// Returns which of those that are wanted has this name, or is this a part of.
    fn named(&self, name: &[u8]) -> Option<&'static str> {
        if !self.prefixes.contains(name.first_chunk()?) {
            return None;
        }
        let base = name.split(|&byte| matches!(byte, b'.' | b'\t')).next()?;
        let mut wanted = self.wanted.iter();
        wanted.find(|wanted| wanted.as_bytes() == base).copied()
    }

    fn end(self) -> Result<Vec<Function>, KallsymsError> {
        match self.any_address {
            true => Ok(self.found),
            false => Err(KallsymsError::Hidden),
        }
    }
}

/// A line of code, `t` or `T`.
struct Symbol<'a> {
    digits: &'a [u8],
    /// The name, and what follows.
    name: &'a [u8],
}

impl<'a> Symbol<'a> {
    fn of(line: &'a [u8]) -> Option<Self> {
        let at = line.iter().position(|&byte| byte == b' ')?;
        match line[at..] {
            [b' ', b't' | b'T', b' ', ref name @ ..] => Some(Self {
                digits: &line[..at],
                name,
            }),
            _ => None,
        }
    }

    fn address(&self) -> Option<u64> {
        u64::from_str_radix(str::from_utf8(self.digits).ok()?, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\
0000000000001000 A fixed
ffffffff82008620 T inet_twsk_put
ffffffff82008740 t inet_twsk_kill
ffffffff820089f0 t tw_timer_handler
ffffffff82008a20 T inet_twsk_deschedule_put
ffffffff82008a20 t an_alias
ffffffff82008a90 T inet_twsk_free
ffffffff82008f00 d tcp_abort
ffffffff82009000 t tcp_abort.cold
ffffffff82009010 T last
ffffffffc0001000 t in_a_module\t[some]
";

    fn range(name: &'static str, code: Range<u64>) -> Function {
        Function { name, code }
    }

    #[test]
    fn a_function_ends_where_the_next_begins() {
        let found = search(TEXT, &["tw_timer_handler", "inet_twsk_deschedule_put"]);
        assert_eq!(
            found.expect("addresses"),
            [
                range(
                    "tw_timer_handler",
                    0xffff_ffff_8200_89f0..0xffff_ffff_8200_8a20
                ),
                range(
                    "inet_twsk_deschedule_put",
                    0xffff_ffff_8200_8a20..0xffff_ffff_8200_8a90
                ),
            ]
        );
    }

    #[test]
    fn parts_count_and_data_does_not() {
        let found = search(TEXT, &["tcp_abort"]).expect("addresses");
        assert_eq!(
            found,
            [range(
                "tcp_abort",
                0xffff_ffff_8200_9000..0xffff_ffff_8200_9010
            )]
        );
    }

    /// Hands over so many bytes at a time.
    struct Slowly<'a>(&'a [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let some = self.1.min(buffer.len()).min(self.0.len());
            let (now, later) = self.0.split_at(some);
            buffer[..some].copy_from_slice(now);
            self.0 = later;
            Ok(some)
        }
    }

    #[test]
    fn lines_may_be_read_in_pieces() {
        let wanted = ["tw_timer_handler", "tcp_abort", "last"];
        let whole = search(TEXT, &wanted).expect("addresses");
        assert_eq!(whole.len(), wanted.len());
        for bytes in 1..TEXT.len() {
            let found = search(Slowly(TEXT, bytes), &wanted).expect("addresses");
            assert_eq!(found, whole, "{bytes} at a time");
        }
    }

    #[test]
    fn a_long_text_is_read_to_its_end() {
        let line = "ffffffff82000000 t some_other_function\n";
        let text = line.repeat(2 * CHUNK / line.len()) + str::from_utf8(TEXT).expect("text");
        let found = search(text.as_bytes(), &["tcp_abort"]).expect("addresses");
        assert_eq!(found, search(TEXT, &["tcp_abort"]).expect("addresses"));
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn zeros_are_no_addresses() {
        let hidden = b"0000000000000000 T tcp_abort\n0000000000000000 T last\n";
        assert!(matches!(
            search(&hidden[..], &["tcp_abort"]),
            Err(KallsymsError::Hidden)
        ));
    }
}
