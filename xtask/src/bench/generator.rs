//! The load: connections and requests, as fast as the machine can.
//!
//! A process of its own, started again from this program inside a network namespace: commands come
//! as lines on its standard input, answers as lines on its output. It ends with its input, so it never
//! outlives whoever started it.
//!
//! A command is a kind of load and how much of it, `reset count 1` or `orderly ms 300`, or what comes
//! before and after requests, `keep` and `close`. An answer is what was done: connections or requests,
//! state changes, and nanoseconds of time and of CPUs.

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

const CHANGES_TO_OPEN: u64 = 4;
const CHANGES_TO_RESET: u64 = 2;

/// What the load does, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Opens a connection and resets it: no TIME_WAIT.
    Reset,
    /// Opens a connection, closes the client's end, then the server's: a TIME_WAIT at the client's.
    Orderly,
    /// A small request and its response, on one of the connections that are kept open.
    Requests,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Reset, Self::Orderly, Self::Requests];

    /// State changes that `inet_sock_set_state` shows of each connection, or request.
    ///
    /// # Kernel
    ///
    /// Opening: client SYN_SENT, ESTABLISHED; server SYN_RECV, ESTABLISHED. A reset adds CLOSE to both.
    /// An orderly close adds FIN_WAIT1, FIN_WAIT2, CLOSE (TIME_WAIT is another socket, which the
    /// tracepoint does not show) and CLOSE_WAIT, LAST_ACK, CLOSE.
    const fn changes(self) -> u64 {
        match self {
            Self::Reset => CHANGES_TO_OPEN + CHANGES_TO_RESET,
            Self::Orderly => CHANGES_TO_OPEN + 6,
            Self::Requests => 0,
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
pub(super) enum Task {
    Load(Kind, Amount),
    /// Opens connections, and keeps them for requests.
    Keep,
    /// Resets those.
    Close,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(kind, Amount::Count(count)) => write!(f, "{} count {count}", kind.word()),
            Self::Load(kind, Amount::Time(time)) => {
                write!(f, "{} ms {}", kind.word(), time.as_millis())
            }
            Self::Keep => f.write_str("keep"),
            Self::Close => f.write_str("close"),
        }
    }
}

impl FromStr for Task {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let load = || {
            let (word, amount) = line.split_once(' ')?;
            let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word)?;
            let amount = match amount.split_once(' ')? {
                ("count", count) => Amount::Count(count.parse().ok()?),
                ("ms", time) => Amount::Time(Duration::from_millis(time.parse().ok()?)),
                _ => return None,
            };
            Some(Self::Load(kind, amount))
        };
        match line {
            "keep" => Ok(Self::Keep),
            "close" => Ok(Self::Close),
            _ => load().with_context(|| format!("{line:?} is no command")),
        }
    }
}

/// What was done, and what it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Took {
    /// Connections, or requests.
    pub(super) units: u64,
    /// State changes.
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

impl Task {
    /// State changes for each connection or request.
    const fn changes(self) -> u64 {
        match self {
            Self::Load(kind, _) => kind.changes(),
            Self::Keep => CHANGES_TO_OPEN,
            Self::Close => CHANGES_TO_RESET,
        }
    }
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
    fn commands_and_answers_are_read_as_they_are_written() {
        let amounts = [Amount::Count(7), Amount::Time(Duration::from_millis(300))];
        let loads = Kind::ALL.map(|kind| amounts.map(|amount| Task::Load(kind, amount)));
        for task in loads.into_iter().flatten().chain([Task::Keep, Task::Close]) {
            assert_eq!(task.to_string().parse::<Task>().ok(), Some(task));
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
            "close 1",
            "reset count -1",
        ] {
            assert!(nonsense.parse::<Task>().is_err(), "{nonsense:?}");
        }
        assert!("1 2 3".parse::<Took>().is_err());
        assert!("1 2 3 x".parse::<Took>().is_err());
    }

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
