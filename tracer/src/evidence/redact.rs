//! Evidence that can leave the house: stable pseudonyms in place of addresses and names.
//!
//! **Owns:** what may name something in an entry, and what it is replaced by. `tracer/docs/evidence.md` tells
//! what that hides, and what it does not.
//! **Never:** a random number: the same key gives the same pseudonyms.

mod addresses;
mod keyed;
mod names;
mod options;
mod processes;
mod sockets;
#[cfg(test)]
mod tests;
mod text;
mod vocabulary;

use std::fmt;
use std::net::IpAddr;

use sha2::{Digest as _, Sha256};

use super::entry::{Asked, Entry, Head, Namespace, TimeZoneOf, Turn};
use super::lines::Line;
use crate::model::{Answer, Batch, Endpoint, Named, Tuple, rewrite};
use addresses::Addresses;
use keyed::{Key, Purpose};
use names::{Kind, Names};
use sockets::Sockets;
use text::Vocabulary;

/// Replaces addresses and names in the entries of one trace.
pub struct Redact {
    key: Key,
    addresses: Addresses,
    sockets: Sockets,
    names: Names,
    vocabulary: Vocabulary,
    left_out: u64,
}

impl Redact {
    /// Begins, with a key that nobody can guess who has not got the evidence.
    pub fn new(key: [u8; 32]) -> Self {
        let key = Key::new(key);
        Self {
            addresses: Addresses::new(key.clone()),
            sockets: Sockets::new(key.clone()),
            names: Names::new(key.clone()),
            vocabulary: Vocabulary::new(),
            left_out: 0,
            key,
        }
    }

    /// Begins with the key of a trace: the same for every file of it, on every host. It is made of the secret of the
    /// head; where that has none, of all of it, which others may know, but for the identity of the boot.
    pub fn of(head: &Head) -> Self {
        let mut line = Vec::new();
        match &head.secret {
            Some(secret) => line.extend_from_slice(secret.as_bytes()),
            None => Line::of(&Entry::Head(Box::new(head.clone()))).write(&mut line),
        }
        let digest = Sha256::new()
            .chain_update(b"tracer redact 1\n")
            .chain_update(&line);
        Self::new(digest.finalize().into())
    }

    /// Returns how many records were left out, since nobody knows what is in them: those of a kind that this
    /// version does not decode.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Returns an entry in which addresses and names are pseudonyms. Times, ports, numbers of processes, users,
    /// cgroups and namespaces, cookies and counters are what they were.
    pub fn entry(&mut self, entry: Entry) -> Entry {
        match entry {
            Entry::Head(head) => Entry::Head(Box::new(self.head(*head))),
            Entry::Namespaces(mut namespaces) => {
                for Namespace { name, .. } in &mut namespaces {
                    *name = name.take().map(|name| self.namespace(&name));
                }
                Entry::Namespaces(namespaces)
            }
            Entry::Cgroups(mut cgroups) => {
                for (_, path) in &mut cgroups {
                    *path = self.cgroup(path);
                }
                Entry::Cgroups(cgroups)
            }
            Entry::Processes(processes) => {
                Entry::Processes(processes.into_iter().map(|one| self.process(one)).collect())
            }
            Entry::Existing(mut existing) => {
                self.tuple(&mut existing.tuple);
                Entry::Existing(existing)
            }
            Entry::Turn(turn) => Entry::Turn(self.turn(turn)),
            Entry::Counters(_)
            | Entry::ExistingComplete
            | Entry::Clock(_)
            | Entry::Closing(_)
            | Entry::End(_) => entry,
        }
    }

    /// Returns a head in which addresses and names are pseudonyms.
    // Named field by field, so that one that is new is not forgotten.
    pub fn head(&mut self, head: Head) -> Head {
        let Head {
            // What the agent says of itself, in words of its own.
            tracer,
            abi,
            machine,
            hook,
            time_wait,
            half_open,
            // Public: the same for all who have this kernel.
            build_id,
            // Numbers.
            privileges,
            sees_silent_rearms,
            hz,
            tells_resets,
            // The kernel's own words, the same for all who have this kernel.
            reset_reasons,
            netns,
            start,
            clock,
            ring_bytes,
            max_connections,
            hold_ns,
            // What may name something.
            kernel,
            boot_id,
            hostname,
            missing,
            notes,
            filters,
            command,
            mut user,
            zone,
            redacted: _,
            secret: _,
        } = head;
        user.name = user.name.map(|name| self.names.of(Kind::User, name));
        Head {
            kernel: self.release(&kernel),
            boot_id: boot_id.map(|id| self.boot_id(&id)),
            hostname: self.names.of(Kind::Host, hostname),
            missing: missing.iter().map(|text| self.text(text)).collect(),
            notes: notes.iter().map(|text| self.text(text)).collect(),
            filters: self.filters(&filters),
            command: self.command(&command),
            user,
            // Its name tells where the host is; the hours of the day stay as they were read there.
            zone: TimeZoneOf { iana: None, ..zone },
            redacted: true,
            secret: None,
            tracer,
            abi,
            machine,
            hook,
            time_wait,
            half_open,
            build_id,
            privileges,
            sees_silent_rearms,
            hz,
            tells_resets,
            reset_reasons,
            netns,
            start,
            clock,
            ring_bytes,
            max_connections,
            hold_ns,
        }
    }

    /// In the form that one has.
    fn boot_id(&self, id: &str) -> String {
        let answer = self.key.ask(Purpose::Boot, id.as_bytes());
        let digits: String = answer.iter().map(|byte| format!("{byte:02x}")).collect();
        let parts = [
            &digits[..8],
            &digits[8..12],
            &digits[12..16],
            &digits[16..20],
        ];
        format!("{}-{}", parts.join("-"), &digits[20..32])
    }

    fn turn(&mut self, mut turn: Turn) -> Turn {
        self.batch(&mut turn.batch);
        if let Some(Asked { answers, .. }) = &mut turn.asked {
            for (question, look) in answers {
                self.tuple(&mut question.tuple);
                if let Answer::Failed(reason) = &mut look.answer {
                    *reason = self.text(reason);
                }
            }
        }
        turn
    }

    fn batch(&mut self, batch: &mut Batch) {
        batch.retain_mut(|record| {
            let rewritten = rewrite(record, |named| match named {
                Named::Address(addr) => *addr = self.addresses.of(*addr),
                Named::Task(comm) => *comm = self.names.comm(*comm),
                Named::Socket(socket) => *socket = self.sockets.of(*socket),
                Named::Process(process) => *process = self.process(process.clone()),
            });
            self.left_out += u64::from(rewritten.is_err());
            rewritten.is_ok()
        });
    }

    fn tuple(&mut self, tuple: &mut Tuple) {
        for Endpoint { addr, .. } in [&mut tuple.local, &mut tuple.remote] {
            *addr = addr.map(|addr| self.address(addr));
        }
    }

    fn address(&mut self, addr: IpAddr) -> IpAddr {
        self.addresses.of(addr)
    }
}

impl fmt::Debug for Redact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the key, nor what stands for what.
        write!(f, "Redact {{ left_out: {} }}", self.left_out)
    }
}
