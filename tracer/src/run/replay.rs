//! Evidence takes its course again: whatever a trace took in, told anew.
//!
//! **Owns:** what is made of evidence that ends before its trace did.
//! **Never:** a look at this host.

use super::course::{Course, Wanted, wall_of};
use super::failure::Failure;
use super::hidden::HiddenMethods;
use super::teller::Teller;
use super::window::Window;
use super::zone;
use crate::cli::args::PartOfTimeArgs;
use crate::cli::exit::Exit;
use crate::cli::show::{Filters, InForce, Recorded};
use crate::evidence::{Entry, Head, Turn};
use crate::model::MonoNs;
use crate::track::Limits;

/// What is to be told of evidence.
#[derive(Debug)]
pub(super) struct Replay<'a> {
    /// Which connections.
    pub(super) filters: &'a Filters,
    /// Which part of the time.
    pub(super) part: Option<&'a PartOfTimeArgs>,
    /// Only what the tracepoint said.
    pub(super) raw: bool,
    /// Whether it goes on with a trace of which earlier evidence tells the begin.
    pub(super) begins_in_the_middle: bool,
}

impl Replay<'_> {
    /// Lets the entries that follow `head` take their course. Returns how it went, and why they broke off,
    /// if they did.
    pub(super) fn run<T: Teller, E>(
        &self,
        head: Head,
        mut next: impl FnMut() -> Option<Result<Entry, E>>,
        teller: T,
    ) -> Result<(Exit, Ending<E>), Failure> {
        let methods = match self.raw {
            true => HiddenMethods::none(),
            false => HiddenMethods::recorded(&head).ok_or_else(|| unknown_method(&head))?,
        };
        let recorded = Recorded {
            words: &head.filters,
            netns: &head.netns,
        };
        let in_force = self
            .filters
            .in_force(recorded, self.raw)
            .map_err(Failure::Usage)?;
        let mut last = head.start;
        let mut existing = 0;
        let wanted = self.wanted(&head, in_force)?;
        let mut course = Course::new(head, methods, wanted, Vec::new(), teller);
        if self.begins_in_the_middle {
            // What existed stands in a file that is not here.
            course.take(Entry::ExistingComplete)?;
        }
        let ending = loop {
            match next() {
                Some(Ok(Entry::End(at))) => break Ending::Whole(at),
                Some(Ok(entry)) => {
                    existing += u64::from(matches!(entry, Entry::Existing(_)));
                    if existing > MOST_EXISTING {
                        return Err(Failure::Evidence(format!(
                            "cannot show this evidence: it tells of more than {MOST_EXISTING} sockets that \
                             existed when its trace began"
                        )));
                    }
                    last = last.max(moment(&entry).unwrap_or(last));
                    course.take(entry).map_err(of_evidence)?;
                }
                Some(Err(damage)) => break Ending::Damaged(damage),
                None => break Ending::Cut,
            }
        };
        let (end, cut_short) = match &ending {
            Ending::Whole(at) => (*at, None),
            Ending::Damaged(_) | Ending::Cut => {
                (last, Some("the evidence ends before the trace did"))
            }
        };
        let exit = course.finish(end, cut_short)?;
        Ok((exit, ending))
    }

    fn wanted(&self, head: &Head, in_force: InForce) -> Result<Wanted, Failure> {
        let window = self.window(head);
        if window.is_some_and(|window| window.since > window.until) {
            return Err(Failure::Usage(
                "cannot show from --since to --until: the one comes after the other".to_owned(),
            ));
        }
        let not_comparable = if self.begins_in_the_middle {
            Some("the begin of the trace is not here")
        } else if window.is_some() {
            Some("only a part of the time is shown")
        } else if !in_force.takes_whole_namespaces {
            Some("filters leave connections out")
        } else {
            None
        };
        Ok(Wanted {
            selection: in_force.selection,
            filters: in_force.words,
            raw: self.raw,
            limits: Limits {
                connections: usize::try_from(head.max_connections).unwrap_or(usize::MAX),
                // Raw changes are not completed, so there is nothing to wait for.
                hold_ns: if self.raw { 0 } else { head.hold_ns },
            },
            not_comparable: not_comparable.map(str::to_owned),
            window,
            only_counted: false,
            keeps_first: false,
        })
    }

    fn window(&self, head: &Head) -> Option<Window> {
        let part = self
            .part
            .filter(|part| part.since.is_some() || part.until.is_some())?;
        let (wall, zone) = (wall_of(head.clock), zone::recorded(&head.zone));
        let of_trace =
            |moment: crate::cli::moment::Moment| moment.of_trace(head.start, &wall, &zone);
        Some(Window {
            since: part.since.map_or(head.start, of_trace),
            until: part.until.map_or(MonoNs(u64::MAX), of_trace),
        })
    }
}

/// The most sockets that may have existed when a trace began: they are kept until all are told, and a small file
/// can tell of any number.
const MOST_EXISTING: u64 = 4_000_000;

/// A record that cannot be decoded is a fault of the build where the kernel wrote it just now, but not here.
fn of_evidence(failure: Failure) -> Failure {
    match failure {
        Failure::Decode(error) => Failure::Evidence(format!(
            "cannot show this evidence: a record in it is none that this version knows: {error}"
        )),
        other => other,
    }
}

/// How evidence ended.
#[derive(Debug)]
pub(super) enum Ending<E> {
    /// With the end of its trace, at this moment.
    Whole(MonoNs),
    /// With something that cannot be read.
    Damaged(E),
    /// Before its trace did.
    Cut,
}

/// The last moment that an entry tells of.
fn moment(entry: &Entry) -> Option<MonoNs> {
    match entry {
        Entry::Turn(Turn { batch, timeout, .. }) => batch.last_at().max(*timeout),
        Entry::Clock(clock) => Some(clock.mono),
        Entry::Closing(closing) => Some(closing.at),
        _ => None,
    }
}

fn unknown_method(head: &Head) -> Failure {
    let names = format!("{}, {}", head.time_wait, head.half_open);
    Failure::Usage(format!(
        "cannot show this evidence: it was gathered by a method that this version does not know ({}); take \
         tracer {} or a later one, or `--raw`",
        crate::model::printable(names),
        crate::model::printable(&head.tracer),
    ))
}
