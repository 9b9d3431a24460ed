//! Ends: of the room that the files may take, and of the trace.

use std::iter;

use super::{Outcome, Recorder, State};
use crate::evidence::{Entry, Sealed};
use crate::model::MonoNs;

/// Bytes that stay free below `--max-size` while records are written: for the loss, the kernel's counters, the end
/// of the trace and the seal.
pub(super) const RESERVED_BYTES: u64 = 16 << 10;
/// Bytes that a seal takes at most.
const SEAL_BYTES: u64 = 1 << 10;

impl Recorder {
    /// Stops recording: the frame that was just cut would make the files larger than they may be.
    pub(super) fn fill(&mut self, now: MonoNs) {
        let lost = self.drop_pending(now);
        self.backlog.close();
        self.backlog.add_lost(lost);
        for entry in std::mem::take(&mut self.ending) {
            self.backlog.entry(&entry);
        }
        self.state = State::Full;
        let name = self.name();
        self.say(&format!(
            "recording in {name} ends: the files would take more than --max-size; tracing goes on; next \
             time give more, or keep the newest by --rotate and --keep"
        ));
    }

    /// Writes what is left, and seals the evidence. The trace has ended, and [`Entry::End`] was taken.
    pub fn finish(mut self, now: MonoNs) -> Outcome {
        if matches!(self.state, State::Writing) {
            self.cut(now);
        }
        if matches!(self.state, State::Gap { .. }) {
            self.retry(now);
        }
        let is_sealed = match self.state {
            State::Writing => self.seal(),
            State::Full => {
                self.end_full(now);
                self.seal()
            }
            State::Gap { .. } => false,
        };
        let is_there = self.disk.look().is_ok() && self.disk.sync().is_ok();
        if !is_sealed || !is_there {
            let name = self.name();
            self.say(&format!(
                "cannot seal {name}: the disk does not take it; what is in it can be read, and `tracer verify` \
                 says up to when"
            ));
        }
        let lost = self.progress().lost + self.backlog.waiting() + self.pending.records;
        Outcome {
            is_whole: is_sealed && is_there && lost == 0 && !self.totals.is_damaged,
            files: self.disk.paths(),
            bytes: self.disk.total(),
            records: self.totals.records,
            lost,
            chain: self.writer.chain().chain.to_string(),
        }
    }

    /// Writes the loss and the end of a trace that could not be recorded to its end.
    fn end_full(&mut self, now: MonoNs) {
        let lost = self.backlog.lost();
        let rest: Vec<Entry> = iter::from_fn(|| self.backlog.pop(now)).collect();
        // The kernel's counters of many namespaces may be too much.
        for with_counters in [true, false] {
            let fitting = rest
                .iter()
                .filter(|entry| with_counters || !matches!(entry, Entry::Closing(_)));
            for entry in fitting {
                self.writer.entry(entry);
            }
            let frame = self.writer.cut();
            let total = self.disk.total() + frame.len() as u64 + SEAL_BYTES;
            let fits = self.plan.max_size.is_none_or(|most| total <= most);
            if fits && self.disk.append(frame).is_ok() {
                self.writer.written();
                break;
            }
            self.writer.dropped();
        }
        self.totals.lost += lost;
    }

    fn seal(&mut self) -> bool {
        let is_written = self.disk.append(self.writer.seal(Sealed::Ended)).is_ok();
        if is_written {
            self.writer.written();
        } else {
            self.writer.dropped();
        }
        is_written
    }
}
