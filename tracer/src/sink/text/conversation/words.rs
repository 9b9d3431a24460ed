//! What a step means, said of a and b.
//!
//! **Never:** more than the change itself tells.

use super::super::{failed, gone};
use super::letter;
use crate::model::TcpState;
use crate::track::conversation::{Alone, Conversation, End, Other, Step};
use crate::track::{Ending, Timeline};

/// What a step means; empty where its state says it all.
pub(super) fn of(conversation: &Conversation, step: &Step) -> String {
    use TcpState::{
        Close, CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, SynRecv, SynSent,
        TimeWait,
    };
    if matches!(conversation.b, Other::Alone(Alone::Itself)) {
        return String::new();
    }
    let (me, other) = letters(step.end);
    match (step.from, step.to) {
        (None, _) => "seen first in this state".to_owned(),
        (_, SynSent) => format!("{me} connects"),
        (Some(SynSent), SynRecv) => format!("{other} connects too"),
        (_, SynRecv) => format!("{me} answers"),
        (Some(SynSent), Established) => format!("{me} has {other}'s answer"),
        (Some(SynRecv), Established) => format!("{me} has {other}'s ACK"),
        (_, FinWait1) => format!("{me} closes"),
        (_, CloseWait) => format!("{me} has {other}'s FIN"),
        (Some(FinWait1), FinWait2) => format!("{me} has {other}'s ACK"),
        (Some(FinWait1), Closing) => format!("{me} has {other}'s FIN: they crossed"),
        (_, LastAck) => format!("{me} closes"),
        (Some(FinWait2), TimeWait) => format!("{me} has {other}'s FIN, and waits"),
        (Some(Closing), TimeWait) => format!("{me} has {other}'s ACK, and waits"),
        (Some(from), Close) => end_of(conversation, step.end)
            .map(|timeline| close(timeline, from, step.end))
            .unwrap_or_default(),
        _ => String::new(),
    }
}

/// How one end ended, said of a and b.
pub(super) fn ending(ending: Ending, end: End) -> String {
    let (me, other) = letters(end);
    ending
        .to_string()
        .replace("this host", me)
        .replace("the peer", other)
}

fn letters(end: End) -> (&'static str, &'static str) {
    match end {
        End::A => (letter(End::A), letter(End::B)),
        End::B => (letter(End::B), letter(End::A)),
    }
}

fn end_of(conversation: &Conversation, end: End) -> Option<&Timeline> {
    match end {
        End::A => Some(&conversation.a),
        End::B => conversation.b(),
    }
}

/// Why one end is no more, short enough for the end of a line.
fn close(timeline: &Timeline, from: TcpState, end: End) -> String {
    let (_, other) = letters(end);
    match timeline.ended {
        Some(Ending::TimeWaitOver(end) | Ending::FinWait2Over(end)) => gone(end).to_owned(),
        Some(Ending::NotEstablished(end)) => failed(end).to_owned(),
        Some(Ending::Closed) if from == TcpState::LastAck => {
            format!("{} has {other}'s ACK", letters(end).0)
        }
        Some(closed) => {
            let said = ending(closed, end);
            // What is longer is said below.
            if said.chars().count() <= 28 {
                said
            } else {
                String::new()
            }
        }
        None => String::new(),
    }
}
