//! How old the timewait sockets are that were there before the trace.
//!
//! **Owns:** an object of its own, loaded, run once in each namespace, and let go.
//! **Never:** a failure of the whole: an age that is not known is not told.
//!
//! # Kernel
//!
//! `tw_entry_stamp` (Linux 6.14) is when the full socket was last heard of as the timewait socket took
//! over: for one that began in TIME_WAIT, the FIN that made it begin. It is written again where
//! FIN_WAIT2 turns into TIME_WAIT by a segment with a timestamp, and at no re-arming
//! (`tcp_time_wait`, `tcp_timewait_state_process`).

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::mem::offset_of;

use aya::programs::links::LinkError;
use aya::programs::{Iter, ProgramError};
use aya::{Btf as KernelBtf, EbpfError, EbpfLoader, Endianness};
use thiserror::Error;
use tracer_ebpf::{AGE_SIZE, AgeRecord, Config, MinisockConfig, MinisockOffsets};

use super::btf::Btf;
use super::live::OBJECT;
use super::netns::{NetNs, NetNsError, within};
use crate::model::{Existing, MonoNs};

const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";
/// After a million sockets that are no timewait ones the kernel asks to read again; more of them than
/// this there cannot be.
const READ_AGAIN: u32 = 1000;

/// Why ages are not known.
#[derive(Debug, Error)]
enum AgesError {
    #[error("this kernel does not keep it (Linux 6.14)")]
    NotKept,
    #[error("cannot read the kernel's types from {BTF_PATH}: {0}")]
    Types(String),
    #[error("cannot load the object: {0}")]
    Object(#[from] EbpfError),
    #[error("the object has no such program; this is a fault of the build")]
    Missing,
    #[error("cannot list sockets by a BPF iterator: {0}")]
    Program(#[from] ProgramError),
    #[error("cannot open a BPF iterator: {0}")]
    Link(#[from] LinkError),
    #[error("cannot read a BPF iterator: {0}")]
    Read(#[from] io::Error),
    #[error(transparent)]
    NetNs(#[from] NetNsError),
}

/// Writes into each timewait socket how old it is, as far as the kernel tells; returns a note where it
/// does not. To be called after they were listed, which gives a cookie to each that had none.
///
/// Does nothing where there is none of them.
pub fn fill(existing: &mut [Existing], namespaces: &[NetNs]) -> Vec<String> {
    if existing.iter().all(|one| one.left_ns.is_none()) {
        return Vec::new();
    }
    let mut entered = HashMap::new();
    let mut notes = Vec::new();
    let mut note = |error: &AgesError| {
        notes.push(format!(
            "how old existing timewait sockets are is not known: {error}"
        ));
    };
    match Ages::load() {
        Ok(mut ages) => {
            let mut inodes: Vec<u32> = existing
                .iter()
                .filter(|one| one.left_ns.is_some())
                .map(|one| one.netns)
                .collect();
            inodes.sort_unstable();
            inodes.dedup();
            for netns in namespaces {
                if inodes.binary_search(&netns.inode).is_err() {
                    continue;
                }
                match ages.read(netns) {
                    Ok(read) => entered.extend(read),
                    // What was in it is gone too.
                    Err(AgesError::NetNs(NetNsError::Gone { .. })) => {}
                    Err(error) => note(&error),
                }
            }
        }
        Err(error) => note(&error),
    }
    for one in existing.iter_mut().filter(|one| one.left_ns.is_some()) {
        let entered: Option<&MonoNs> = entered.get(&one.cookie);
        one.age_ns = entered.and_then(|&entered| one.at.since(entered));
    }
    notes
}

/// The loaded program.
struct Ages {
    object: aya::Ebpf,
}

impl Ages {
    fn load() -> Result<Self, AgesError> {
        let bytes = fs::read(BTF_PATH).map_err(|error| AgesError::Types(error.to_string()))?;
        let types = Btf::parse(&bytes).map_err(|error| AgesError::Types(error.to_string()))?;
        let config = Config {
            minisock: MinisockConfig {
                offsets: offsets(&types)?,
                ..Config::EMPTY.minisock
            },
            ..Config::EMPTY
        };
        let values = config.to_bytes();
        let mut object = EbpfLoader::new()
            // For relocations that the object has none of.
            .btf(None)
            .override_global("CONFIG", &values[..], true)
            .load(OBJECT)?;
        let types = KernelBtf::parse(&types.attachable(), Endianness::default())
            .map_err(|error| AgesError::Types(error.to_string()))?;
        program(&mut object)?.load("tcp", &types)?;
        Ok(Self { object })
    }

    /// Returns when each timewait socket of a namespace began, by its cookie.
    fn read(&mut self, netns: &NetNs) -> Result<HashMap<u64, MonoNs>, AgesError> {
        let program = program(&mut self.object)?;
        let link = program.attach()?;
        let link = program.take_link(link)?;
        // The namespace is that of the thread that opens it.
        let file = within(netns, || link.into_file())??;
        read_all(file)
    }
}

fn program(object: &mut aya::Ebpf) -> Result<&mut Iter, AgesError> {
    let program = object.program_mut("timewait_ages");
    Ok(program.ok_or(AgesError::Missing)?.try_into()?)
}

/// Finds what the program reads.
fn offsets(types: &Btf<'_>) -> Result<MinisockOffsets, AgesError> {
    let field = |structure: &str, name: &str| {
        let field = types.field(structure, &[name]);
        field.map(|field| field.offset).ok_or(AgesError::NotKept)
    };
    Ok(MinisockOffsets {
        timewait_entered: field("inet_timewait_sock", "tw_entry_stamp")?,
        state: field("sock_common", "skc_state")?,
        cookie: field("sock_common", "skc_cookie")?,
        ..Config::EMPTY.minisock.offsets
    })
}

fn read_all(mut file: File) -> Result<HashMap<u64, MonoNs>, AgesError> {
    let mut bytes = Vec::new();
    let mut again = 0;
    loop {
        match file.read_to_end(&mut bytes) {
            Ok(_) => return Ok(parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && again < READ_AGAIN => {
                again += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads the records; one that is cut is none.
fn parse(bytes: &[u8]) -> HashMap<u64, MonoNs> {
    let (records, _) = bytes.as_chunks::<AGE_SIZE>();
    let word = |record: &[u8; AGE_SIZE], at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&record[at..at + 8]);
        u64::from_ne_bytes(word)
    };
    records
        .iter()
        .map(|record| {
            let cookie = word(record, offset_of!(AgeRecord, cookie));
            let entered = word(record, offset_of!(AgeRecord, entered_ns));
            (cookie, MonoNs(entered))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_record_is_none() {
        let mut bytes = Vec::new();
        for word in [7_u64, 1000, 8, 2000] {
            bytes.extend(word.to_ne_bytes());
        }
        let both = HashMap::from([(7, MonoNs(1000)), (8, MonoNs(2000))]);
        assert_eq!(parse(&bytes), both);
        let one = HashMap::from([(7, MonoNs(1000))]);
        assert_eq!(parse(&bytes[..31]), one);
        assert_eq!(parse(&[]), HashMap::new());
    }
}
