//! A witness: looks again and again at the kernel's own list of sockets, and so knows within narrow
//! bounds when each timewait and request socket came, changed and went.
//!
//! **Never:** asks the agent.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::clock::{Window, now, since_tick_ns};
use crate::host::Host;
use crate::namespace;
use crate::socket_table;

/// How long it looks away, at least.
const PAUSE: Duration = Duration::from_millis(20);

/// How many times longer it looks away than it looks: it is not the only one on the machine.
const IDLE: u32 = 4;

/// A witness at work.
#[derive(Debug)]
pub struct Witness {
    dismissed: Arc<AtomicBool>,
    thread: JoinHandle<Sightings>,
}

/// What was seen of all connections of a host.
#[derive(Clone, Debug, Default)]
pub struct Sightings {
    by_ends: BTreeMap<Ends, Vec<Sighting>>,
    /// The longest time for which no tick was counted, in nanoseconds.
    pub longest_tick_ns: u64,
}

/// Local and remote.
type Ends = (SocketAddr, SocketAddr);

/// A time for which one connection stayed in one state.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// The state.
    pub state: &'static str,
    /// When it began; `None` for what was there from the first look on.
    pub since: Option<Window>,
    /// When it ended; `None` if it had not when the witness was dismissed.
    pub until: Option<Window>,
}

impl Witness {
    /// Begins to watch a host.
    ///
    /// # Panics
    ///
    /// Panics when the host cannot be entered.
    pub fn of(host: &Host) -> Self {
        let netns = host.netns.fd().try_clone_to_owned();
        let netns = netns.expect("keep hold of the network namespace");
        let dismissed = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&dismissed);
        Self {
            dismissed,
            thread: thread::spawn(move || watch(&netns, &until)),
        }
    }

    /// Ends the watch.
    ///
    /// # Panics
    ///
    /// Panics when the list of sockets could not be read.
    pub fn dismiss(self) -> Sightings {
        self.dismissed.store(true, Ordering::Relaxed);
        self.thread.join().expect("a witness that did not fail")
    }
}

fn watch(netns: &OwnedFd, dismissed: &AtomicBool) -> Sightings {
    namespace::enter(netns);
    let mut seen = Sightings::default();
    let mut last_look = None;
    loop {
        // Who is dismissed looks once more, so that all is seen that happened before.
        let is_last = dismissed.load(Ordering::Relaxed);
        let began = now();
        seen.longest_tick_ns = seen.longest_tick_ns.max(since_tick_ns());
        let entries = socket_table::read();
        let between = Window {
            from: last_look.unwrap_or(began),
            to: now(),
        };
        let states = entries
            .iter()
            .map(|entry| ((entry.local, entry.remote), entry.state));
        seen.compare(states.collect(), between, last_look.is_some());
        if is_last {
            return seen;
        }
        last_look = Some(began);
        let looked = Duration::from_nanos(between.to - began);
        thread::sleep(PAUSE.max(looked * IDLE));
    }
}

impl Sightings {
    /// Takes in a look; all that is new happened in `between`.
    fn compare(&mut self, now: BTreeMap<Ends, &'static str>, between: Window, has_begun: bool) {
        for (ends, all) in &mut self.by_ends {
            if let Some(last) = all.last_mut().filter(|last| last.until.is_none())
                && now.get(ends) != Some(&last.state)
            {
                last.until = Some(between);
            }
        }
        for (ends, state) in now {
            let all = self.by_ends.entry(ends).or_default();
            if all.last().is_none_or(|last| last.until.is_some()) {
                all.push(Sighting {
                    state,
                    since: has_begun.then_some(between),
                    until: None,
                });
            }
        }
    }

    /// Returns the first time that a connection stayed in a state.
    ///
    /// # Panics
    ///
    /// Panics when it was never seen there.
    pub fn first(&self, local: SocketAddr, remote: SocketAddr, state: &str) -> &Sighting {
        let all = self.by_ends.get(&(local, remote));
        let all = all.map_or(&[][..], Vec::as_slice);
        let found = all.iter().find(|sighting| sighting.state == state);
        found.unwrap_or_else(|| {
            panic!("the witness never saw {local} -> {remote} in {state}, but {all:?}")
        })
    }
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} since {:?} until {:?}",
            self.state, self.since, self.until
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_between_two_looks_happened_there() {
        let ends: Ends = (
            "10.0.0.1:1".parse().expect("an address"),
            "10.0.0.2:2".parse().expect("an address"),
        );
        let window = |number| Window {
            from: number,
            to: number + 1,
        };
        let mut seen = Sightings::default();
        let looks = [
            Some("FIN_WAIT2"),
            Some("FIN_WAIT2"),
            Some("TIME_WAIT"),
            None,
            None,
            Some("TIME_WAIT"),
        ];
        for (number, look) in looks.into_iter().enumerate() {
            let now = look.map(|state| (ends, state)).into_iter().collect();
            seen.compare(now, window(number as u64), number > 0);
        }
        let fin_wait2 = seen.first(ends.0, ends.1, "FIN_WAIT2");
        assert_eq!((fin_wait2.since, fin_wait2.until), (None, Some(window(2))));
        let time_wait = seen.first(ends.0, ends.1, "TIME_WAIT");
        assert_eq!(
            (time_wait.since, time_wait.until),
            (Some(window(2)), Some(window(3)))
        );
        let again = &seen.by_ends[&ends][2];
        assert_eq!((again.since, again.until), (Some(window(5)), None));
    }
}
