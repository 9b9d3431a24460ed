//! The one sock_diag request that the tests need: to kill a socket, as `ss -K` does.

use std::io;
use std::net::{IpAddr, SocketAddr};

use rustix::net::netlink;

use crate::netlink::request_to;

const SOCK_DESTROY: u16 = 21;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;

/// Kills a socket of the calling thread's network namespace, whatever state it is in.
///
/// # Errors
///
/// Returns what the kernel answered: `EOPNOTSUPP` from one that was built without
/// `CONFIG_INET_DIAG_DESTROY`, `ENOENT` where there is no such socket.
pub fn kill(local: SocketAddr, remote: SocketAddr) -> io::Result<()> {
    // `struct inet_diag_req_v2`, `linux/inet_diag.h`.
    let family = if local.is_ipv4() { AF_INET } else { AF_INET6 };
    let mut body = vec![family, IPPROTO_TCP, 0, 0];
    body.extend(u32::MAX.to_ne_bytes());
    body.extend(local.port().to_be_bytes());
    body.extend(remote.port().to_be_bytes());
    body.extend(sixteen(local.ip()));
    body.extend(sixteen(remote.ip()));
    // No interface, and `INET_DIAG_NOCOOKIE` twice: whatever its cookie.
    body.extend(0_u32.to_ne_bytes());
    body.extend([0xff; 8]);
    request_to(Some(netlink::SOCK_DIAG), SOCK_DESTROY, 0, &body)
}

fn sixteen(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(addr) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&addr.octets());
            bytes
        }
        IpAddr::V6(addr) => addr.octets(),
    }
}
