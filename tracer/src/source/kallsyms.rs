//! Where functions of the running kernel lie, from `/proc/kallsyms`.
//!
//! **Never:** an address that the kernel hides: to those who may not know them it shows zeros, and
//! that is then an error.

use std::fs;
use std::io;
use std::ops::Range;

use thiserror::Error;

const PATH: &str = "/proc/kallsyms";

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
    let text = fs::read(PATH).map_err(KallsymsError::Read)?;
    search(&text, wanted)
}

/// # Kernel
///
/// A line is `ffffffff82008620 T name`, with `\t[module]` behind those of modules; the kernel's own
/// come in the order of their addresses.
fn search(text: &[u8], wanted: &[&'static str]) -> Result<Vec<Function>, KallsymsError> {
    let mut found = Vec::new();
    let mut open: Option<(&'static str, u64)> = None;
    let mut any_address = false;
    for line in text.split(|&byte| byte == b'\n') {
        let Some((address, name)) = symbol(line) else {
            continue;
        };
        any_address |= address != 0;
        if let Some((name, start)) = open
            && address > start
        {
            found.push(Function {
                name,
                code: start..address,
            });
            open = None;
        }
        let base = name.split(|&byte| byte == b'.').next().unwrap_or_default();
        if let Some(name) = wanted.iter().find(|wanted| wanted.as_bytes() == base) {
            open = Some((name, address));
        }
    }
    match any_address {
        true => Ok(found),
        false => Err(KallsymsError::Hidden),
    }
}

/// Reads a line of code, `t` or `T`: its address and its name.
fn symbol(line: &[u8]) -> Option<(u64, &[u8])> {
    let mut fields = line.split(|&byte| byte == b' ');
    let address = str::from_utf8(fields.next()?).ok()?;
    if !matches!(fields.next()?, b"t" | b"T") {
        return None;
    }
    let name = fields.next()?;
    let name = name.split(|&byte| byte == b'\t').next()?;
    Some((u64::from_str_radix(address, 16).ok()?, name))
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

    #[test]
    fn zeros_are_no_addresses() {
        let hidden = b"0000000000000000 T tcp_abort\n0000000000000000 T last\n";
        assert!(matches!(
            search(hidden, &["tcp_abort"]),
            Err(KallsymsError::Hidden)
        ));
    }
}
