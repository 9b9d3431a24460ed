//! Which of several processes the others descend from.

use std::collections::HashMap;

use super::stat::Stat;

/// The first process, which opens sockets for others and keeps them.
const INIT: u32 = 1;
/// More generations than any process has. Numbers that are used again while they are looked at could make a ring.
const MOST_GENERATIONS: usize = 4096;

/// Processes and their parents, looked up when they are needed.
pub(super) struct Line<L> {
    known: HashMap<u32, Option<Stat>>,
    look: L,
}

impl<L: FnMut(u32) -> Option<Stat>> Line<L> {
    /// Begins with what is known; `look` finds out about others.
    pub(super) fn new(known: HashMap<u32, Stat>, look: L) -> Self {
        let known = known.into_iter().map(|(pid, stat)| (pid, Some(stat)));
        Self {
            known: known.collect(),
            look,
        }
    }

    /// Returns what is known of a process, if it is there.
    pub(super) fn stat(&mut self, pid: u32) -> Option<Stat> {
        let Self { known, look } = self;
        *known.entry(pid).or_insert_with(|| look(pid))
    }

    /// Returns whose a socket is that these processes have open.
    pub(super) fn owner(&mut self, holders: &[u32]) -> Option<u32> {
        let others: Vec<u32> = holders.iter().copied().filter(|&pid| pid != INIT).collect();
        let holders = match others.is_empty() {
            true => holders,
            false => &others,
        };
        let &[first, ref rest @ ..] = holders else {
            return None;
        };
        if rest.is_empty() {
            return Some(first);
        }
        // If one is the ancestor of all, it is the farthest that holds it on the way up from any of them.
        let up = self.ancestors(first);
        let top = up.into_iter().rev().find(|pid| holders.contains(pid))?;
        let descends = |&pid: &u32| pid == top || self.ancestors(pid).contains(&top);
        holders.iter().all(descends).then_some(top)
    }

    /// Returns a process, its parent, and so on up.
    fn ancestors(&mut self, pid: u32) -> Vec<u32> {
        let mut up = vec![pid];
        let mut pid = pid;
        while let Some(stat) = self.stat(pid)
            && stat.ppid != 0
            && up.len() < MOST_GENERATIONS
        {
            pid = stat.ppid;
            up.push(pid);
        }
        up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MonoNs;
    use crate::model::event::Comm;

    /// Who is whose child.
    fn owner(children: &[(u32, u32)], holders: &[u32]) -> Option<u32> {
        let look = |pid| {
            let (_, ppid) = children.iter().find(|(child, _)| *child == pid)?;
            Some(Stat {
                comm: Comm::default(),
                ppid: *ppid,
                started: MonoNs(0),
            })
        };
        Line::new(HashMap::new(), look).owner(holders)
    }

    const NGINX: [(u32, u32); 6] = [(1, 0), (10, 1), (11, 10), (12, 10), (13, 12), (20, 1)];

    #[test]
    fn whoever_holds_it_alone_owns_it() {
        assert_eq!(owner(&NGINX, &[11]), Some(11));
        assert_eq!(owner(&NGINX, &[1]), Some(1));
        // Nobody knows whose child it is.
        assert_eq!(owner(&[], &[7]), Some(7));
        assert_eq!(owner(&NGINX, &[]), None);
    }

    #[test]
    fn a_master_owns_what_its_workers_hold_too() {
        assert_eq!(owner(&NGINX, &[10, 11, 12]), Some(10));
        assert_eq!(owner(&NGINX, &[12, 11, 10]), Some(10));
        // One between them has closed it.
        assert_eq!(owner(&NGINX, &[10, 13]), Some(10));
        assert_eq!(owner(&NGINX, &[13, 12]), Some(12));
    }

    #[test]
    fn among_strangers_nobody_owns_it() {
        assert_eq!(owner(&NGINX, &[11, 12]), None, "the master has closed it");
        assert_eq!(owner(&NGINX, &[10, 20]), None);
        assert_eq!(owner(&NGINX, &[10, 11, 20]), None);
        assert_eq!(owner(&NGINX, &[20, 10, 11]), None);
        // One has ended meanwhile.
        assert_eq!(owner(&NGINX, &[10, 99]), None);
    }

    #[test]
    fn what_init_opened_for_others_is_theirs() {
        assert_eq!(owner(&NGINX, &[1, 20]), Some(20));
        assert_eq!(owner(&NGINX, &[1, 10, 11]), Some(10));
        assert_eq!(owner(&NGINX, &[1, 10, 20]), None);
    }

    #[test]
    fn a_ring_of_numbers_that_were_used_again_has_an_end() {
        assert_eq!(owner(&[(5, 6), (6, 5), (7, 1)], &[5, 7]), None);
    }
}
