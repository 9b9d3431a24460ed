//! The processes that the kernel side follows.
//!
//! **Owns:** that none is missed between those that are there and those that begin.
//! **Never:** which ones are asked for.

use std::collections::BTreeSet;

use aya::maps::{HashMap, MapData};
use aya::programs::BtfTracePoint;
use aya::{Btf as KernelBtf, Ebpf};

use super::error::{LiveError, follow_error, map_error};
use crate::source::processes::{descendants, parents};

/// The set of them.
pub(super) const SET: &str = "FOLLOWED";
/// How many found no room there.
pub(super) const COUNTER: &str = "NOT_FOLLOWED";

/// The programs, and the tracepoints that they are for. Those that begin are seen before any is listed.
const HOOKS: [(&str, &str); 2] = [
    ("follow_fork", "sched_process_fork"),
    ("follow_free", "sched_process_free"),
];

/// Follows some processes, and whatever they have started and will start. Returns how many found no room.
pub(super) fn attach(
    object: &mut Ebpf,
    types: &KernelBtf,
    named: &[u32],
) -> Result<u64, LiveError> {
    let mut known = BTreeSet::new();
    let mut left_out = add(object, named, &mut known)?;
    for (name, tracepoint) in HOOKS {
        track(object, types, name, tracepoint)?;
    }
    // What is not in the set yet starts others unseen while it is being listed: until nobody new is found.
    loop {
        let found: Vec<u32> = descendants(named, &parents())
            .into_iter()
            .filter(|pid| !known.contains(pid))
            .collect();
        if found.is_empty() {
            return Ok(left_out);
        }
        left_out += add(object, &found, &mut known)?;
    }
}

/// Adds processes, and returns how many found no room.
fn add(object: &mut Ebpf, processes: &[u32], known: &mut BTreeSet<u32>) -> Result<u64, LiveError> {
    let map = object
        .map_mut(SET)
        .ok_or_else(|| map_error(SET, "it is not there"))?;
    let mut set: HashMap<&mut MapData, u32, u8> = map
        .try_into()
        .map_err(|error: aya::maps::MapError| map_error(SET, &error.to_string()))?;
    known.extend(processes);
    let refused = processes
        .iter()
        .filter(|pid| set.insert(*pid, 1, 0).is_err());
    Ok(refused.count() as u64)
}

fn track(
    object: &mut Ebpf,
    types: &KernelBtf,
    name: &str,
    tracepoint: &str,
) -> Result<(), LiveError> {
    let program: &mut BtfTracePoint = object
        .program_mut(name)
        .ok_or(aya::programs::ProgramError::NotLoaded)
        .and_then(TryInto::try_into)
        .map_err(|error| follow_error(&error))?;
    program
        .load(tracepoint, types)
        .and_then(|()| program.attach())
        .map(drop)
        .map_err(|error| follow_error(&error))
}
