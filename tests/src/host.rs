//! Two hosts on one wire: the network that most tests use.
//!
//! Names and subnets are unique to the process and the test, so that tests can run side by side.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::ask_until;
use crate::namespace::Namespace;
use crate::netlink::{self, Mac};
use crate::socket_table::{self, Entry};
use crate::traffic::Socket;

/// An Ethernet address that nobody has: what is sent to it is lost without a word.
const NOWHERE: Mac = [2, 0, 0, 0, 0, 0xff];

/// A host: a namespace with one interface towards its peer.
#[derive(Debug)]
pub struct Host {
    /// The namespace that is the host.
    pub netns: Namespace,
    /// Its IPv4 address.
    pub ipv4: Ipv4Addr,
    /// Its IPv6 address.
    pub ipv6: Ipv6Addr,
    mac: Mac,
    peer_ipv4: Ipv4Addr,
    peer_ipv6: Ipv6Addr,
    peer_mac: Mac,
}

/// Two hosts on one wire. Each knows the other's Ethernet address for good.
#[derive(Debug)]
pub struct Pair {
    /// The one that usually connects.
    pub client: Host,
    /// The one that usually listens.
    pub server: Host,
}

impl Pair {
    /// Makes both hosts and joins them.
    ///
    /// # Panics
    ///
    /// Panics, naming the step, when the kernel refuses one.
    pub fn new() -> Self {
        static MADE: AtomicU16 = AtomicU16::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let [high, low] = number.to_be_bytes();
        assert_eq!(high, 0, "at most 256 pairs in one process");
        let process = process::id();
        let ours = our_part();

        let ipv4 = |end: u8| Ipv4Addr::new(10, ours, low, end);
        let ipv6 = |end: u8| Ipv6Addr::new(0xfd00, 0, 0, ours.into(), low.into(), 0, 0, end.into());
        let host = |end: u8, peer: u8, letter: char| Host {
            netns: Namespace::new(&format!("tracer-{process}-{number}{letter}")),
            ipv4: ipv4(end),
            ipv6: ipv6(end),
            mac: [2, 0, 0, 0, 0, end],
            peer_ipv4: ipv4(peer),
            peer_ipv6: ipv6(peer),
            peer_mac: [2, 0, 0, 0, 0, peer],
        };
        let pair = Self {
            client: host(1, 2, 'c'),
            server: host(2, 1, 's'),
        };
        let (client, server) = (&pair.client, &pair.server);
        client.netns.run(|| {
            netlink::add_veth(client.mac, server.netns.fd(), server.mac).expect("make a veth pair");
        });
        client.configure(server);
        server.configure(client);
        client.reach(server);
        server.reach(client);
        pair
    }

    /// Returns the IPv4 prefix that both hosts are in, and nobody else.
    pub fn ipv4_prefix(&self) -> String {
        let [a, b, c, _] = self.client.ipv4.octets();
        format!("{a}.{b}.{c}.0/24")
    }

    /// Returns the IPv6 prefix that both hosts are in, and nobody else.
    pub fn ipv6_prefix(&self) -> String {
        let mut segments = self.client.ipv6.segments();
        segments[7] = 0;
        format!("{}/112", Ipv6Addr::from(segments))
    }

    /// Returns whether a line of ftrace's tells of these hosts: it names an address of theirs.
    pub fn is_told_in(&self, line: &str) -> bool {
        let [_, ours, number, _] = self.client.ipv4.octets();
        addresses_in(line).any(|addr| subnet_of(addr) == Some((ours, number)))
    }
}

/// Returns whether a line of ftrace's tells of a host of this process's.
pub fn is_ours(line: &str) -> bool {
    addresses_in(line).any(|addr| subnet_of(addr).is_some_and(|(ours, _)| ours == our_part()))
}

/// What all addresses of this process have in common.
///
/// Two processes that run this at once get different subnets, but for one chance in 200; namespaces keep them apart anyway, and only a
/// trace without `--netns` could mix them.
fn our_part() -> u8 {
    u8::try_from(process::id() % 200).expect("below 200") + 20
}

