//! The load: connections and requests, as fast as the machine can.
//!
//! A process of its own, started again from this program inside a network namespace: commands come
//! as lines on its standard input, answers as lines on its output. It ends with its input, so it never
//! outlives whoever started it.
//!
//! A command is a kind of load and how much of it, `reset count 1` or `orderly ms 300`; an answer is
//! what was done: connections or requests, state changes, and nanoseconds of time and of CPUs.

mod work;

use std::fmt;
use std::io::{self, BufRead as _, Write as _};
use std::str::FromStr;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use rustix::time::{ClockId, clock_gettime};

use work::Worker;

/// How much load.
#[derive(clap::Args)]
pub(crate) struct GeneratorArgs {
    /// Threads
    #[arg(long)]
    workers: u32,
}

/// What the load does, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Opens a connection and resets it: no TIME_WAIT.
    Reset,
    /// Opens a connection, closes the client's end, then the server's: a TIME_WAIT at the client's.
    Orderly,
    /// A small request and its response, on one connection of many that stay open.
    Requests,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Reset, Self::Orderly, Self::Requests];

    /// State changes that `inet_sock_set_state` shows of a connection of this kind, from its first to its last.
    ///
    /// # Kernel
    ///
    /// Client SYN_SENT, ESTABLISHED; server SYN_RECV, ESTABLISHED. A reset adds CLOSE to both. An
    /// orderly close adds FIN_WAIT1, FIN_WAIT2, CLOSE (TIME_WAIT is another socket, which the
    /// tracepoint does not show) and CLOSE_WAIT, LAST_ACK, CLOSE.
    pub(super) const fn changes_per_connection(self) -> u64 {
        match self {
            Self::Reset | Self::Requests => 6,
            Self::Orderly => 10,
        }
    }

    /// As a title.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Reset => "resets",
            Self::Orderly => "orderly closes",
            Self::Requests => "requests on open connections",
        }
    }

    /// What it counts.
    pub(super) const fn unit(self) -> &'static str {
        match self {
            Self::Reset | Self::Orderly => "connection",
            Self::Requests => "request",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Orderly => "orderly",
            Self::Requests => "requests",
        }
    }
}

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Amount {
    /// Connections or requests, shared out among the workers.
    Count(u32),
    /// As many as there is time for.
    Time(Duration),
}

/// What it is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) kind: Kind,
    pub(super) amount: Amount,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.kind.word();
        match self.amount {
            Amount::Count(count) => write!(f, "{word} count {count}"),
            Amount::Time(time) => write!(f, "{word} ms {}", time.as_millis()),
        }
    }
}

impl FromStr for Task {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let task = || {
            let (word, amount) = line.split_once(' ')?;
            let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word)?;
            let amount = match amount.split_once(' ')? {
                ("count", count) => Amount::Count(count.parse().ok()?),
                ("ms", time) => Amount::Time(Duration::from_millis(time.parse().ok()?)),
                _ => return None,
            };
            Some(Self { kind, amount })
        };
        task().with_context(|| format!("{line:?} is no command"))
    }
}

/// What was done, and what it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Took {
    /// Connections, or requests.
    pub(super) units: u64,
    /// State changes, those before and after the time that was taken included.
    pub(super) changes: u64,
    pub(super) time: Duration,
    /// Of all CPUs together, in this process; what hooks into its system calls is in it, and what
    /// other processes do meanwhile is not.
    pub(super) cpu: Duration,
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, cpu) = (self.time.as_nanos(), self.cpu.as_nanos());
        write!(f, "{} {} {time} {cpu}", self.units, self.changes)
    }
}

impl FromStr for Took {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let numbers: Vec<u64> = line
            .split_whitespace()
            .map_while(|word| word.parse().ok())
            .collect();
        let &[units, changes, time, cpu] = numbers.as_slice() else {
            return Err(anyhow!("{line:?} is no answer"));
        };
        Ok(Self {
            units,
            changes,
            time: Duration::from_nanos(time),
            cpu: Duration::from_nanos(cpu),
        })
    }
}

