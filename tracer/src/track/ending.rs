//! How a connection ended, as far as the last change and the socket's error tell.

use std::fmt;

use crate::model::{CloseError, RequestEnd, Standing, TcpState, TimewaitEnd};

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
    TimedOut(Timeout),
    /// A router or this host said that the other end cannot be reached; the errno.
    Unreachable(u32),
    /// This host gave the connection up without a FIN.
    Aborted,
    /// Its program closed it while so many bytes were not read, which sends a reset.
    AbortedUnread(u32),
    /// Its program closed it with SO_LINGER of zero, which sends a reset.
    AbortedByLinger,
    /// Its listener closed before it was accepted.
    ListenerGone,
    /// Somebody else's program killed it: `ss -K`, or a BPF program.
    Killed,
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

/// What was waited for in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// An answer to the SYN.
    Connect,
    /// An acknowledgement of what was sent again and again.
    Retransmission,
    /// An answer to keepalive probes.
    Keepalive,
    /// An answer to probes of the other end's window, which had closed.
    ZeroWindow,
    /// As before, for as long as TCP_USER_TIMEOUT allows.
    User,
    /// Not known.
    Unknown,
}

/// Linux errno numbers, as `include/uapi/asm-generic/errno.h` has them.
mod errno {
    pub(super) const EPIPE: u32 = 32;
    pub(super) const EACCES: u32 = 13;
    pub(super) const ECONNABORTED: u32 = 103;
    pub(super) const ECONNRESET: u32 = 104;
    pub(super) const ENETUNREACH: u32 = 101;
    pub(super) const ETIMEDOUT: u32 = 110;
    pub(super) const ECONNREFUSED: u32 = 111;
    pub(super) const EHOSTUNREACH: u32 = 113;

    /// Names of others that end a connection.
    pub(super) fn name(number: u32) -> Option<&'static str> {
        Some(match number {
            1 => "EPERM",
            12 => "ENOMEM",
            EACCES => "EACCES",
            22 => "EINVAL",
            71 => "EPROTO",
            90 => "EMSGSIZE",
            92 => "ENOPROTOOPT",
            99 => "EADDRNOTAVAIL",
            100 => "ENETDOWN",
            ENETUNREACH => "ENETUNREACH",
            105 => "ENOBUFS",
            112 => "EHOSTDOWN",
            EHOSTUNREACH => "EHOSTUNREACH",
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
            Some(CloseError(errno::ETIMEDOUT)) => {
                return Self::TimedOut(match last {
                    SynSent => Timeout::Connect,
                    _ => Timeout::Unknown,
                });
            }
            Some(CloseError(errno::ECONNABORTED)) => return Self::Killed,
            Some(CloseError(
                number @ (errno::EACCES | errno::ENETUNREACH | errno::EHOSTUNREACH),
            )) => {
                return Self::Unreachable(number);
            }
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

impl Ending {
    /// Says more of a close than the states and the error tell, by how the socket stood as it closed.
    ///
    /// # Kernel
    ///
    /// * `__tcp_close` sends a reset in place of a FIN where data was not read, and else where SO_LINGER is zero.
    /// * `inet_csk_listen_stop` ends the connections that a listener had not handed out: no program has them.
    /// * `icsk_retransmits` stays above zero when a retransmission timer gives up (`tcp_write_timeout`),
    ///   `icsk_probes_out` when the timer of keepalive or zero-window probes does (`tcp_keepalive_timer`,
    ///   `tcp_probe_timer`).
    ///
    /// `lasted_ns` is how long it was in its last state, where that is known: TCP_USER_TIMEOUT is one bound among several.
    pub(super) fn explained(
        self,
        last: TcpState,
        lasted_ns: Option<u64>,
        standing: &Standing,
    ) -> Self {
        let is_user_timeout = standing.timers.is_some_and(|timers| {
            let bound_ns = u64::from(timers.user_timeout_ms) * 1_000_000;
            bound_ns > 0 && lasted_ns.is_none_or(|lasted_ns| lasted_ns >= bound_ns)
        });
        match self {
            Self::Aborted => Self::why_aborted(last, standing),
            Self::TimedOut(Timeout::Connect | Timeout::Unknown) if is_user_timeout => {
                Self::TimedOut(Timeout::User)
            }
            Self::TimedOut(Timeout::Unknown) => Self::TimedOut(Self::why_timed_out(standing)),
            other => other,
        }
    }

    fn why_aborted(last: TcpState, standing: &Standing) -> Self {
        use TcpState::{CloseWait, Established};
        if !matches!(last, Established | CloseWait) {
            return Self::Aborted;
        }
        match (
            standing.has_program,
            standing.unread_bytes(),
            standing.lingers_zero(),
        ) {
            (Some(false), ..) => Self::ListenerGone,
            (_, Some(unread), _) if unread > 0 => Self::AbortedUnread(unread),
            (_, _, Some(true)) => Self::AbortedByLinger,
            _ => Self::Aborted,
        }
    }

    fn why_timed_out(standing: &Standing) -> Timeout {
        let Some(timers) = standing.timers else {
            return Timeout::Unknown;
        };
        match (timers.retransmits, timers.probes, standing.waiting) {
            (1.., ..) => Timeout::Retransmission,
            // With something to send, its timer is that of a closed window.
            (0, 1.., Some(1..)) => Timeout::ZeroWindow,
            (0, 1.., Some(0)) if standing.keeps_alive() == Some(true) => Timeout::Keepalive,
            _ => Timeout::Unknown,
        }
    }

    /// Returns the name of an errno that ends or is reported of connections, such as `EHOSTUNREACH`.
    pub fn errno_name(number: u32) -> Option<&'static str> {
        match number {
            errno::EPIPE => Some("EPIPE"),
            errno::ECONNABORTED => Some("ECONNABORTED"),
            errno::ECONNRESET => Some("ECONNRESET"),
            errno::ETIMEDOUT => Some("ETIMEDOUT"),
            errno::ECONNREFUSED => Some("ECONNREFUSED"),
            number => errno::name(number),
        }
    }

    /// Returns whether a reset of this host may follow, which says more.
    pub(super) fn may_send_reset(self) -> bool {
        matches!(
            self,
            Self::Aborted | Self::AbortedUnread(_) | Self::AbortedByLinger | Self::ListenerGone
        )
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "timed out: no answer to the SYN",
            Self::Retransmission => "timed out: no acknowledgement",
            Self::Keepalive => "timed out: no answer to keepalive probes",
            Self::ZeroWindow => "timed out: no answer to zero-window probes",
            Self::User => "timed out: TCP_USER_TIMEOUT",
            Self::Unknown => "timed out",
        })
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
            Self::TimedOut(timeout) => timeout.fmt(f),
            Self::Unreachable(number) => match errno::name(*number) {
                Some(name) => write!(f, "unreachable ({name})"),
                None => write!(f, "unreachable (errno {number})"),
            },
            Self::Aborted => f.write_str("aborted by this host"),
            Self::AbortedUnread(1) => f.write_str("aborted by this host: 1 byte was not read"),
            Self::AbortedUnread(bytes) => {
                write!(f, "aborted by this host: {bytes} bytes were not read")
            }
            Self::AbortedByLinger => f.write_str("aborted by this host: SO_LINGER of zero"),
            Self::ListenerGone => {
                f.write_str("aborted by this host: its listener closed before it was accepted")
            }
            Self::Killed => f.write_str("killed: ss -K, or a BPF program"),
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
    use crate::model::Timers;
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
        assert_eq!(judged(SynSent, 110), Ending::TimedOut(Timeout::Connect));
        assert_eq!(judged(SynSent, 0), Ending::GivenUp);
        assert_eq!(judged(SynSent, 113), Ending::Unreachable(113));
        assert_eq!(
            Ending::Unreachable(113).to_string(),
            "unreachable (EHOSTUNREACH)"
        );
        assert_eq!(Ending::Error(105).to_string(), "failed with ENOBUFS");
        assert_eq!(judged(LastAck, 0), Ending::Closed);
        let no_port = Ending::judge(SynSent, Some(CloseError(0)), false);
        assert_eq!(no_port, Ending::NoPort);
        assert_eq!(judged(Established, 0), Ending::Aborted);
        assert_eq!(judged(CloseWait, 32), Ending::ResetByPeer);
        assert_eq!(judged(Established, 103), Ending::Killed);
    }

