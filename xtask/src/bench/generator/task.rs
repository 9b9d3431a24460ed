//! What the load can be told to do, and what it answers: values, and lines of text.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

const CHANGES_TO_OPEN: u64 = 4;
const CHANGES_TO_RESET: u64 = 2;

/// What the load does, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Kind {
    /// Opens a connection and resets it: no TIME_WAIT.
    Reset,
    /// Opens a connection, closes the client's end, then the server's: a TIME_WAIT at the client's.
    Orderly,
    /// A small request and its response, on one of the connections that are kept open.
    Requests,
}

impl Kind {
    pub(in crate::bench) const ALL: [Self; 3] = [Self::Reset, Self::Orderly, Self::Requests];

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
    pub(in crate::bench) const fn name(self) -> &'static str {
        match self {
            Self::Reset => "resets",
            Self::Orderly => "orderly closes",
            Self::Requests => "requests on open connections",
        }
    }

    /// What it counts.
    pub(in crate::bench) const fn unit(self) -> &'static str {
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
pub(in crate::bench) enum Amount {
    /// Connections or requests, shared out among the workers.
    Count(u32),
    /// As many as there is time for.
    Time(Duration),
}

/// What it is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Task {
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

impl Task {
    /// State changes for each connection or request.
    pub(super) const fn changes(self) -> u64 {
        match self {
            Self::Load(kind, _) => kind.changes(),
            Self::Keep => CHANGES_TO_OPEN,
            Self::Close => CHANGES_TO_RESET,
        }
    }
}

/// What was done, and what it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::bench) struct Took {
    /// Connections, or requests.
    pub(in crate::bench) units: u64,
    /// State changes.
    pub(in crate::bench) changes: u64,
    pub(in crate::bench) time: Duration,
    /// Of all CPUs together, in this process; what hooks into its system calls is in it, and what
    /// other processes do meanwhile is not.
    pub(in crate::bench) cpu: Duration,
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
}
