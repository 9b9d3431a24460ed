//! Processes: paths whose names stand from the last to the first, and arguments.

use std::mem::offset_of;

use tracer_ebpf::{ARGS_SIZE, PROCESS_SIZE, ProcessRecord as Record, process_known as known};

use super::{DecodeError, sixteen};
use crate::model::event::Comm;
use crate::model::{Args, Event, MonoNs, Process, ProcessSeen};

/// What the kernel writes behind the path of a file that has no name any more (`/proc/PID/exe`).
const DELETED: &str = " (deleted)";

pub(super) fn process(bytes: &[u8; PROCESS_SIZE]) -> Result<Event, DecodeError> {
    let size = field!(bytes, size: u16);
    if usize::from(size) != PROCESS_SIZE {
        refuse!(size, size);
    }
    let reserved = field!(bytes, reserved: u16);
    if reserved != 0 {
        refuse!(reserved, reserved);
    }
    let args_len = field!(bytes, args_len: u16);
    if usize::from(args_len) > ARGS_SIZE {
        refuse!(args_len, args_len);
    }
    let args_cut = field!(bytes, args_cut: u16);
    if args_cut > 1 {
        refuse!(args_cut, args_cut);
    }
    let flags = field!(bytes, known: u32);
    let has = |flag: u32| flags & flag != 0;
    let exe = &bytes[offset_of!(Record, exe)..offset_of!(Record, args)];
    let args = &bytes[offset_of!(Record, args)..][..usize::from(args_len)];
    let cgroup = &bytes[offset_of!(Record, cgroup_path)..];
    Ok(Event::Process(ProcessSeen {
        at: MonoNs(field!(bytes, mono_ns: u64)),
        process: Process {
            pid: field!(bytes, tgid: u32),
            ppid: has(known::PARENT).then(|| field!(bytes, parent: u32)),
            started: has(known::START).then(|| MonoNs(field!(bytes, start_ns: u64))),
            comm: Comm(sixteen(bytes, offset_of!(Record, comm))),
            uid: Some(field!(bytes, uid: u32)),
            exe: has(known::EXE).then(|| match has(known::EXE_DELETED) {
                true => path(exe) + DELETED,
                false => path(exe),
            }),
            args: has(known::ARGS)
                .then(|| Args::read_part(args, args_cut == 1 || goes_on(args)))
                .flatten(),
            cgroup: has(known::CGROUP_PATH).then(|| path(cgroup)),
        },
        incarnation: field!(bytes, incarnation: u16),
    }))
}

/// Writes the texts of a process into a record of one, whose other fields stay what they are. One that does not fit is
/// not known any more.
pub(super) fn write(bytes: &mut [u8], process: &Process) {
    let mut comm = [0; 16];
    let name = process.comm.bytes();
    comm[..name.len()].copy_from_slice(name);
    bytes[offset_of!(Record, comm)..][..16].copy_from_slice(&comm);

    let mut flags = field!(bytes, known: u32) & !(known::EXE | known::ARGS | known::CGROUP_PATH);
    let place = &mut bytes[offset_of!(Record, exe)..offset_of!(Record, args)];
    let exe = process.exe.as_deref();
    let deleted = exe.and_then(|exe| exe.strip_suffix(DELETED));
    flags &= !known::EXE_DELETED;
    if write_path(place, deleted.or(exe)) {
        flags |= known::EXE;
        if deleted.is_some() {
            flags |= known::EXE_DELETED;
        }
    }
    let cgroup = &mut bytes[offset_of!(Record, cgroup_path)..];
    if write_path(cgroup, process.cgroup.as_deref()) {
        flags |= known::CGROUP_PATH;
    }
    let args = process.args.as_ref();
    let mut words: Vec<u8> = Vec::new();
    for word in args.map(|args| &args.words).into_iter().flatten() {
        words.extend_from_slice(word.as_bytes());
        words.push(0);
    }
    let is_cut = args.is_some_and(|args| args.cut) || words.len() > ARGS_SIZE;
    words.truncate(ARGS_SIZE);
    let place = &mut bytes[offset_of!(Record, args)..][..ARGS_SIZE];
    place.fill(0);
    place[..words.len()].copy_from_slice(&words);
    if args.is_some() {
        flags |= known::ARGS;
    }
    bytes[offset_of!(Record, args_len)..][..2].copy_from_slice(&(words.len() as u16).to_ne_bytes());
    bytes[offset_of!(Record, args_cut)..][..2].copy_from_slice(&u16::from(is_cut).to_ne_bytes());
    bytes[offset_of!(Record, known)..][..4].copy_from_slice(&flags.to_ne_bytes());
}

/// Writes a path as [`path`] reads it; returns whether there is one and it fits.
fn write_path(place: &mut [u8], path: Option<&str>) -> bool {
    place.fill(0);
    let Some(path) = path else {
        return false;
    };
    let mut names = Vec::new();
    for name in path.rsplit('/').filter(|name| !name.is_empty()) {
        names.extend_from_slice(name.as_bytes());
        names.push(0);
    }
    let fits = names.len() <= place.len();
    if fits {
        place[..names.len()].copy_from_slice(&names);
    }
    fits
}

/// Returns whether a title that the process gave itself goes on behind its arguments, where its environment was.
fn goes_on(args: &[u8]) -> bool {
    args.last().is_some_and(|&byte| byte != 0)
}

