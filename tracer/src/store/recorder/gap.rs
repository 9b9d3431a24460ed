//! Gaps: from the moment at which the disk takes nothing to the one at which it takes something again.

use std::mem;

use super::{RETRY_NS, Recorder, State, Stuck};
use crate::model::MonoNs;
use crate::store::error::Trouble;

impl Recorder {
    /// Begins a gap: what the writer has cut could not be written.
    pub(super) fn open_gap(&mut self, trouble: &Trouble, now: MonoNs) {
        let name = self.name();
        match trouble {
            Trouble::Write(_) => {
                self.say(&format!(
                    "cannot write to {name}: {trouble}; tracing goes on, and this is tried again each second; {}",
                    trouble.next()
                ));
                self.state = State::Gap {
                    retry_at: now.plus(RETRY_NS),
                    stuck: Stuck::Frame,
                };
            }
            Trouble::Removed | Trouble::Cut => self.lose_file(trouble, now),
        }
    }

    /// Gives up the file, with all that was written to it: recording goes on in a new one, at once if that can be
    /// made.
    fn lose_file(&mut self, trouble: &Trouble, now: MonoNs) {
        let mut lost = self.drop_pending(now);
        let file = mem::take(&mut self.file);
        self.totals.records -= file.records;
        self.totals.lost -= file.not_recorded;
        lost.add(file.lost(now));
        let name = self.name();
        self.say(&format!(
            "cannot go on in {name}: {trouble}; {} records are lost with it; tracing goes on, and \
             recording in a new file; {}",
            lost.records,
            trouble.next()
        ));
        self.totals.is_damaged = true;
        self.backlog.add_lost(lost);
        self.state = State::Gap {
            retry_at: now,
            stuck: Stuck::File { is_said: false },
        };
    }

    /// Tries again, and ends the gap if that goes well.
    pub(super) fn retry(&mut self, now: MonoNs) {
        let State::Gap { stuck, .. } = mem::replace(&mut self.state, State::Writing) else {
            return;
        };
        let stuck = match stuck {
            Stuck::Frame => match self.disk.append(self.writer.cut()) {
                Ok(()) => {
                    self.written();
                    None
                }
                Err(Trouble::Write(_)) => Some(Stuck::Frame),
                Err(trouble) => return self.lose_file(&trouble, now),
            },
            Stuck::File { is_said } => match self.disk.prepare() {
                Ok(()) => {
                    self.begin_file(now);
                    None
                }
                Err(error) => {
                    if !is_said {
                        self.say(&format!("{error}; this is tried again each second"));
                    }
                    Some(Stuck::File { is_said: true })
                }
            },
        };
        match stuck {
            None => self.catch_up(now),
            Some(stuck) => {
                let retry_at = now.plus(RETRY_NS);
                self.state = State::Gap { retry_at, stuck };
            }
        }
    }

    /// Writes what has waited.
    fn catch_up(&mut self, now: MonoNs) {
        let lost = self.backlog.lost();
        while let Some(entry) = self.backlog.pop(now) {
            self.write(&entry);
            if self.is_big() {
                self.cut(now);
            }
            if !matches!(self.state, State::Writing) {
                return;
            }
        }
        self.cut(now);
        if !matches!(self.state, State::Writing) {
            return;
        }
        let name = self.name();
        self.say(&match lost {
            0 => format!("recording in {name} goes on; nothing was lost"),
            lost => format!(
                "recording in {name} goes on; {lost} records are missing before this, which it says"
            ),
        });
    }
}
