//! Which state can follow which on Linux, why, and whether the tracepoint shows it.
//!
//! **Owns:** the one table. The pages list it, both pictures are drawn from it.
//!
//! # Kernel
//!
//! The table follows Linux where Linux differs from RFC 9293, figure 5:
//!
//! * `FIN_WAIT1 → TIME_WAIT` does not exist: a segment that carries both the peer's FIN and the
//!   acknowledgement of ours passes `FIN_WAIT2` (`tcp_rcv_state_process`).
//! * `SYN_RECV → LISTEN` and `LISTEN → SYN_SENT` do not exist: a listener never becomes the
//!   connection, and `connect()` on it fails.
//! * A new SYN in TIME_WAIT does not move that connection to SYN_RECV: the old one ends and a
//!   listener makes a new one.

use crate::model::TcpState::{
    self, Close, CloseWait, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynRecv,
    SynSent, TimeWait,
};

/// One legal step from a state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// State that is left.
    pub from: TcpState,
    /// State that is entered.
    pub to: TcpState,
    /// What brings it about, as a clause; states in braces.
    pub event: &'static str,
    /// The same in two or three words, for a picture.
    pub cause: &'static str,
    /// Segment that this host sends on it, if it always sends one.
    pub sends: Option<&'static str>,
    /// Part of the life of a connection that it belongs to.
    pub part: Part,
    /// Whether `sock:inet_sock_set_state` shows it.
    pub shown: Shown,
}

/// Part of the life of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// This host asks for the connection.
    ActiveOpen,
    /// This host waits for it.
    PassiveOpen,
    /// This host closes first.
    ActiveClose,
    /// The peer closes first.
    PassiveClose,
    /// It ends otherwise: refused, reset, timed out, or aborted.
    Abort,
}

