//! One connection of a trace, from one end: its states, times, ends and owner, each demanded exactly.

mod between;
mod whose;

use std::fmt::Write as _;

use crate::schema::{Change, Endpoint, Line, Segment, Timeline};
use crate::trace::Trace;
use crate::tracer::Hook;

/// All that a trace says of one connection.
#[derive(Debug)]
pub struct Life<'t> {
    trace: &'t Trace,
    conn: u64,
    what: String,
    lines: Vec<&'t (String, Line)>,
}

impl<'t> Life<'t> {
    pub(crate) fn new(
        trace: &'t Trace,
        conn: u64,
        what: String,
        lines: Vec<&'t (String, Line)>,
    ) -> Self {
        Self {
            trace,
            conn,
            what,
            lines,
        }
    }

    /// Returns the number of the connection in the trace.
    pub fn number(&self) -> u64 {
        self.conn
    }

    /// Returns its changes, and first of all that it was found if it was.
    pub fn changes(&self) -> impl Iterator<Item = &'t Change> + use<'t, '_> {
        self.lines.iter().filter_map(|(_, line)| match line {
            Line::Change(change) => Some(change),
            _ => None,
        })
    }

    /// Returns its changes that were seen happen.
    pub fn seen(&self) -> impl Iterator<Item = &'t Change> + use<'t, '_> {
        self.changes().filter(|change| change.source != "snapshot")
    }

    /// Returns its one timeline.
    ///
    /// # Panics
    ///
    /// Panics where there is none, or more than one.
    pub fn timeline(&self) -> &'t Timeline {
        let mut all = self.lines.iter().filter_map(|(_, line)| match line {
            Line::Timeline(timeline) => Some(timeline),
            _ => None,
        });
        let timeline = all.next();
        assert!(
            timeline.is_some() && all.next().is_none(),
            "one timeline\n{}",
            self.told()
        );
        timeline.expect("just seen")
    }

    /// Demands exactly these states, the one before the first change first: in the changes, and in
    /// the timeline with every duration known and every segment touching the next.
    pub fn states(&self, script: &str) -> &Self {
        let wanted: Vec<&str> = script.split_ascii_whitespace().collect();
        let changes: Vec<&Change> = self.seen().collect();
        let got: Vec<&str> = changes
            .first()
            .and_then(|first| first.from.as_deref())
            .into_iter()
            .chain(changes.iter().map(|change| change.to.as_str()))
            .collect();
        assert!(got == wanted, "{}", self.difference(&wanted, &got));
        let chained = changes
            .windows(2)
            .all(|pair| pair[1].from.as_deref() == Some(pair[0].to.as_str()));
        assert!(
            chained,
            "each change starts where the last one ended\n{}",
            self.told()
        );

        let timeline = self.timeline();
        let mut segments: Vec<&str> = wanted[1..].to_vec();
        if segments.last() == Some(&"CLOSE") {
            segments.pop();
            assert!(timeline.ended.is_some(), "it ended\n{}", self.told());
        } else {
            assert_eq!(timeline.ended, None, "it has not ended\n{}", self.told());
        }
        let got: Vec<&str> = timeline
            .segments
            .iter()
            .map(|one| one.state.as_str())
            .collect();
        assert!(
            got == segments,
            "in the timeline: {}",
            self.difference(&segments, &got)
        );
        self.times(&changes, &timeline.segments);
        self.identity(&changes, timeline);
        self
    }

    /// Demands that the segments are the times between the changes, and all known.
    fn times(&self, changes: &[&Change], segments: &[Segment]) {
        assert_eq!(
            changes[0].in_from_ns,
            None,
            "nobody saw its first state begin\n{}",
            self.told()
        );
        for (pair, segment) in changes.windows(2).zip(segments) {
            let lasted = pair[1].mono_ns.checked_sub(pair[0].mono_ns);
            assert!(
                lasted.is_some(),
                "changes of one connection in order\n{}",
                self.told()
            );
            let seen = (Some(pair[0].mono_ns), lasted, true);
            let said = (segment.start_mono_ns, segment.ns, segment.known);
            assert_eq!(
                said,
                seen,
                "start, length, known of {}\n{}",
                segment.state,
                self.told()
            );
            assert_eq!(
                pair[1].in_from_ns,
                lasted,
                "in {}\n{}",
                segment.state,
                self.told()
            );
        }
    }

    /// Demands that every line agrees on whose and which connection it is.
    fn identity(&self, changes: &[&Change], timeline: &Timeline) {
        let family = match timeline.local.addr.or(timeline.remote.addr) {
            Some(addr) if addr.is_ipv4() => "ipv4",
            _ => "ipv6",
        };
        assert_eq!(
            timeline.family.as_deref(),
            Some(family),
            "family\n{}",
            self.told()
        );
        for change in changes {
            let fits = |said: Endpoint, is: Endpoint| {
                (said.addr.is_none() || said.addr == is.addr)
                    && (said.port.is_none() || said.port == is.port)
            };
            let ends = fits(change.local, timeline.local) && fits(change.remote, timeline.remote);
            assert!(ends, "ends of one connection\n{}", self.told());
            let cookie = change.cookie.is_none() || change.cookie == timeline.cookie;
            assert!(cookie, "cookie of one connection\n{}", self.told());
            assert_eq!(change.source, "tracepoint", "source\n{}", self.told());
        }
    }

    /// Demands how it began.
    pub fn opened(&self, opened: &str) -> &Self {
        let said = self.timeline().opened.as_deref();
        assert_eq!(said, Some(opened), "opened\n{}", self.told());
        self
    }

    /// Demands that these words are in how it ended. The classic hook, which does not see the
    /// socket's error, may say that it does not know.
    pub fn ended(&self, hook: Hook, words: &str) -> &Self {
        let said = self.timeline().ended.as_deref().unwrap_or("not yet");
        let unknown = hook == Hook::Classic && said.contains("not known");
        assert!(
            said.contains(words) || unknown,
            "{words:?} is not in {said:?}\n{}",
            self.told()
        );
        self
    }

    /// Demands who closed first.
    pub fn closed_first(&self, side: &str) -> &Self {
        let said = self.timeline().closed_first.as_deref();
        assert_eq!(said, Some(side), "closed first\n{}", self.told());
        self
    }

    /// Demands that no side is said to have closed first.
    pub fn nobody_closed_first(&self) -> &Self {
        assert_eq!(
            self.timeline().closed_first,
            None,
            "closed first\n{}",
            self.told()
        );
        self
    }

    /// Demands that the owner is this process at last, and never another one; the classic hook,
    /// which cannot know, may leave it unknown.
    pub fn owned_by(&self, hook: Hook, pid: u32) -> &Self {
        let owners = self.changes().map(|change| &change.owner);
        for owner in owners.chain([&self.timeline().owner]) {
            let said = owner.as_ref().and_then(|owner| owner.pid);
            assert!(
                said.is_none_or(|said| said == pid),
                "not {pid}\n{}",
                self.told()
            );
        }
        let at_last = self.timeline().owner.as_ref().and_then(|owner| owner.pid);
        if hook == Hook::Btf {
            assert_eq!(at_last, Some(pid), "owner of the timeline\n{}", self.told());
        }
        self
    }

    /// Demands the cookie that the socket itself tells, and the namespace that it is in; the
    /// classic hook knows neither.
    pub fn socket(&self, hook: Hook, cookie: u64, netns: u64) -> &Self {
        let timeline = self.timeline();
        let wanted = match hook {
            Hook::Btf => (Some(cookie), Some(netns)),
            Hook::Classic => (None, None),
        };
        let said = (timeline.cookie, timeline.netns);
        assert_eq!(
            said,
            wanted,
            "cookie and network namespace\n{}",
            self.told()
        );
        self
    }

    /// Returns every line about the connection, and then the whole trace.
    pub fn told(&self) -> String {
        let mut text = format!("--- {}, conn {}\n", self.what, self.conn);
        for (raw, _) in &self.lines {
            writeln!(text, "{raw}").expect("write to a string");
        }
        write!(text, "{}", self.trace).expect("write to a string");
        text
    }

    /// Prints wanted and got side by side, and marks the first difference.
    fn difference(&self, wanted: &[&str], got: &[&str]) -> String {
        let mut text = format!("{}: other states than caused\n", self.what);
        let first = (0..wanted.len().max(got.len())).find(|&at| wanted.get(at) != got.get(at));
        for at in 0..wanted.len().max(got.len()) {
            let mark = if Some(at) == first { ">" } else { " " };
            let cell = |side: &[&str]| side.get(at).copied().unwrap_or("-").to_owned();
            writeln!(
                text,
                "{mark} wanted {:12} got {:12}",
                cell(wanted),
                cell(got)
            )
            .expect("write to a string");
        }
        text + &self.told()
    }
}
