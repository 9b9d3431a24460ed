//! The verb `time-wait`: the figures of TIME_WAIT, on a live screen, as a report, or as JSON Lines.

mod around;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::course::wall_of;
use super::evidence::Evidence;
use super::failure::Failure;
use super::host::clock;
use super::replay::Replay;
use super::screen::{LEAVE, OtherScreen};
use super::teller::{Beginning, Teller};
use super::trace::trace;
use super::writer::{check_reader, terminal_size, terminal_width, use_color};
use super::zone;
use crate::cli::exit::Exit;
use crate::cli::plan::{Format, OutputPlan};
use crate::cli::time_wait::TimeWaitPlan;
use crate::evidence::Namespace;
use crate::model::{MonoNs, ResetReasons, WallClock};
use crate::sink::Session;
use crate::sink::clock::LocalClock;
use crate::sink::json::Json;
use crate::sink::text::Text;
use crate::sink::time_wait::{Screen, View, json};
use crate::source::clock::boot_time;
use crate::stats::Summary;
use crate::stats::timewait::{Report, Terms, TimeWait};
use crate::track::Output;
use around::{Around, Here};

/// How often a live screen is drawn, unless told otherwise.
const PACE: Duration = Duration::from_secs(1);
/// The part of a screen's lines that its heading may take: one in so many.
const HEADING: usize = 8;

/// The top-level entry point for `time-wait`.
pub(super) fn run(planned: TimeWaitPlan) -> Result<Exit, Failure> {
    if !planned.files.is_empty() {
        return replay(&planned);
    }
    let clock = clock();
    let here = zone::recorded(&zone::here());
    let teller = Figures::new(&planned, wall_of(clock), here);
    trace(planned.plan, clock, teller)
}

/// Tells the figures of evidence.
fn replay(planned: &TimeWaitPlan) -> Result<Exit, Failure> {
    let mut evidence = Evidence::open(&planned.files)?;
    let head = evidence.head()?;
    let mut figures = Figures::new(planned, wall_of(head.clock), zone::recorded(&head.zone));
    figures.around = Around::Recorded(BTreeMap::new());
    if matches!(figures.form, Form::Live(_)) {
        figures.form = Form::Report;
    }
    let replay = Replay {
        filters: &planned.filters,
        part: None,
        raw: false,
        begins_in_the_middle: evidence.begins_in_the_middle(),
    };
    let (exit, ending) = replay.run(head, || evidence.next(), figures)?;
    Ok(evidence.end(&ending).unwrap_or(exit))
}

/// How the figures are told.
#[derive(Debug)]
enum Form {
    /// JSON Lines.
    Json,
    /// A report, now and then and at the end.
    Report,
    /// A screen that is drawn again and again, and a report at the end. It is shown from the
    /// beginning of the trace to its end.
    Live(Option<OtherScreen>),
}

/// The figures, and what they are told with.
struct Figures {
    form: Form,
    output: OutputPlan,
    quiet: bool,
    verbose: bool,
    interval: Option<Duration>,
    rows: usize,
    most_lives: usize,
    wall: WallClock,
    zone: TimeZone,
    figures: TimeWait,
    session: Option<Session>,
    hz: Option<u32>,
    around: Around,
}

impl Figures {
    fn new(planned: &TimeWaitPlan, wall: WallClock, zone: TimeZone) -> Self {
        let TimeWaitPlan {
            plan,
            interval,
            rows,
            ..
        } = planned;
        let most_lives = plan.limits.connections;
        Self {
            form: match plan.output.format {
                Format::Json => Form::Json,
                _ if !plan.quiet && OtherScreen::is_possible() => Form::Live(None),
                _ => Form::Report,
            },
            output: plan.output,
            quiet: plan.quiet,
            verbose: plan.verbose > 0,
            interval: *interval,
            rows: *rows,
            most_lives,
            wall,
            zone,
            // Until the trace begins.
            figures: TimeWait::new(boot_time(), most_lives),
            session: None,
            hz: None,
            around: Around::Here(Here::new(plan.keep_privileges)),
        }
    }

    fn screen(&self) -> Screen {
        Screen {
            names: self.output.names,
            color: use_color(self.output.color),
            width: terminal_width(),
        }
    }

    /// The figures of this moment, with what surrounds them looked at again.
    fn report(&mut self, now: MonoNs) -> Report {
        let terms = Terms {
            rows: self.rows,
            hz: self.hz,
        };
        let report = self.figures.report(now, terms);
        if self.around.look(&report, &mut self.figures) {
            return self.figures.report(now, terms);
        }
        report
    }

