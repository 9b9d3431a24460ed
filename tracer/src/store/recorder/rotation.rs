//! Rotation: when and how a recording goes on in a new file.

use std::mem;

use super::{RETRY_NS, Recorder, Tally};
use crate::cli::record::Rotate;
use crate::evidence::{Entry, Sealed, Writer};
use crate::model::{MonoNs, printable};

impl Recorder {
    /// Goes on in a new file if that is due.
    pub(super) fn rotate(&mut self, now: MonoNs) {
        let is_due = match self.plan.rotate {
            None => false,
            Some(Rotate::Bytes(most)) => self.disk.len() >= most,
            Some(Rotate::Every(age)) => {
                let age_ns = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
                now.since(self.begun).is_some_and(|old| old >= age_ns)
            }
        };
        // A file that has no record yet would be followed by one that has none either.
        if !is_due || self.file.records == 0 || now < self.rotate_at {
            return;
        }
        // The next file first: as long as there is none, this one serves.
        if let Err(error) = self.disk.prepare() {
            return self.put_off(&error.to_string(), now);
        }
        if let Err(trouble) = self.disk.append(self.writer.seal(Sealed::Rotated)) {
            self.writer.dropped();
            self.disk.abandon();
            return self.put_off(&trouble.to_string(), now);
        }
        self.writer.written();
        self.is_put_off = false;
        self.begin_file(now);
        if let Some(most) = self.plan.keep
            && let Err((path, cause)) = self.disk.keep(most)
        {
            self.say(&format!(
                "cannot remove {}, which --keep no longer keeps: {cause}; remove it by hand",
                printable(path)
            ));
        }
        self.cut(now);
    }

    /// Goes on in the file that was prepared. It tells by itself what traced and where.
    pub(super) fn begin_file(&mut self, now: MonoNs) {
        self.disk.advance();
        self.writer = Writer::new(&self.head, Some(self.writer.chain()));
        self.file = Tally::default();
        self.begun = now;
        if !self.namespaces.is_empty() {
            let again = Entry::Namespaces(self.namespaces.clone());
            self.writer.entry(&again);
        }
        if !self.cgroups.is_empty() {
            let again = self.cgroups.iter().map(|(id, path)| (*id, path.clone()));
            self.writer.entry(&Entry::Cgroups(again.collect()));
        }
        if let Some(clock) = &self.clock {
            self.writer.entry(clock);
        }
    }

    fn put_off(&mut self, why: &str, now: MonoNs) {
        self.rotate_at = now.plus(RETRY_NS);
        if !mem::replace(&mut self.is_put_off, true) {
            let name = self.name();
            self.say(&format!(
                "cannot go on in a new file, so recording goes on in {name}: {why}; this is tried again each second"
            ));
        }
    }
}
