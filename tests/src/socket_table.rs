//! The kernel's own list of TCP sockets, `/proc/net/tcp` and `/proc/net/tcp6`.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One socket as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its end, IPv4-mapped addresses folded.
    pub local: SocketAddr,
    /// The other end, likewise.
    pub remote: SocketAddr,
    /// State, by netstat's name; of a timewait socket, the one that it stands for.
    pub state: &'static str,
    /// Bytes that were received and not read; of a listener, connections that were not accepted.
    pub unread: u64,
    /// Whether it waits for the other end's window to open, and probes for it.
    pub waits_for_window: bool,
    /// Time until a timewait socket's timer runs out, in hundredths of a second.
    pub timewait_left: Option<u64>,
}

/// Reads the sockets of the calling thread's network namespace.
///
/// # Panics
///
/// Panics when the list cannot be read or is not what proc(5) describes.
pub fn read() -> Vec<Entry> {
    ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"]
        .into_iter()
        .flat_map(|path| {
            let text = fs::read_to_string(path).expect("read the list of sockets");
            text.lines().skip(1).map(parse).collect::<Vec<_>>()
        })
        .collect()
}

fn parse(line: &str) -> Entry {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let mut next = || {
        fields
            .next()
            .unwrap_or_else(|| panic!("a short line: {line}"))
    };
    let (local, remote) = (parse_endpoint(next()), parse_endpoint(next()));
    let state = state_name(next());
    let (_, unread) = next().split_once(':').expect("two queues");
    let unread = u64::from_str_radix(unread, 16).expect("a length");
    let timer = next();
    Entry {
        local,
        remote,
        state,
        unread,
        waits_for_window: timer.starts_with("04:"),
        timewait_left: parse_timer(timer),
    }
}

/// Reads `03:00001770`: a timer's kind, of which the third is a timewait socket's, and its time.
fn parse_timer(text: &str) -> Option<u64> {
    let (kind, left) = text.split_once(':').expect("a kind and a time");
    (kind == "03").then(|| u64::from_str_radix(left, 16).expect("a time"))
}

/// Reads `0100007F:1F90`: the address in words of the machine's byte order, the port as a number.
fn parse_endpoint(text: &str) -> SocketAddr {
    let (addr, port) = text.split_once(':').expect("an address and a port");
    let bytes: Vec<u8> = addr
        .as_bytes()
        .chunks(8)
        .map(|word| std::str::from_utf8(word).expect("hexadecimal digits"))
        .flat_map(|word| u32::from_str_radix(word, 16).expect("a word").to_ne_bytes())
        .collect();
    let addr = match bytes[..] {
        [a, b, c, d] => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        _ => {
            let bytes: [u8; 16] = bytes.try_into().expect("sixteen bytes");
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
    };
    (addr, u16::from_str_radix(port, 16).expect("a port")).into()
}

/// Names the numbers of `include/net/tcp_states.h`.
fn state_name(number: &str) -> &'static str {
    match number {
        "01" => "ESTABLISHED",
        "02" => "SYN_SENT",
        // A request socket is listed as SYN_RECV too.
        "03" | "0C" => "SYN_RECV",
        "04" => "FIN_WAIT1",
        "05" => "FIN_WAIT2",
        "06" => "TIME_WAIT",
        "07" => "CLOSE",
        "08" => "CLOSE_WAIT",
        "09" => "LAST_ACK",
        "0A" => "LISTEN",
        "0B" => "CLOSING",
        other => panic!("a state that is not TCP's: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_both_families_are_read() {
        let line = "   1: 0100007F:1F90 0200000A:9C40 08 00000000:0000001F 04:00000014 00000000";
        assert_eq!(
            parse(line),
            Entry {
                local: "127.0.0.1:8080".parse().expect("an address"),
                remote: "10.0.0.2:40000".parse().expect("an address"),
                state: "CLOSE_WAIT",
                unread: 31,
                waits_for_window: true,
                timewait_left: None,
            }
        );
        let line = "   0: 0000000000000000FFFF00000100007F:0050 000000FD000000000000000002000000:0051 06 00000000:00000000 03:00001770 00000000";
        assert_eq!(
            parse(line),
            Entry {
                local: "127.0.0.1:80".parse().expect("an address"),
                remote: "[fd00::2]:81".parse().expect("an address"),
                state: "TIME_WAIT",
                unread: 0,
                waits_for_window: false,
                timewait_left: Some(6000),
            }
        );
    }
}
