//! The story that two timelines tell together: whose step came when.

use crate::model::{MonoNs, TcpState};
use crate::track::Ending;
use crate::track::output::{Closer, Opened, Span, Timeline};

/// Both ends of a connection, as far as they are known: a is the one that opened it, where that is known,
/// and where b is not known the one that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// The one end.
    pub a: Timeline,
    /// The other.
    pub b: Other,
}

/// The other end of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Other {
    /// Its life.
    Known(Box<Timeline>),
    /// Not known which that is.
    Alone(Alone),
}

/// Why the other end of a connection is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alone {
    /// It was not seen: it is not on this host, has other addresses behind a NAT, or is not shown.
    NotSeen,
    /// More than one connection may be it.
    Several,
    /// The connection is one to itself: one socket is both ends.
    Itself,
    /// It was there before the trace, and did not change.
    Unchanged,
    /// An end of the connection has no address or port that is known.
    EndsUnknown,
    /// It was not waited for any longer: too many connections were kept.
    LetGo,
}

/// One of both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// a.
    A,
    /// b.
    B,
}

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// One end.
    One(End),
    /// Both at once.
    Both,
}

/// A state that one end entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When; `None` where that was not seen.
    pub at: Option<MonoNs>,
    /// By how much that may be wrong, either way.
    pub error_ns: u64,
    /// Which end.
    pub end: End,
    /// The state that it left; `None` where it begins.
    pub from: Option<TcpState>,
    /// The state.
    pub to: TcpState,
}

impl Conversation {
    /// Makes one of both ends.
    pub(super) fn of(one: Timeline, other: Timeline) -> Self {
        let rank = |timeline: &Timeline| {
            let opened = match timeline.opened {
                Opened::Active => 0,
                Opened::Passive => 2,
                Opened::BeforeTrace | Opened::NotSeen | Opened::Listen => 1,
            };
            (opened, start(timeline), timeline.conn)
        };
        let (a, b) = match rank(&one) <= rank(&other) {
            true => (one, other),
            false => (other, one),
        };
        Self {
            a,
            b: Other::Known(Box::new(b)),
        }
    }

    /// Returns the other end, where it is known.
    pub fn b(&self) -> Option<&Timeline> {
        match &self.b {
            Other::Known(timeline) => Some(timeline),
            Other::Alone(_) => None,
        }
    }

    /// Returns who opened it, where that was seen.
    pub fn opened_by(&self) -> Option<By> {
        let b = self.b().map(|b| b.opened);
        match (self.a.opened, b) {
            (Opened::Active, Some(Opened::Active)) => Some(By::Both),
            (Opened::Active, _) | (_, Some(Opened::Passive)) => Some(By::One(End::A)),
            (Opened::Passive, _) | (_, Some(Opened::Active)) => Some(By::One(End::B)),
            _ => None,
        }
    }

    /// Returns who closed first; `None` where nobody did, or nobody saw, or the ends do not agree.
    pub fn closed_first(&self) -> Option<By> {
        let says = |closer: Closer, own: End, other: End| match closer {
            Closer::Local => By::One(own),
            Closer::Remote => By::One(other),
            Closer::Both => By::Both,
        };
        let a = self.a.closed_first.map(|by| says(by, End::A, End::B));
        let b = self.b().and_then(|b| b.closed_first);
        let b = b.map(|by| says(by, End::B, End::A));
        match (a, b) {
            (one, None) | (None, one) => one,
            (Some(By::Both), _) | (_, Some(By::Both)) => Some(By::Both),
            // Each had sent its FIN, or its reset, before the other's came.
            (Some(By::One(End::A)), Some(By::One(End::B))) => Some(By::Both),
            (Some(a), Some(b)) => (a == b).then_some(a),
        }
    }

    /// Returns when it began, where that was seen.
    pub fn start(&self) -> Option<MonoNs> {
        let a = start(&self.a);
        match self.b() {
            // The other one began with this one's SYN.
            Some(b) if self.a.opened != Opened::Active || b.opened == Opened::Active => {
                Some(a?.min(start(b)?))
            }
            _ => a,
        }
    }

