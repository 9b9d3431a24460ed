//! The verb `verify`: is evidence whole and unaltered, and if not, what of it is good.

use std::io::{self, Write as _};

use super::failure::Failure;
use super::files;
use crate::cli::args::VerifyArgs;
use crate::cli::exit::Exit;
use crate::evidence::{EvidenceError, Previous, Verdict, verify};
use crate::sink::verdict::Checked;

/// The top-level entry point for `verify`.
pub(super) fn run(args: &VerifyArgs) -> Result<Exit, Failure> {
    let (files, _progress) = files::open(&args.files)?;
    let mut before: Option<Previous> = None;
    let mut is_whole = true;
    let count = files.len();
    for (number, file) in files.into_iter().enumerate() {
        let is_last = number + 1 == count;
        let verdict: Result<Verdict, EvidenceError> = verify(file.bytes, before);
        let checked = Checked {
            name: &file.name,
            verdict: &verdict,
            follows: number > 0,
            is_last,
            wanted_seal: args.seal.as_deref().filter(|_| is_last),
        };
        is_whole &= checked.is_whole();
        let text = match args.json {
            true => checked.json(),
            false => checked.text().into_bytes(),
        };
        write(&text)?;
        before = verdict.ok().map(|verdict| verdict.end);
    }
    Ok(match is_whole {
        true => Exit::Done,
        false => Exit::Incomplete,
    })
}

fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(Failure::Write)
}
