//! What each finding means, and what to look at.
//!
//! States stand in braces under netstat's name; the chosen naming's are put in.

use crate::model::{FindingKind, Naming, TcpState};

/// What is said about a finding.
struct Words {
    means: &'static str,
    look_at: &'static str,
}

/// What it means.
pub(super) fn means(kind: FindingKind, names: Naming) -> String {
    named(words(kind).means, names)
}

/// What to look at.
pub(super) fn look_at(kind: FindingKind, names: Naming) -> String {
    named(words(kind).look_at, names)
}

/// The state that a finding is about, where it is about one.
pub(super) fn state(kind: FindingKind) -> Option<TcpState> {
    match kind {
        FindingKind::CloseWait => Some(TcpState::CloseWait),
        FindingKind::LastAck => Some(TcpState::LastAck),
        FindingKind::FinWait1 => Some(TcpState::FinWait1),
        FindingKind::FinWait2 => Some(TcpState::FinWait2),
        _ => None,
    }
}

fn named(text: &str, names: Naming) -> String {
    TcpState::ALL
        .into_iter()
        .fold(text.to_owned(), |text, state| {
            text.replace(&format!("{{{state}}}"), &state.named(names).to_string())
        })
}

fn words(kind: FindingKind) -> Words {
    match kind {
        FindingKind::CloseWait => Words {
            means: "the other end has closed, and the program here has not: it does not look at its socket any \
                    more, or has forgotten it; each one keeps a descriptor and memory until the program ends",
            look_at: "what the program does when a read returns 0, and on its error paths; \
                      `ss -tanp state close-wait`; pools that keep connections which nobody tests",
        },
        FindingKind::ConnectTimeout => Words {
            means: "nothing came back, neither an answer nor a refusal: the SYN or its answer is dropped on the \
                    way, the other host is down, or its listener's queue is full",
            look_at: "the route (`ip route get ADDRESS`); firewalls at both ends; whether {SYN_RECV} shows in a \
                      trace at the other end",
        },
        FindingKind::ConnectRefused => Words {
            means: "the SYN was answered with a reset, or with ICMP (port unreachable): nobody listens at that address and port, or a firewall \
                    answers in its place",
            look_at: "whether the service runs, and where it listens (`ss -tlnp` there: the address too); the \
                      address and port that the program was given",
        },
        FindingKind::LastAck => Words {
            means: "both ends have closed, and nobody acknowledges the last FIN: the other host has gone or \
                    cannot be reached, or it does not take what was to be sent before the FIN",
            look_at: "`ss -tnoi state last-ack`: what is unsent, and how often it was sent again; the path to \
                      the other end",
        },
        FindingKind::FinWait1 => Words {
            means: "this end has closed, and nobody acknowledges it: the other host has gone or cannot be \
                    reached, or its program does not read what was sent before the FIN",
            look_at: "`ss -tnoi state fin-wait-1`: what is unsent, and how often it was sent again; \
                      `tcp_orphan_retries`; whether the other program reads",
        },
        FindingKind::FinWait2 => Words {
            means: "this end has closed, and the other one acknowledged that and goes on without closing; there \
                    it is {CLOSE_WAIT}, for as long as that program forgets it; here it ends after \
                    `tcp_fin_timeout`, unless the program keeps the socket to read on",
            look_at: "{CLOSE_WAIT} at the other end, and the program that has it; `tcp_fin_timeout`",
        },
        FindingKind::PortExhaustion => Words {
            means: "each connection towards one address and port takes a local port of its own, and keeps it \
                    for a minute after it was closed here; where none is free, a connect fails with \
                    EADDRNOTAVAIL",
            look_at: "keeping connections (a pool, keep-alive); `ip_local_port_range`; `tcp_tw_reuse`; more \
                      addresses at either end; `tracer time-wait`",
        },
        FindingKind::ConnectionPerRequest => Words {
            means: "each of these was opened just after the same process had closed one to the same end: each \
                    pays for a handshake and leaves a port in {TIME_WAIT}, and one connection could have \
                    carried them all",
            look_at: "keep-alive and the pool in the client's settings; whether the server closes first \
                      (`Connection: close`, a limit of requests)",
        },
        FindingKind::ResetStorm => Words {
            means: "connections are broken off rather than closed: a program crashed, was restarted, or closes \
                    with data unread; or something in between cuts them",
            look_at: "which end sends the resets; the logs of that time; time limits of proxies, load \
                      balancers and firewalls",
        },
        FindingKind::HalfOpenFlood => Words {
            means: "SYNs come, and whoever sent them does not go on: a SYN flood with made-up addresses, a \
                    scan, or answers that do not get back",
            look_at: "where they come from; `tcp_syncookies` and `tcp_max_syn_backlog`; \
                      `nstat -az TcpExtSyncookiesSent`; the way back to the senders",
        },
        FindingKind::AcceptQueueOverflow => Words {
            means: "more connections are ready than the program accepts, so the kernel drops what would add \
                    one: clients wait, send again, and give up",
            look_at: "`ss -tln`: Recv-Q (waiting) against Send-Q (room); whether the program is stuck or too \
                      slow to accept; the backlog it asks for, and `net.core.somaxconn`",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_gets_the_chosen_name() {
        for kind in FindingKind::ALL {
            for said in [means(kind, Naming::Ss), look_at(kind, Naming::Ss)] {
                assert!(!said.contains(['{', '}']), "{kind}: {said}");
            }
        }
        assert!(means(FindingKind::FinWait2, Naming::Ss).contains("CLOSE-WAIT"));
    }
}
