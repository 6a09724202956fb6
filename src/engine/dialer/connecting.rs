//! Connecting to whichever of several addresses answers first (RFC 8305, "Happy Eyeballs").
//!
//! IPv6 goes first, and the families take turns. An address that has not answered in a quarter of a second gets company
//! from the next, and one that refuses is followed by the next at once. The first to connect wins; the others are hung up.

use super::network::Network;
use crate::sys::epoll::{Epoll, Ready};
use crate::sys::socket::{Address, Connecting, Peer, Socket, is_shortage, refused};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// The head start of an address (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Addresses of a name that are tried.
pub(crate) const MOST: usize = 16;

/// How long to leave a Unix socket alone whose queue is full: it tells nobody when there is room. It doubles each time.
const FULL_AT_FIRST: Duration = Duration::from_millis(2);
const FULL_AT_LAST: Duration = Duration::from_millis(100);

/// A race between the addresses of one host.
pub struct Race {
    left: VecDeque<Address>,
    under_way: Vec<Runner>,
    failed: Vec<(Address, io::Error)>,
    /// Before this, no further address is tried.
    next: Instant,
    pause: Duration,
}

/// An address that has not answered yet.
struct Runner {
    token: u64,
    to: Address,
    socket: Socket,
}

/// A connection, watched by the dialer's epoll under this token.
pub struct Winner {
    /// Its token.
    pub token: u64,
    /// Where it leads.
    pub to: Address,
    /// The connection.
    pub socket: Socket,
}

/// How a race stands.
pub enum Standing {
    /// Nobody has answered.
    Open,
    /// Somebody has, and all others are gone.
    Won(Winner),
    /// Nobody will.
    Lost,
}

/// What is needed to begin.
pub struct Track<'a> {
    /// Watches the sockets.
    pub epoll: &'a Epoll,
    /// Connects them.
    pub network: &'a dyn Network,
    /// Counts them.
    pub tokens: &'a mut dyn FnMut() -> u64,
}

impl Race {
    /// A race between these addresses, which begins with the first look at it.
    pub fn new(addresses: Vec<Address>, now: Instant) -> Self {
        Self { left: addresses.into(), under_way: Vec::new(), failed: Vec::new(), next: now, pause: FULL_AT_FIRST }
    }

    /// When to look at it again even if nothing happens.
    pub fn alarm(&self) -> Option<Instant> {
        (!self.left.is_empty()).then_some(self.next)
    }

