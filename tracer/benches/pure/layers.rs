//! The layers, each in a function of its own that is never inlined: so a profiler can tell what each costs.

use std::collections::BTreeMap;
use std::hint::black_box;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use jiff::tz::TimeZone;
use tracer::evidence::{Head, Turn, Writer};
use tracer::model::decode::{Batch, decode};
use tracer::model::{MonoNs, Naming, ResetReasons, WallClock};
use tracer::sink::{clock::LocalClock, csv::Csv, json::Json, text::Text};
use tracer::store::FRAME_BYTES;
use tracer::track::{Follows, Limits, Origin, Output, Selection, Timewaits, Tracker};

use super::records::TICK_NS;

/// How far records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Layer {
    Decode,
    Tracker,
    Text,
    Json,
    Csv,
    Evidence,
}

impl Layer {
    /// Its name, as it is given.
    pub(super) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Packs all records into frames of evidence as the recorder cuts them, which nobody keeps.
#[inline(never)]
pub(super) fn to_evidence(writer: &mut Writer, turns: &[Turn]) {
    for turn in turns {
        writer.turn(turn);
        if writer.pending_bytes() >= FRAME_BYTES {
            cut(writer);
        }
    }
    cut(writer);
}

fn cut(writer: &mut Writer) {
    black_box(writer.cut());
    writer.written();
}

/// Decodes all records.
///
/// # Errors
///
/// A record is none.
#[inline(never)]
pub(super) fn decode_all(batch: &Batch) -> Result<()> {
    for record in batch.records() {
        black_box(decode(record)?);
    }
    Ok(())
}

/// Decodes all records, and lets a tracker take them in.
///
/// # Errors
///
/// A record is none.
#[inline(never)]
pub(super) fn track_all(tracker: &mut Tracker, batch: &Batch) -> Result<()> {
    batch.events(Vec::new(), tracker)?;
    Ok(())
}

/// Takes out all that a tracker tells, and returns how many state changes were among it, small sockets' included.
#[inline(never)]
pub(super) fn count_all(tracker: &mut Tracker) -> u64 {
    let mut changes = 0;
    while let Some(output) = tracker.poll() {
        let is_change =
            matches!(&output, Output::Change(change) if change.origin != Origin::Snapshot);
        changes += u64::from(is_change);
    }
    changes
}

/// The three encoders.
pub(super) struct Encoders {
    text: Text,
    json: Json,
    csv: Csv,
}

impl Encoders {
    /// Makes those that a pipe gets, in UTC.
    pub(super) fn new() -> Self {
        let (names, raw) = (Naming::Netstat, false);
        let wall = WallClock::new(MonoNs(0), 1_700_000_000_000_000_000);
        Self {
            text: Text {
                names,
                raw,
                clock: LocalClock::new(wall, TimeZone::UTC),
                color: false,
                width: None,
                verbose: false,
                timewait_hooked: true,
                reset_reasons: ResetReasons::default(),
                netns_names: BTreeMap::new(),
            },
            json: Json {
                names,
                raw,
                wall,
                reset_reasons: ResetReasons::default(),
                netns_names: BTreeMap::new(),
            },
            csv: Csv { names, raw, wall },
        }
    }

    /// Encodes all that a tracker tells, for a layer; for those that encode nothing it is only taken out.
    pub(super) fn encode(&self, layer: Layer, tracker: &mut Tracker) {
        match layer {
            Layer::Decode | Layer::Tracker | Layer::Evidence => {
                black_box(count_all(tracker));
            }
            Layer::Text => to_text(&self.text, tracker),
            Layer::Json => to_json(&self.json, tracker),
            Layer::Csv => to_csv(&self.csv, tracker),
        }
    }
}

/// Encodes for people.
#[inline(never)]
pub(super) fn to_text(text: &Text, tracker: &mut Tracker) {
    let mut line = String::new();
    while let Some(output) = tracker.poll() {
        line.clear();
        match &output {
            Output::Change(change) => text.change(change, &mut line),
            Output::Timeline(timeline) => text.timeline(timeline, &mut line),
            Output::Loss(_) | Output::Held(_) => {}
        }
        black_box(&line);
    }
}

/// Encodes as JSON Lines.
#[inline(never)]
pub(super) fn to_json(json: &Json, tracker: &mut Tracker) {
    let mut line = String::new();
    while let Some(output) = tracker.poll() {
        line.clear();
        match &output {
            Output::Change(change) => json.change(change, &mut line),
            Output::Timeline(timeline) => json.timeline(timeline, &mut line),
            Output::Loss(_) | Output::Held(_) => {}
        }
        black_box(&line);
    }
}

/// Encodes as a table.
#[inline(never)]
pub(super) fn to_csv(csv: &Csv, tracker: &mut Tracker) {
    let mut line = String::new();
    while let Some(output) = tracker.poll() {
        line.clear();
        match &output {
            Output::Change(change) => csv.change(change, &mut line),
            Output::Timeline(timeline) => csv.timeline(timeline, &mut line),
            Output::Loss(_) | Output::Held(_) => {}
        }
        black_box(&line);
    }
}

/// What a tracker follows of what is made here: everything, by hooks.
pub(super) fn follows_all() -> Follows {
    Follows {
        timewaits: Timewaits::Hooked,
        requests: true,
        since: MonoNs(0),
        armings: true,
        resets: true,
        tick_ns: Some(TICK_NS),
    }
}

/// What a tracker follows of evidence.
pub(super) fn follows(head: &Head) -> Follows {
    Follows {
        timewaits: match head.time_wait.as_str() {
            "off" => Timewaits::Unseen,
            "diag" => Timewaits::Asked,
            _ => Timewaits::Hooked,
        },
        requests: head.half_open != "off",
        since: head.start,
        armings: head.time_wait == "fentry" || head.sees_silent_rearms,
        resets: head.tells_resets,
        tick_ns: head.hz.map(|hz| 1_000_000_000 / u64::from(hz.max(1))),
    }
}

/// A tracker as it is after everything that existed has been told of.
pub(super) fn tracker(follows: Follows, most: u64) -> Result<Tracker> {
    let limits = Limits {
        connections: usize::try_from(most).context("more connections than memory has addresses")?,
        ..Limits::default()
    };
    let mut tracker = Tracker::new(Selection::default(), limits);
    tracker.follow(follows);
    Ok(tracker)
}
