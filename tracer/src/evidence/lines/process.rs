//! Lines of processes.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::event::Comm;
use crate::model::{Args, MonoNs, Process};

/// A process.
#[derive(Serialize, Deserialize)]
pub(in crate::evidence) struct ProcessLine {
    pid: u32,
    ppid: Option<u32>,
    started: Option<u64>,
    comm: CommWord,
    uid: Option<u32>,
    exe: Option<String>,
    args: Option<Vec<String>>,
    /// Whether there are more arguments, or the last is longer.
    #[serde(default, skip_serializing_if = "is_false")]
    args_cut: bool,
    cgroup: Option<String>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl From<&Process> for ProcessLine {
    fn from(process: &Process) -> Self {
        let Process {
            pid,
            ppid,
            started,
            comm,
            uid,
            exe,
            args,
            cgroup,
        } = process;
        Self {
            pid: *pid,
            ppid: *ppid,
            started: started.map(|started| started.0),
            comm: CommWord(*comm),
            uid: *uid,
            exe: exe.clone(),
            args: args.as_ref().map(|args| args.words.clone()),
            args_cut: args.as_ref().is_some_and(|args| args.cut),
            cgroup: cgroup.clone(),
        }
    }
}

impl From<ProcessLine> for Process {
    fn from(line: ProcessLine) -> Self {
        let cut = line.args_cut;
        Self {
            pid: line.pid,
            ppid: line.ppid,
            started: line.started.map(MonoNs),
            comm: line.comm.0,
            uid: line.uid,
            exe: line.exe,
            args: line.args.map(|words| Args { words, cut }),
            cgroup: line.cgroup,
        }
    }
}

/// A name: text, or the numbers of its bytes where these are not UTF-8, so that the replay has what the trace had.
struct CommWord(Comm);

impl Serialize for CommWord {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0.bytes()) {
            Ok(text) => to.serialize_str(text),
            Err(_) => to.collect_seq(self.0.bytes()),
        }
    }
}

// By hand: a name is no longer than the kernel's are, however much stands there.
impl<'de> Deserialize<'de> for CommWord {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Word;
        impl<'de> Visitor<'de> for Word {
            type Value = CommWord;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a process's name of at most 15 bytes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<CommWord, E> {
                let comm = Comm::new(text.as_bytes());
                comm.map(CommWord)
                    .ok_or_else(|| E::invalid_length(text.len(), &self))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<CommWord, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = numbers.next_element()? {
                    bytes.push(byte);
                    if Comm::new(&bytes).is_none() {
                        return Err(A::Error::invalid_length(bytes.len(), &self));
                    }
                }
                Comm::new(&bytes)
                    .map(CommWord)
                    .ok_or_else(|| A::Error::invalid_length(bytes.len(), &self))
            }
        }
        from.deserialize_any(Word)
    }
}
