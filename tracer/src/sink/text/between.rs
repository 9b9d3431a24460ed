//! What a life tells beside its states: what it carried, and what happened between its changes.

use super::duration::push_duration;
use super::fold::push_block;
use super::number::{push_counted, push_grouped, push_number};
use super::{SEPARATOR, Text, push_process, push_state, put};
use crate::model::printable::push_printable;
use crate::model::{
    Container, Figures, MonoNs, Process, SegmentNews, TcpState, Workload, printable,
};
use crate::track::{Ending, Mark, Timeline};

/// Digits of a container's id that its runtime shows.
const SHORT_ID: usize = 12;
/// The most moments of one thing that are written out.
const MOMENTS: usize = 6;

/// What stands before each line, and before what does not fit on it.
const FRAME: (&str, &str) = ("│ ", "│   ");

/// Appends the lines between the states and the end.
pub(super) fn between(text: &Text, timeline: &Timeline, out: &mut String) {
    let paint = text.palette().dimmed();
    if text.verbose
        && let Some(process) = &timeline.people.process
    {
        let program = program(process);
        if !program.is_empty() {
            push_block(out, FRAME, text.width, paint, |out| {
                out.push_str(&program);
            });
        }
    }
    let start = timeline.segments.first().and_then(|segment| segment.start);
    let are_alike = |one: &Mark, next: &Mark| one.what == next.what && one.state == next.state;
    for marks in timeline.marks.first.chunk_by(are_alike) {
        push_block(out, FRAME, text.width, paint, |out| {
            happened(text, start, marks, out);
        });
    }
    if timeline.marks.more > 0 {
        push_block(out, FRAME, text.width, paint, |out| {
            out.push_str("and ");
            push_grouped(out, timeline.marks.more);
            out.push_str(" more");
        });
    }
    if let Some(figures) = &timeline.figures
        && tells_anything(figures)
    {
        push_block(out, FRAME, text.width, paint, |out| carried(figures, out));
    }
}

/// Appends what a process belongs to, short: `nginx.service`, `container 3f2a1b9c0d1e (docker)`, `pod 0b1e…`.
pub(super) fn workload(timeline: &Timeline, out: &mut String) {
    let process = timeline.people.process.as_deref();
    let Some(path) = process.and_then(|process| process.cgroup.as_deref()) else {
        return;
    };
    let Workload {
        unit,
        container,
        pod,
    } = Workload::of(path);
    // Sessions and the like are scopes; a person thinks of services.
    if let Some(unit) = unit.filter(|unit| unit.ends_with(".service")) {
        out.push_str(SEPARATOR);
        push_printable(out, unit);
    }
    if let Some(Container { runtime, id }) = container {
        // Hexadecimal digits.
        put(
            out,
            format_args!("{SEPARATOR}container {}", &id[..SHORT_ID]),
        );
        if let Some(runtime) = runtime {
            put(out, format_args!(" ({runtime})"));
        }
    }
    if let Some(pod) = pod {
        put(out, format_args!("{SEPARATOR}pod {pod}"));
    }
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

/// Appends `nginx[77], opened by nginx[70]`.
pub(super) fn whose(timeline: &Timeline, out: &mut String) {
    let owner = &timeline.owner;
    if owner.process.is_none() {
        return;
    }
    out.push_str(SEPARATOR);
    push_process(out, owner.process, None);
    if let Some(opener) = owner.other_opener() {
        out.push_str(", opened by ");
        push_process(out, Some(opener), None);
    }
}

fn tells_anything(figures: &Figures) -> bool {
    let Figures {
        bytes,
        segments,
        retransmits,
        rtt_ns,
        congestion_window,
    } = figures;
    let is_sent_again = retransmits.is_some_and(|again| again > 0);
    let others = rtt_ns.is_some() || congestion_window.is_some();
    bytes.is_some() || segments.is_some() || is_sent_again || others
}

fn carried(figures: &Figures, out: &mut String) {
    let start = out.len();
    let separate = |out: &mut String| {
        if out.len() > start {
            out.push_str(SEPARATOR);
        }
    };
    if let Some(bytes) = figures.bytes {
        push_grouped(out, bytes.sent);
        out.push_str(" B sent · ");
        push_grouped(out, bytes.received);
        out.push_str(" B received");
    }
    if let Some(segments) = figures.segments {
        separate(out);
        push_grouped(out, segments.sent.into());
        out.push_str(" segments sent · ");
        push_grouped(out, segments.received.into());
        out.push_str(" received");
    }
    if let Some(again) = figures.retransmits.filter(|&again| again > 0) {
        separate(out);
        push_counted(out, again.into(), "segment");
        out.push_str(" sent again");
    }
    if let Some(ns) = figures.rtt_ns {
        separate(out);
        out.push_str("rtt ");
        push_duration(out, ns);
    }
    if let Some(cwnd) = figures.congestion_window {
        separate(out);
        out.push_str("cwnd ");
        push_number(out, cwnd);
    }
}

/// Appends what happened in one state, once or again and again.
fn happened(text: &Text, start: Option<MonoNs>, marks: &[Mark], out: &mut String) {
    let Some(&Mark { state, what, .. }) = marks.first() else {
        return;
    };
    push_news(text, what, out);
    // What comes just after the change that it belongs to needs no state.
    if state != TcpState::Close {
        out.push_str(" in ");
        push_state(out, state, text.names);
    }
    out.push_str(" at ");
    for (index, mark) in marks.iter().take(MOMENTS).enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        push_moment(text, start, mark.at, out);
    }
    if marks.len() > MOMENTS {
        put(out, format_args!(", … {} in all", marks.len()));
    }
}

/// Appends the time since the beginning, or the time of day where that was not seen.
fn push_moment(text: &Text, start: Option<MonoNs>, at: MonoNs, out: &mut String) {
    match start.and_then(|start| at.since(start)) {
        Some(ns) => {
            out.push('+');
            push_duration(out, ns);
        }
        None => text.clock.push_time_of_day(out, at),
    }
}

fn push_news(text: &Text, what: SegmentNews, out: &mut String) {
    match what {
        SegmentNews::Retransmitted => out.push_str("sent again"),
        SegmentNews::ResetReceived => out.push_str("reset received"),
        SegmentNews::ResetSent { reason } => {
            out.push_str("reset sent");
            let name = reason.and_then(|reason| text.reset_reasons.name(reason));
            if let Some(name) = name {
                put(out, format_args!(" ({name})"));
            }
        }
        SegmentNews::Error(errno) => match Ending::errno_name(errno) {
            Some(name) => put(out, format_args!("{name} reported")),
            None => put(out, format_args!("errno {errno} reported")),
        },
    }
}
