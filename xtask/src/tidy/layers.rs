//! Which room of the agent may name which: the picture of its architecture, as a table.
//!
//! A room is a file or a directory directly under `tracer/src`. Events go one way, from the kernel
//! to a sink, and a room names only rooms nearer to the kernel.

use std::path::Path;

use super::code;
use Kind::{Confinement, Kernel, Runtime, Schema, System};

/// A room, and what it may name beyond the harmless rest.
struct Room {
    name: &'static str,
    /// Rooms that it may import.
    imports: &'static [&'static str],
    /// Kinds of things that only some rooms may name.
    may: &'static [Kind],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Clocks, files, sockets, processes: whatever makes a result depend on more than its input.
    System,
    /// The kernel side: the object, and what loads it.
    Kernel,
    /// The asynchronous runtime.
    Runtime,
    /// What a schema is made with; schemas live where they are written.
    Schema,
    /// What closes a process in, which is done once.
    Confinement,
}

/// Names every room.
const EVERY: &[&str] = &["*"];

/// The table. A room that is not in it may not be built.
const ROOMS: &[Room] = &[
    // The pure rooms: the same input gives the same output.
    room("model", &[], &[]),
    room("track", &["model"], &[]),
    room("stats", &["model", "track"], &[]),
    room("states", &["model"], &[]),
    // What is kept of a trace. Bytes come and go through `Read` and `Write`.
    room("evidence", &["model"], &[System, Schema]),
    // In and out.
    room("source", &["model"], &[System, Kernel, Runtime]),
    room(
        "sink",
        &["model", "track", "stats", "evidence"],
        &[System, Runtime, Schema],
    ),
    // Giving up privileges, at the one moment that `run` chooses.
    room("privilege", &["model"], &[System, Confinement]),
    // What was typed, and what will be done.
    room("cli", &["model", "track"], &[System]),
    // What is recorded, on disk.
    room(
        "store",
        &["model", "evidence", "cli", "privilege"],
        &[System],
    ),
    // The only ones that know all rooms.
    room("run", EVERY, &[System, Runtime]),
    room("main", EVERY, &[System, Runtime]),
    room("lib", EVERY, &[]),
];

const fn room(name: &'static str, imports: &'static [&'static str], may: &'static [Kind]) -> Room {
    Room { name, imports, may }
}

/// What is of which kind. A path below one of these is of its kind too.
const KINDS: &[(Kind, &[&str])] = &[
    (
        System,
        &[
            "std::time::Instant",
            "std::time::SystemTime",
            "std::time::UNIX_EPOCH",
            "std::env",
            "std::fs",
            "std::io",
            "std::net::TcpListener",
            "std::net::TcpStream",
            "std::net::ToSocketAddrs",
            "std::net::UdpSocket",
            "std::os",
            "std::process",
            "std::thread",
            "libc",
            "rustix",
        ],
    ),
    (Kernel, &["aya", "aya_log", "aya_obj", "tracer_ebpf"]),
    (Runtime, &["tokio"]),
    (Schema, &["serde", "serde_json"]),
    (Confinement, &["landlock", "seccompiler"]),
];

/// The border: bytes become events in this one file of a pure room.
const EXCEPTIONS: &[(&str, &str)] = &[("tracer/src/model/decode", "tracer_ebpf")];

/// Lines (from 1) and the rules that they break.
pub(super) fn check(file: &Path, text: &str) -> Vec<(usize, String)> {
    let Ok(inside) = file.strip_prefix("tracer/src") else {
        return Vec::new();
    };
    let first = inside.iter().next().unwrap_or_default().to_string_lossy();
    let name = first.trim_end_matches(".rs");
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
        let rule = format!("the room `{name}` is not in the table of xtask/src/tidy/layers.rs");
        return vec![(1, rule)];
    };
    let depth = inside.iter().count() - usize::from(inside.ends_with("mod.rs"));
    let mut broken: Vec<(usize, String)> = code::paths(text)
        .into_iter()
        .filter_map(|named| {
            let rule = import(room, &named.path, depth).or_else(|| {
                let exempt = is_exempt(file, &named.path);
                (!exempt).then(|| kind(room, &named.path)).flatten()
            })?;
            Some((named.line, rule))
        })
        .collect();
    broken.dedup();
    broken
}

