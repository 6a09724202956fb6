//! What the dialer asks of the world. Tests put a world of their own in its place, where names lead anywhere and addresses
//! are as dead as they have to be.

use super::places::PATIENCE;
use crate::sys::socket::{Address, Connecting, Socket};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// Names and addresses.
pub trait Network: Send + Sync {
    /// The addresses of a name, the best first. Their ports mean nothing; the zone of one that is valid on one link only does.
    /// Called on the resolver's threads: it may take its time.
    ///
    /// # Errors
    /// Why there are none.
    fn look_up(&self, name: &str) -> io::Result<Vec<SocketAddr>>;

    /// How long a call that nobody answers counts among those that connect.
    fn patience(&self) -> Duration {
        PATIENCE
    }

    /// Begins to connect, as [`Socket::connect`].
    ///
    /// # Errors
    /// As there.
    fn connect(&self, to: &Address) -> io::Result<(Socket, Connecting)>;
}

/// The world as the system knows it.
pub struct System;

impl Network for System {
    fn look_up(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        Ok((name, 0).to_socket_addrs()?.collect())
    }

    fn connect(&self, to: &Address) -> io::Result<(Socket, Connecting)> {
        Socket::connect(to)
    }
}

/// The addresses of a host for which nobody need be asked: a literal, or `localhost` and what ends in it, which is this machine
/// by definition (RFC 6761 section 6.3).
pub fn known(host: &str) -> Option<Vec<SocketAddr>> {
    let all = |ips: &[IpAddr]| ips.iter().map(|ip| SocketAddr::new(*ip, 0)).collect();
    if let Ok(ip) = host.parse() {
        return Some(all(&[ip]));
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_local = name == "localhost" || name.ends_with(".localhost");
    is_local.then(|| all(&[Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_need_not_be_asked() {
        let local: Vec<SocketAddr> = vec!["[::1]:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()];
        for name in ["localhost", "LocalHost", "localhost.", "a.b.localhost"] {
            assert_eq!(known(name), Some(local.clone()), "{name}");
        }
        assert_eq!(known("192.0.2.1"), Some(vec!["192.0.2.1:0".parse().unwrap()]));
        assert_eq!(known("2001:db8::1"), Some(vec!["[2001:db8::1]:0".parse().unwrap()]));
        for name in ["example.com", "notlocalhost", "localhost.example", ""] {
            assert_eq!(known(name), None, "{name}");
        }
    }
}
