//! What is said about each state, in words.
//!
//! **Never:** a list of transitions (they are a table of their own), a width, or a colour.
//!
//! States stand in braces under netstat's name; the page puts the chosen naming's in.

use crate::model::TcpState;

/// Everything that is said about a state.
pub(super) struct StateText {
    /// What it is, in a line of a table: at most 39 characters.
    pub(super) brief: &'static str,
    /// What it means.
    pub(super) meaning: &'static str,
    /// Who moves next.
    pub(super) next: &'static str,
    /// What it usually means when a connection stays there.
    pub(super) stays: &'static str,
    /// What to look at: a command, and what it tells.
    pub(super) look: &'static [(&'static str, &'static str)],
    /// What the tracepoint, and so this tool, tells of it.
    pub(super) told: &'static str,
}

/// Returns what is said about a state; `None` for a number that has no name.
pub(super) fn text(state: TcpState) -> Option<&'static StateText> {
    Some(match state {
        TcpState::Close => &CLOSE,
        TcpState::Listen => &LISTEN,
        TcpState::SynSent => &SYN_SENT,
        TcpState::SynRecv => &SYN_RECV,
        TcpState::Established => &ESTABLISHED,
        TcpState::FinWait1 => &FIN_WAIT1,
        TcpState::FinWait2 => &FIN_WAIT2,
        TcpState::Closing => &CLOSING,
        TcpState::TimeWait => &TIME_WAIT,
        TcpState::CloseWait => &CLOSE_WAIT,
        TcpState::LastAck => &LAST_ACK,
        TcpState::Unknown(_) => return None,
    })
}

const CLOSE: StateText = StateText {
    brief: "no connection: not yet, or no longer",
    meaning: "There is no connection. Every socket begins here and every connection ends here; \
              what is left is at most a descriptor that a program holds.",
    next: "The program, by connecting ({SYN_SENT}) or listening ({LISTEN}).",
    stays: "A socket that was made and never used, or whose connection has ended while the program \
            keeps its descriptor. A number that only grows is a leak of descriptors.",
    look: &[
        ("ss -s", "\"closed\" counts sockets without a connection"),
        ("ls -l /proc/PID/fd", "the descriptors that a program holds"),
        (
            "ss -tap state closed",
            "those bound to a port, on newer kernels",
        ),
    ],
    told: "The tracepoint shows {CLOSE} when a connection ends, but also when it only changes \
           hands: after {FIN_WAIT2} and {CLOSING}, a timewait socket may carry it on. Where timewait \
           sockets are followed, {CLOSE} is shown when the last socket is gone; with --time-wait off, \
           a timeline that ends so says that it cannot tell. When the descriptor goes is not shown.",
};

const LISTEN: StateText = StateText {
    brief: "a program waits for connections",
    meaning: "A program waits for connections on a port. Nobody is connected to this socket: each \
              connection gets a socket of its own, and the listener stays as it is.",
    next: "A peer, with a SYN: a new socket goes through {SYN_RECV}. Or the program, by closing.",
    stays: "Normal, for as long as the service runs. Trouble shows in its queues: while the accept \
            queue is full, because the program is slow to accept(), new SYNs and the last ACKs of \
            handshakes are dropped. Clients then hang in {SYN_SENT}, or believe that they are \
            {ESTABLISHED} while nobody answers.",
    look: &[
        ("ss -tlnp", "Recv-Q is the accept queue, Send-Q its limit"),
        (
            "nstat -az TcpExtListenOverflows TcpExtListenDrops",
            "what full queues have cost",
        ),
        (
            "sysctl net.core.somaxconn",
            "the most that listen() can ask for (4096; 128 before Linux 5.4)",
        ),
    ],
    told: "A listener's start and end are shown; as with netstat they are left out unless -l or \
           -a is given. The queues are not part of what the tracepoint tells.",
};

