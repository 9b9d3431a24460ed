//! Standard output in the format asked for.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, StdoutLock, Write};
use std::os::fd::AsFd;

use jiff::tz::TimeZone;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::failure::Failure;
use super::findings::Found;
use crate::cli::args::ColorArg;
use crate::cli::findings::FindingPlan;
use crate::cli::plan::{Format, OutputPlan, Parts};
use crate::evidence::Namespace;
use crate::model::{ClockStep, MonoNs, ResetReasons, WallClock};
use crate::sink::{Session, clock::LocalClock, csv::Csv, json::Json, text::Text};
use crate::stats::Summary;
use crate::track::conversation::Conversation;
use crate::track::{Origin, Output};

/// Bytes after which what has been gathered is written in one go: as much as a pipe holds.
const MUCH_BYTES: usize = 64 << 10;

/// Writes what happens to standard output.
pub(super) struct Writer {
    out: StdoutLock<'static>,
    /// Lines that are still to be written, put together right here.
    gathered: String,
    encoder: Encoder,
    parts: Parts,
    found: Found,
    /// Whether the first line and the sockets that were found are written as text.
    quiet: bool,
    verbose: bool,
    /// Whether network namespaces have been told of.
    has_learnt: bool,
}

enum Encoder {
    Text(Text),
    Json(Json),
    Csv(Csv),
}

impl Writer {
    pub(super) fn new(
        plan: &OutputPlan,
        findings: &FindingPlan,
        times: (WallClock, TimeZone),
        quiet: bool,
        verbose: bool,
    ) -> Self {
        let (wall, zone) = times;
        let OutputPlan {
            format,
            raw,
            parts,
            names,
            color,
        } = *plan;
        let encoder = match format {
            Format::Json => Encoder::Json(Json {
                names,
                raw,
                wall,
                reset_reasons: ResetReasons::default(),
                netns_names: BTreeMap::new(),
            }),
            Format::Csv => Encoder::Csv(Csv { names, raw, wall }),
            Format::Text => Encoder::Text(Text {
                names,
                raw,
                clock: LocalClock::new(wall, zone),
                color: use_color(color),
                width: terminal_width(),
                verbose,
                timewait_hooked: false,
                reset_reasons: ResetReasons::default(),
                netns_names: BTreeMap::new(),
            }),
        };
        Self {
            out: io::stdout().lock(),
            gathered: String::new(),
            encoder,
            found: Found::new(findings, parts.findings),
            parts,
            quiet,
            verbose,
            has_learnt: false,
        }
    }

    pub(super) fn session(&mut self, session: &Session) -> Result<(), Failure> {
        self.found.refuse(session)?;
        match &mut self.encoder {
            Encoder::Text(text) => {
                text.timewait_hooked = matches!(session.time_wait.as_str(), "fentry" | "timer");
                text.reset_reasons = session.reset_reasons.clone();
            }
            Encoder::Json(json) => json.reset_reasons = session.reset_reasons.clone(),
            Encoder::Csv(_) => {}
        }
        let bytes = match &self.encoder {
            Encoder::Text(_) if self.quiet => return Ok(()),
            Encoder::Text(text) => text.session(session).into_bytes(),
            Encoder::Json(json) => json.session(session),
            Encoder::Csv(csv) => csv.heading().into_bytes(),
        };
        self.write(&bytes)
    }

    /// Learns what network namespaces allowed as the trace began.
    pub(super) fn learn(&mut self, namespaces: &[Namespace]) {
        self.found.learn(namespaces);
        // Evidence tells them once more at its end, when a live trace has told all there is.
        if std::mem::replace(&mut self.has_learnt, true) {
            return;
        }
        let named = namespaces.iter().filter_map(|namespace| {
            let name = namespace.own_name()?;
            Some((namespace.inode, name.to_owned()))
        });
        let names = named.collect();
        match &mut self.encoder {
            Encoder::Text(text) => text.netns_names = names,
            Encoder::Json(json) => json.netns_names = names,
            Encoder::Csv(_) => {}
        }
    }

    /// Writes what was found wrong.
    pub(super) fn findings(&mut self, summary: &Summary, end: MonoNs) -> Result<(), Failure> {
        let findings = self.found.finish(summary, end, self.quiet);
        if !self.parts.findings {
            return Ok(());
        }
        for finding in &findings {
            let bytes = match &self.encoder {
                Encoder::Text(text) => text.finding(finding).into_bytes(),
                Encoder::Json(json) => json.finding(finding),
                // No table of changes, like the summary.
                Encoder::Csv(_) => continue,
            };
            self.write(&bytes)?;
        }
        Ok(())
    }

    /// Returns whether something was found that fails the run.
    pub(super) fn found_what_fails(&self) -> bool {
        self.found.is_failed()
    }

