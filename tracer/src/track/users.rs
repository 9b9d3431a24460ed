//! Who used a socket, and what is known of the processes that did.
//!
//! **Owns:** whose a connection is: who opened it, and who was seen using it last.
//! **Never:** a process that was only on the CPU; or what one was that had the same number before.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::model::event::Comm;
use crate::model::{Process, ProcessSeen, Task};

use super::map::Map;

/// The most processes that are remembered; beyond it those that were told first are forgotten.
const MOST: usize = 1 << 16;

/// A process that was seen using a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) pid: u32,
    /// Name of the process; where nothing was told of it, of the thread.
    pub(super) comm: Comm,
    /// The thread that used it, and its name; of one that was found, the first of the process.
    pub(super) tid: u32,
    pub(super) thread: Comm,
    /// What is known of it.
    pub(super) process: Option<Rc<Process>>,
}

impl User {
    /// Who a task is, of which process that is known.
    fn of(task: &Task, process: Option<&Rc<Process>>) -> Self {
        Self {
            pid: task.pid,
            tid: task.tid,
            comm: process.map_or(task.comm, |process| process.comm),
            thread: task.comm,
            process: process.map(Rc::clone),
        }
    }
}

/// Who used a socket.
#[derive(Clone, Debug, Default)]
pub(super) struct Users {
    /// Who made the connection: connected, or listened.
    pub(super) opened_by: Option<Rc<User>>,
    /// Who was seen using it last.
    pub(super) last: Option<Rc<User>>,
    /// Whether it was looked whose listener the connection came to: that is done once, as a later listener is another.
    pub(super) is_listener_sought: bool,
}

impl Users {
    /// Whose it is now: who used it last, else who opened it.
    pub(super) fn owner(&self) -> Option<&User> {
        self.last.as_deref().or(self.opened_by.as_deref())
    }

    /// Returns whether one of them is such a one.
    pub(super) fn any(&self, is_wanted: impl Fn(&User) -> bool) -> bool {
        [&self.opened_by, &self.last]
            .into_iter()
            .flatten()
            .any(|user| is_wanted(user))
    }
}

/// Processes that were told of.
#[derive(Debug, Default)]
pub(super) struct Processes {
    by_pid: Map<u32, Known>,
    /// Their numbers in the order in which they were told first.
    told: VecDeque<u32>,
}

#[derive(Debug)]
struct Known {
    process: Rc<Process>,
    /// Which of all that have had the number; `None` of one that was found when the trace began.
    incarnation: Option<u16>,
    /// The thread of it that used a socket last, to be named again without being copied.
    user: Option<Rc<User>>,
}

impl Processes {
    /// Takes in one that is seen using a socket. What it does not tell any more is known of it where it was told of before.
    pub(super) fn see(&mut self, seen: &ProcessSeen) {
        let mut process = seen.process.clone();
        if let Some(known) = self.by_pid.get(&process.pid) {
            let is_same = match known.incarnation {
                Some(incarnation) => incarnation == seen.incarnation,
                None => process.was_found_as(&known.process),
            };
            if is_same {
                process.complete_from(&known.process);
            }
        }
        self.add(process, Some(seen.incarnation));
    }

    /// Takes in one that held a socket when the trace began.
    pub(super) fn find(&mut self, process: &Process) {
        self.add(process.clone(), None);
    }

    fn add(&mut self, process: Process, incarnation: Option<u16>) {
        let pid = process.pid;
        let known = Known {
            process: Rc::new(process),
            incarnation,
            user: None,
        };
        if self.by_pid.insert(pid, known).is_none() {
            self.told.push_back(pid);
        }
        if self.told.len() > MOST
            && let Some(oldest) = self.told.pop_front()
        {
            self.by_pid.remove(&oldest);
        }
    }

    /// Returns who a task is; what is known of its process is told only where it is that very one.
    pub(super) fn user(&mut self, task: &Task) -> Rc<User> {
        let known = self
            .by_pid
            .get_mut(&task.pid)
            .filter(|known| task.incarnation.is_some() && known.incarnation == task.incarnation);
        let Some(known) = known else {
            return Rc::new(User::of(task, None));
        };
        if let Some(user) = &known.user
            && user.tid == task.tid
            && user.thread == task.comm
        {
            return Rc::clone(user);
        }
        let user = Rc::new(User::of(task, Some(&known.process)));
        known.user = Some(Rc::clone(&user));
        user
    }