    #[test]
    fn how_the_socket_stood_says_why_it_was_aborted() {
        let has_program = Standing {
            has_program: Some(true),
            ..Standing::default()
        };
        let explained = |last, standing| Ending::Aborted.explained(last, None, &standing);
        let linger = 1 << 4;
        let done = 1 << 1;
        let unread = |unread, flags| Standing {
            unread: Some(unread),
            flags: Some((flags, true)),
            ..has_program
        };
        assert_eq!(
            explained(Established, unread(5, linger)),
            Ending::AbortedUnread(5)
        );
        assert_eq!(
            explained(CloseWait, unread(1, linger | done)),
            Ending::AbortedByLinger,
            "what is not read is the FIN"
        );
        assert_eq!(explained(Established, unread(0, 0)), Ending::Aborted);
        let no_program = Standing {
            has_program: Some(false),
            ..unread(5, 0)
        };
        assert_eq!(explained(Established, no_program), Ending::ListenerGone);
        assert_eq!(
            explained(FinWait1, no_program),
            Ending::Aborted,
            "a program had it, and closed it"
        );
    }

    #[test]
    fn the_timer_that_ran_out_says_what_was_waited_for() {
        let explained = |last, timers: (u16, u16, u32), waiting, keeps_alive| {
            let (retransmits, probes, user_timeout_ms) = timers;
            let standing = Standing {
                waiting: Some(waiting),
                flags: Some((u32::from(keeps_alive) << 3, false)),
                timers: Some(Timers {
                    retransmits,
                    probes,
                    user_timeout_ms,
                }),
                ..Standing::default()
            };
            let lasted = Some(7_000_000_000);
            Ending::judge(last, Some(CloseError(110)), true).explained(last, lasted, &standing)
        };
        let told = Ending::TimedOut;
        use Timeout::{Connect, Keepalive, Retransmission, Unknown, User, ZeroWindow};
        assert_eq!(explained(SynSent, (6, 0, 0), 1, false), told(Connect));
        assert_eq!(explained(SynSent, (6, 0, 5_000), 1, false), told(User));
        // It ran out of attempts before that time was over.
        assert_eq!(explained(SynSent, (1, 0, 60_000), 1, false), told(Connect));
        let lost = (15, 0, 0);
        assert_eq!(explained(Established, lost, 9, true), told(Retransmission));
        assert_eq!(explained(Established, (3, 0, 9), 9, true), told(User));
        let silent = (0, 9, 0);
        assert_eq!(explained(CloseWait, silent, 0, true), told(Keepalive));
        // What waits to be sent is not waited for by keepalive probes.
        assert_eq!(explained(Established, silent, 5, true), told(ZeroWindow));
        assert_eq!(explained(Established, silent, 5, false), told(ZeroWindow));
        assert_eq!(explained(Established, (0, 0, 0), 0, true), told(Unknown));
    }
}