const SYN_SENT: StateText = StateText {
    brief: "we asked; no answer has come yet",
    meaning: "This host asks for a connection: its SYN is sent, and no answer has come.",
    next: "The peer: SYN+ACK opens the connection, RST refuses it. Or the kernel gives up.",
    stays: "It takes a round trip. Longer means that no answer comes at all: a firewall that drops, \
            a host that is down, a wrong route, or a listener whose queues are full. (A port on \
            which nobody listens answers at once, with RST.) The SYN is sent again, six times \
            by default and with growing pauses; after some two minutes connect() fails with \
            ETIMEDOUT.",
    look: &[
        (
            "ss -tanpo state syn-sent",
            "who waits for whom, and when the next SYN goes",
        ),
        (
            "tcpdump -ni any host PEER and port PORT",
            "whether anything comes back",
        ),
        (
            "nstat -az TcpExtTCPSynRetrans",
            "SYNs and SYN+ACKs that were sent again",
        ),
        (
            "sysctl net.ipv4.tcp_syn_retries",
            "how often a SYN is sent again",
        ),
    ],
    told: "Shown, beginning and end: the time between them is the handshake as the client's kernel \
           sees it. When it begins, the local port is not chosen yet and reads 0; it is filled in \
           from the changes that follow.",
};

const SYN_RECV: StateText = StateText {
    brief: "we answered; the last ACK is awaited",
    meaning: "A SYN came, SYN+ACK is sent, and the last step of the handshake is awaited: the \
              connection is half open.",
    next: "The peer's kernel, with the ACK. Or this kernel gives up.",
    stays: "It takes a round trip. SYN+ACK is sent again, five times by default; after about a \
            minute the attempt is dropped. Many at once mean that the ACKs do not come back (false \
            source addresses in a SYN flood, a route that differs on the way back, a firewall), \
            or that the accept queue is full and the kernel ignores them.",
    look: &[
        (
            "ss -tan state syn-recv",
            "from whom the half-open connections are",
        ),
        (
            "nstat -az TcpExtSyncookiesSent TcpExtListenOverflows",
            "whether a flood or a full queue was met",
        ),
        (
            "sysctl net.ipv4.tcp_synack_retries",
            "how often SYN+ACK is sent again",
        ),
        (
            "sysctl net.ipv4.tcp_max_syn_backlog",
            "with somaxconn: how many may be half open on a listener",
        ),
    ],
    told: "Linux holds a half-open connection in a small request socket, which never comes over \
           the tracepoint; a real socket is made when the last ACK is there. Request sockets are \
           followed by hooks of their own, where the kernel has them: the time shown is then the \
           time from the SYN to the last ACK, and an attempt that comes to nothing is shown with \
           its reason. Without them the real socket alone is seen, which passes {LISTEN} → {SYN_RECV} \
           → {ESTABLISHED} within microseconds. A SYN cookie leaves no request socket, and Fast Open \
           none that waits: how long those were half open is not known.",
};

const ESTABLISHED: StateText = StateText {
    brief: "open: both sides may send",
    meaning: "The handshake is done, and both sides may send.",
    next: "Either program, by closing. Until then nobody has to.",
    stays: "Normal: an idle connection may stay for days and costs little. If the peer vanished \
            without a word (a crash, a pulled cable, a NAT that forgot), this side learns it only \
            by sending: unacknowledged data is sent again up to 15 times, about a quarter of an \
            hour, then the socket reports ETIMEDOUT. A side that only reads never learns it, \
            unless the program asks for keepalive: by default the first probe goes after two hours.",
    look: &[
        (
            "ss -tanpo state established",
            "timers: \"on\" is a retransmission, \"keepalive\" a probe",
        ),
        (
            "ss -tin dst ADDRESS",
            "round trip, retransmissions, window; lastsnd and lastrcv in ms",
        ),
        (
            "sysctl net.ipv4.tcp_retries2",
            "how often data is sent again",
        ),
        (
            "sysctl net.ipv4.tcp_keepalive_time",
            "idle seconds before the first probe",
        ),
    ],
    told: "Shown, beginning and end. What comes next tells who closed first: {FIN_WAIT1} this side, \
           {CLOSE_WAIT} the peer, {CLOSE} neither: a reset or a timeout. On the accepting side it \
           begins when the last ACK arrives, which can be long before the program calls accept().",
};