    fn tell(&mut self, now: MonoNs, evicted: u64, is_last: bool) -> Result<(), Failure> {
        let report = self.report(now);
        let Some(session) = &self.session else {
            return Ok(());
        };
        let view = View {
            report: &report,
            method: &session.time_wait,
            cgroups: self.around.cgroups(),
            evicted,
            is_last,
        };
        let screen = self.screen();
        match &mut self.form {
            Form::Json => write(&json::line(&view, &self.wall)),
            Form::Live(Some(shown)) if !is_last => {
                let height = terminal_size().map_or(24, |(_, height)| height);
                let mut lines = screen.heading(session, &report);
                lines.truncate((height / HEADING).max(1));
                lines.extend(screen.frame(&view, self.rows, height.saturating_sub(lines.len())));
                shown.draw(&lines).map_err(Failure::Write)
            }
            Form::Live(shown) => {
                // Back on the screen that stays.
                *shown = None;
                let mut text = self.session_text();
                text += &screen.report(&view, self.rows);
                write(text.as_bytes())
            }
            Form::Report => {
                let mut text = screen.report(&view, self.rows);
                if !is_last {
                    text.push('\n');
                }
                write(text.as_bytes())
            }
        }
    }

    fn session_text(&self) -> String {
        let text = Text {
            names: self.output.names,
            raw: false,
            clock: LocalClock::new(self.wall, self.zone.clone()),
            color: use_color(self.output.color),
            width: terminal_width(),
            verbose: self.verbose,
            timewait_hooked: false,
            reset_reasons: ResetReasons::default(),
            netns_names: BTreeMap::new(),
        };
        self.session
            .as_ref()
            .map_or(String::new(), |session| text.session(session))
    }
}

impl Teller for Figures {
    fn farewell(&self) -> Option<&'static [u8]> {
        matches!(self.form, Form::Live(_)).then_some(LEAVE)
    }

    fn begin(&mut self, beginning: &Beginning) -> Result<(), Failure> {
        let session = beginning.session;
        if session.time_wait == "off" {
            return Err(Failure::NotAllowed(
                "cannot tell of TIME_WAIT: this kernel leaves only the classic hook, which does not \
                 tell the cookie by which a timewait socket is known; see `tracer doctor`"
                    .to_owned(),
            ));
        }
        self.figures = TimeWait::new(session.start, self.most_lives);
        self.hz = beginning.hz;
        self.session = Some(session.clone());
        self.around.begin(beginning.namespaces, &mut self.figures);
        match &mut self.form {
            Form::Json => {
                let json = Json {
                    names: self.output.names,
                    raw: false,
                    wall: self.wall,
                    reset_reasons: ResetReasons::default(),
                    netns_names: BTreeMap::new(),
                };
                write(&json.session(session))
            }
            Form::Live(shown) => {
                *shown = Some(OtherScreen::enter().map_err(Failure::Write)?);
                self.tell(session.start, 0, false)
            }
            Form::Report if self.quiet => Ok(()),
            Form::Report => write(self.session_text().as_bytes()),
        }
    }

    fn shows_settings(&self) -> bool {
        true
    }

    fn namespaces(&mut self, namespaces: &[Namespace]) -> Result<(), Failure> {
        for namespace in namespaces {
            if let Some(settings) = &namespace.settings {
                self.figures.learn(Some(namespace.inode), settings.clone());
            }
        }
        Ok(())
    }

    fn cgroups(&mut self, cgroups: &[(u64, String)]) -> Result<(), Failure> {
        self.around.learn_cgroups(cgroups);
        Ok(())
    }

    fn output(&mut self, output: &Output) -> Result<(), Failure> {
        self.figures.add(output);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn pace(&self) -> Option<Duration> {
        match self.form {
            Form::Live(_) => Some(self.interval.unwrap_or(PACE)),
            Form::Json | Form::Report => self.interval,
        }
    }

    fn refresh(&mut self, now: MonoNs, evicted: u64) -> Result<(), Failure> {
        self.tell(now, evicted, false)
    }

    fn check_reader(&self) -> Result<(), Failure> {
        check_reader()
    }

    fn end(&mut self, summary: &Summary, end: MonoNs) -> Result<(), Failure> {
        self.tell(end, summary.evicted, true)
    }
}

fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(Failure::Write)
}
