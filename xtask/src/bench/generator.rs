//! The load: connections and requests, as fast as the machine can.
//!
//! A process of its own, started again from this program inside a network namespace: commands come
//! as lines on its standard input, answers as lines on its output. It ends with its input, so it never
//! outlives whoever started it.
//!
//! A command is a kind of load and how much of it, `reset count 1` or `orderly ms 300`, or what comes
//! before and after requests, `keep` and `close`. An answer is what was done: connections or requests,
//! state changes, and nanoseconds of time and of CPUs.

mod task;
mod work;

use std::io::{self, BufRead as _, Write as _};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use rustix::time::{ClockId, clock_gettime};

use work::Worker;

pub(super) use task::{Amount, Kind, Task, Took};

/// How much load.
#[derive(clap::Args)]
pub(crate) struct GeneratorArgs {
    /// Threads
    #[arg(long)]
    workers: u32,
}

/// Serves commands until the input ends.
pub(crate) fn serve(args: &GeneratorArgs) -> Result<()> {
    let mut workers = workers(args.workers)?;
    for line in io::stdin().lock().lines() {
        let task = line.context("cannot read a command")?.parse()?;
        let took = run(&mut workers, task)?;
        let mut out = io::stdout().lock();
        writeln!(out, "{took}").context("cannot answer")?;
        out.flush().context("cannot answer")?;
    }
    Ok(())
}

fn workers(count: u32) -> Result<Vec<Worker>> {
    (0..count)
        .map(|number| Worker::listen(number).context("cannot listen on loopback"))
        .collect()
}

/// Lets all workers do their share, at the same time.
fn run(workers: &mut [Worker], task: Task) -> Result<Took> {
    let count = u32::try_from(workers.len()).context("too many workers")?;
    let line = Barrier::new(workers.len() + 1);
    thread::scope(|scope| {
        let line = &line;
        let running: Vec<_> = (0..count)
            .zip(workers)
            .map(|(number, worker)| {
                scope.spawn(move || {
                    line.wait();
                    match task {
                        Task::Load(kind, amount) => worker.load(kind, share(amount, number, count)),
                        Task::Keep => worker.keep(),
                        Task::Close => worker.close(),
                    }
                })
            })
            .collect();
        let (start, cpu_before) = (Instant::now(), cpu_time()?);
        line.wait();
        let mut units = 0;
        for worker in running {
            let done = worker.join().map_err(|_| anyhow!("a worker panicked"))?;
            units += done.context("cannot do this on loopback")?;
        }
        Ok(Took {
            units,
            changes: units * task.changes(),
            time: start.elapsed(),
            cpu: cpu_time()?.saturating_sub(cpu_before),
        })
    })
}

/// What one of the workers does of it; all have the same time.
fn share(amount: Amount, number: u32, workers: u32) -> Amount {
    match amount {
        Amount::Count(all) => Amount::Count(all / workers + u32::from(number < all % workers)),
        Amount::Time(_) => amount,
    }
}

fn cpu_time() -> Result<Duration> {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).context("the clock of this process is before its start")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_done_whatever_the_number_of_workers() {
        let mut workers = workers(3).expect("listens on loopback");
        let kept = 3 * u64::from(work::KEPT);
        let tasks = [
            (Task::Load(Kind::Reset, Amount::Count(7)), 7, 42),
            (Task::Load(Kind::Orderly, Amount::Count(7)), 7, 70),
            (Task::Keep, kept, kept * 4),
            (Task::Load(Kind::Requests, Amount::Count(1000)), 1000, 0),
            (Task::Close, kept, kept * 2),
            (Task::Close, 0, 0),
        ];
        for (task, units, changes) in tasks {
            let took = run(&mut workers, task).expect("loopback works");
            assert_eq!((took.units, took.changes), (units, changes), "{task}");
            assert!(took.time > Duration::ZERO && took.cpu > Duration::ZERO);
        }
        for worker in &workers {
            assert!(worker.has_nothing_to_accept(), "all were accepted");
        }
    }

    #[test]
    fn requests_need_connections() {
        let mut workers = workers(1).expect("listens on loopback");
        let task = Task::Load(Kind::Requests, Amount::Count(1));
        let error = run(&mut workers, task).expect_err("there are none");
        assert!(
            format!("{error:#}").contains("no connection is kept"),
            "{error:#}"
        );
    }
}
