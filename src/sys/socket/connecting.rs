//! Sockets that go out and connect.

use super::raw::{open, set_flag, to_raw, to_raw_unix};
use super::{Address, Socket};
use crate::sys::check;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// How far a socket has come that was told to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connecting {
    /// It is connected.
    Done,
    /// It becomes writable when the kernel knows more: then [`Socket::error`] says what.
    UnderWay,
}

impl Socket {
    /// Begins to connect.
    ///
    /// # Errors
    /// What `socket` and `connect` say: what is wrong with the address, a lack of descriptors or of free ports, and for some
    /// addresses even the answer of the far end. `WouldBlock` is that of a Unix socket whose queue is full: nothing has begun, and
    /// nothing but time will tell when there is room. `InvalidInput` for a path that no socket can have, and for a descriptor.
    pub fn connect(to: &Address) -> io::Result<(Self, Connecting)> {
        let (fd, result) = match to {
            Address::Tcp(address) => {
                let fd = open(if address.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET })?;
                set_flag(&fd, libc::IPPROTO_TCP, libc::TCP_NODELAY)?;
                let (storage, length) = to_raw(address);
                let result = connect(&fd, (&raw const storage).cast(), length);
                (fd, result)
            }
            Address::Unix(path) => (connect_unix(path)?, Ok(())),
            Address::Descriptor(_) => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let how_far = match result {
            Ok(()) => Connecting::Done,
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Connecting::UnderWay,
            Err(error) => return Err(error),
        };
        Ok((Self { fd }, how_far))
    }

    /// What has gone wrong with it since it was last asked, if anything has.
    #[must_use]
    pub fn error(&self) -> Option<io::Error> {
        let mut error: libc::c_int = 0;
        let mut length = size_of::<libc::c_int>() as libc::socklen_t;
        let to = (&raw mut error).cast();
        // SAFETY: the option is an int, and the pointers lead to one and to its length, which outlive the call.
        let asked = check(unsafe {
            libc::getsockopt(self.fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ERROR, to, &raw mut length)
        });
        match (asked, error) {
            (Err(failed), _) => Some(failed),
            (Ok(_), 0) => None,
            (Ok(_), error) => Some(io::Error::from_raw_os_error(error)),
        }
    }
}

/// Whether an error is about this machine and no other: there are no descriptors, no memory or no watches left.
#[must_use]
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::ENOSPC))
}

/// What the kernel says where nobody listens.
#[must_use]
pub fn refused() -> io::Error {
    io::Error::from_raw_os_error(libc::ECONNREFUSED)
}

/// Connects without waiting. A Unix socket is connected at once or not at all.
pub(super) fn connect_unix(path: &Path) -> io::Result<OwnedFd> {
    let (storage, length) = to_raw_unix(path)?;
    let fd = open(libc::AF_UNIX)?;
    connect(&fd, (&raw const storage).cast(), length)?;
    Ok(fd)
}

fn connect(fd: &OwnedFd, address: *const libc::sockaddr, length: usize) -> io::Result<()> {
    // SAFETY: the callers pass a pointer to an initialised address of `length` bytes that outlives the call.
    check(unsafe { libc::connect(fd.as_raw_fd(), address, length as libc::socklen_t) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::epoll::{Epoll, Events};
    use crate::sys::socket::{Access, Listener, Peer};
    use std::io::Read;
    use std::net::{SocketAddr, TcpListener};
    use std::os::fd::AsFd;

    /// Connects, and waits for the outcome.
    fn connected(to: &Address) -> io::Result<Socket> {
        let (socket, how_far) = Socket::connect(to)?;
        if how_far == Connecting::UnderWay {
            let (epoll, mut events) = (Epoll::new()?, Events::with_capacity(1));
            epoll.add(socket.as_fd(), 1)?;
            while events.is_empty() || !events.get(0).writable {
                epoll.wait(&mut events, -1)?;
            }
        }
        match socket.error() {
            Some(error) => Err(error),
            None => Ok(socket),
        }
    }

    #[test]
    fn to_both_families_of_tcp() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(host).unwrap();
            let address = Address::Tcp(listener.local_addr().unwrap());
            let socket = connected(&address).unwrap();
            assert_eq!(socket.send(b"hello").unwrap(), 5);
            drop(socket);
            let mut text = String::new();
            listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
            assert_eq!(text, "hello");
            drop(listener);
            assert_eq!(connected(&address).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        }
    }

    /// A listener that takes both families, as a service manager opens them.
    #[test]
    fn an_ipv4_address_is_told_as_one_over_either_family() {
        let listener = TcpListener::bind("[::]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let inherited = Listener::inherit(std::os::fd::AsRawFd::as_raw_fd(&listener)).unwrap();
        let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let address = client.local_addr().unwrap();
        let (socket, far_end) = inherited.accept().unwrap();
        assert_eq!(far_end, Peer::Tcp(address));
        assert_eq!(socket.peer().unwrap(), far_end);
        assert_eq!(socket.local(), Peer::Tcp(client.peer_addr().unwrap()));
        assert_eq!(Peer::tcp(format!("[::ffff:127.0.0.1]:{}", address.port()).parse().unwrap()), far_end);
        let other: SocketAddr = "[2001:db8::1]:80".parse().unwrap();
        assert_eq!(Peer::tcp(other), Peer::Tcp(other));
    }

    #[test]
    fn to_a_unix_socket() {
        let path = std::env::temp_dir().join(format!("wspush-connecting-{}", std::process::id()));
        let address = Address::Unix(path.clone());
        assert_eq!(connected(&address).unwrap_err().kind(), io::ErrorKind::NotFound);
        let listener = Listener::bind(&address, 1, false, Access::default()).unwrap();
        let mut waiting = Vec::new();
        let full = loop {
            match connected(&address) {
                Ok(socket) => waiting.push(socket),
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        listener.accept().unwrap();
        waiting.push(connected(&address).unwrap());
        drop(listener);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert_eq!(connected(&address).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        std::fs::remove_file(&path).unwrap();
        let long = Address::Unix("x".repeat(200).into());
        assert_eq!(connected(&long).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
