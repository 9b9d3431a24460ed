//! What a life tells beside its states: what it carried, and what happened between its changes.

use super::duration::duration;
use super::fold::block;
use super::number::{counted, grouped};
use super::{Text, process};
use crate::model::{
    Container, Figures, MonoNs, Process, SegmentNews, TcpState, Workload, printable,
};
use crate::sink::clock::time_of_day;
use crate::track::{Ending, Mark, Timeline};

/// Digits of a container's id that its runtime shows.
const SHORT_ID: usize = 12;
/// The most moments of one thing that are written out.
const MOMENTS: usize = 6;

/// Lines between the states and the end.
pub(super) fn between(text: &Text, timeline: &Timeline) -> String {
    let palette = text.palette();
    let line = |words: &str| {
        block("│ ", "│   ", words, text.width, |line| {
            palette.dim(line)
        })
    };
    let mut out = String::new();
    if text.verbose
        && let Some(process) = &timeline.people.process
    {
        let program = program(process);
        if !program.is_empty() {
            out += &line(&program);
        }
    }
    for words in happened(text, timeline) {
        out += &line(&words);
    }
    if let Some(figures) = &timeline.figures {
        let carried = carried(figures);
        if !carried.is_empty() {
            out += &line(&carried.join(" · "));
        }
    }
    out
}

/// What a process belongs to, short: `nginx.service`, `container 3f2a1b9c0d1e (docker)`, `pod 0b1e…`.
pub(super) fn workload(timeline: &Timeline) -> Vec<String> {
    let process = timeline.people.process.as_deref();
    let Some(path) = process.and_then(|process| process.cgroup.as_deref()) else {
        return Vec::new();
    };
    let Workload {
        unit,
        container,
        pod,
    } = Workload::of(path);
    let mut parts = Vec::new();
    // Sessions and the like are scopes; a person thinks of services.
    parts.extend(unit.filter(|unit| unit.ends_with(".service")));
    parts.extend(container.map(|Container { runtime, id }| {
        let id: String = id.chars().take(SHORT_ID).collect();
        match runtime {
            Some(runtime) => format!("container {id} ({runtime})"),
            None => format!("container {id}"),
        }
    }));
    parts.extend(pod.map(|pod| format!("pod {pod}")));
    let printed = parts.iter().map(printable);
    printed.collect()
}

/// The executable and the arguments: for whoever wants to know more.
fn program(process: &Process) -> String {
    let mut words = Vec::new();
    words.extend(process.exe.clone());
    if let Some(args) = &process.args {
        words.push(format!("as {}", args.words.join(" ")));
        words.extend(args.cut.then(|| "…".to_owned()));
    }
    printable(words.join(" "))
}

/// `nginx[77], opened by nginx[70]`
pub(super) fn whose(timeline: &Timeline) -> Option<String> {
    let owner = &timeline.owner;
    let mut whose = process(Some(owner.process?), None);
    if let Some(opener) = owner.other_opener() {
        whose += &format!(", opened by {}", process(Some(opener), None));
    }
    Some(whose)
}

fn carried(figures: &Figures) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(bytes) = figures.bytes {
        parts.push(format!("{} B sent", grouped(bytes.sent)));
        parts.push(format!("{} B received", grouped(bytes.received)));
    }
    if let Some(segments) = figures.segments {
        parts.push(format!(
            "{} segments sent · {} received",
            grouped(segments.sent.into()),
            grouped(segments.received.into())
        ));
    }
    if let Some(again) = figures.retransmits.filter(|&again| again > 0) {
        parts.push(format!("{} sent again", counted(again.into(), "segment")));
    }
    parts.extend(figures.rtt_ns.map(|ns| format!("rtt {}", duration(ns))));
    parts.extend(figures.congestion_window.map(|cwnd| format!("cwnd {cwnd}")));
    parts
}

/// What happened, the same in the same state together.
fn happened(text: &Text, timeline: &Timeline) -> Vec<String> {
    let start = timeline.segments.first().and_then(|segment| segment.start);
    let mut groups: Vec<(SegmentNews, TcpState, Vec<MonoNs>)> = Vec::new();
    for &Mark { at, state, what } in &timeline.marks.first {
        match groups.last_mut() {
            Some((same, there, moments)) if *same == what && *there == state => moments.push(at),
            _ => groups.push((what, state, vec![at])),
        }
    }
    let mut lines: Vec<String> = groups
        .iter()
        .map(|(what, state, moments)| {
            let mut at: Vec<String> = moments
                .iter()
                .take(MOMENTS)
                .map(|&at| moment(text, start, at))
                .collect();
            if moments.len() > MOMENTS {
                at.push(format!("… {} in all", moments.len()));
            }
            // What comes just after the change that it belongs to needs no state.
            let state = match state {
                TcpState::Close => String::new(),
                state => format!(" in {}", state.named(text.names)),
            };
            format!("{}{state} at {}", news(text, *what), at.join(", "))
        })
        .collect();
    if timeline.marks.more > 0 {
        lines.push(format!("and {} more", grouped(timeline.marks.more)));
    }
    lines
}

/// Since the beginning, or the time of day where that was not seen.
fn moment(text: &Text, start: Option<MonoNs>, at: MonoNs) -> String {
    match start.and_then(|start| at.since(start)) {
        Some(ns) => format!("+{}", duration(ns)),
        None => time_of_day(&text.wall, at, &text.zone).to_string(),
    }
}

fn news(text: &Text, what: SegmentNews) -> String {
    match what {
        SegmentNews::Retransmitted => "sent again".to_owned(),
        SegmentNews::ResetReceived => "reset received".to_owned(),
        SegmentNews::ResetSent { reason } => {
            let name = reason.and_then(|reason| text.reset_reasons.name(reason));
            match name {
                Some(name) => format!("reset sent ({name})"),
                None => "reset sent".to_owned(),
            }
        }
        SegmentNews::Error(errno) => match Ending::errno_name(errno) {
            Some(name) => format!("{name} reported"),
            None => format!("errno {errno} reported"),
        },
    }
}
