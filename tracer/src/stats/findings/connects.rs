//! Connects of this host that nobody answered, and those that were refused.

use super::example::{Example, Examples};
use super::finding::{Detail, Finding, Judged, Period};
use super::staying::seen;
use crate::model::{FindingKind, Threshold, Thresholds};
use crate::track::{Ending, Segment, Span, Timeline};

use crate::model::TcpState::SynSent;

/// Nobody on the way, or on the wire, knows the other end (`EHOSTUNREACH`): so it is told where no neighbour
/// answers, after a few seconds.
const UNREACHABLE: Ending = Ending::Unreachable(113);

/// Judges how connects end.
#[derive(Debug)]
pub(super) struct Connects {
    unanswered: Option<Unanswered>,
    refused: Option<Refused>,
}

/// Connects without an answer.
///
/// What the kernel gives up, it gives up for want of one. A program that gives up, or the end of the trace,
/// says so only after a time.
#[derive(Debug)]
struct Unanswered {
    least_ns: u64,
    timed_out: u64,
    given_up: u64,
    still: u64,
    period: Period,
    examples: Examples,
}

#[derive(Debug)]
struct Refused {
    least: u64,
    count: u64,
    period: Period,
    examples: Examples,
}

impl Connects {
    pub(super) fn new(thresholds: &Thresholds) -> Self {
        Self {
            unanswered: thresholds
                .lasts(FindingKind::ConnectTimeout)
                .map(|least_ns| Unanswered {
                    least_ns,
                    timed_out: 0,
                    given_up: 0,
                    still: 0,
                    period: Period::default(),
                    examples: Examples::default(),
                }),
            refused: thresholds
                .count(FindingKind::ConnectRefused)
                .map(|least| Refused {
                    least,
                    count: 0,
                    period: Period::default(),
                    examples: Examples::default(),
                }),
        }
    }

    pub(super) fn timeline(&mut self, timeline: &Timeline) {
        let Some(&last) = timeline.segments.last() else {
            return;
        };
        if last.state != SynSent {
            return;
        }
        if timeline.ended == Some(Ending::Refused) {
            if let Some(refused) = &mut self.refused {
                refused.add(timeline, last);
            }
        } else if let Some(unanswered) = &mut self.unanswered {
            unanswered.add(timeline, last);
        }
    }

    pub(super) fn judge(self) -> impl Iterator<Item = Judged> {
        let unanswered = self.unanswered.and_then(Unanswered::judge);
        unanswered
            .into_iter()
            .chain(self.refused.and_then(Refused::judge))
    }
}

impl Unanswered {
    fn add(&mut self, timeline: &Timeline, last: Segment) {
        let ns = seen(last.span);
        let is_long = ns.is_some_and(|ns| ns >= self.least_ns);
        let count = match timeline.ended {
            Some(Ending::TimedOut(_)) => &mut self.timed_out,
            Some(Ending::GivenUp | UNREACHABLE) if is_long => &mut self.given_up,
            None if is_long => &mut self.still,
            _ => return,
        };
        *count += 1;
        include(&mut self.period, last);
        let is_open = matches!(last.span, Span::Open(_));
        let example = Example::of_timeline(timeline);
        match ns {
            Some(ns) => self.examples.keep_longest(example.lasting(ns, is_open)),
            None => self.examples.keep_longest(example),
        }
    }

    fn judge(self) -> Option<Judged> {
        let count = self.timed_out + self.given_up + self.still;
        let finding = Finding {
            kind: FindingKind::ConnectTimeout,
            count,
            is_least: false,
            since: self.period.since,
            until: self.period.until,
            threshold: Threshold::Lasts { ns: self.least_ns },
            connections: self.examples.into_vec(),
            detail: Detail::Unanswered {
                timed_out: self.timed_out,
                given_up: self.given_up,
                still: self.still,
            },
        };
        (count > 0).then_some(Judged(finding))
    }
}

impl Refused {
    fn add(&mut self, timeline: &Timeline, last: Segment) {
        self.count += 1;
        include(&mut self.period, last);
        let example = Example::of_timeline(timeline);
        self.examples.keep_first(match seen(last.span) {
            Some(ns) => example.lasting(ns, false),
            None => example,
        });
    }

    fn judge(self) -> Option<Judged> {
        let finding = Finding {
            kind: FindingKind::ConnectRefused,
            count: self.count,
            is_least: false,
            since: self.period.since,
            until: self.period.until,
            threshold: Threshold::Count(self.least),
            connections: self.examples.into_vec(),
            detail: Detail::Refused,
        };
        (self.count >= self.least.max(1)).then_some(Judged(finding))
    }
}

fn include(period: &mut Period, last: Segment) {
    if let Some(start) = last.start {
        period.include(start);
        if let Some(ns) = seen(last.span) {
            period.include(start.plus(ns));
        }
    }
}
