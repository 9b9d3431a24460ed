//! The few rtnetlink requests that the test networks need: a veth pair, addresses, routes,
//! neighbours.
//!
//! **Never:** a general netlink library. Each request is written out, in the layout that
//! `linux/rtnetlink.h`, `linux/if_link.h`, `linux/if_addr.h` and `linux/neighbour.h` state, and is
//! acknowledged by the kernel before the call returns.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};

/// Index that every test interface is given, so that none has to be looked up.
pub const INTERFACE: u32 = 100;
/// Index of `lo` in every network namespace.
pub const LOOPBACK: u32 = 1;

/// An Ethernet address.
pub type Mac = [u8; 6];

const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_NEWNEIGH: u16 = 28;
const RTM_DELNEIGH: u16 = 29;

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTAX_LOCK: u16 = 1;
const RTAX_RTO_MIN: u16 = 13;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;

const RT_TABLE_MAIN: u8 = 254;
const RTPROT_KERNEL: u8 = 2;
const RTPROT_STATIC: u8 = 4;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
const RTN_UNICAST: u8 = 1;
const RTN_UNREACHABLE: u8 = 7;
/// Priority of the route that comes with an IPv6 address (`include/uapi/linux/ipv6_route.h`).
const IP6_RT_PRIO_ADDRCONF: u32 = 256;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IFF_UP: u32 = 1;
/// No duplicate address detection: the address can be used at once.
const IFA_F_NODAD: u8 = 2;
const NUD_PERMANENT: u16 = 0x80;

/// Makes a veth pair, both ends named `veth0` and numbered [`INTERFACE`]: one in the calling
/// thread's network namespace, the other in `peer_netns`.
///
/// # Errors
///
/// Returns what the kernel answered.
pub fn add_veth(mac: Mac, peer_netns: BorrowedFd<'_>, peer_mac: Mac) -> io::Result<()> {
    let end = |mac: Mac, netns: Option<BorrowedFd<'_>>| {
        let mut body = interface_header(INTERFACE, 0);
        attribute(&mut body, IFLA_IFNAME, b"veth0\0");
        attribute(&mut body, IFLA_ADDRESS, &mac);
        if let Some(netns) = netns {
            attribute(&mut body, IFLA_NET_NS_FD, &netns.as_raw_fd().to_ne_bytes());
        }
        body
    };
    let mut data = Vec::new();
    attribute(&mut data, VETH_INFO_PEER, &end(peer_mac, Some(peer_netns)));
    let mut info = Vec::new();
    attribute(&mut info, IFLA_INFO_KIND, b"veth");
    attribute(&mut info, IFLA_INFO_DATA, &data);
    let mut body = end(mac, None);
    attribute(&mut body, IFLA_LINKINFO, &info);
    request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body)
}

/// Brings an interface of the calling thread's network namespace up.
///
/// # Errors
///
/// Returns what the kernel answered.
pub fn set_up(interface: u32) -> io::Result<()> {
    request(RTM_NEWLINK, 0, &interface_header(interface, IFF_UP))
}

/// Gives [`INTERFACE`] an address that can be used at once.
///
/// # Errors
///
/// Returns what the kernel answered.
pub fn add_address(addr: IpAddr, prefix_len: u8) -> io::Result<()> {
    let (family, bytes) = address(addr);
    let mut body = vec![family, prefix_len, IFA_F_NODAD, 0];
    body.extend(INTERFACE.to_ne_bytes());
    attribute(&mut body, IFA_LOCAL, &bytes);
    attribute(&mut body, IFA_ADDRESS, &bytes);
    request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body)
}

/// Says for good which Ethernet address `addr` has behind [`INTERFACE`]. Frames that waited for the
/// answer are sent at once, in the order in which they were queued.
///
/// # Errors
///
/// Returns what the kernel answered.
pub fn set_neighbour(addr: IpAddr, mac: Mac) -> io::Result<()> {
    let mut body = neighbour_header(addr, NUD_PERMANENT);
    attribute(&mut body, NDA_LLADDR, &mac);
    request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &body)
}