const FIN_WAIT1: StateText = StateText {
    brief: "we closed; our FIN is not acknowledged",
    meaning: "This side closed first. Its FIN is sent, or waits behind data that is still unsent; \
              the acknowledgement has not come.",
    next: "The peer's kernel, by acknowledging ({FIN_WAIT2}); its program has no part in it. If the \
           peer closes at the same moment, its FIN may come first ({CLOSING}).",
    stays: "It takes a round trip. Longer means that the data before the FIN does not get through: \
            the peer's program does not read and its window is full, or the peer is gone. Once the \
            program has let go of the socket, the kernel tries a limited number of times and then \
            drops the connection.",
    look: &[
        (
            "ss -tano state fin-wait-1",
            "Send-Q is what the peer has not acknowledged",
        ),
        (
            "sysctl net.ipv4.tcp_orphan_retries",
            "how often without a program; 0, the default, stands for 8",
        ),
        (
            "sysctl net.ipv4.tcp_max_orphans",
            "above so many sockets without a program, new ones are reset",
        ),
    ],
    told: "Shown, beginning and end. {ESTABLISHED} → {FIN_WAIT1} is the sign that this side closed \
           first. If the peer's FIN comes in one segment with the acknowledgement, {FIN_WAIT2} is \
           passed at once.",
};

const FIN_WAIT2: StateText = StateText {
    brief: "we closed; the peer has not, so far",
    meaning: "This side closed first and the peer's kernel has acknowledged it. The peer's program \
              has not closed: it may still send, and this side may still read (a half-closed \
              connection).",
    next: "The peer's program, by closing.",
    stays: "The peer sits in {CLOSE_WAIT}: look there. If the program here only shut down its \
            sending side, that may be meant, and lasts as long as the peer likes. If it has let go \
            of the socket, the kernel waits tcp_fin_timeout, 60 s by default, and then forgets \
            the connection.",
    look: &[
        (
            "ss -tanpo state fin-wait-2",
            "no program named: only the kernel still waits",
        ),
        (
            "ss -tanp state close-wait",
            "on the peer: which program does not close",
        ),
        (
            "sysctl net.ipv4.tcp_fin_timeout",
            "how long without a program; it has no effect on {TIME_WAIT}",
        ),
    ],
    told: "Shown, beginning and end. The tracepoint alone ends it as {FIN_WAIT2} → {CLOSE}, which \
           stands for three things: the peer closed and {TIME_WAIT} begins; the program has gone and \
           a timewait socket waits on in {FIN_WAIT2}; or it was a reset. Timewait sockets are \
           followed by other means, so that each is shown as what it is, and the end of a \
           {FIN_WAIT2} without a program has its reason. With --time-wait off, nobody can tell.",
};

const CLOSING: StateText = StateText {
    brief: "both closed at once; an ACK is awaited",
    meaning: "Both sides closed at the same moment and the FINs crossed. The peer's is here; ours is \
              not acknowledged yet.",
    next: "The peer's kernel, by acknowledging our FIN.",
    stays: "Rare, and over in a round trip. When it lasts, our FIN or its acknowledgement got lost: \
            the FIN is sent again until tcp_orphan_retries is used up.",
    look: &[
        (
            "ss -tano state closing",
            "the timer tells when the FIN is sent again",
        ),
        (
            "sysctl net.ipv4.tcp_orphan_retries",
            "how often without a program; 0, the default, stands for 8",
        ),
    ],
    told: "Shown, beginning and end. On the tracepoint the step to {TIME_WAIT} reads {CLOSING} → \
           {CLOSE}, like a reset or a timeout would; where timewait sockets are followed, they are \
           told apart.",
};

const TIME_WAIT: StateText = StateText {
    brief: "over; the ports are kept aside for 60 s",
    meaning: "This side closed first (or both at once), and everything is acknowledged. The \
              connection is over; its pair of addresses and ports is kept aside for 60 s. There \
              are two reasons. The last ACK may get lost: then the peer sends its FIN again, and \
              somebody must be there to answer it. And segments of this connection may still be on \
              their way: a new connection between the same ports must not take them for its own.",
    next: "Nobody: a timer ends it. A new connection may, if the kernel judges it safe.",
    stays: "60 s is normal. It is a constant of the kernel, no setting changes it, tcp_fin_timeout \
            included; a segment that comes late may start it anew. Thousands cost little memory and \
            no program. It hurts where a client makes so many connections to one address and port \
            that its local ports run out (28,232 by default): connect() fails with EADDRNOTAVAIL. \
            Then keep connections open and use them again, let the peer close first, or use more \
            addresses. A server that cannot bind() after a restart lacks SO_REUSEADDR.",
    look: &[
        (
            "sudo tracer time-wait",
            "how many, how long, whose, why each ended, and how near the ports are to running out",
        ),
        (
            "ss -tano state time-wait",
            "towards whom, and how much longer",
        ),
        (
            "nstat -az TcpExtTW TcpExtTWRecycled",
            "timewait sockets begun, and taken by new connections",
        ),
        (
            "sysctl net.ipv4.tcp_tw_reuse",
            "may connect() take such ports: 0 no, 1 yes, 2 loopback only",
        ),
        (
            "sysctl net.ipv4.tcp_max_tw_buckets",
            "above so many the wait is left out (TcpExtTCPTimeWaitOverflow)",
        ),
        (
            "sysctl net.ipv4.ip_local_port_range",
            "the ports that connect() chooses from",
        ),
    ],
    told: "The tracepoint never says {TIME_WAIT}: the kernel hands the connection to a small \
           timewait socket, and the last change of the full one reads {FIN_WAIT2} → {CLOSE} or \
           {CLOSING} → {CLOSE}. So timewait sockets are followed by other means, which --time-wait \
           chooses: on their functions (fentry), on their timers (timer), or by asking for each again \
           and again (diag), where each time has a bound. Its end has a reason: expired, reused by a \
           connect, a new SYN from the peer, a reset, killed, or the network namespace gone. It \
           expires up to some seconds late, because the kernel's timers are coarse.",
};

