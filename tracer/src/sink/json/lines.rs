//! The two lines of which there are most, a change and a timeline, put together by hand.
//!
//! `serde` would do, as it does for all others: that took twice as long. Tests hold both against their schemas.

use super::schema::{ChangeLine, TimelineLine};
use super::values::{EndpointValue, Name, OwnerValue, SegmentValue, Segments, StateName};
use crate::sink::address::push_address;
use crate::sink::json_line::Pieces;

impl ChangeLine {
    /// Appends it as one line.
    pub(super) fn push(&self, out: &mut String) {
        let mut line = Pieces { out };
        line.plain(r#"{"type":"change","wall":""#);
        self.wall.push(line.out);
        line.number(r#"","mono_ns":"#, self.mono_ns);
        line.number_if_any(r#","error_ns":"#, self.error_ns);
        line.number(r#","conn":"#, self.conn);
        line.word(r#","family":"#, self.family);
        push_ends(&mut line, &self.local, &self.remote);
        match &self.from {
            Some(from) => push_state(&mut line, r#","from":"#, from),
            None => line.null(r#","from":"#),
        }
        push_state(&mut line, r#","to":"#, &self.to);
        line.number_or_null(r#","in_from_ns":"#, self.in_from_ns);
        line.number_if_any(r#","in_from_error_ns":"#, self.in_from_error_ns);
        line.word_if_any(r#","in_from_unknown":"#, self.in_from_unknown);
        line.word(r#","source":"#, self.source);
        line.word_if_any(r#","end":"#, self.end);
        line.number_or_null(r#","netns":"#, self.netns);
        line.number_or_null(r#","cookie":"#, self.cookie);
        match &self.owner {
            Some(owner) => {
                push_owner(&mut line, owner);
                line.plain("}");
            }
            None => line.null(r#","owner":"#),
        }
        if let Some(opener) = &self.opened_by {
            line.value(r#","opened_by":"#, opener);
        }
        if let Some(task) = &self.task_on_cpu {
            line.value(r#","task_on_cpu":"#, task);
        }
        line.plain("}\n");
    }
}

impl TimelineLine<'_> {
    /// Appends it as one line.
    pub(super) fn push(&self, out: &mut String) {
        let mut line = Pieces { out };
        line.number(r#"{"type":"timeline","conn":"#, self.conn);
        line.word(r#","family":"#, self.family);
        push_ends(&mut line, &self.local, &self.remote);
        line.word_or_null(r#","opened":"#, self.opened);
        line.word_or_null(r#","closed_first":"#, self.closed_first);
        line.value(r#","ended":"#, &self.ended);
        line.word_if_any(r#","time_wait_end":"#, self.time_wait_end);
        line.number_if_any(r#","rearmed":"#, self.rearmed);
        line.word_if_any(r#","half_open_end":"#, self.half_open_end);
        line.number_or_null(r#","lifetime_ns":"#, self.lifetime_ns);
        push_segments(&mut line, &self.segments);
        match &self.owner {
            Some(owner) => {
                push_owner(&mut line, &owner.owner);
                line.number_or_null(r#","tid":"#, owner.tid);
                push_name(&mut line, r#","thread":"#, owner.thread.as_ref());
                if let Some(process) = &owner.process {
                    // The members of another object become this one's.
                    let brace = line.out.len();
                    line.value("", process);
                    line.out.replace_range(brace..=brace, ",");
                } else {
                    line.plain("}");
                }
            }
            None => line.null(r#","owner":"#),
        }
        if let Some(opener) = &self.opened_by {
            line.value(r#","opened_by":"#, opener);
        }
        match &self.carried {
            Some(carried) => {
                line.number_or_null(r#","carried":{"bytes_sent":"#, carried.bytes_sent);
                line.number_or_null(r#","bytes_retransmitted":"#, carried.bytes_retransmitted);
                line.number_or_null(r#","bytes_received":"#, carried.bytes_received);
                line.number_or_null(r#","segments_sent":"#, carried.segments_sent);
                line.number_or_null(r#","segments_received":"#, carried.segments_received);
                line.number_or_null(r#","retransmits":"#, carried.retransmits);
                line.number_or_null(r#","rtt_ns":"#, carried.rtt_ns);
                line.number_or_null(r#","congestion_window":"#, carried.congestion_window);
                line.plain("}");
            }
            None => line.null(r#","carried":"#),
        }
        if !self.events.is_empty() {
            line.value(r#","events":"#, &self.events);
        }
        line.number_if_any(r#","events_left_out":"#, self.events_left_out);
        line.number_or_null(r#","netns":"#, self.netns);
        if let Some(name) = self.netns_name {
            line.text(r#","netns_name":"#, name);
        }
        line.number_or_null(r#","cookie":"#, self.cookie);
        line.plain("}\n");
    }
}

fn push_ends(line: &mut Pieces<'_>, local: &EndpointValue, remote: &EndpointValue) {
    push_end(line, r#","local":{"addr":"#, local);
    push_end(line, r#","remote":{"addr":"#, remote);
}

#[inline(always)]
fn push_end(line: &mut Pieces<'_>, before: &str, end: &EndpointValue) {
    line.plain(before);
    match end.addr {
        Some(addr) => {
            line.plain("\"");
            push_address(line.out, addr.0);
            line.plain("\"");
        }
        None => line.plain("null"),
    }
    line.number_or_null(r#","port":"#, end.port);
    line.plain("}");
}

#[inline(always)]
fn push_state(line: &mut Pieces<'_>, before: &str, state: &StateName) {
    match state.0.known_name(state.1) {
        Some(name) => line.word(before, name),
        None => line.value(before, state),
    }
}

/// Appends an owner, up to where more may be told of it.
fn push_owner(line: &mut Pieces<'_>, owner: &OwnerValue) {
    line.number_or_null(r#","owner":{"pid":"#, owner.pid);
    push_name(line, r#","comm":"#, owner.comm.as_ref());
    line.number_or_null(r#","uid":"#, owner.uid);
    line.number_or_null(r#","cgroup":"#, owner.cgroup);
}

fn push_name(line: &mut Pieces<'_>, before: &str, name: Option<&Name>) {
    match name {
        Some(Name(comm)) => line.text(before, &String::from_utf8_lossy(comm.bytes())),
        None => line.null(before),
    }
}

fn push_segments(line: &mut Pieces<'_>, segments: &Segments<'_>) {
    line.plain(r#","segments":["#);
    for (index, segment) in segments.values().enumerate() {
        if index > 0 {
            line.plain(",");
        }
        push_segment(line, &segment);
    }
    line.plain("]");
}

fn push_segment(line: &mut Pieces<'_>, segment: &SegmentValue) {
    push_state(line, r#"{"state":"#, &segment.state);
    line.number_or_null(r#","start_mono_ns":"#, segment.start_mono_ns);
    line.number_or_null(r#","ns":"#, segment.ns);
    line.number_if_any(r#","error_ns":"#, segment.error_ns);
    line.plain(match segment.known {
        true => r#","known":true"#,
        false => r#","known":false"#,
    });
    line.word_if_any(r#","unknown":"#, segment.unknown);
    line.number_if_any(r#","open_for_ns":"#, segment.open_for_ns);
    line.plain("}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Comm;
    use crate::model::{Args, MonoNs, Naming, Process, TcpState, WallClock};
    use crate::sink::address::Address;
    use crate::sink::clock::rfc3339;
    use crate::sink::json::between::{CarriedValue, EventValue, OpenerValue, OwnerOfLife};
    use crate::sink::json::schema::TaskValue;
    use crate::sink::json_line::{Shown, push_json_line};
    use crate::track::{Ending, Segment, Span, Unknown};

    /// A value where all there may be is there.
    fn some<T>(all: bool, value: T) -> Option<T> {
        all.then_some(value)
    }

    fn name() -> Name {
        Name(Comm(*b"a\"\x1b\\n\xc3\xa9\xff,\0\0\0\0\0\0\0"))
    }

    fn end(all: bool, addr: &str) -> EndpointValue {
        EndpointValue {
            addr: some(all, Address(addr.parse().expect("an address"))),
            port: some(all, 443),
        }
    }

    fn owner(all: bool) -> OwnerValue {
        OwnerValue {
            pid: some(all, 7),
            comm: some(all, name()),
            uid: some(all, 0),
            cgroup: some(all, u64::MAX),
        }
    }

    fn opener(all: bool) -> OpenerValue<'static> {
        OpenerValue {
            pid: 8,
            comm: name(),
            exe: some(all, "/a \"b\""),
        }
    }

    fn change(all: bool, has_owner: bool, state: TcpState) -> ChangeLine {
        let wall = WallClock::new(MonoNs(0), 1_767_323_045_000_000_006);
        ChangeLine {
            r#type: "change",
            wall: rfc3339(&wall, MonoNs(5)),
            mono_ns: 5,
            error_ns: some(all, 1),
            conn: 2,
            family: "ipv4",
            local: end(all, "10.0.0.1"),
            remote: end(all, "2001:db8::1"),
            from: some(all, StateName(state, Naming::Netstat)),
            to: StateName(state, Naming::Rfc),
            in_from_ns: some(all, 3),
            in_from_error_ns: some(all, 4),
            in_from_unknown: some(all, "loss"),
            source: "tracepoint",
            end: some(all, "expired"),
            netns: some(all, 4_026_531_840),
            cookie: some(all, 9),
            owner: some(has_owner, owner(all)),
            opened_by: some(all, opener(all)),
            task_on_cpu: some(
                all,
                TaskValue {
                    pid: 1,
                    tid: 2,
                    comm: name(),
                    holds_socket: None,
                },
            ),
        }
    }

    fn timeline(all: bool, has_owner: bool, process: Option<&Process>) -> TimelineLine<'_> {
        let segments: &[Segment] = match all {
            true => &[
                Segment {
                    state: TcpState::Established,
                    start: Some(MonoNs(1)),
                    span: Span::Within { ns: 5, error_ns: 2 },
                },
                Segment {
                    state: TcpState::Unknown(77),
                    start: None,
                    span: Span::Unknown(Unknown::Loss),
                },
                Segment {
                    state: TcpState::TimeWait,
                    start: Some(MonoNs(8)),
                    span: Span::Open(6),
                },
            ],
            false => &[],
        };
        let event = || EventValue {
            mono_ns: 1,
            what: "reset_sent",
            state: StateName(TcpState::Close, Naming::Ss),
            reason: some(all, "not_specified"),
            errno: None,
        };
        TimelineLine {
            r#type: "timeline",
            conn: 3,
            family: "ipv6",
            local: end(all, "::ffff:10.0.0.1"),
            remote: end(all, "::1"),
            opened: some(all, "active"),
            closed_first: some(all, "local"),
            ended: some(all, Shown(Ending::NotSeen)),
            time_wait_end: some(all, "expired"),
            rearmed: some(all, 1),
            half_open_end: some(all, "reset"),
            lifetime_ns: some(all, 12),
            segments: Segments(segments, Naming::Netstat),
            owner: some(
                has_owner,
                OwnerOfLife {
                    owner: owner(all),
                    tid: some(all, 9),
                    thread: some(all, name()),
                    process: process.map(Into::into),
                },
            ),
            opened_by: some(all, opener(all)),
            carried: some(
                all,
                CarriedValue {
                    bytes_sent: Some(1),
                    bytes_retransmitted: Some(2),
                    bytes_received: None,
                    segments_sent: Some(4),
                    segments_received: Some(5),
                    retransmits: None,
                    rtt_ns: Some(7),
                    congestion_window: Some(8),
                },
            ),
            events: match all {
                true => vec![event(), event()],
                false => Vec::new(),
            },
            events_left_out: some(all, 2),
            netns: some(all, 1),
            netns_name: some(all, "a\u{9b}b"),
            cookie: some(all, 2),
        }
    }

    #[test]
    fn lines_are_those_of_their_schemas() {
        let process = Process {
            ppid: Some(1),
            exe: Some("/bin/\u{202e}x".to_owned()),
            args: Some(Args {
                words: vec!["x".to_owned(), "\"".to_owned()],
                cut: true,
            }),
            ..Process::named(7, Comm([0; 16]))
        };
        for (all, has_owner) in [(true, true), (true, false), (false, true), (false, false)] {
            for state in [TcpState::SynSent, TcpState::Unknown(99)] {
                let line = change(all, has_owner, state);
                let (mut ours, mut schema) = (String::new(), String::new());
                line.push(&mut ours);
                push_json_line(&mut schema, &line);
                assert_eq!(ours, schema);
            }
            for process in [None, Some(&process)] {
                let line = timeline(all, has_owner, process);
                let (mut ours, mut schema) = (String::new(), String::new());
                line.push(&mut ours);
                push_json_line(&mut schema, &line);
                assert_eq!(ours, schema);
            }
        }
    }
}
