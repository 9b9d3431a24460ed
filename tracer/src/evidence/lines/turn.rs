//! The line of a [`Turn`].

use serde::{Deserialize, Serialize};

use super::kernel::{EndLine, StateWord};
use crate::evidence::entry::{Asked, Turn};
use crate::model::{Answer, Batch, Found, Look, Loss, LossCause, MonoNs, Question, Tuple};

/// One turn. What is missing is none, zero or false.
#[derive(Serialize, Deserialize)]
pub(in crate::evidence) struct TurnLine {
    /// How many of the frame's records it takes, in order.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) records: u32,
    /// Whether the next line goes on with the same turn.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) goes_on: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    losses: Vec<LossLine>,
    #[serde(default, skip_serializing_if = "is_false")]
    emptied: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<AskedLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<u64>,
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[derive(Serialize, Deserialize)]
struct LossLine {
    cause: CauseWord,
    /// Of `ring_full`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpu: Option<u32>,
    lost: u64,
    /// Only where there are some.
    #[serde(default, skip_serializing_if = "is_zero")]
    beside: u64,
    since: u64,
    until: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CauseWord {
    RingFull,
    Recursion,
    NotRecorded,
}

#[derive(Serialize, Deserialize)]
struct AskedLine {
    now: u64,
    answers: Vec<AnswerLine>,
}

#[derive(Serialize, Deserialize)]
struct AnswerLine {
    netns: u32,
    local: EndLine,
    remote: EndLine,
    cookie: u64,
    interface: Option<u32>,
    ticked: u64,
    before: u64,
    after: u64,
    answer: AnswerWord,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AnswerWord {
    Found {
        state: StateWord,
        left_ns: Option<u64>,
        interface: u32,
    },
    Absent,
    NetnsGone,
    Failed(String),
}

impl TurnLine {
    /// The last line of a turn, which takes so many records.
    pub(super) fn new(turn: &Turn, records: u32) -> Self {
        Self {
            records,
            goes_on: false,
            losses: turn.losses.iter().map(LossLine::from).collect(),
            emptied: turn.emptied,
            asked: turn.asked.as_ref().map(AskedLine::from),
            timeout: turn.timeout.map(|at| at.0),
        }
    }

    /// A line that takes so many records, and is followed by another one of the same turn.
    pub(in crate::evidence) fn part(records: u32) -> Self {
        Self {
            records,
            goes_on: true,
            losses: Vec::new(),
            emptied: false,
            asked: None,
            timeout: None,
        }
    }

    /// The turn, without its records.
    pub(super) fn into_turn(self) -> Result<Turn, String> {
        let losses = self.losses.into_iter().map(LossLine::into_loss);
        Ok(Turn {
            batch: Batch::default(),
            losses: losses.collect::<Result<_, _>>()?,
            emptied: self.emptied,
            asked: self.asked.map(AskedLine::into_asked).transpose()?,
            timeout: self.timeout.map(MonoNs),
        })
    }
}

impl From<&Loss> for LossLine {
    fn from(loss: &Loss) -> Self {
        let (cause, cpu) = match loss.cause {
            LossCause::RingFull { cpu } => (CauseWord::RingFull, Some(cpu)),
            LossCause::Recursion => (CauseWord::Recursion, None),
            LossCause::NotRecorded => (CauseWord::NotRecorded, None),
        };
        Self {
            cause,
            cpu,
            lost: loss.lost,
            beside: loss.beside,
            since: loss.since.0,
            until: loss.until.0,
        }
    }
}

impl LossLine {
    fn into_loss(self) -> Result<Loss, String> {
        let cause = match (self.cause, self.cpu) {
            (CauseWord::RingFull, Some(cpu)) => LossCause::RingFull { cpu },
            (CauseWord::RingFull, None) => return Err("a loss in the ring has no `cpu`".to_owned()),
            (CauseWord::Recursion, _) => LossCause::Recursion,
            (CauseWord::NotRecorded, _) => LossCause::NotRecorded,
        };
        Ok(Loss {
            beside: self.beside,
            cause,
            lost: self.lost,
            since: MonoNs(self.since),
            until: MonoNs(self.until),
        })
    }
}

impl From<&Asked> for AskedLine {
    fn from(asked: &Asked) -> Self {
        Self {
            now: asked.now.0,
            answers: asked.answers.iter().map(AnswerLine::from).collect(),
        }
    }
}

impl AskedLine {
    fn into_asked(self) -> Result<Asked, String> {
        let answers = self.answers.into_iter().map(AnswerLine::into_answer);
        Ok(Asked {
            now: MonoNs(self.now),
            answers: answers.collect::<Result<_, _>>()?,
        })
    }
}

impl From<&(Question, Look)> for AnswerLine {
    fn from((question, look): &(Question, Look)) -> Self {
        Self {
            netns: question.netns,
            local: question.tuple.local.into(),
            remote: question.tuple.remote.into(),
            cookie: question.cookie,
            interface: question.interface,
            ticked: look.ticked.0,
            before: look.before.0,
            after: look.after.0,
            answer: match &look.answer {
                Answer::Found(found) => AnswerWord::Found {
                    state: found.state.into(),
                    left_ns: found.left_ns,
                    interface: found.interface,
                },
                Answer::Absent => AnswerWord::Absent,
                Answer::NetnsGone => AnswerWord::NetnsGone,
                Answer::Failed(reason) => AnswerWord::Failed(reason.clone()),
            },
        }
    }
}

impl AnswerLine {
    fn into_answer(self) -> Result<(Question, Look), String> {
        let question = Question {
            netns: self.netns,
            tuple: Tuple {
                local: self.local.into(),
                remote: self.remote.into(),
            },
            cookie: self.cookie,
            interface: self.interface,
        };
        let look = Look {
            ticked: MonoNs(self.ticked),
            before: MonoNs(self.before),
            after: MonoNs(self.after),
            answer: match self.answer {
                AnswerWord::Found {
                    state,
                    left_ns,
                    interface,
                } => Answer::Found(Found {
                    state: state.into_state()?,
                    left_ns,
                    interface,
                }),
                AnswerWord::Absent => Answer::Absent,
                AnswerWord::NetnsGone => Answer::NetnsGone,
                AnswerWord::Failed(reason) => Answer::Failed(reason),
            },
        };
        Ok((question, look))
    }
}