    /// Begins with what is due.
    pub fn go_on(&mut self, now: Instant, track: &mut Track<'_>) -> Standing {
        while self.next <= now {
            let Some(to) = self.left.pop_front() else { break };
            match self.begin(to, now, track) {
                Ok(None) => {}
                Ok(Some(winner)) => return self.win(winner, track.epoll),
                Err((to, error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.left.push_front(to);
                    self.next = now + self.pause;
                    self.pause = (2 * self.pause).min(FULL_AT_LAST);
                }
                Err(failed) => self.failed.push(failed),
            }
        }
        if self.left.is_empty() && self.under_way.is_empty() { Standing::Lost } else { Standing::Open }
    }

    fn begin(
        &mut self,
        to: Address,
        now: Instant,
        track: &mut Track<'_>,
    ) -> Result<Option<Winner>, (Address, io::Error)> {
        let (socket, how_far) = match track.network.connect(&to) {
            Ok(begun) => begun,
            Err(error) => return Err((to, error)),
        };
        let token = (track.tokens)();
        if let Err(error) = track.epoll.add(socket.as_fd(), token) {
            return Err((to, error));
        }
        if how_far == Connecting::Done {
            return match what_is_wrong(&socket, &to) {
                None => Ok(Some(Winner { token, to, socket })),
                Some(error) => {
                    hang_up(socket, track.epoll);
                    Err((to, error))
                }
            };
        }
        self.under_way.push(Runner { token, to, socket });
        self.next = now + HEAD_START;
        Ok(None)
    }

    /// Something has happened to one of its sockets.
    pub fn ready(&mut self, ready: Ready, now: Instant, track: &mut Track<'_>) -> Standing {
        let Some(at) = self.under_way.iter().position(|runner| runner.token == ready.token) else {
            return Standing::Open;
        };
        if !ready.writable && !ready.gone {
            return Standing::Open;
        }
        let Runner { token, to, socket } = self.under_way.swap_remove(at);
        let Some(error) = what_is_wrong(&socket, &to) else {
            return self.win(Winner { token, to, socket }, track.epoll);
        };
        hang_up(socket, track.epoll);
        self.failed.push((to, error));
        self.next = now;
        self.go_on(now, track)
    }

    /// Looks whether anybody has answered of whom that was not told yet.
    pub fn look(&mut self, now: Instant, track: &mut Track<'_>) -> Standing {
        let answered = self.under_way.iter().find(|runner| runner.socket.is_writable()).map(|runner| runner.token);
        match answered {
            Some(token) => {
                self.ready(Ready { token, readable: false, writable: true, hangup: false, gone: false }, now, track)
            }
            None => Standing::Open,
        }
    }

    fn win(&mut self, winner: Winner, epoll: &Epoll) -> Standing {
        self.hang_up(epoll);
        Standing::Won(winner)
    }

    /// Ends it.
    pub fn hang_up(&mut self, epoll: &Epoll) {
        self.left.clear();
        for runner in self.under_way.drain(..) {
            hang_up(runner.socket, epoll);
        }
    }

    /// The address that has been tried for the longest and has not answered.
    pub fn silent(&self) -> Option<&Address> {
        self.under_way.iter().min_by_key(|runner| runner.token).map(|runner| &runner.to)
    }

    /// The addresses that were tried.
    pub fn tried(&self) -> impl Iterator<Item = &Address> {
        self.failed.iter().map(|(to, _)| to).chain(self.under_way.iter().map(|runner| &runner.to))
    }

    /// The failure that says most: rather that of a server than that of the way to it, and of equals the last. A lack of
    /// our own comes first.
    pub fn most_telling(&self) -> Option<&io::Error> {
        let weight = |error: &io::Error| match error.kind() {
            _ if is_shortage(error) => 4,
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => 3,
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => 1,
            _ => 2,
        };
        self.failed.iter().map(|(_, error)| error).max_by_key(|error| weight(error))
    }
}

/// Why a socket that has come to an end of connecting is of no use.
fn what_is_wrong(socket: &Socket, to: &Address) -> Option<io::Error> {
    // Where nobody listens on a port that the kernel gives out, it may have given that one to this very socket, which is then
    // connected to itself.
    let is_own = || match (to, socket.local()) {
        (Address::Tcp(to), Peer::Tcp(own)) => (to.ip().to_canonical(), to.port()) == (own.ip(), own.port()),
        _ => false,
    };
    socket.error().or_else(|| is_own().then(refused))
}

/// Closes a socket that the epoll watches, even where a forked child has it too.
pub fn hang_up(socket: Socket, epoll: &Epoll) {
    epoll.remove(socket.as_fd());
    socket.shut_down();
}

/// The order in which the addresses of a host are tried (RFC 8305 section 4): one of each family in turn, IPv6 first, each
/// family in the order of the resolver.
pub fn in_order(addresses: &[SocketAddr], port: u16) -> Vec<Address> {
    let mut seen = Vec::new();
    for address in addresses {
        let mut address = *address;
        address.set_port(port);
        if !seen.contains(&address) {
            seen.push(address);
        }
    }
    let (six, four): (Vec<SocketAddr>, Vec<SocketAddr>) = seen.into_iter().partition(SocketAddr::is_ipv6);
    let pairs = (0..six.len().max(four.len())).flat_map(|index| [six.get(index), four.get(index)]);
    pairs.flatten().take(MOST).map(|address| Address::Tcp(*address)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let all = |list: &[&str]| {
            let ips = list.iter().map(|ip| ip.parse().unwrap());
            ips.map(|ip| SocketAddr::new(ip, 0)).collect::<Vec<_>>()
        };
        let order = |list: &[&str]| {
            let texts: Vec<String> = in_order(&all(list), 80).iter().map(ToString::to_string).collect();
            texts.join(" ")
        };
        assert_eq!(order(&["10.0.0.1", "10.0.0.2", "::1", "10.0.0.1"]), "[::1]:80 10.0.0.1:80 10.0.0.2:80");
        assert_eq!(order(&["::1", "::2", "::3", "10.0.0.1"]), "[::1]:80 10.0.0.1:80 [::2]:80 [::3]:80");
        assert_eq!(order(&[]), "");
        let many: Vec<SocketAddr> = (0..100).map(|last| SocketAddr::from(([10, 0, 0, last], 0))).collect();
        assert_eq!(in_order(&many, 1).len(), MOST);
        let zones = ["[fe80::1%2]:0", "[fe80::1%3]:0"].map(|address| address.parse().unwrap());
        let zones = in_order(&zones, 80);
        assert_eq!(zones.iter().map(ToString::to_string).collect::<Vec<_>>(), ["[fe80::1%2]:80", "[fe80::1%3]:80"]);
    }

    #[test]
    fn a_socket_that_is_connected_to_itself_is_connected_to_nobody() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (own, other) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
        let socket = Socket::from(std::os::fd::OwnedFd::from(stream));
        assert!(what_is_wrong(&socket, &Address::Tcp(other)).is_none());
        let error = what_is_wrong(&socket, &Address::Tcp(own)).unwrap();
        assert_eq!(error.to_string(), "Connection refused (os error 111)");
    }
}
