//! The end of a connection: its life, told.

use super::{Connection, Moment};
use crate::model::{Endpoint, MonoNs, TcpState, Tuple};
use crate::track::Ending;
use crate::track::output::{Closer, Marks, People, Segment, Span, Timeline, Unknown};

impl Connection {
    /// Ends the connection and tells its life, of which nothing is left in it.
    pub(in crate::track) fn take_timeline(&mut self, ended: Ended) -> Timeline {
        let end = match ended {
            // The change to CLOSE has been applied: the last segment is the state before it.
            Ended::Closed(_) => self.entered.ok(),
            Ended::Unseen(_, why) => {
                self.leave(Span::Unknown(why));
                None
            }
            Ended::Open { now, lossy_until } => {
                let span = match self.span_until(Moment::exact(now), lossy_until) {
                    Span::Known(ns) | Span::Within { ns, .. } => Span::Open(ns),
                    other => other,
                };
                self.leave(span);
                Some(Moment::exact(now))
            }
        };
        let segments = self.past.take();
        let start = segments.first().and_then(|segment| segment.start);
        let error_ns = self.began_error_ns + end.map_or(0, |end| end.error_ns);
        let why_unknown = segments.iter().find_map(|segment| match segment.span {
            Span::Unknown(why) => Some(why),
            _ => None,
        });
        let lifetime = match (
            why_unknown,
            start.zip(end).and_then(|(start, end)| end.at.since(start)),
        ) {
            (Some(why), _) => Span::Unknown(why),
            (None, None) => Span::Unknown(Unknown::BeforeTrace),
            (None, Some(ns)) if matches!(ended, Ended::Open { .. }) => Span::Open(ns),
            (None, Some(ns)) if error_ns > 0 => Span::Within { ns, error_ns },
            (None, Some(ns)) => Span::Known(ns),
        };
        let ended_at = match ended {
            Ended::Closed(_) => end.map(|end| end.at),
            Ended::Unseen(..) | Ended::Open { .. } => None,
        };
        let ended = match ended {
            Ended::Closed(ending) | Ended::Unseen(ending, _) => Some(ending),
            Ended::Open { .. } => None,
        };
        Timeline {
            conn: self.id,
            family: self.family(),
            tuple: match self.is_listener() {
                true => Tuple {
                    remote: Endpoint::default(),
                    ..self.tuple
                },
                false => self.tuple,
            },
            opened: self.opened,
            closed_first: closed_first(&segments, ended),
            ended,
            ended_at,
            lifetime,
            owner: self.owner(),
            people: People {
                thread: self.users.owner().map(|user| (user.tid, user.thread)),
                process: self.users.owner().and_then(|user| user.process.clone()),
                opened_by: self
                    .users
                    .opened_by
                    .as_ref()
                    .and_then(|user| user.process.clone()),
            },
            figures: self.traffic.as_ref().map(|traffic| traffic.figures),
            marks: self
                .marks
                .take()
                .map_or_else(Marks::default, |marks| *marks),
            netns: self.netns,
            cookie: self.cookie,
            timewait_end: self.timewait_end,
            rearmed: self
                .timewait
                .as_ref()
                .map_or(0, |timewait| timewait.rearmed),
            half_open_end: self.half_open_end,
            segments,
        }
    }
}

/// Why a connection is told now.
#[derive(Clone, Copy, Debug)]
pub(in crate::track) enum Ended {
    /// It changed to CLOSE.
    Closed(Ending),
    /// It is not followed any more, without a change to CLOSE.
    Unseen(Ending, Unknown),
    /// The trace is over.
    Open {
        /// When.
        now: MonoNs,
        /// The last moment at which a change is known to have been lost.
        lossy_until: Option<MonoNs>,
    },
}

/// Judges who closed first by the states passed: RFC 9293 lets only the end that closes first pass
/// FIN_WAIT1, only the other one CLOSE_WAIT, and CLOSING only where the FINs crossed.
fn closed_first(segments: &[Segment], ended: Option<Ending>) -> Option<Closer> {
    let passed = |wanted: TcpState| segments.iter().any(|segment| segment.state == wanted);
    if passed(TcpState::Closing) {
        return Some(Closer::Both);
    }
    if passed(TcpState::FinWait1) || passed(TcpState::FinWait2) {
        return Some(Closer::Local);
    }
    if passed(TcpState::CloseWait) || passed(TcpState::LastAck) {
        return Some(Closer::Remote);
    }
    match ended {
        Some(Ending::ResetByPeer) if passed(TcpState::Established) => Some(Closer::Remote),
        Some(
            Ending::Aborted
            | Ending::AbortedUnread(_)
            | Ending::AbortedByLinger
            | Ending::ListenerGone
            | Ending::Killed,
        ) if passed(TcpState::Established) => Some(Closer::Local),
        _ => None,
    }
}