/// Whether the tracepoint shows a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Each time, as it happens, and nothing else looks the same.
    Yes,
    /// Not each time, not at once, or not to be told from another; the text says which.
    Partly(&'static str),
    /// Never; the text says what is shown instead.
    No(&'static str),
}

const fn step(
    (from, to): (TcpState, TcpState),
    part: Part,
    shown: Shown,
    (cause, sends): (&'static str, Option<&'static str>),
    event: &'static str,
) -> Transition {
    Transition {
        from,
        to,
        event,
        cause,
        sends,
        part,
        shown,
    }
}

/// Every legal transition, in the order in which a connection can come to them.
pub const TRANSITIONS: [Transition; 25] = [
    step(
        (Close, Listen),
        Part::PassiveOpen,
        Shown::Yes,
        ("listen()", None),
        "the program listens",
    ),
    step(
        (Close, SynSent),
        Part::ActiveOpen,
        Shown::Yes,
        ("connect()", Some("SYN")),
        "the program connects; SYN is sent",
    ),
    step(
        (Listen, Close),
        Part::PassiveOpen,
        Shown::Yes,
        ("close()", None),
        "the program stops listening",
    ),
    step(
        (Listen, SynRecv),
        Part::PassiveOpen,
        Shown::Partly(
            "a request socket holds the half-open connection; the change comes once the \
             handshake's last ACK has made a real one",
        ),
        ("SYN arrives", Some("SYN+ACK")),
        "a SYN arrives; SYN+ACK is sent. The listener stays, a new socket goes on",
    ),
    step(
        (SynSent, SynRecv),
        Part::ActiveOpen,
        Shown::Yes,
        ("SYN arrives", Some("SYN+ACK")),
        "a SYN arrives in place of an answer (simultaneous open); SYN+ACK is sent",
    ),
    step(
        (SynSent, Established),
        Part::ActiveOpen,
        Shown::Yes,
        ("SYN+ACK arrives", Some("ACK")),
        "SYN+ACK arrives; ACK is sent",
    ),
    step(
        (SynSent, Close),
        Part::Abort,
        Shown::Yes,
        ("refused, timeout", None),
        "refused by RST or ICMP, no answer to any SYN, or the program gives up",
    ),
    step(
        (SynRecv, Established),
        Part::PassiveOpen,
        Shown::Yes,
        ("ACK arrives", None),
        "the ACK of our SYN arrives",
    ),
    step(
        (SynRecv, FinWait1),
        Part::ActiveClose,
        Shown::Yes,
        ("close()", Some("FIN")),
        "the program closes before the handshake is done (Fast Open, simultaneous open)",
    ),
    step(
        (SynRecv, CloseWait),
        Part::PassiveClose,
        Shown::Yes,
        ("FIN arrives", Some("ACK")),
        "a Fast Open SYN carries data and FIN at once",
    ),
    step(
        (SynRecv, Close),
        Part::Abort,
        Shown::Partly("not where a request socket holds the half-open connection"),
        ("reset, timeout", None),
        "RST arrives, or no ACK comes to any SYN+ACK",
    ),
    step(
        (Established, FinWait1),
        Part::ActiveClose,
        Shown::Yes,
        ("close()", Some("FIN")),
        "the program closes, or shuts its sending side down; FIN is sent",
    ),
    step(
        (Established, CloseWait),
        Part::PassiveClose,
        Shown::Yes,
        ("FIN arrives", Some("ACK")),
        "the peer's FIN arrives; ACK is sent",
    ),
    step(
        (Established, Close),
        Part::Abort,
        Shown::Yes,
        ("reset, timeout", None),
        "RST arrives, the peer no longer answers, or the program aborts with RST",
    ),
    step(
        (FinWait1, FinWait2),
        Part::ActiveClose,
        Shown::Yes,
        ("ACK arrives", None),
        "the ACK of our FIN arrives",
    ),
    step(
        (FinWait1, Closing),
        Part::ActiveClose,
        Shown::Yes,
        ("FIN arrives", Some("ACK")),
        "the peer's FIN arrives before the ACK of ours; ACK is sent",
    ),
    step(
        (FinWait1, Close),
        Part::Abort,
        Shown::Yes,
        ("reset, timeout", None),
        "RST arrives, or the FIN is never acknowledged",
    ),
    step(
        (FinWait2, TimeWait),
        Part::ActiveClose,
        Shown::No("it reads {FIN_WAIT2} → {CLOSE}, as a timewait socket takes the connection over"),
        ("FIN arrives", Some("ACK")),
        "the peer's FIN arrives; ACK is sent",
    ),
    step(
        (FinWait2, Close),
        Part::Abort,
        Shown::Partly(
            "the same line also stands for a timewait socket taking over, in {FIN_WAIT2} or in \
             {TIME_WAIT}, and the end of that one is not shown",
        ),
        ("reset, timeout", None),
        "RST arrives, or no FIN within tcp_fin_timeout once the program has gone",
    ),
    step(
        (Closing, TimeWait),
        Part::ActiveClose,
        Shown::No("it reads {CLOSING} → {CLOSE}, as a timewait socket takes the connection over"),
        ("ACK arrives", None),
        "the ACK of our FIN arrives",
    ),
    step(
        (Closing, Close),
        Part::Abort,
        Shown::Partly("the same line also stands for the step to {TIME_WAIT}"),
        ("reset, timeout", None),
        "RST arrives, or the FIN is never acknowledged",
    ),
    step(
        (TimeWait, Close),
        Part::ActiveClose,
        Shown::No("it said {CLOSE} when {TIME_WAIT} began"),
        ("60 s pass", None),
        "60 s have passed, or a new connection takes the ports",
    ),
    step(
        (CloseWait, LastAck),
        Part::PassiveClose,
        Shown::Yes,
        ("close()", Some("FIN")),
        "the program closes too; FIN is sent",
    ),
    step(
        (CloseWait, Close),
        Part::Abort,
        Shown::Yes,
        ("reset, timeout", None),
        "RST arrives, data is never acknowledged, or the program aborts with RST",
    ),
    step(
        (LastAck, Close),
        Part::PassiveClose,
        Shown::Yes,
        ("ACK arrives", None),
        "the ACK of our FIN arrives, or RST, or neither ever does",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn is_legal(from: TcpState, to: TcpState) -> bool {
        TRANSITIONS
            .iter()
            .any(|step| (step.from, step.to) == (from, to))
    }

    #[track_caller]
    fn assert_walks(story: &[TcpState]) {
        for pair in story.windows(2) {
            assert!(is_legal(pair[0], pair[1]), "{} → {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn no_pair_is_listed_twice_and_none_leads_to_itself() {
        let mut seen = BTreeSet::new();
        for step in &TRANSITIONS {
            assert_ne!(step.from, step.to);
            assert!(
                seen.insert((step.from, step.to)),
                "{} → {}",
                step.from,
                step.to
            );
        }
    }

    #[test]
    fn every_state_is_reached_from_close_and_finds_back() {
        let reach = |next: fn(&Transition) -> (TcpState, TcpState)| {
            let mut reached = BTreeSet::from([Close]);
            // Each round adds a state or is the last.
            for _ in TcpState::ALL {
                for (from, to) in TRANSITIONS.iter().map(next) {
                    if reached.contains(&from) {
                        reached.insert(to);
                    }
                }
            }
            reached
        };
        let all = BTreeSet::from(TcpState::ALL);
        assert_eq!(reach(|step| (step.from, step.to)), all);
        assert_eq!(reach(|step| (step.to, step.from)), all);
    }

    #[test]
    fn two_programs_walk_along_the_table() {
        assert_walks(&[
            Close,
            SynSent,
            Established,
            FinWait1,
            FinWait2,
            TimeWait,
            Close,
        ]);
        assert_walks(&[
            Close,
            Listen,
            SynRecv,
            Established,
            CloseWait,
            LastAck,
            Close,
        ]);
    }

    #[test]
    fn a_simultaneous_close_and_open_walk_along_the_table() {
        assert_walks(&[Established, FinWait1, Closing, TimeWait, Close]);
        assert_walks(&[Close, SynSent, SynRecv, Established]);
    }

    #[test]
    fn the_tracepoint_never_shows_time_wait() {
        for step in &TRANSITIONS {
            let touches = step.from == TimeWait || step.to == TimeWait;
            assert_eq!(
                matches!(step.shown, Shown::No(_)),
                touches,
                "{} → {}",
                step.from,
                step.to
            );
        }
    }

    #[test]
    fn steps_that_linux_does_not_take_are_absent() {
        assert!(!is_legal(FinWait1, TimeWait));
        assert!(!is_legal(SynRecv, Listen));
        assert!(!is_legal(Listen, SynSent));
        assert!(!is_legal(TimeWait, SynRecv));
    }
}