/// The rule that importing `path` breaks, if it names another room: from the root of the crate, or
/// with as many `super` as lead there from a file so deep.
fn import(room: &Room, path: &str, depth: usize) -> Option<String> {
    let name = room.name;
    let parts: Vec<&str> = path.split("::").collect();
    let supers = parts.iter().take_while(|part| **part == "super").count();
    let other = match parts.first() {
        Some(&"crate") => parts.get(1)?,
        _ if supers >= depth => parts.get(supers)?,
        _ => return None,
    };
    let is_room = ROOMS.iter().any(|room| room.name == *other);
    if !is_room || *other == name {
        return None;
    }
    if room.imports == EVERY || room.imports.contains(other) {
        return None;
    }
    let allowed = match room.imports {
        [] => "no other room".to_owned(),
        rooms => format!("only {}", rooms.join(", ")),
    };
    Some(format!(
        "`{name}` may not import `{other}`: it imports {allowed}"
    ))
}

/// The rule that naming `path` breaks, if it is of a kind that the room may not name.
fn kind(room: &Room, path: &str) -> Option<String> {
    let (kind, guarded) = KINDS.iter().find_map(|(kind, guarded)| {
        let hit = guarded.iter().find(|guarded| names(path, guarded))?;
        Some((*kind, *hit))
    })?;
    if room.may.contains(&kind) {
        return None;
    }
    let rooms: Vec<&str> = ROOMS
        .iter()
        .filter(|room| room.may.contains(&kind))
        .map(|room| room.name)
        .collect();
    let (name, rooms) = (room.name, rooms.join(", "));
    Some(format!(
        "`{name}` may not name `{guarded}`: only {rooms} may"
    ))
}

/// Whether `path` names what is guarded: itself, something in it, or a whole module that it is in.
fn names(path: &str, guarded: &str) -> bool {
    let path = path.trim_end_matches("::self");
    let module = path.trim_end_matches("::*");
    let is_below = |inner: &str, outer: &str| {
        inner == outer
            || inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.starts_with("::"))
    };
    is_below(path, guarded) || is_below(guarded, module)
}

fn is_exempt(file: &Path, path: &str) -> bool {
    EXCEPTIONS.iter().any(|(place, crate_name)| {
        let place = Path::new(place);
        let is_there = file.with_extension("") == place || file.starts_with(place);
        is_there && names(path, crate_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(file: &str, text: &str) -> Vec<String> {
        let broken = check(Path::new(file), text).into_iter();
        broken.map(|(_, rule)| rule).collect()
    }

    #[test]
    fn a_room_may_not_import_a_later_one() {
        let text = "use crate::{model::Event, sink::Lines};";
        assert_eq!(
            broken("tracer/src/track/tracker.rs", text),
            ["`track` may not import `sink`: it imports only model"]
        );
        assert!(broken("tracer/src/run.rs", text).is_empty());
    }

    #[test]
    fn climbing_out_with_super_is_seen() {
        assert_eq!(
            broken("tracer/src/model/mod.rs", "use super::track::Span;").len(),
            1
        );
        assert_eq!(
            broken("tracer/src/model/time.rs", "use super::super::track;").len(),
            1
        );
        assert!(broken("tracer/src/sink/lines.rs", "use super::track::X;").is_empty());
        assert!(broken("tracer/src/model/time.rs", "use super::super::time;").is_empty());
    }

    #[test]
    fn a_pure_room_has_no_clock_and_no_files() {
        let file = "tracer/src/track/tracker.rs";
        for text in [
            "use std::time::{Duration, Instant};",
            "fn f() { std::time::SystemTime::now(); }",
            "use std::time;",
            "use std::time::*;",
            "use std::io::{self, Write};",
            "use std::fs;",
            "use std::net::{IpAddr, TcpStream};",
            "use rustix::fs::open;",
            "use tokio::select;",
            "use serde::Serialize;",
        ] {
            assert!(!broken(file, text).is_empty(), "{text}");
        }
        assert!(broken(file, "use std::{fmt, net::IpAddr, time::Duration};").is_empty());
        assert!(broken("tracer/src/sink/lines.rs", "use std::io::Write;").is_empty());
    }

    #[test]
    fn only_source_and_decode_know_the_kernel_side() {
        let text = "use tracer_ebpf::StateChangeRecord;";
        assert!(broken("tracer/src/source/live.rs", text).is_empty());
        assert!(broken("tracer/src/model/decode.rs", text).is_empty());
        assert_eq!(
            broken("tracer/src/model/event.rs", text),
            ["`model` may not name `tracer_ebpf`: only source may"]
        );
        assert_eq!(broken("tracer/src/run.rs", "use aya::Ebpf;").len(), 1);
        assert_eq!(
            broken("tracer/src/model/decode.rs", "use aya::Ebpf;").len(),
            1
        );
    }

    #[test]
    fn a_room_that_nobody_described_is_refused() {
        assert_eq!(broken("tracer/src/helpers/mod.rs", "").len(), 1);
        assert!(broken("xtask/src/main.rs", "use crate::helpers::x;").is_empty());
    }
}