    /// Returns how long it lasted, from its begin until the last end had ended.
    pub fn lifetime(&self) -> Span {
        let ends: Vec<&Timeline> = [Some(&self.a), self.b()].into_iter().flatten().collect();
        let ended: Option<Vec<MonoNs>> = ends.iter().map(|end| ended_at(end)).collect();
        let last = ended
            .into_iter()
            .flatten()
            .zip(&ends)
            .max_by_key(|&(at, _)| at);
        let known = self.start().zip(last);
        let Some((ns, last)) = known.and_then(|(begin, (at, last))| Some((at.since(begin)?, last)))
        else {
            let unknown = |end: &&Timeline| matches!(end.lifetime, Span::Unknown(_));
            return ends
                .iter()
                .copied()
                .find(unknown)
                .unwrap_or(&self.a)
                .lifetime;
        };
        match last.lifetime {
            _ if ends.iter().any(|end| end.ended.is_none()) => Span::Open(ns),
            Span::Within { error_ns, .. } => Span::Within { ns, error_ns },
            _ => Span::Known(ns),
        }
    }

    /// Returns the steps of both ends, in the order of time. One of which the time is not known comes before
    /// the next one of the same end, or first of all, where it is older than what was seen.
    pub fn steps(&self) -> Vec<Step> {
        let mut placed: Vec<(MonoNs, Step)> = Vec::new();
        let ends = [(Some(&self.a), End::A), (self.b(), End::B)];
        for (timeline, end) in ends {
            let Some(timeline) = timeline else { continue };
            let steps = steps(timeline, end);
            let mut next = None;
            let mut reversed = Vec::with_capacity(steps.len());
            for step in steps.into_iter().rev() {
                let at = match (step.at, step.from) {
                    (Some(at), _) => at,
                    (None, None) => MonoNs(0),
                    (None, Some(_)) => next.unwrap_or(MonoNs(u64::MAX)),
                };
                // The steps of one end stay in their order, whatever two CPUs' clocks say.
                let at = next.map_or(at, |next| at.min(next));
                next = Some(at);
                reversed.push((at, step));
            }
            placed.extend(reversed.into_iter().rev());
        }
        placed.sort_by_key(|&(at, _)| at);
        placed.into_iter().map(|(_, step)| step).collect()
    }
}

fn start(timeline: &Timeline) -> Option<MonoNs> {
    timeline.segments.first()?.start
}

/// When a life ended, or the trace did before it.
fn ended_at(timeline: &Timeline) -> Option<MonoNs> {
    let last = timeline.segments.last()?;
    match last.span {
        Span::Known(ns) | Span::Within { ns, .. } | Span::Open(ns) => Some(last.start?.plus(ns)),
        Span::Unknown(_) => None,
    }
}

fn steps(timeline: &Timeline, end: End) -> Vec<Step> {
    let mut from = match timeline.opened {
        Opened::Active => Some(TcpState::Close),
        Opened::Passive => Some(TcpState::Listen),
        Opened::BeforeTrace | Opened::NotSeen | Opened::Listen => None,
    };
    let mut error_ns = 0;
    let mut steps = Vec::with_capacity(timeline.segments.len() + 1);
    for segment in &timeline.segments {
        steps.push(Step {
            at: segment.start,
            error_ns,
            end,
            from,
            to: segment.state,
        });
        from = Some(segment.state);
        error_ns = match segment.span {
            Span::Within { error_ns, .. } => error_ns,
            _ => 0,
        };
    }
    if timeline.ended.is_some_and(is_close) {
        steps.push(Step {
            at: ended_at(timeline),
            error_ns,
            end,
            from,
            to: TcpState::Close,
        });
    }
    steps
}

/// Returns whether an ending says that the connection is no more.
fn is_close(ending: Ending) -> bool {
    !matches!(
        ending,
        Ending::TimeWaitOrClosed | Ending::NotSeen | Ending::NotFollowed
    )
}