/// Keeps TCP from sending anything again within `millis` on the wire behind [`INTERFACE`], which has
/// the network of `addr`.
///
/// # Errors
///
/// Returns what the kernel answered.
pub fn set_least_timeout(addr: IpAddr, prefix_len: u8, millis: u32) -> io::Result<()> {
    let (family, mut network) = address(addr);
    for (at, byte) in network.iter_mut().enumerate() {
        *byte &= !(0xff_u16 >> usize::from(prefix_len).saturating_sub(at * 8).min(8)) as u8;
    }
    let mut metrics = Vec::new();
    // The value counts only where it is locked.
    attribute(
        &mut metrics,
        RTAX_LOCK,
        &(1_u32 << RTAX_RTO_MIN).to_ne_bytes(),
    );
    attribute(&mut metrics, RTAX_RTO_MIN, &millis.to_ne_bytes());

    // `struct rtmsg`: the route that the kernel made with the address.
    let mut body = vec![family, prefix_len, 0, 0, RT_TABLE_MAIN, RTPROT_KERNEL];
    body.extend([RT_SCOPE_LINK, RTN_UNICAST, 0, 0, 0, 0]);
    attribute(&mut body, RTA_DST, &network);
    attribute(&mut body, RTA_OIF, &INTERFACE.to_ne_bytes());
    match addr {
        IpAddr::V4(addr) => attribute(&mut body, RTA_PREFSRC, &addr.octets()),
        IpAddr::V6(_) => attribute(&mut body, RTA_PRIORITY, &IP6_RT_PRIO_ADDRCONF.to_ne_bytes()),
    }
    attribute(&mut body, RTA_METRICS, &metrics);
    request(RTM_NEWROUTE, NLM_F_REPLACE, &body)
}

/// Sends what is meant for one IPv4 address to another one, which knows the way.
///
/// # Errors
///
/// Returns what the kernel answered.
pub fn add_route(to: Ipv4Addr, by: Ipv4Addr) -> io::Result<()> {
    let mut body = route_header(RTN_UNICAST);
    attribute(&mut body, RTA_DST, &to.octets());
    attribute(&mut body, RTA_GATEWAY, &by.octets());
    request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &body)
}

/// Answers whatever is meant for one IPv4 address by saying that the host cannot be reached.
///
/// # Errors
///
/// Returns what the kernel answered.
pub fn add_unreachable(to: Ipv4Addr) -> io::Result<()> {
    let mut body = route_header(RTN_UNREACHABLE);
    attribute(&mut body, RTA_DST, &to.octets());
    request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &body)
}

/// `struct rtmsg` of a route to one IPv4 address.
fn route_header(kind: u8) -> Vec<u8> {
    let mut body = vec![AF_INET, 32, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC];
    body.extend([RT_SCOPE_UNIVERSE, kind, 0, 0, 0, 0]);
    body
}

/// Forgets the Ethernet address of `addr`.
///
/// # Errors
///
/// Returns what the kernel answered.
pub fn forget_neighbour(addr: IpAddr) -> io::Result<()> {
    request(RTM_DELNEIGH, 0, &neighbour_header(addr, 0))
}

/// `struct ifinfomsg`, with the flags of which only those set are changed.
fn interface_header(index: u32, flags: u32) -> Vec<u8> {
    let mut body = vec![0; 4];
    body.extend(index.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body
}

/// `struct ndmsg`, and the address it is about.
fn neighbour_header(addr: IpAddr, state: u16) -> Vec<u8> {
    let (family, bytes) = address(addr);
    let mut body = vec![family, 0, 0, 0];
    body.extend(INTERFACE.to_ne_bytes());
    body.extend(state.to_ne_bytes());
    body.extend([0, 0]);
    attribute(&mut body, NDA_DST, &bytes);
    body
}

fn address(addr: IpAddr) -> (u8, Vec<u8>) {
    match addr {
        IpAddr::V4(addr) => (AF_INET, addr.octets().to_vec()),
        IpAddr::V6(addr) => (AF_INET6, addr.octets().to_vec()),
    }
}

/// Appends a `struct rtattr` with its value and padding.
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let len = u16::try_from(4 + value.len()).expect("a short attribute");
    body.extend(len.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// Sends one rtnetlink request.
fn request(kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    request_to(None, kind, flags, body)
}

/// Sends one request from the calling thread's network namespace, to rtnetlink unless to another
/// netlink protocol, and reads its acknowledgement.
pub(crate) fn request_to(
    protocol: Option<Protocol>,
    kind: u16,
    flags: u16,
    body: &[u8],
) -> io::Result<()> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        protocol,
    )?;
    let len = u32::try_from(16 + body.len()).expect("a short request");
    let mut message = Vec::new();
    message.extend(len.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend((flags | NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    rustix::net::send(&socket, &message, SendFlags::empty())?;

    let mut answer = [0; 4096];
    let (_, len) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
    let answer = &answer[..len];
    let is_answer = answer.len() >= 20 && answer[4..6] == NLMSG_ERROR.to_ne_bytes();
    assert!(is_answer, "not an acknowledgement: {answer:?}");
    match i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]) {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}
