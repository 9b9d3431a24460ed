//! How a connection ended, as far as the last change and the socket's error tell.

use std::fmt;

use crate::model::{CloseError, RequestEnd, TcpState, TimewaitEnd};

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Both ends closed, and the last acknowledgement came.
    Closed,
    /// The socket is gone; the connection may live on in a timewait socket, where FIN_WAIT2 and
    /// TIME_WAIT happen unseen, or may have been closed. Which of them is not known.
    TimeWaitOrClosed,
    /// Its timewait socket ended in TIME_WAIT: both ends had closed.
    TimeWaitOver(TimewaitEnd),
    /// Its timewait socket ended in FIN_WAIT2: the other end had not closed.
    FinWait2Over(TimewaitEnd),
    /// It was to go on as a timewait socket, and the kernel allows no more of them
    /// (`tcp_max_tw_buckets`).
    TimeWaitRefused,
    /// It was asked for a timewait socket, and there was none: it had ended, was refused or never made.
    NoTimeWait,
    /// Its handshake was not completed.
    NotEstablished(RequestEnd),
    /// The other end answered the SYN with a reset.
    Refused,
    /// The other end sent a reset.
    ResetByPeer,
    /// Nothing came back in time.
    TimedOut,
    /// This host gave the connection up without a FIN.
    Aborted,
    /// It ended before it was established, and nothing came from the other end.
    GivenUp,
    /// No local port was free, so nothing was sent.
    NoPort,
    /// Another error, by its number.
    Error(u32),
    /// It is gone, and this hook cannot say why.
    CauseUnknown,
    /// The listener stopped listening.
    StoppedListening,
    /// Its end was not seen: its socket's address belongs to another one now.
    NotSeen,
    /// Too many connections are alive; this one is not followed any more.
    NotFollowed,
}

/// Linux errno numbers, as `include/uapi/asm-generic/errno.h` has them.
mod errno {
    pub(super) const EPIPE: u32 = 32;
    pub(super) const ECONNABORTED: u32 = 103;
    pub(super) const ECONNRESET: u32 = 104;
    pub(super) const ETIMEDOUT: u32 = 110;
    pub(super) const ECONNREFUSED: u32 = 111;

    /// Names of others that end a connection.
    pub(super) fn name(number: u32) -> Option<&'static str> {
        Some(match number {
            1 => "EPERM",
            12 => "ENOMEM",
            13 => "EACCES",
            22 => "EINVAL",
            71 => "EPROTO",
            90 => "EMSGSIZE",
            92 => "ENOPROTOOPT",
            99 => "EADDRNOTAVAIL",
            100 => "ENETDOWN",
            101 => "ENETUNREACH",
            105 => "ENOBUFS",
            112 => "EHOSTDOWN",
            113 => "EHOSTUNREACH",
            _ => return None,
        })
    }
}

