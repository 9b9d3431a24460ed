//! What a timeline tells of its processes, of what it carried, and of what happened between its changes.

use std::borrow::Cow;

use serde::Serialize;

use super::owner;
use super::values::{Name, StateName};
use crate::model::{Figures, Naming, Process, ResetReasons, SegmentNews, Workload};
use crate::sink::words;
use crate::track::{Mark, Marks, Owner, People};

/// An owner of a timeline: that of a change, and what is known of its process.
#[derive(Serialize)]
pub(super) struct OwnerOfLife<'a> {
    #[serde(flatten)]
    pub(super) owner: super::OwnerValue,
    /// The thread that used the socket, and its name.
    pub(super) tid: Option<u32>,
    pub(super) thread: Option<Name>,
    #[serde(flatten)]
    pub(super) process: Option<ProcessValue<'a>>,
}

/// A process, as it was when it was first seen using a socket.
#[derive(Serialize)]
pub(super) struct ProcessValue<'a> {
    /// Its parent.
    ppid: Option<u32>,
    start_mono_ns: Option<u64>,
    /// Path of its executable, in its own mount namespace.
    exe: Option<&'a str>,
    /// Its arguments, its own name first, 256 bytes of them.
    args: Option<&'a [String]>,
    /// Whether there are more; absent where there are not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    args_cut: bool,
    /// Path of its cgroup (version 2), and what that tells.
    cgroup_path: Option<&'a str>,
    /// The systemd unit.
    unit: Option<&'a str>,
    container: Option<ContainerValue<'a>>,
    /// The uid of the Kubernetes pod.
    pod: Option<Cow<'a, str>>,
}

/// A container.
#[derive(Serialize)]
struct ContainerValue<'a> {
    /// `docker`, `containerd`, `cri-o` or `podman`.
    runtime: Option<&'static str>,
    id: &'a str,
}

impl<'a> From<&'a Process> for ProcessValue<'a> {
    fn from(process: &'a Process) -> Self {
        let args = process.args.as_ref();
        let Workload {
            unit,
            container,
            pod,
        } = process
            .cgroup
            .as_deref()
            .map(Workload::of)
            .unwrap_or_default();
        Self {
            ppid: process.ppid,
            start_mono_ns: process.started.map(|at| at.0),
            exe: process.exe.as_deref(),
            args: args.map(|args| args.words.as_slice()),
            args_cut: args.is_some_and(|args| args.cut),
            cgroup_path: process.cgroup.as_deref(),
            unit,
            container: container.map(|container| ContainerValue {
                runtime: container.runtime,
                id: container.id,
            }),
            pod,
        }
    }
}

pub(super) fn owner_of_life<'a>(whose: &Owner, people: &'a People) -> Option<OwnerOfLife<'a>> {
    let (tid, thread) = people.thread.unzip();
    Some(OwnerOfLife {
        owner: owner(whose)?,
        tid,
        thread: thread.map(Name),
        process: people.process.as_deref().map(ProcessValue::from),
    })
}

/// Who opened a connection that another process uses.
#[derive(Serialize)]
pub(super) struct OpenerValue<'a> {
    pub(super) pid: u32,
    pub(super) comm: Name,
    /// Path of its executable; absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exe: Option<&'a str>,
}

pub(super) fn opener<'a>(whose: &Owner, people: Option<&'a People>) -> Option<OpenerValue<'a>> {
    let (pid, comm) = whose.other_opener()?;
    let process = people.and_then(|people| people.opened_by.as_deref());
    Some(OpenerValue {
        pid,
        comm: Name(comm),
        exe: process.and_then(|process| process.exe.as_deref()),
    })
}

/// What a connection carried until its full socket closed.
#[derive(Serialize)]
pub(super) struct CarriedValue {
    /// Bytes of data sent, each once.
    pub(super) bytes_sent: Option<u64>,
    /// Bytes of data sent again.
    pub(super) bytes_retransmitted: Option<u64>,
    /// Bytes of data received.
    pub(super) bytes_received: Option<u64>,
    /// Segments sent, those without data too.
    pub(super) segments_sent: Option<u32>,
    pub(super) segments_received: Option<u32>,
    /// Segments sent again.
    pub(super) retransmits: Option<u32>,
    /// Smoothed round-trip time; `null` where none was measured.
    pub(super) rtt_ns: Option<u64>,
    /// Congestion window in segments.
    pub(super) congestion_window: Option<u32>,
}

impl From<&Figures> for CarriedValue {
    fn from(figures: &Figures) -> Self {
        Self {
            bytes_sent: figures.bytes.map(|bytes| bytes.sent),
            bytes_retransmitted: figures.bytes.map(|bytes| bytes.retransmitted),
            bytes_received: figures.bytes.map(|bytes| bytes.received),
            segments_sent: figures.segments.map(|segments| segments.sent),
            segments_received: figures.segments.map(|segments| segments.received),
            retransmits: figures.retransmits,
            rtt_ns: figures.rtt_ns,
            congestion_window: figures.congestion_window,
        }
    }
}

/// Something that happened between two changes.
#[derive(Serialize)]
pub(super) struct EventValue<'a> {
    pub(super) mono_ns: u64,
    /// `retransmitted`, `reset_sent`, `reset_received` or `error`.
    pub(super) what: &'static str,
    /// State of the socket then.
    pub(super) state: StateName,
    /// The kernel's reason for a reset, in its own words; absent where it tells none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'a str>,
    /// The errno of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) errno: Option<u32>,
}

pub(super) fn events<'a>(
    marks: &Marks,
    reasons: &'a ResetReasons,
    names: Naming,
) -> Vec<EventValue<'a>> {
    let event = |mark: &Mark| EventValue {
        mono_ns: mark.at.0,
        what: words::segment(mark.what),
        state: StateName(mark.state, names),
        reason: match mark.what {
            SegmentNews::ResetSent { reason } => reason.and_then(|reason| reasons.name(reason)),
            _ => None,
        },
        errno: match mark.what {
            SegmentNews::Error(errno) => Some(errno),
            _ => None,
        },
    };
    marks.first.iter().map(event).collect()
}
