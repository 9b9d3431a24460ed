//! Connections that stay as many while they come and go.

use std::collections::VecDeque;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;
use tracer::model::Event;
use tracer::model::decode::Batch;
use tracer::track::Tracker;

use super::host::{Host, KINDS, Open};
use super::layers;
use super::measure::{cpu_ns, rss_bytes};

/// Steps whose records are read at once.
const AT_ONCE: u64 = 256;
/// Points at which churn tells the memory.
const POINTS: u64 = 10;

/// Which connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Close {
    Random,
    Oldest,
}

/// What a population costs.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    live: u64,
    /// State changes measured.
    changes: u64,
    cpu_ns_per_change: f64,
    rss_bytes_per_connection: f64,
    rss_bytes: u64,
    /// As the changes went on: memory, at equal distances.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rss_bytes_at: Vec<u64>,
}

/// The connections, and a tracker that follows them.
struct Population {
    host: Host,
    open: VecDeque<Open>,
    opened: usize,
    tracker: Tracker,
    batch: Batch,
    /// What each connection takes, once all are open.
    rss_bytes_per_connection: f64,
}

impl Population {
    /// Opens all.
    fn new(live: u64) -> Result<Self> {
        let mut batch = Batch::default();
        let mut population = Self {
            host: Host::new(&mut batch),
            open: VecDeque::new(),
            opened: 0,
            // None is to be let go.
            tracker: layers::tracker(layers::follows_all(), live.saturating_mul(2).max(16))?,
            batch,
            rss_bytes_per_connection: 0.0,
        };
        population.tracker.handle(&Event::ExistingComplete);
        population.take_own_memory(live);
        let before = rss_bytes()?;
        while (population.open.len() as u64) < live {
            let missing = live - population.open.len() as u64;
            for _ in 0..missing.min(AT_ONCE) {
                population.open();
            }
            population.track()?;
        }
        let taken = rss_bytes()?.saturating_sub(before);
        population.rss_bytes_per_connection = taken as f64 / live.max(1) as f64;
        Ok(population)
    }

    /// What the bench itself needs for so many connections is not to be counted.
    fn take_own_memory(&mut self, live: u64) {
        let mut unused = Batch::default();
        let any = Host::new(&mut unused).open(KINDS[0], &mut unused);
        self.open.resize(live as usize + 1, any);
        self.open.clear();
    }

    /// Opens one more.
    fn open(&mut self) {
        self.opened += 1;
        let kind = KINDS[self.opened % KINDS.len()];
        self.open.push_back(self.host.open(kind, &mut self.batch));
    }

    /// Opens and closes so many; returns how many changes that were, and what they cost.
    fn step(&mut self, steps: u64, close: Close) -> Result<(u64, u64)> {
        for _ in 0..steps {
            self.open();
            if close == Close::Random {
                let chosen = self.host.below(self.open.len());
                self.open.swap(0, chosen);
            }
            if let Some(closes) = self.open.pop_front() {
                self.host.close(closes, &mut self.batch);
            }
        }
        self.track()
    }

    /// Tracks the records at hand.
    fn track(&mut self) -> Result<(u64, u64)> {
        let begin = cpu_ns();
        layers::track_all(&mut self.tracker, &self.batch)?;
        let changes = layers::count_all(&mut self.tracker);
        let ns = cpu_ns() - begin;
        self.batch.clear();
        Ok((changes, ns))
    }
}

/// Measures a population that stays as it is, as many steps as are wanted.
///
/// # Errors
///
/// The memory of this process cannot be read.
pub(super) fn steady(live: u64, steps: u64, close: Close) -> Result<Figures> {
    let mut population = Population::new(live)?;
    let (mut changes, mut ns, mut left) = (0, 0, steps);
    while left > 0 {
        let now = left.min(AT_ONCE);
        left -= now;
        let (changed, took) = population.step(now, close)?;
        changes += changed;
        ns += took;
    }
    figures(live, changes, ns, &population, Vec::new())
}

/// Goes on until there were so many changes, and tells the memory on the way.
///
/// # Errors
///
/// The memory of this process cannot be read.
pub(super) fn churn(live: u64, wanted: u64) -> Result<Figures> {
    let mut population = Population::new(live)?;
    let (mut changes, mut ns, mut points) = (0, 0, Vec::new());
    while changes < wanted {
        let (changed, took) = population.step(AT_ONCE, Close::Random)?;
        changes += changed;
        ns += took;
        if changes >= wanted / POINTS * (points.len() as u64 + 1) {
            points.push(rss_bytes()?);
        }
    }
    points.truncate(POINTS as usize);
    figures(live, changes, ns, &population, points)
}

fn figures(
    live: u64,
    changes: u64,
    ns: u64,
    population: &Population,
    rss_bytes_at: Vec<u64>,
) -> Result<Figures> {
    Ok(Figures {
        live,
        changes,
        cpu_ns_per_change: ns as f64 / changes.max(1) as f64,
        rss_bytes_per_connection: population.rss_bytes_per_connection,
        rss_bytes: rss_bytes()?,
        rss_bytes_at,
    })
}