impl Ending {
    /// Judges a change to `CLOSE`. `error` is the socket's error where it came with this change.
    ///
    /// Without it, only what the states themselves tell is told.
    ///
    /// # Kernel
    ///
    /// `sk_err` is written before the state changes (`tcp_reset`, `tcp_write_err`,
    /// `tcp_done_with_error`): a reset gives ECONNREFUSED in SYN_SENT, EPIPE in CLOSE_WAIT and
    /// ECONNRESET elsewhere; `ss -K` gives ECONNABORTED. A close by the program itself (unread
    /// data, SO_LINGER of zero) leaves no error.
    pub(super) fn judge(last: TcpState, error: Option<CloseError>, has_local_port: bool) -> Self {
        use TcpState::{Closing, FinWait2, LastAck, Listen, SynSent};
        if last == Listen {
            return Self::StoppedListening;
        }
        match error {
            Some(CloseError(errno::ECONNREFUSED)) => return Self::Refused,
            Some(CloseError(errno::ECONNRESET | errno::EPIPE)) => return Self::ResetByPeer,
            Some(CloseError(errno::ETIMEDOUT)) => return Self::TimedOut,
            Some(CloseError(errno::ECONNABORTED)) => return Self::Aborted,
            Some(CloseError(0)) | None => {}
            Some(CloseError(number)) => return Self::Error(number),
        }
        match (last, error) {
            (FinWait2 | Closing, _) => Self::TimeWaitOrClosed,
            (_, None) => Self::CauseUnknown,
            (LastAck, Some(_)) => Self::Closed,
            (SynSent, Some(_)) if !has_local_port => Self::NoPort,
            (SynSent, Some(_)) => Self::GivenUp,
            (_, Some(_)) => Self::Aborted,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed"),
            Self::TimeWaitOrClosed => {
                f.write_str("in a timewait socket or closed: not known which")
            }
            Self::TimeWaitOver(TimewaitEnd::Expired) => f.write_str("closed; TIME_WAIT expired"),
            Self::TimeWaitOver(end) => write!(f, "closed; TIME_WAIT {end}"),
            Self::FinWait2Over(TimewaitEnd::Expired) => {
                f.write_str("closed by this host alone; FIN_WAIT2 expired")
            }
            Self::FinWait2Over(end) => write!(f, "closed by this host alone; FIN_WAIT2 {end}"),
            Self::TimeWaitRefused => {
                f.write_str("closed without TIME_WAIT: tcp_max_tw_buckets reached")
            }
            Self::NoTimeWait => f.write_str("closed: no timewait socket was found"),
            Self::NotEstablished(end) => write!(f, "never established: {end}"),
            Self::Refused => f.write_str("refused"),
            Self::ResetByPeer => f.write_str("reset by the peer"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Aborted => f.write_str("aborted by this host"),
            Self::GivenUp => f.write_str("given up before it was established"),
            Self::NoPort => f.write_str("not sent: no local port was free"),
            Self::Error(number) => match errno::name(*number) {
                Some(name) => write!(f, "failed with {name}"),
                None => write!(f, "failed with errno {number}"),
            },
            Self::CauseUnknown => f.write_str("closed: not known why"),
            Self::StoppedListening => f.write_str("stopped listening"),
            Self::NotSeen => f.write_str("end not seen"),
            Self::NotFollowed => f.write_str("not followed any more: too many connections"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TcpState::*;

    #[test]
    fn a_change_to_close_is_never_called_a_death_while_a_timewait_socket_may_live() {
        for error in [None, Some(CloseError(0))] {
            assert_eq!(
                Ending::judge(FinWait2, error, true),
                Ending::TimeWaitOrClosed
            );
            assert_eq!(
                Ending::judge(Closing, error, true),
                Ending::TimeWaitOrClosed
            );
        }
        assert_eq!(
            Ending::judge(FinWait2, Some(CloseError(104)), true),
            Ending::ResetByPeer
        );
    }

    #[test]
    fn without_the_error_nothing_is_claimed() {
        for state in [SynSent, SynRecv, Established, CloseWait, FinWait1, LastAck] {
            assert_eq!(
                Ending::judge(state, None, true),
                Ending::CauseUnknown,
                "{state}"
            );
        }
        assert_eq!(Ending::judge(Listen, None, true), Ending::StoppedListening);
    }

    #[test]
    fn errors_tell_who_ended_it() {
        let judged = |state, error| Ending::judge(state, Some(CloseError(error)), true);
        assert_eq!(judged(SynSent, 111), Ending::Refused);
        assert_eq!(judged(SynSent, 110), Ending::TimedOut);
        assert_eq!(judged(SynSent, 0), Ending::GivenUp);
        assert_eq!(judged(SynSent, 113), Ending::Error(113));
        assert_eq!(Ending::Error(113).to_string(), "failed with EHOSTUNREACH");
        assert_eq!(judged(LastAck, 0), Ending::Closed);
        let no_port = Ending::judge(SynSent, Some(CloseError(0)), false);
        assert_eq!(no_port, Ending::NoPort);
        assert_eq!(judged(Established, 0), Ending::Aborted);
        assert_eq!(judged(CloseWait, 32), Ending::ResetByPeer);
        assert_eq!(judged(Established, 103), Ending::Aborted);
    }
}
