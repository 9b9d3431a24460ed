//! Asking after timewait sockets in whichever network namespaces they are.
//!
//! **Owns:** the way to each namespace, looked for again when it is lost.
//! **Never:** a namespace held open between two calls: it would live on, with all its TIME_WAIT.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::clock::boot_time;
use super::netns::{self, NetNs, NetNsError, within};
use super::sock_diag;
use crate::model::{Answer, Look, MonoNs, Question};

/// Ways to namespaces are looked for at most this often: that walks all of `/proc`.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Ways to the namespaces that are known.
#[derive(Debug, Default)]
pub struct Asking {
    ways: BTreeMap<u32, NetNs>,
    looked: Option<Instant>,
    /// The only namespace that can be asked in, where no other can be entered any more.
    only: Option<u32>,
}

impl Asking {
    /// Starts with the namespaces that were found already.
    pub fn new(namespaces: &[NetNs]) -> Self {
        let ways = namespaces.iter().map(|one| (one.inode, one.clone()));
        Self {
            ways: ways.collect(),
            looked: None,
            only: None,
        }
    }

    /// From now on, only the own namespace can be asked in: what entering others takes is given up.
    ///
    /// # Errors
    ///
    /// The own namespace cannot be told.
    pub fn stay(&mut self) -> Result<(), NetNsError> {
        self.only = Some(NetNs::own()?.inode);
        Ok(())
    }

    /// Asks each question in its namespace, and returns it with what was answered.
    pub fn ask(&mut self, questions: Vec<Question>) -> Vec<(Question, Look)> {
        let mut by_netns: BTreeMap<u32, Vec<Question>> = BTreeMap::new();
        for question in questions {
            by_netns.entry(question.netns).or_default().push(question);
        }
        let mut answered = Vec::new();
        for (inode, questions) in by_netns {
            let looks = self.ask_in(inode, &questions);
            answered.extend(questions.into_iter().zip(looks));
        }
        answered
    }

    fn ask_in(&mut self, inode: u32, questions: &[Question]) -> Vec<Look> {
        let before = boot_time();
        let all = |answer| vec![look(before, answer); questions.len()];
        // That it is gone could not be known.
        if self.only.is_some_and(|only| only != inode) {
            return all(Answer::Failed(
                "its network namespace cannot be entered without privileges; use \
                 --keep-privileges"
                    .to_owned(),
            ));
        }
        for _ in 0..2 {
            let netns = match self.way(inode) {
                Way::Known(netns) => netns,
                Way::None => return all(Answer::NetnsGone),
                Way::NotLookedFor => {
                    return all(Answer::Failed(
                        "its network namespace is not found yet".to_owned(),
                    ));
                }
            };
            match within(&netns, || sock_diag::ask(questions)) {
                Ok(looks) => return looks,
                // Its process has ended; another may still lead there.
                Err(NetNsError::Gone { .. }) => drop(self.ways.remove(&inode)),
                Err(error) => return all(Answer::Failed(error.to_string())),
            }
        }
        all(Answer::NetnsGone)
    }

    fn way(&mut self, inode: u32) -> Way {
        if let Some(netns) = self.ways.get(&inode) {
            return Way::Known(netns.clone());
        }
        if self.looked.is_some_and(|at| at.elapsed() < LOOK_AGAIN) {
            return Way::NotLookedFor;
        }
        self.looked = Some(Instant::now());
        let found = netns::all().entered;
        self.ways = found.into_iter().map(|one| (one.inode, one)).collect();
        match self.ways.get(&inode) {
            Some(netns) => Way::Known(netns.clone()),
            None => Way::None,
        }
    }
}

/// The way to a namespace.
enum Way {
    Known(NetNs),
    /// Neither a process nor a mount leads there.
    None,
    /// It was not looked for, as that was done just before.
    NotLookedFor,
}

fn look(before: MonoNs, answer: Answer) -> Look {
    Look {
        ticked: before,
        before,
        after: boot_time(),
        answer,
    }
}