/// Serves commands until the input ends.
pub(crate) fn serve(args: &GeneratorArgs) -> Result<()> {
    let workers = workers(args.workers)?;
    for line in io::stdin().lock().lines() {
        let task = line.context("cannot read a command")?.parse()?;
        let took = run(&workers, task)?;
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

/// Lets all workers do their share. The clocks run from when all are ready until the last has done
/// its work; what they still have open is closed afterwards.
fn run(workers: &[Worker], task: Task) -> Result<Took> {
    let count = u32::try_from(workers.len()).context("too many workers")?;
    let line = Barrier::new(workers.len() + 1);
    thread::scope(|scope| {
        let line = &line;
        let running: Vec<_> = (0..count)
            .zip(workers)
            .map(|(number, worker)| {
                let amount = match task.amount {
                    Amount::Count(all) => {
                        Amount::Count(all / count + u32::from(number < all % count))
                    }
                    time @ Amount::Time(_) => time,
                };
                scope.spawn(move || {
                    let prepared = worker.prepare(task.kind);
                    line.wait();
                    let done = prepared.and_then(|open| {
                        let units = worker.work(task.kind, &open, amount)?;
                        Ok((units, open))
                    });
                    // The time is taken between these two.
                    line.wait();
                    line.wait();
                    let (units, open) = done?;
                    let closed = work::close(open)?;
                    let connections = if task.kind == Kind::Requests {
                        closed
                    } else {
                        units
                    };
                    Ok((units, connections * task.kind.changes_per_connection()))
                })
            })
            .collect();
        line.wait();
        let (start, cpu_before) = (Instant::now(), cpu_time()?);
        line.wait();
        let mut took = Took {
            time: start.elapsed(),
            cpu: cpu_time()?.saturating_sub(cpu_before),
            ..Took::default()
        };
        line.wait();
        for worker in running {
            let ended: io::Result<(u64, u64)> =
                worker.join().map_err(|_| anyhow!("a worker panicked"))?;
            let (units, changes) =
                ended.context("cannot open and close connections on loopback")?;
            took.units += units;
            took.changes += changes;
        }
        Ok(took)
    })
}

fn cpu_time() -> Result<Duration> {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).context("the clock of this process is before its start")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_answers_are_read_as_they_are_written() {
        for kind in Kind::ALL {
            for amount in [Amount::Count(7), Amount::Time(Duration::from_millis(300))] {
                let task = Task { kind, amount };
                assert_eq!(task.to_string().parse::<Task>().ok(), Some(task));
            }
        }
        let took = Took {
            units: 3,
            changes: 18,
            time: Duration::from_nanos(1_000_000_007),
            cpu: Duration::from_nanos(5),
        };
        assert_eq!(took.to_string().parse::<Took>().ok(), Some(took));
        for nonsense in [
            "",
            "reset",
            "reset 1",
            "reset ms",
            "close count 1",
            "reset count -1",
        ] {
            assert!(nonsense.parse::<Task>().is_err(), "{nonsense:?}");
        }
        assert!("1 2 3".parse::<Took>().is_err());
        assert!("1 2 3 x".parse::<Took>().is_err());
    }

    #[test]
    fn all_is_done_whatever_the_number_of_workers() {
        let workers = workers(3).expect("listens on loopback");
        for (kind, changes) in [(Kind::Reset, 42), (Kind::Orderly, 70)] {
            let amount = Amount::Count(7);
            let took = run(&workers, Task { kind, amount }).expect("loopback works");
            assert_eq!((took.units, took.changes), (7, changes), "{kind:?}");
            assert!(took.time > Duration::ZERO && took.cpu > Duration::ZERO);
        }
        let amount = Amount::Count(1000);
        let kind = Kind::Requests;
        let took = run(&workers, Task { kind, amount }).expect("loopback works");
        assert_eq!(took.units, 1000);
        assert_eq!(took.changes, 3 * 128 * 6);
        for worker in &workers {
            assert!(worker.has_nothing_to_accept(), "all were accepted");
        }
    }
}