/// Puts a path together whose names stand from the last to the first, each ended by a zero, the last of them by another
/// one or by the end of its place.
fn path(names: &[u8]) -> String {
    let mut names: Vec<&[u8]> = names
        .split(|&byte| byte == 0)
        .take_while(|name| !name.is_empty())
        .collect();
    names.reverse();
    let mut path = String::new();
    for name in names {
        path.push('/');
        path.push_str(&String::from_utf8_lossy(name));
    }
    match path.is_empty() {
        true => "/".to_owned(),
        false => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Event, decode};
    use proptest::prelude::*;
    use tracer_ebpf::KIND_PROCESS;

    pub(super) fn record() -> [u8; PROCESS_SIZE] {
        let mut bytes = [0; PROCESS_SIZE];
        let mut put = |at: usize, value: &[u8]| bytes[at..][..value.len()].copy_from_slice(value);
        put(offset_of!(Record, kind), &KIND_PROCESS.to_ne_bytes());
        put(
            offset_of!(Record, size),
            &(PROCESS_SIZE as u16).to_ne_bytes(),
        );
        put(offset_of!(Record, mono_ns), &77_u64.to_ne_bytes());
        put(offset_of!(Record, start_ns), &70_u64.to_ne_bytes());
        put(offset_of!(Record, known), &0b1_1111_u32.to_ne_bytes());
        put(offset_of!(Record, tgid), &12_u32.to_ne_bytes());
        put(offset_of!(Record, parent), &1_u32.to_ne_bytes());
        put(offset_of!(Record, incarnation), &9_u16.to_ne_bytes());
        put(offset_of!(Record, args_len), &8_u16.to_ne_bytes());
        put(offset_of!(Record, comm), b"curl");
        put(offset_of!(Record, exe), b"curl\0bin\0usr\0");
        put(offset_of!(Record, args), b"curl\0-s\0");
        put(
            offset_of!(Record, cgroup_path),
            b"cron.service\0system.slice\0",
        );
        bytes
    }

    fn read(bytes: &[u8]) -> ProcessSeen {
        match decode(bytes) {
            Ok(Event::Process(seen)) => seen,
            other => panic!("no process: {other:?}"),
        }
    }

    #[test]
    fn a_process_is_read_as_it_was_written() {
        let seen = read(&record());
        assert_eq!((seen.at, seen.incarnation), (MonoNs(77), 9));
        let process = seen.process;
        assert_eq!((process.pid, process.ppid), (12, Some(1)));
        assert_eq!(process.comm.to_string(), "curl");
        assert_eq!(process.exe.as_deref(), Some("/usr/bin/curl"));
        assert_eq!(
            process.cgroup.as_deref(),
            Some("/system.slice/cron.service")
        );
        let args = process.args.expect("they are known");
        assert_eq!(
            (args.words, args.cut),
            (vec!["curl".into(), "-s".into()], false)
        );
    }

    #[test]
    fn what_is_not_known_is_none_whatever_its_bytes_say() {
        let mut bytes = record();
        bytes[offset_of!(Record, known)..][..4].fill(0);
        let process = read(&bytes).process;
        assert_eq!((process.ppid, process.started), (None, None));
        assert_eq!(
            (process.exe, process.args, process.cgroup),
            (None, None, None)
        );
    }

    #[test]
    fn a_process_in_the_root_cgroup_has_a_path() {
        let mut bytes = record();
        bytes[offset_of!(Record, cgroup_path)..].fill(0);
        assert_eq!(read(&bytes).process.cgroup.as_deref(), Some("/"));
    }

    #[test]
    fn arguments_that_were_cut_say_so() {
        let mut bytes = record();
        bytes[offset_of!(Record, args)..][..ARGS_SIZE].fill(b'x');
        bytes[offset_of!(Record, args_len)..][..2].copy_from_slice(&256_u16.to_ne_bytes());
        bytes[offset_of!(Record, args_cut)..][..2].copy_from_slice(&1_u16.to_ne_bytes());
        let args = read(&bytes).process.args.expect("they are known");
        assert_eq!((args.words[0].len(), args.cut), (256, true));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut bytes = record();
        let mut process = read(&bytes).process;
        process.comm = Comm(*b"process-1f3a9c\0\0");
        process.exe = Some("/name-000001/name-000002".to_owned());
        process.cgroup = Some("/".to_owned());
        process.args = Args::read_part(b"name-000002\0", true);
        write(&mut bytes, &process);
        assert_eq!(read(&bytes).process, process);
        process.exe = Some("/x".repeat(200));
        process.args = None;
        write(&mut bytes, &process);
        let told = read(&bytes).process;
        assert_eq!(
            (told.exe, told.args),
            (None, None),
            "what does not fit is not known"
        );
    }

    #[test]
    fn what_no_record_holds_is_named() {
        let mut bytes = record();
        bytes[offset_of!(Record, args_len)..][..2].copy_from_slice(&257_u16.to_ne_bytes());
        let error = decode(&bytes).expect_err("it is broken").to_string();
        assert!(error.contains("`args_len` at byte 42 holds 257"), "{error}");
    }

    proptest! {
        #[test]
        fn no_change_to_a_record_makes_it_panic(at in 0..PROCESS_SIZE, byte: u8) {
            let mut bytes = record();
            bytes[at] = byte;
            let _ = decode(&bytes);
        }
    }
}
