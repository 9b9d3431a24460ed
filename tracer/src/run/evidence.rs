//! Evidence as it is read: the entries of one trace, from its files in their order.
//!
//! **Owns:** which file goes on where another ended, and what a person is told of evidence that cannot be
//! read to its end.
//! **Never:** an entry behind a damaged one: what came between is not known.

use std::io::BufReader;
use std::path::PathBuf;
use std::vec::IntoIter;

use super::failure::Failure;
use super::files::{self, Counted, EvidenceFile, Progress};
use super::replay::Ending;
use super::say;
use crate::cli::exit::Exit;
use crate::cli::show::Filters;
use crate::evidence::{Entry, Head, Reader, Redact, Sealed};
use crate::sink::text::counted;

/// The entries of one trace.
pub(super) struct Evidence {
    /// The file that is being read.
    name: String,
    reader: Reader<BufReader<Counted>>,
    /// Those that follow.
    files: IntoIter<EvidenceFile>,
    progress: Progress,
    /// What makes pseudonyms, if that is wanted.
    redact: Option<Redact>,
    begins_in_the_middle: bool,
}

impl Evidence {
    /// Opens the files and begins with the first.
    ///
    /// # Errors
    ///
    /// A file cannot be opened, or the first is no evidence.
    pub(super) fn open(paths: &[PathBuf]) -> Result<Self, Failure> {
        let (files, progress) = files::open(paths)?;
        let mut files = files.into_iter();
        let Some(first) = files.next() else {
            return Err(Failure::Usage("give a file of evidence".to_owned()));
        };
        let reader = Reader::open(first.bytes)
            .map_err(|error| Failure::Evidence(format!("cannot read {}: {error}", first.name)))?;
        Ok(Self {
            name: first.name,
            begins_in_the_middle: reader.previous().is_some(),
            reader,
            files,
            progress,
            redact: None,
        })
    }

    /// Returns what the first file begins with.
    ///
    /// # Errors
    ///
    /// It does not begin with that, or not readably.
    pub(super) fn head(&mut self) -> Result<Head, Failure> {
        let name = &self.name;
        match self.reader.next() {
            Some(Ok(Entry::Head(head))) => Ok(*head),
            Some(Ok(_)) => Err(Failure::Evidence(format!(
                "cannot read {name}: it does not begin with what was traced, as evidence does"
            ))),
            Some(Err(damage)) => Err(Failure::Evidence(format!("cannot read {name}: {damage}"))),
            None => Err(Failure::Evidence(format!(
                "cannot read {name}: it ends before it tells what was traced; nothing was kept in it"
            ))),
        }
    }

    /// From here on, addresses and names are pseudonyms; returns the head with those.
    pub(super) fn redact(&mut self, head: Head) -> Head {
        self.redact.insert(Redact::of(&head)).head(head)
    }

    /// Returns filters as they choose among pseudonyms, where those are told.
    pub(super) fn filters(&mut self, filters: &Filters) -> Result<Filters, Failure> {
        let words = filters.words();
        let words = match &mut self.redact {
            Some(redact) => redact.filters(&words),
            None => words,
        };
        Filters::of_words(&words).map_err(Failure::Usage)
    }

    /// Returns whether the first file goes on with a trace of which an earlier file tells the begin.
    pub(super) fn begins_in_the_middle(&self) -> bool {
        self.begins_in_the_middle
    }

    /// Returns the next entry, or why there is none that can be relied upon.
    pub(super) fn next(&mut self) -> Option<Result<Entry, String>> {
        self.progress.tell();
        loop {
            match self.reader.next() {
                // Each file repeats it.
                Some(Ok(Entry::Head(_))) => {}
                Some(Ok(entry)) => {
                    let entry = match &mut self.redact {
                        Some(redact) => redact.entry(entry),
                        None => entry,
                    };
                    return Some(Ok(entry));
                }
                Some(Err(damage)) => return Some(Err(format!("{}: {damage}", self.name))),
                None => {
                    let following = self.files.next()?;
                    if let Err(why) = self.follow(following) {
                        return Some(Err(why));
                    }
                }
            }
        }
    }

    /// Goes on with the next file.
    fn follow(&mut self, file: EvidenceFile) -> Result<(), String> {
        let name = file.name;
        let reader = Reader::open(file.bytes).map_err(|error| format!("{name}: {error}"))?;
        if reader.previous() != Some(self.reader.end().chain) {
            return Err(format!(
                "{name}: it does not go on where {} ends; give the files of one trace in their order, with \
                 none left out",
                self.name
            ));
        }
        self.name = name;
        self.reader = reader;
        Ok(())
    }

    /// Says what there is to say of its end, and returns the exit code where it is not a whole trace.
    pub(super) fn end(mut self, ending: &Ending<String>) -> Option<Exit> {
        let mut problems = Vec::new();
        if self.begins_in_the_middle {
            problems.push(
                "the trace begins in an earlier file, which was not given: what existed then is not known"
                    .to_owned(),
            );
        }
        match ending {
            Ending::Whole(_) => problems.extend(self.behind_the_end()),
            Ending::Damaged(damage) => {
                problems.push(format!("the evidence is shown up to {damage}"));
            }
            Ending::Cut => problems.push(match self.reader.sealed() {
                Some(_) => format!(
                    "the trace goes on in a later file than {}, which was not given",
                    self.name
                ),
                None => format!(
                    "{} ends before its trace did: it was cut, or the recording was killed, or goes on \
                     still; see `tracer verify`",
                    self.name
                ),
            }),
        }
        let left_out = self.redact.map_or(0, |redact| redact.left_out());
        if left_out > 0 {
            problems.push(format!(
                "{} left out: this version does not know what is in them, and so cannot redact them",
                counted(left_out, "record")
            ));
        }
        // Off the line on which progress was told.
        drop(self.progress);
        for problem in &problems {
            say(&format!("tracer: {problem}"));
        }
        (!problems.is_empty()).then_some(Exit::Incomplete)
    }

    /// What is wrong behind the end of the trace, if anything is: only a seal belongs there.
    fn behind_the_end(&mut self) -> Option<String> {
        let name = &self.name;
        match self.reader.next() {
            Some(Err(damage)) => return Some(format!("{name}: {damage}")),
            Some(Ok(_)) => {
                return Some(format!(
                    "{name} goes on behind the end of its trace; that is not shown: see `tracer verify`"
                ));
            }
            None => {}
        }
        if self.reader.sealed() != Some(Sealed::Ended) {
            return Some(format!("{name} is not sealed; see `tracer verify`"));
        }
        let further = self.files.next()?;
        Some(format!(
            "the trace ends in {name}; {} and what follows it are not shown",
            further.name
        ))
    }
}
