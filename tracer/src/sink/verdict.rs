//! What is true of files of evidence: for people, and as JSON Lines.
//!
//! | field of a `verdict` | meaning |
//! |---|---|
//! | `file` | its name |
//! | `whole` | whether nothing is damaged, missing, lost or without an end |
//! | `sealed` | how it ended: `ended`, `rotated`, or `null` |
//! | `problems` | why it is not whole, as text |
//! | `damaged` | [{`offset`, `frame`, `what`}], at most a thousand |
//! | `frames`, `entries`, `records`, `bytes`, `lost` | how much is in it, and how much is known to be missing |
//! | `first_mono_ns`, `last_mono_ns`, `first_wall`, `last_wall` | the time that it tells of |
//! | `clock_steps` | [{`since_mono_ns`, `until_mono_ns`, `wall_step_ns`, `suspended_ns`}]: the wall clock was set, or the host suspended |
//! | `hostname`, `kernel`, `boot_id`, `tracer` | what traced, on what |
//! | `seal` | chain value that stands for all of it, up to the last frame that is there |

use serde::Serialize;

use super::clock::{Rfc3339, rfc3339};
use super::json_line::json_line;
use super::text::{clock_step, counted, duration};
use crate::evidence::{Damage, EvidenceError, Head, Sealed, Verdict};
use crate::model::{MonoNs, WallClock, printable};

/// A file of evidence that was checked, and what was expected of it.
#[derive(Debug)]
pub struct Checked<'a> {
    /// Its name, safe to print.
    pub name: &'a str,
    /// What is true of it.
    pub verdict: &'a Result<Verdict, EvidenceError>,
    /// Whether another file stands before it.
    pub follows: bool,
    /// Whether no other file follows.
    pub is_last: bool,
    /// The seal that it must have, if one is known.
    pub wanted_seal: Option<&'a str>,
}

impl Checked<'_> {
    /// Returns whether it is whole: nothing damaged, missing, lost or without an end.
    pub fn is_whole(&self) -> bool {
        match self.verdict {
            Ok(verdict) => verdict.damage_count == 0 && self.problems(verdict).is_empty(),
            Err(_) => false,
        }
    }

    /// What keeps it from being whole, damages aside.
    fn problems(&self, verdict: &Verdict) -> Vec<String> {
        let mut problems = Vec::new();
        match verdict.sealed {
            None => problems.push(
                "it is not sealed: the recording was killed or cut, or it goes on still".to_owned(),
            ),
            Some(Sealed::Rotated) if self.is_last => {
                problems.push("the trace goes on in a later file, which was not given".to_owned());
            }
            Some(Sealed::Ended) if !self.is_last => {
                problems.push("the trace ends in it, and yet another file was given".to_owned());
            }
            Some(_) => {}
        }
        if verdict.previous.is_some() && !self.follows {
            problems.push("the trace begins in an earlier file, which was not given".to_owned());
        }
        if verdict.lost > 0 {
            problems.push(format!(
                "{} lost while it was traced or recorded; `tracer show` tells where",
                counted(verdict.lost, "record")
            ));
        }
        let seal = verdict.end.chain.to_string();
        if let Some(wanted) = self.wanted_seal
            && !wanted.eq_ignore_ascii_case(&seal)
        {
            problems
                .push("its seal is not the one that was given: it is other evidence".to_owned());
        }
        if verdict.unknown_entries > 0 {
            problems.push(format!(
                "{} of a later version of tracer were passed over",
                counted(verdict.unknown_entries, "thing")
            ));
        }
        problems
    }

    /// Encodes it as one line.
    pub fn json(&self) -> Vec<u8> {
        let verdict = self.verdict.as_ref().ok();
        let head = verdict.and_then(|verdict| verdict.head.as_ref());
        let wall = head.map(wall);
        let wall_of = |at: Option<MonoNs>| Some(rfc3339(wall.as_ref()?, at?));
        let problems = match self.verdict {
            Ok(verdict) => self.problems(verdict),
            Err(error) => vec![told(error)],
        };
        let damages = verdict.map_or(&[][..], |verdict| &verdict.damages);
        let totals = verdict.map(|verdict| verdict.totals);
        let steps = verdict.map_or(&[][..], |verdict| &verdict.clock_steps);
        json_line(&Line {
            r#type: "verdict",
            file: self.name,
            whole: self.is_whole(),
            sealed: verdict
                .and_then(|verdict| verdict.sealed)
                .map(|end| match end {
                    Sealed::Ended => "ended",
                    Sealed::Rotated => "rotated",
                }),
            problems,
            damaged: damages.iter().map(Damaged::of).collect(),
            frames: totals.map(|totals| totals.frames),
            entries: totals.map(|totals| totals.entries),
            records: totals.map(|totals| totals.records),
            bytes: verdict.map(|verdict| verdict.bytes),
            lost: verdict.map(|verdict| verdict.lost),
            first_mono_ns: totals.and_then(|totals| totals.first).map(|at| at.0),
            last_mono_ns: totals.and_then(|totals| totals.last).map(|at| at.0),
            first_wall: wall_of(totals.and_then(|totals| totals.first)),
            last_wall: wall_of(totals.and_then(|totals| totals.last)),
            clock_steps: steps
                .iter()
                .map(|step| Step {
                    since_mono_ns: step.since.0,
                    until_mono_ns: step.until.0,
                    wall_step_ns: i64::try_from(step.wall_ns).ok(),
                    suspended_ns: step.suspended_ns,
                })
                .collect(),
            hostname: head.map(|head| head.hostname.as_str()),
            kernel: head.map(|head| head.kernel.as_str()),
            boot_id: head.and_then(|head| head.boot_id.as_deref()),
            tracer: head.map(|head| head.tracer.as_str()),
            seal: verdict.map(|verdict| verdict.end.chain.to_string()),
        })
    }

    /// Writes it for a person.
    pub fn text(&self) -> String {
        let verdict = match self.verdict {
            Ok(verdict) => verdict,
            Err(error) => return format!("{}: NOT READABLE\n  {}\n", self.name, told(error)),
        };
        let state = match self.is_whole() {
            true => "whole and unaltered",
            false => "NOT WHOLE",
        };
        let mut text = format!("{}: {state}\n", self.name);
        let mut line = |told: &str| {
            text.push_str("  ");
            text.push_str(told);
            text.push('\n');
        };
        if let Some(head) = &verdict.head {
            line(&printable(format!(
                "{} · Linux {} {} · tracer {} · {}",
                head.hostname, head.kernel, head.machine, head.tracer, head.hook
            )));
            if let Some(span) = span(verdict, head) {
                line(&span);
            }
        }
        line(&format!(
            "{} in {} · {} bytes · {} lost",
            counted(verdict.totals.records, "record"),
            counted(verdict.totals.frames, "frame"),
            verdict.bytes,
            verdict.lost
        ));
        for step in &verdict.clock_steps {
            let at = verdict
                .head
                .as_ref()
                .map(|head| format!("by {}: ", rfc3339(&wall(head), step.until)));
            line(&format!("{}{}", at.unwrap_or_default(), clock_step(step)));
        }
        for problem in self.problems(verdict) {
            line(&format!("!! {problem}"));
        }
        for damage in &verdict.damages {
            line(&format!("!! {damage}"));
        }
        let untold = verdict.damage_count - verdict.damages.len() as u64;
        if untold > 0 {
            line(&format!("!! and {}", counted(untold, "more damage")));
        }
        line(&format!("seal {}", verdict.end.chain));
        text
    }
}

