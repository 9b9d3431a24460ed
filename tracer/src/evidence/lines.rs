//! Entries as lines of JSON: which keys there are, and what they hold.
//!
//! **Owns:** the schema, in structures of its own: the model's can change without it.
//! **Never:** a record: a turn's line says how many it takes, and they stand behind the text.
//!
//! A key that is not known is passed over, and one that is missing is unknown. Times are nanoseconds of the
//! boot-time clock, but for `wall_ns`, which is since the Unix epoch, in a string: it can be longer than
//! the numbers of many readers.

mod head;
mod kernel;
mod process;
mod turn;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::entry::{Clock, Closing, Entry, Turn};
use crate::model::MonoNs;

use head::HeadLine;
use kernel::{ExistingLine, NamespaceLine, ReadingLine};
use process::ProcessLine;
pub(super) use turn::TurnLine;

/// A line, to be written.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line {
    Head(Box<HeadLine>),
    Counters { counters: Vec<ReadingLine> },
    Namespaces { namespaces: Vec<NamespaceLine> },
    Cgroups { cgroups: Vec<(u64, String)> },
    Processes { processes: Vec<ProcessLine> },
    Existing(ExistingLine),
    ExistingComplete,
    Turn(TurnLine),
    Clock(ClockLine),
    Closing(ClosingLine),
    End { at: u64 },
}

/// What a line is, read before the rest of it: so a key that nobody knows is passed over where it stands, and
/// takes no memory, however long it is.
#[derive(Deserialize)]
struct Kind<'l> {
    #[serde(borrow, rename = "type")]
    name: Cow<'l, str>,
}

#[derive(Deserialize)]
struct CountersLine {
    counters: Vec<ReadingLine>,
}

#[derive(Deserialize)]
struct NamespacesLine {
    namespaces: Vec<NamespaceLine>,
}

#[derive(Deserialize)]
struct CgroupsLine {
    cgroups: Vec<(u64, String)>,
}

#[derive(Deserialize)]
struct ProcessesLine {
    processes: Vec<ProcessLine>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ClosingLine {
    at: u64,
    counters: Vec<ReadingLine>,
    /// Only where there are some.
    #[serde(default, skip_serializing_if = "is_none")]
    not_followed: u64,
}

fn is_none(number: &u64) -> bool {
    *number == 0
}

#[derive(Deserialize)]
struct EndOfTraceLine {
    at: u64,
}

/// The clocks at one moment.
#[derive(Serialize, Deserialize)]
pub(super) struct ClockLine {
    mono_ns: u64,
    wall_ns: String,
    suspended_ns: u64,
}

impl From<Clock> for ClockLine {
    fn from(clock: Clock) -> Self {
        Self {
            mono_ns: clock.mono.0,
            wall_ns: clock.wall_ns.to_string(),
            suspended_ns: clock.suspended_ns,
        }
    }
}

impl ClockLine {
    fn into_clock(self) -> Result<Clock, String> {
        let wall_ns = self.wall_ns.parse();
        Ok(Clock {
            mono: MonoNs(self.mono_ns),
            wall_ns: wall_ns.map_err(|_| format!("`wall_ns` is no number: {:?}", self.wall_ns))?,
            suspended_ns: self.suspended_ns,
        })
    }
}

/// What a line says.
pub(super) enum Said {
    /// An entry. A turn is without its records: so many, and whether its next line goes on with it.
    Entry(Entry, u32, bool),
    /// Nothing that this version knows.
    Unknown,
}

impl Line {
    /// Makes the line of an entry; `records` of a turn's records belong to it.
    pub(super) fn of(entry: &Entry) -> Self {
        let readings =
            |readings: &[crate::model::Reading]| readings.iter().map(ReadingLine::from).collect();
        match entry {
            Entry::Head(head) => Self::Head(Box::new(HeadLine::from(&**head))),
            Entry::Counters(counters) => Self::Counters {
                counters: readings(counters),
            },
            Entry::Namespaces(namespaces) => Self::Namespaces {
                namespaces: namespaces.iter().map(NamespaceLine::from).collect(),
            },
            Entry::Cgroups(cgroups) => Self::Cgroups {
                cgroups: cgroups.clone(),
            },
            Entry::Processes(processes) => Self::Processes {
                processes: processes.iter().map(ProcessLine::from).collect(),
            },
            Entry::Existing(existing) => Self::Existing(ExistingLine::from(existing)),
            Entry::ExistingComplete => Self::ExistingComplete,
            Entry::Turn(turn) => Self::turn(turn, turn.batch.records().count() as u32),
            Entry::Clock(clock) => Self::Clock(ClockLine::from(*clock)),
            Entry::Closing(closing) => Self::Closing(ClosingLine {
                at: closing.at.0,
                counters: readings(&closing.counters),
                not_followed: closing.not_followed,
            }),
            Entry::End(at) => Self::End { at: at.0 },
        }
    }

    /// Makes the line of a turn that takes so many records.
    pub(super) fn turn(turn: &Turn, records: u32) -> Self {
        Self::Turn(TurnLine::new(turn, records))
    }

    /// Appends it, without an end.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self)
            .expect("memory takes any bytes, and every key of these structures is a string");
    }

    /// Writes it in place of what is there, without an end.
    pub(super) fn write_anew(&self, out: &mut Vec<u8>) {
        out.clear();
        self.write(out);
    }

    /// Reads a line; the error says why it is none.
    pub(super) fn read(line: &[u8]) -> Result<Said, String> {
        let Kind { name } = parse(line)?;
        let readings = |lines: Vec<ReadingLine>| lines.into_iter().map(Into::into).collect();
        let entry = match &*name {
            "head" => Entry::Head(Box::new(parse::<HeadLine>(line)?.into_head()?)),
            "counters" => Entry::Counters(readings(parse::<CountersLine>(line)?.counters)),
            "namespaces" => {
                let NamespacesLine { namespaces } = parse(line)?;
                let namespaces = namespaces.into_iter().map(NamespaceLine::into_namespace);
                Entry::Namespaces(namespaces.collect::<Result<_, _>>()?)
            }
            "cgroups" => Entry::Cgroups(parse::<CgroupsLine>(line)?.cgroups),
            "processes" => {
                let ProcessesLine { processes } = parse(line)?;
                Entry::Processes(processes.into_iter().map(Into::into).collect())
            }
            "existing" => Entry::Existing(parse::<ExistingLine>(line)?.into_existing()?),
            "existing_complete" => Entry::ExistingComplete,
            "turn" => {
                let turn: TurnLine = parse(line)?;
                let (records, goes_on) = (turn.records, turn.goes_on);
                return Ok(Said::Entry(
                    Entry::Turn(turn.into_turn()?),
                    records,
                    goes_on,
                ));
            }
            "clock" => Entry::Clock(parse::<ClockLine>(line)?.into_clock()?),
            "closing" => {
                let ClosingLine {
                    at,
                    counters,
                    not_followed,
                } = parse(line)?;
                Entry::Closing(Closing {
                    at: MonoNs(at),
                    counters: readings(counters),
                    not_followed,
                })
            }
            "end" => Entry::End(MonoNs(parse::<EndOfTraceLine>(line)?.at)),
            _ => return Ok(Said::Unknown),
        };
        Ok(Said::Entry(entry, 0, false))
    }
}

/// Reads a line as what it is said to be.
fn parse<'l, T: Deserialize<'l>>(line: &'l [u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|error| error.to_string())
}