/// Which process's, and which pair's, an address is, if it is of any.
fn subnet_of(addr: IpAddr) -> Option<(u8, u8)> {
    match addr.to_canonical() {
        IpAddr::V4(addr) => match addr.octets() {
            [10, ours, number, _] => Some((ours, number)),
            _ => None,
        },
        IpAddr::V6(addr) => match addr.segments() {
            [0xfd00, 0, 0, ours, number, 0, 0, _] => {
                Some((u8::try_from(ours).ok()?, u8::try_from(number).ok()?))
            }
            _ => None,
        },
    }
}

/// The addresses in a line: alone, as in `saddr=10.0.0.1`, or with a port.
fn addresses_in(line: &str) -> impl Iterator<Item = IpAddr> {
    line.split([' ', '=']).filter_map(|word| {
        let with_port = || word.parse().ok().map(|end: SocketAddr| end.ip());
        word.parse().ok().or_else(with_port)
    })
}

impl Default for Pair {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    fn configure(&self, peer: &Self) {
        self.netns.run(|| {
            netlink::set_up(netlink::INTERFACE).expect("bring veth0 up");
            for (addr, prefix_len) in self.addresses() {
                netlink::add_address(addr, prefix_len).expect("add an address");
            }
            for addr in [IpAddr::from(peer.ipv4), IpAddr::from(peer.ipv6)] {
                netlink::set_neighbour(addr, peer.mac).expect("name the neighbour");
            }
        });
        // Nobody is told an Ethernet address, so that a neighbour forgotten on purpose stays so...
        self.netns.set_sysctl("net/ipv4/conf/veth0/arp_ignore", "8");
        // ...and frames wait for it a minute, not three seconds.
        self.netns
            .set_sysctl("net/ipv4/neigh/veth0/mcast_solicit", "60");
    }

    /// Its addresses, with the lengths of their networks' prefixes.
    fn addresses(&self) -> [(IpAddr, u8); 2] {
        [(self.ipv4.into(), 24), (self.ipv6.into(), 112)]
    }

    /// Keeps the kernel from sending anything again that was not lost: a FIN that comes a second time
    /// begins TIME_WAIT anew, or is answered with a reset that ends it.
    ///
    /// # Panics
    ///
    /// Panics when the kernel refuses.
    pub fn never_hurry(&self) {
        self.netns.set_sysctl("net/ipv4/tcp_early_retrans", "0");
        self.netns.run(|| {
            for (addr, prefix_len) in self.addresses() {
                netlink::set_least_timeout(addr, prefix_len, 1000).expect("change a route");
            }
        });
    }

    /// Waits until a datagram arrives. The kernel notices a moment later that both ends of a new
    /// wire are up, and drops what is sent before: a SYN would be sent again only after a second.
    fn reach(&self, peer: &Self) {
        let bind = |host: &Self| {
            let socket = host.netns.run(|| UdpSocket::bind(host.at(0)));
            socket.expect("make a datagram socket")
        };
        let (from, to) = (bind(self), bind(peer));
        to.set_nonblocking(true).expect("not wait for datagrams");
        let target = to.local_addr().expect("ask for the address");
        let arrived = ask_until(|| {
            // A refusal by an interface that is not up yet is no worse than a loss.
            let _ = from.send_to(b"there?", target);
            to.recv(&mut [0; 8]).ok()
        });
        assert!(arrived.is_some(), "nothing arrives at {target}");
    }

    /// Returns its Ethernet address.
    pub(crate) fn mac(&self) -> Mac {
        self.mac
    }

    /// Returns an IPv4 address of the host with a port.
    pub fn at(&self, port: u16) -> SocketAddr {
        (self.ipv4, port).into()
    }

    /// Returns an IPv6 address of the host with a port.
    pub fn at6(&self, port: u16) -> SocketAddr {
        (self.ipv6, port).into()
    }

    /// Makes a TCP socket in the host.
    pub fn socket(&self) -> Socket {
        self.netns.run(Socket::ipv4)
    }

    /// Makes a TCP socket of the IPv6 family in the host.
    pub fn socket6(&self) -> Socket {
        self.netns.run(Socket::ipv6)
    }

    /// Makes a listening socket in the host.
    pub fn listen(&self, port: u16, backlog: i32) -> Socket {
        let socket = self.socket();
        socket.bind(self.at(port));
        socket.listen(backlog);
        socket
    }