/// An error with its cause.
fn told(error: &EvidenceError) -> String {
    match error {
        EvidenceError::Read(cause) => format!("{error}: {cause}"),
        _ => error.to_string(),
    }
}

fn wall(head: &Head) -> WallClock {
    WallClock::new(head.clock.mono, head.clock.wall_ns)
}

fn span(verdict: &Verdict, head: &Head) -> Option<String> {
    let (first, last) = (verdict.totals.first?, verdict.totals.last?);
    Some(format!(
        "{} to {} · {}",
        rfc3339(&wall(head), first),
        rfc3339(&wall(head), last),
        duration(last.since(first)?)
    ))
}

#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    file: &'a str,
    whole: bool,
    sealed: Option<&'static str>,
    problems: Vec<String>,
    damaged: Vec<Damaged>,
    frames: Option<u64>,
    entries: Option<u64>,
    records: Option<u64>,
    bytes: Option<u64>,
    lost: Option<u64>,
    first_mono_ns: Option<u64>,
    last_mono_ns: Option<u64>,
    first_wall: Option<Rfc3339>,
    last_wall: Option<Rfc3339>,
    clock_steps: Vec<Step>,
    hostname: Option<&'a str>,
    kernel: Option<&'a str>,
    boot_id: Option<&'a str>,
    tracer: Option<&'a str>,
    seal: Option<String>,
}

#[derive(Serialize)]
struct Damaged {
    offset: u64,
    frame: u64,
    what: String,
}

impl Damaged {
    fn of(damage: &Damage) -> Self {
        Self {
            offset: damage.offset,
            frame: damage.frame,
            what: damage.what.to_string(),
        }
    }
}

#[derive(Serialize)]
struct Step {
    since_mono_ns: u64,
    until_mono_ns: u64,
    wall_step_ns: Option<i64>,
    suspended_ns: u64,
}
