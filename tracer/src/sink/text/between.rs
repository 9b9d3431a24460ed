//! What a life tells beside its states: what it carried, and what happened between its changes.

use super::duration::{duration, push_duration};
use super::fold::push_block;
use super::number::{grouped, push_counted, push_grouped, push_number};
use super::{SEPARATOR, Text, push_process, put};
use crate::model::printable::push_printable;
use crate::model::{
    Container, Figures, MonoNs, Process, SegmentNews, TcpState, Workload, printable,
};
use crate::track::{Ending, Mark, Timeline};

/// Digits of a container's id that its runtime shows.
const SHORT_ID: usize = 12;
/// The most moments of one thing that are written out.
const MOMENTS: usize = 6;

/// Appends the lines between the states and the end.
pub(super) fn between(text: &Text, timeline: &Timeline, out: &mut String) {
    let paint = text.palette().dimmed();
    let line = |out: &mut String, words: &str| {
        push_block(out, ("│ ", "│   "), text.width, paint, |out| {
            out.push_str(words)
        });
    };
    if text.verbose
        && let Some(process) = &timeline.people.process
    {
        let program = program(process);
        if !program.is_empty() {
            line(out, &program);
        }
    }
    if !timeline.marks.first.is_empty() || timeline.marks.more > 0 {
        for words in happened(text, timeline) {
            line(out, &words);
        }
    }
    if let Some(figures) = &timeline.figures
        && tells_anything(figures)
    {
        push_block(out, ("│ ", "│   "), text.width, paint, |out| {
            carried(figures, out);
        });
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
        None => text.clock.time_of_day(at),
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
