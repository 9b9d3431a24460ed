//! What both pictures have in common: which transitions they draw, and what they say beside them.

use super::transitions::{Part, Shown, TRANSITIONS, Transition};
use crate::model::TcpState::{self, Close, CloseWait, SynRecv, SynSent};

/// Returns the transition between two states, if there is one.
pub(super) fn find(from: TcpState, to: TcpState) -> Option<&'static Transition> {
    TRANSITIONS
        .iter()
        .find(|step| (step.from, step.to) == (from, to))
}

/// Returns whether a transition has an arrow: an orderly one nearly always, a broken one hardly ever,
/// as nearly every state has that one.
pub(super) fn is_drawn(step: &Transition) -> bool {
    match (step.from, step.to) {
        // A connect that fails is what this arrow is looked up for.
        (SynSent, Close) => true,
        // So rare that its line is not worth the crossings.
        (SynRecv, CloseWait) => false,
        _ => step.part != Part::Abort,
    }
}

/// Returns whether a state can end by a reset or a timeout that no arrow shows.
pub(super) fn has_undrawn_abort(state: TcpState) -> bool {
    TRANSITIONS
        .iter()
        .any(|step| step.from == state && step.part == Part::Abort && !is_drawn(step))
}

/// Returns the orderly transitions that have no arrow.
pub(super) fn undrawn() -> impl Iterator<Item = &'static Transition> {
    TRANSITIONS
        .iter()
        .filter(|step| step.part != Part::Abort && !is_drawn(step))
}

/// Returns the drawn transitions that need a note, in the order of the notes.
pub(super) fn noted() -> impl Iterator<Item = &'static Transition> {
    TRANSITIONS
        .iter()
        .filter(|step| step.shown != Shown::Yes && is_drawn(step))
}

/// Returns the number of a transition's note, from 1; `None` if it needs none.
pub(super) fn note_number(step: &Transition) -> Option<usize> {
    noted()
        .position(|noted| noted == step)
        .map(|index| index + 1)
}

/// Returns whether the arrow is dashed: the tracepoint does not show it.
pub(super) fn is_dashed(step: &Transition) -> bool {
    matches!(step.shown, Shown::No(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transition_is_drawn_marked_or_spoken_of() {
        for step in &TRANSITIONS {
            let marked = step.part == Part::Abort && has_undrawn_abort(step.from);
            let spoken = undrawn().any(|other| other == step);
            assert!(
                is_drawn(step) || marked || spoken,
                "{} → {}",
                step.from,
                step.to
            );
        }
        assert_eq!(find(Close, CloseWait), None);
    }

    #[test]
    fn what_the_tracepoint_hides_is_drawn_dashed_and_noted() {
        for step in TRANSITIONS.iter().filter(|step| is_dashed(step)) {
            assert!(is_drawn(step) && note_number(step).is_some());
        }
    }
}
