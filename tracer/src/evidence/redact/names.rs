//! Names: words such as `process-1f3a9c`, the same for the same name, another for another.

use std::collections::{HashMap, HashSet};

use super::keyed::{Key, Purpose};
use crate::model::event::Comm;

/// Hexadecimal digits of a pseudonym: of the first that is tried, and of those that are tried where
/// another name has it. With `process-`, the longer fit what the kernel keeps of a name.
const DIGITS: [usize; 2] = [6, 7];

/// Names of a kind that are told apart for certain. Whoever makes up more of them gets pseudonyms that may
/// meet, rather than all the memory there is.
const MOST: usize = 1 << 18;

/// What a name is of. Digits stand for the name alone, so that the same name shows wherever it is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Kind {
    Process,
    Host,
    User,
    Netns,
    Cgroup,
    /// Something in a text.
    Name,
}

const KINDS: [&str; 6] = ["process", "host", "user", "netns", "cgroup", "name"];

/// Pseudonyms of names.
pub(super) struct Names {
    key: Key,
    known: [HashMap<Vec<u8>, String>; KINDS.len()],
    taken: HashSet<String>,
}

impl Names {
    pub(super) fn new(key: Key) -> Self {
        Self {
            key,
            known: Default::default(),
            taken: HashSet::new(),
        }
    }

    /// Returns the pseudonym of a name; none of an empty one.
    pub(super) fn of(&mut self, kind: Kind, name: impl AsRef<[u8]>) -> String {
        let name = name.as_ref();
        if name.is_empty() {
            return String::new();
        }
        if let Some(known) = self.known[kind as usize].get(name) {
            return known.clone();
        }
        let pseudonym = self.invent(kind, name);
        let known = &mut self.known[kind as usize];
        if known.len() < MOST {
            known.insert(name.to_vec(), pseudonym.clone());
            self.taken.insert(pseudonym.clone());
        }
        pseudonym
    }

    /// Returns the pseudonym of a task's name, which is one that a task may have.
    pub(super) fn comm(&mut self, comm: Comm) -> Comm {
        let known = self.known[Kind::Process as usize].get(comm.bytes());
        let invented;
        let pseudonym = match known {
            Some(known) => known,
            None => {
                invented = self.of(Kind::Process, comm.bytes());
                &invented
            }
        };
        let mut bytes = [0; 16];
        bytes[..pseudonym.len()].copy_from_slice(pseudonym.as_bytes());
        Comm(bytes)
    }

    fn invent(&self, kind: Kind, name: &[u8]) -> String {
        let is_full = self.known[kind as usize].len() >= MOST;
        let mut attempt = 0_u32;
        loop {
            let question = [&attempt.to_be_bytes(), name].concat();
            let answer = self.key.ask(Purpose::Name, &question);
            let digits = answer.iter().take(4).map(|byte| format!("{byte:02x}"));
            let digits: String = digits.collect();
            let length = DIGITS[usize::from(attempt > 0)];
            let pseudonym = format!("{}-{}", KINDS[kind as usize], &digits[..length]);
            if is_full || !self.taken.contains(&pseudonym) {
                return pseudonym;
            }
            attempt += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(key: u8) -> Names {
        Names::new(Key::new([key; 32]))
    }

    fn comm(text: &str) -> Comm {
        let mut bytes = [0; 16];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Comm(bytes)
    }

    #[test]
    fn distinct_names_have_distinct_pseudonyms_that_fit_a_task() {
        let mut names = names(7);
        // Of so many, some dozens have the same first digits.
        let of = |number: u32| names.comm(comm(&format!("worker-{number}")));
        let all: Vec<Comm> = (0..40_000).map(of).collect();
        let distinct: HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        let lengths: HashSet<usize> = all.iter().map(|comm| comm.bytes().len()).collect();
        assert_eq!(lengths, HashSet::from([14, 15]), "some were lengthened");
    }

    #[test]
    fn a_name_shows_wherever_it_is_met_and_the_key_matters() {
        let mut all = names(7);
        let process = all.of(Kind::Process, "nginx");
        assert_eq!(all.of(Kind::Process, "nginx"), process);
        let digits = process.strip_prefix("process-").expect("its kind");
        assert_eq!(all.of(Kind::Name, "nginx"), format!("name-{digits}"));
        assert_ne!(names(8).of(Kind::Process, "nginx"), process);
        assert_eq!(names(7).of(Kind::Process, "nginx"), process);
        assert_eq!(all.comm(Comm::default()), Comm::default());
    }
}