    pub(super) fn output(&mut self, output: &Output) -> Result<(), Failure> {
        self.found.add(output);
        let line = &mut self.gathered;
        match (output, &self.encoder) {
            (Output::Change(_), _) if !self.parts.changes => return Ok(()),
            // A host has thousands of sockets before anybody looks; a person wants the film.
            (Output::Change(change), Encoder::Text(_))
                if change.origin == Origin::Snapshot && !self.verbose =>
            {
                return Ok(());
            }
            (Output::Change(change), Encoder::Text(text)) => text.change(change, line),
            (Output::Change(change), Encoder::Json(json)) => json.change(change, line),
            (Output::Change(change), Encoder::Csv(csv)) => csv.change(change, line),
            (Output::Timeline(_), _) if !self.parts.timelines => return Ok(()),
            (Output::Timeline(timeline), Encoder::Text(text)) => text.timeline(timeline, line),
            (Output::Timeline(timeline), Encoder::Json(json)) => json.timeline(timeline, line),
            (Output::Timeline(timeline), Encoder::Csv(csv)) => csv.timeline(timeline, line),
            // A loss is written whatever else is left out.
            (Output::Loss(loss), Encoder::Text(text)) => line.push_str(&text.loss(loss)),
            (Output::Loss(loss), Encoder::Json(json)) => json.loss(loss, line),
            (Output::Loss(loss), Encoder::Csv(csv)) => csv.loss(loss, line),
            // No change of a state: of interest to figures alone.
            (Output::Held(_), _) => return Ok(()),
        }
        self.write_much()
    }

    pub(super) fn tells_conversations(&self) -> bool {
        self.parts.conversations
    }

    pub(super) fn conversation(&mut self, conversation: &Conversation) -> Result<(), Failure> {
        let bytes = match &self.encoder {
            Encoder::Text(text) => text.conversation(conversation).into_bytes(),
            Encoder::Json(json) => json.conversation(conversation),
            // Refused with the options.
            Encoder::Csv(_) => return Ok(()),
        };
        self.write(&bytes)
    }

    pub(super) fn clock_step(&mut self, step: ClockStep) -> Result<(), Failure> {
        let bytes = match &self.encoder {
            Encoder::Text(text) => text.clock_step(&step).into_bytes(),
            Encoder::Json(json) => json.clock_step(&step),
            // No table of changes.
            Encoder::Csv(_) => return Ok(()),
        };
        self.write(&bytes)
    }

    pub(super) fn summary(&mut self, summary: &Summary, end: MonoNs) -> Result<(), Failure> {
        if !self.parts.summary {
            return Ok(());
        }
        let bytes = match &self.encoder {
            Encoder::Text(text) => text.summary(summary).into_bytes(),
            Encoder::Json(json) => json.summary(summary, end),
            // No table of changes; figures would be rows of another kind.
            Encoder::Csv(_) => return Ok(()),
        };
        self.write(&bytes)
    }

    /// Writes what is put together elsewhere.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        // Text is all that anybody puts together.
        self.gathered.push_str(&String::from_utf8_lossy(bytes));
        self.write_much()
    }

    fn write_much(&mut self) -> Result<(), Failure> {
        match self.gathered.len() < MUCH_BYTES {
            true => Ok(()),
            false => self.write_gathered(),
        }
    }

    fn write_gathered(&mut self) -> Result<(), Failure> {
        let written = self.out.write_all(self.gathered.as_bytes());
        self.gathered.clear();
        written.map_err(Failure::Write)
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.write_gathered()?;
        self.out.flush().map_err(Failure::Write)
    }
}

/// Fails if whoever read the output has gone; on a quiet host nothing would be written for long.
pub(super) fn check_reader() -> Result<(), Failure> {
    let stdout = io::stdout();
    let mut watched = [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::empty())];
    let asked = poll(&mut watched, Some(&Timespec::default()));
    if asked.is_ok() && watched[0].revents().contains(PollFlags::ERR) {
        return Err(Failure::Write(io::ErrorKind::BrokenPipe.into()));
    }
    Ok(())
}

/// Whether to use colour: as told, else on a terminal, unless `NO_COLOR` is set and not empty
/// (<https://no-color.org>).
pub(super) fn use_color(color: ColorArg) -> bool {
    match color {
        ColorArg::Always => true,
        ColorArg::Never => false,
        ColorArg::Auto => {
            io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
        }
    }
}

/// Columns of the terminal on standard output; `None` in a pipe.
pub(super) fn terminal_width() -> Option<usize> {
    terminal_size().map(|(width, _)| width)
}

/// Columns and lines of the terminal on standard output; `None` in a pipe.
pub(super) fn terminal_size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some((usize::from(size.ws_col), usize::from(size.ws_row)))
}
