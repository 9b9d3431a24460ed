//! The load: connections that are opened and reset as fast as the machine can.
//!
//! A process of its own, started again from this program inside a network namespace: commands come
//! as lines on its standard input, `open COUNT`; answers on its output are nanoseconds, of time and of
//! CPUs. It ends with its input, so it never outlives whoever started it.
//!
//! Each worker holds both ends and takes them in turns: connect, accept, reset, close. Nothing waits
//! for another thread, so a full accept queue or an unlucky wake-up cannot enter the figures, and no
//! core is idle: user space that reads along has to share one, which is what is to be seen.

use std::io::{self, BufRead as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use rustix::net::sockopt::set_socket_linger;
use rustix::time::{ClockId, clock_gettime};

/// State changes that each connection makes: client CLOSE, SYN_SENT, ESTABLISHED, CLOSE; server
/// LISTEN, SYN_RECV, ESTABLISHED, CLOSE. A reset leaves no TIME_WAIT, so ports never run out.
pub(super) const CHANGES_PER_CONNECTION: u32 = 6;

/// How much load.
#[derive(clap::Args)]
pub(crate) struct GeneratorArgs {
    /// Threads
    #[arg(long)]
    workers: u32,
}

/// How long connections took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Took {
    pub(super) time: Duration,
    /// Of all CPUs together, in this process; what hooks into its system calls is in it, and what
    /// other processes do meanwhile is not.
    pub(super) cpu: Duration,
}

/// Serves commands until the input ends.
pub(crate) fn serve(args: &GeneratorArgs) -> Result<()> {
    let listeners: Vec<TcpListener> = (0..args.workers)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<io::Result<_>>()
        .context("cannot listen on loopback")?;
    for line in io::stdin().lock().lines() {
        let line = line.context("cannot read a command")?;
        let count = line
            .strip_prefix("open ")
            .and_then(|text| text.parse().ok());
        let count = count.with_context(|| format!("{line:?} is no command"))?;
        let took = open(&listeners, count)?;
        let mut out = io::stdout().lock();
        writeln!(out, "{} {}", took.time.as_nanos(), took.cpu.as_nanos())
            .context("cannot answer")?;
        out.flush().context("cannot answer")?;
    }
    Ok(())
}

/// Opens and closes `count` connections, shared out among the workers.
fn open(listeners: &[TcpListener], count: u32) -> Result<Took> {
    let workers = u32::try_from(listeners.len()).context("too many workers")?;
    let start_line = Barrier::new(listeners.len() + 1);
    thread::scope(|scope| {
        let start_line = &start_line;
        let running: Vec<_> = (0..workers)
            .zip(listeners)
            .map(|(number, listener)| {
                let share = count / workers + u32::from(number < count % workers);
                scope.spawn(move || {
                    start_line.wait();
                    open_and_reset(listener, share)
                })
            })
            .collect();
        let (start, cpu_before) = (Instant::now(), cpu_time()?);
        start_line.wait();
        for worker in running {
            let ended = worker.join().map_err(|_| anyhow!("a worker panicked"))?;
            ended.context("cannot open and close connections on loopback")?;
        }
        Ok(Took {
            time: start.elapsed(),
            cpu: cpu_time()?.saturating_sub(cpu_before),
        })
    })
}

fn cpu_time() -> Result<Duration> {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).context("the clock of this process is before its start")
}

fn open_and_reset(listener: &TcpListener, count: u32) -> io::Result<()> {
    let here = listener.local_addr()?;
    for _ in 0..count {
        let client = TcpStream::connect(here)?;
        let (server, _) = listener.accept()?;
        set_socket_linger(&client, Some(Duration::ZERO))?;
        drop(client);
        drop(server);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_connections_are_made_whatever_the_number_of_workers() {
        let listeners: Vec<TcpListener> = (0..3)
            .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listens on loopback"))
            .collect();
        let took = open(&listeners, 7).expect("loopback works");
        assert!(took.time > Duration::ZERO && took.cpu > Duration::ZERO);
        for listener in &listeners {
            listener.set_nonblocking(true).expect("can be set");
            let left = listener.accept().map(|_| ()).map_err(|error| error.kind());
            assert_eq!(left, Err(io::ErrorKind::WouldBlock), "all were accepted");
        }
    }
}