    /// Returns one that held a socket when the trace began, or who has its number by now.
    pub(super) fn holder(&self, pid: u32) -> Option<Rc<User>> {
        let process = &self.by_pid.get(&pid)?.process;
        Some(Rc::new(User {
            pid,
            tid: pid,
            comm: process.comm,
            thread: process.comm,
            process: Some(Rc::clone(process)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MonoNs;

    fn comm(name: &[u8]) -> Comm {
        let mut bytes = [0; 16];
        bytes[..name.len()].copy_from_slice(name);
        Comm(bytes)
    }

    fn seen(pid: u32, name: &[u8], incarnation: u16) -> ProcessSeen {
        ProcessSeen {
            at: MonoNs(1),
            process: Process::named(pid, comm(name)),
            incarnation,
        }
    }

    fn task(pid: u32, thread: &[u8], incarnation: Option<u16>) -> Task {
        Task {
            incarnation,
            ..Task::named(pid, pid + 1, comm(thread))
        }
    }

    #[test]
    fn a_thread_is_called_by_the_name_of_its_process() {
        let mut processes = Processes::default();
        processes.see(&seen(7, b"java", 3));
        let user = processes.user(&task(7, b"http-nio-8080-e", Some(3)));
        assert_eq!(user.comm, comm(b"java"));
        assert_eq!(user.thread, comm(b"http-nio-8080-e"));
        assert!(user.process.is_some());
    }

    #[test]
    fn nothing_is_told_of_one_that_had_the_number_before() {
        let mut processes = Processes::default();
        processes.see(&seen(7, b"java", 3));
        for other in [Some(4), None] {
            let user = processes.user(&task(7, b"curl", other));
            assert_eq!((user.comm, &user.process), (comm(b"curl"), &None));
        }
        processes.see(&seen(7, b"curl", 4));
        assert!(processes.user(&task(7, b"curl", Some(4))).process.is_some());
    }

    #[test]
    fn what_an_exiting_process_tells_no_more_is_known_from_before() {
        let told = |started, exe: Option<&str>| Process {
            started: Some(MonoNs(started)),
            exe: exe.map(str::to_owned),
            ..Process::named(7, comm(b"redis-cli"))
        };
        let exiting = |started, incarnation| ProcessSeen {
            at: MonoNs(1),
            process: told(started, None),
            incarnation,
        };
        let exe = |processes: &mut Processes, incarnation| {
            let user = processes.user(&task(7, b"redis-cli", Some(incarnation)));
            let process = user.process.as_ref().expect("it was told");
            process.exe.clone()
        };
        let mut processes = Processes::default();
        processes.find(&told(50_000_000, Some("/usr/bin/redis-cli")));
        processes.see(&exiting(52_345_678, 3));
        assert_eq!(
            exe(&mut processes, 3).as_deref(),
            Some("/usr/bin/redis-cli")
        );
        processes.see(&exiting(52_345_678, 3));
        assert_eq!(
            exe(&mut processes, 3).as_deref(),
            Some("/usr/bin/redis-cli")
        );
        // Another one has its number and its name by now.
        processes.see(&exiting(92_345_678, 4));
        assert_eq!(exe(&mut processes, 4), None);
    }

    #[test]
    fn as_many_are_remembered_as_there_is_room_for() {
        let mut processes = Processes::default();
        for pid in 0..MOST as u32 + 10 {
            processes.see(&seen(pid, b"x", 1));
        }
        assert_eq!(processes.by_pid.len(), MOST);
        assert!(processes.user(&task(9, b"x", Some(1))).process.is_none());
        assert!(processes.user(&task(10, b"x", Some(1))).process.is_some());
        processes.find(&Process::named(3, comm(b"found")));
        assert_eq!(
            processes.holder(3).expect("it is there").comm,
            comm(b"found")
        );
    }
}
