//! The trace that the agent leaves: every line that it wrote, and how it ended.

use std::fmt;

use crate::attempt::inconclusive;
use crate::schema::{Change, Conversation, Finding, Line, Loss, Session, Summary, Timeline};

/// All that the agent said.
#[derive(Debug)]
pub struct Trace {
    /// Each line of its output, as written and as read.
    pub lines: Vec<(String, Line)>,
    /// Exit code; `None` if it had to be killed.
    pub code: Option<i32>,
    /// What it wrote to its error output.
    pub stderr: String,
}

impl Trace {
    /// Returns the first line.
    ///
    /// # Panics
    ///
    /// Panics where it is another kind of line.
    pub fn session(&self) -> &Session {
        match self.lines.first() {
            Some((_, Line::Session(session))) => session,
            _ => panic!("the first line is not the session\n{self}"),
        }
    }

    /// Returns the last line.
    ///
    /// # Panics
    ///
    /// Panics where it is another kind of line.
    pub fn summary(&self) -> &Summary {
        match self.lines.last() {
            Some((_, Line::Summary(summary))) => summary,
            _ => panic!("the last line is not the summary\n{self}"),
        }
    }

    /// Demands that the agent ended well and lost nothing. What the kernel itself kept from the
    /// hook leaves the scenario without a conclusion; so does a loss of the classic hook, to which
    /// all the machine's traffic comes where only the agent can tell whose it is.
    ///
    /// # Panics
    ///
    /// Panics where it is otherwise.
    pub fn demand_whole(&self) {
        let lost = self.summary().lost;
        let told = self.losses().count();
        let by_others =
            self.session().hook != "tp_btf" || self.losses().all(|loss| loss.cause == "recursion");
        if told > 0 && self.code == Some(1) && by_others {
            inconclusive(format!("{lost} changes lost, whosever they were"));
        }
        assert_eq!(
            (self.code, lost, told),
            (Some(0), 0, 0),
            "exit code, lost, losses\n{self}"
        );
    }

    /// Returns every change that was seen happen, and every socket that was found, in order.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.lines.iter().filter_map(|(_, line)| match line {
            Line::Change(change) => Some(change),
            _ => None,
        })
    }

    /// Returns the changes that were seen happen.
    pub fn seen(&self) -> impl Iterator<Item = &Change> {
        self.changes().filter(|change| change.source != "snapshot")
    }

    /// Returns every timeline in order.
    pub fn timelines(&self) -> impl Iterator<Item = &Timeline> {
        self.lines.iter().filter_map(|(_, line)| match line {
            Line::Timeline(timeline) => Some(timeline),
            _ => None,
        })
    }

    /// Returns every conversation in order.
    pub fn conversations(&self) -> impl Iterator<Item = &Conversation> {
        self.lines.iter().filter_map(|(_, line)| match line {
            Line::Conversation(conversation) => Some(conversation.as_ref()),
            _ => None,
        })
    }

    /// Returns what was found wrong.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.lines.iter().filter_map(|(_, line)| match line {
            Line::Finding(finding) => Some(finding),
            _ => None,
        })
    }

    /// Returns every loss in order.
    pub fn losses(&self) -> impl Iterator<Item = &Loss> {
        self.lines.iter().filter_map(|(_, line)| match line {
            Line::Loss(loss) => Some(loss),
            _ => None,
        })
    }
}

/// Prints the trace as it came, the middle of a long one left out.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const EACH_END: usize = 60;
        writeln!(f, "--- the agent's output, exit code {:?}", self.code)?;
        let hidden = self.lines.len().saturating_sub(2 * EACH_END);
        for (number, (text, _)) in self.lines.iter().enumerate() {
            if hidden == 0 || number < EACH_END || number >= EACH_END + hidden {
                writeln!(f, "{text}")?;
            } else if number == EACH_END {
                writeln!(f, "... {hidden} lines left out ...")?;
            }
        }
        if !self.stderr.is_empty() {
            writeln!(f, "--- its errors\n{}", self.stderr.trim_end())?;
        }
        f.write_str("---")
    }
}