const CLOSE_WAIT: StateText = StateText {
    brief: "the peer closed; our program has not",
    meaning: "The peer has closed, and its FIN is acknowledged. The program on this host has not \
              closed its socket. It may still send.",
    next: "The program on this host, by closing. No timer ends this state, and no setting.",
    stays: "The program has not noticed the end (read() returned 0), has forgotten the socket, or is \
            busy or blocked elsewhere. A number that only grows is a leak, and ends in \"too many \
            open files\". The remedy is in the program; the peer waits in {FIN_WAIT2} meanwhile, \
            or gave up long ago.",
    look: &[
        (
            "ss -tanp state close-wait",
            "which program; Recv-Q not 0: it has not even read what came",
        ),
        ("ls /proc/PID/fd | wc -l", "how many descriptors it holds"),
        (
            "strace -fp PID -e trace=network,read,close",
            "what it does instead",
        ),
    ],
    told: "Shown, beginning and end: how long it lasted is how long the program took to close. \
           {ESTABLISHED} → {CLOSE_WAIT} is the sign that the peer closed first. It happens as a \
           segment arrives, so the task on the CPU is a passer-by and is not taken for the owner.",
};

const LAST_ACK: StateText = StateText {
    brief: "closed by both; the last ACK is awaited",
    meaning: "The peer closed first, now this side has closed too. Its FIN is sent, or waits behind \
              data that is still unsent; the last acknowledgement has not come.",
    next: "The peer's kernel, by acknowledging. The peer then has the {TIME_WAIT}, this side none.",
    stays: "It takes a round trip. Longer means that the peer is gone, no longer knows the \
            connection and its RST does not arrive, or does not take the data before the FIN. The \
            FIN is sent again until tcp_orphan_retries is used up, then the connection is dropped.",
    look: &[
        (
            "ss -tano state last-ack",
            "the timer tells when the FIN is sent again",
        ),
        (
            "sysctl net.ipv4.tcp_orphan_retries",
            "how often without a program; 0, the default, stands for 8",
        ),
    ],
    told: "Shown, beginning and end. {LAST_ACK} → {CLOSE} is a true end: no timewait socket follows.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_state_has_its_texts() {
        for state in TcpState::ALL {
            let text = text(state).unwrap_or_else(|| panic!("{state} has no text"));
            let parts = [text.meaning, text.next, text.stays, text.told];
            assert!(parts.iter().all(|part| part.ends_with('.')), "{state}");
            assert!(!text.look.is_empty(), "{state}");
            assert!(text.brief.chars().count() <= 39, "{state}: {}", text.brief);
        }
        assert!(text(TcpState::Unknown(13)).is_none());
    }

    #[test]
    fn every_name_in_braces_is_a_state_in_netstats_naming() {
        for state in TcpState::ALL {
            let Some(text) = text(state) else { continue };
            let looks = text.look.iter().map(|(_, tells)| *tells);
            let parts = [text.meaning, text.next, text.stays, text.told];
            for part in parts.into_iter().chain(looks) {
                for name in part.split('{').skip(1) {
                    let name = name.split_once('}').expect("a closing brace").0;
                    let named = TcpState::parse(name).map(|state| state.to_string());
                    assert_eq!(named.as_deref(), Some(name), "{state}");
                }
            }
        }
    }
}