    /// Holds back every IPv4 frame to the peer, in order, until [`Self::release_frames`].
    ///
    /// The frames wait in the neighbour's queue for an answer that nobody gives. That makes
    /// segments cross for certain: hold both ends, send from both, release both.
    ///
    /// # Panics
    ///
    /// Panics when the kernel refuses.
    pub fn hold_frames(&self) {
        self.netns
            .run(|| netlink::forget_neighbour(self.peer_ipv4.into()))
            .expect("forget the neighbour");
    }

    /// Loses every frame to the peer, until [`Self::release_frames`].
    ///
    /// # Panics
    ///
    /// Panics when the kernel refuses.
    pub fn lose_frames(&self) {
        self.send_to(NOWHERE)
            .expect("point the neighbour to nowhere");
    }

    /// Sends what was held back, and everything from now on.
    ///
    /// # Panics
    ///
    /// Panics when the kernel refuses.
    pub fn release_frames(&self) {
        self.send_to(self.peer_mac)
            .expect("name the neighbour again");
    }

    /// Says where frames for the peer go.
    fn send_to(&self, mac: Mac) -> io::Result<()> {
        self.netns.run(|| {
            netlink::set_neighbour(self.peer_ipv4.into(), mac)?;
            netlink::set_neighbour(self.peer_ipv6.into(), mac)
        })
    }

    /// Returns the host's TCP sockets as the kernel lists them, timewait and request sockets too.
    pub fn sockets(&self) -> Vec<Entry> {
        self.netns.run(socket_table::read)
    }

    /// Waits until the kernel lists a connection in a state.
    ///
    /// # Panics
    ///
    /// Panics when it does not come to that.
    pub fn wait_state(&self, local: SocketAddr, remote: SocketAddr, state: &str) {
        let what = format!("{local} -> {remote} in {state}");
        self.wait_sockets(&what, |sockets| {
            sockets.iter().any(|socket| {
                socket.local == local && socket.remote == remote && socket.state == state
            })
        });
    }

    /// Waits until a connection has received so much that nobody has read.
    ///
    /// # Panics
    ///
    /// Panics when it does not come to that.
    pub fn wait_unread(&self, local: SocketAddr, remote: SocketAddr, len: usize) {
        let what = format!("{local} -> {remote} with {len} bytes");
        self.wait_sockets(&what, |sockets| {
            sockets.iter().any(|socket| {
                socket.local == local && socket.remote == remote && socket.unread == len as u64
            })
        });
    }

    /// Waits until the host's sockets are as `arrived` wants them.
    ///
    /// # Panics
    ///
    /// Panics with `what` when it does not come to that.
    pub fn wait_sockets(&self, what: &str, arrived: impl Fn(&[Entry]) -> bool + Sync) {
        self.netns.run(|| {
            let mut last = Vec::new();
            let found = ask_until(|| {
                last = socket_table::read();
                arrived(&last).then_some(())
            });
            assert!(
                found.is_some(),
                "waited in vain for {what}; {}",
                told(&last)
            );
        });
    }
}

/// Tells how many sockets are in which state, and what the first of them are: a crowd's list is longer
/// than a report that anyone reads.
fn told(sockets: &[Entry]) -> String {
    const SHOWN: usize = 20;
    let mut counts = BTreeMap::<&str, usize>::new();
    for socket in sockets {
        *counts.entry(socket.state).or_default() += 1;
    }
    let first = &sockets[..sockets.len().min(SHOWN)];
    format!("the sockets are {counts:?}, the first of them {first:#?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_however_it_is_written() {
        let ours = our_part();
        for line in [
            format!("saddr=1.2.3.4 daddr=10.{ours}.7.1 oldstate=TCP_LISTEN"),
            format!("src=10.{ours}.7.2:8000 dest=1.2.3.4:9"),
            format!("saddrv6=::ffff:10.{ours}.7.2"),
            format!("saddrv6=fd00:0:0:{ours:x}:7::1"),
            format!("src=[fd00::{ours:x}:7:0:0:2]:80"),
        ] {
            assert!(is_ours(&line), "{line}");
        }
        assert!(!is_ours("saddr=10.1.7.1 daddr=127.0.0.1 family=AF_INET"));
    }
}
