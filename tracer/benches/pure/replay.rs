//! Records that are in memory go through the layers.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use tracer::evidence::{Turn, Writer};
use tracer::model::Event;
use tracer::model::decode::Batch;
use tracer::track::{Follows, Limits};

use super::host::{Host, KINDS};
use super::layers::{self, Encoders, Layer};
use super::measure::cpu_ns;

/// Records that a turn of the sample has at least.
const TURN: usize = 512;
/// Connections of the sample that are open at once.
const AT_ONCE: usize = 256;

/// What a replay cost.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    to: String,
    records: u64,
    /// State changes that the tracker tells of, small sockets' included.
    changes: u64,
    cpu_ns_per_change: f64,
    changes_per_s: f64,
    evidence_bytes: Option<u64>,
    evidence_bytes_per_change: Option<f64>,
}

/// Replays a file.
///
/// # Errors
///
/// The file cannot be read, or has a record that is none.
pub(super) fn evidence(file: &Path, to: Layer) -> Result<Figures> {
    let evidence = super::evidence::read(file)?;
    run(
        to,
        layers::follows(&evidence.head),
        &evidence.turns,
        Some(evidence.bytes),
    )
}

/// How much the sample is.
#[derive(Debug, Serialize)]
pub(super) struct Sample {
    to: String,
    records: u64,
    changes: u64,
}

/// Replays the sample once, without looking at any clock: whoever counts instructions finds nothing else.
///
/// # Errors
///
/// None, unless the decoder refuses what is made here.
pub(super) fn sample(connections: u64, to: Layer) -> Result<Sample> {
    let (follows, turns) = (layers::follows_all(), turns(connections));
    let mut writer = writer()?;
    if to == Layer::Evidence {
        // What is measured is a trace that goes on, and has the memory that it needs.
        turns.iter().for_each(|turn| writer.turn(turn));
        writer.cut();
        writer.written();
    }
    pass(to, follows, &turns, &mut writer)?;
    Ok(Sample {
        to: to.name(),
        records: turns.iter().map(|turn| turn.batch.len() as u64).sum(),
        changes: count_changes(follows, &turns)?,
    })
}

fn run(to: Layer, follows: Follows, turns: &[Turn], bytes: Option<u64>) -> Result<Figures> {
    let changes = count_changes(follows, turns)?;
    let records = turns.iter().map(|turn| turn.batch.len() as u64).sum();
    let mut writer = writer()?;
    let begin = cpu_ns();
    pass(to, follows, turns, &mut writer)?;
    let ns = cpu_ns() - begin;
    let per_change = |figure: u64| figure as f64 / changes.max(1) as f64;
    Ok(Figures {
        to: to.name(),
        records,
        changes,
        cpu_ns_per_change: per_change(ns),
        changes_per_s: 1e9 / per_change(ns),
        evidence_bytes: bytes,
        evidence_bytes_per_change: bytes.map(per_change),
    })
}

/// A writer of evidence that nobody keeps.
fn writer() -> Result<Writer> {
    Ok(Writer::new(&*super::evidence::any_head()?, None))
}

/// Lets all go through.
fn pass(to: Layer, follows: Follows, turns: &[Turn], writer: &mut Writer) -> Result<()> {
    let encoders = Encoders::new();
    let mut tracker = layers::tracker(follows, Limits::default().connections as u64)?;
    tracker.handle(&Event::ExistingComplete);
    if to == Layer::Evidence {
        layers::to_evidence(writer, turns);
        return Ok(());
    }
    for turn in turns {
        if to == Layer::Decode {
            layers::decode_all(&turn.batch)?;
            continue;
        }
        layers::track_all(&mut tracker, &turn.batch)?;
        encoders.encode(to, &mut tracker);
    }
    Ok(())
}

/// How many changes are told; a run of its own, and not in the functions that are measured.
fn count_changes(follows: Follows, turns: &[Turn]) -> Result<u64> {
    let mut tracker = layers::tracker(follows, Limits::default().connections as u64)?;
    tracker.handle(&Event::ExistingComplete);
    let mut changes = 0;
    for turn in turns {
        turn.batch.events(Vec::new(), &mut tracker)?;
        changes += layers::count_all(&mut tracker);
    }
    Ok(changes)
}

/// Connections of all kinds, of which some are open at each moment.
fn turns(connections: u64) -> Vec<Turn> {
    let mut turn = Batch::default();
    let mut host = Host::new(&mut turn);
    let of = |batch| Turn {
        batch,
        ..Turn::default()
    };
    let (mut turns, mut open) = (Vec::new(), Vec::new());
    for number in 0..connections {
        let kind = KINDS[number as usize % KINDS.len()];
        open.push(host.open(kind, &mut turn));
        if open.len() == AT_ONCE {
            let closes = open.swap_remove(host.below(AT_ONCE));
            host.close(closes, &mut turn);
        }
        if turn.len() >= TURN {
            turns.push(of(std::mem::take(&mut turn)));
        }
    }
    for closes in open {
        host.close(closes, &mut turn);
    }
    turns.push(of(turn));
    turns
}
