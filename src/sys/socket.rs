//! Stream sockets, TCP and Unix: listening, accepting, connecting, receiving and sending, never blocking.

mod connecting;
mod listener;
mod path;
mod progress;
mod raw;
#[cfg(test)]
pub mod throttle;

pub use connecting::{Connecting, is_shortage, refused};
pub use listener::{Listener, is_lasting};
pub use path::Access;
pub use progress::Progress;
pub(super) use raw::address_of;

use super::check_size;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;

/// Where a socket listens, or is to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IPv4 or IPv6 address and a port.
    Tcp(SocketAddr),
    /// A path in the file system.
    Unix(PathBuf),
    /// Wherever this descriptor does, which somebody else has opened.
    Descriptor(RawFd),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Descriptor(fd) => write!(f, "fd:{fd}"),
        }
    }
}

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// Over TCP, with this address and port.
    Tcp(SocketAddr),
    /// Over a Unix socket.
    Unix,
}

impl Peer {
    /// The peer at this address. An IPv4 address that was mapped into IPv6 (RFC 4291 section 2.5.5.2) is the IPv4 address.
    #[must_use]
    pub fn tcp(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V4(ip) => Self::Tcp(SocketAddr::new(ip.into(), address.port())),
            IpAddr::V6(_) => Self::Tcp(address),
        }
    }

    /// The IP address, or `unix`.
    #[must_use]
    pub fn address(self) -> String {
        match self {
            Self::Tcp(address) => address.ip().to_string(),
            Self::Unix => "unix".to_owned(),
        }
    }

    /// The port, 0 over a Unix socket.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Tcp(address) => address.port(),
            Self::Unix => 0,
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// One end of a connection.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
}

/// A socket under another name, for sending while its owner is out of reach. It is good only as long as the socket
/// lives: whoever keeps one must see to that.
#[derive(Debug, Clone, Copy)]
pub struct Alias(RawFd);

/// Bytes under another name, to be sent while their owner is out of reach. It is good only as long as the bytes stay where they
/// are, unchanged: whoever keeps one must see to that.
#[derive(Debug, Clone, Copy)]
pub struct BytesAlias {
    address: *const u8,
    length: usize,
}

impl BytesAlias {
    /// Another name for `bytes`.
    #[must_use]
    pub const fn of(bytes: &[u8]) -> Self {
        Self { address: bytes.as_ptr(), length: bytes.len() }
    }

    /// Whether it stands for these very bytes.
    #[must_use]
    pub fn is(self, bytes: &[u8]) -> bool {
        self.address == bytes.as_ptr() && self.length == bytes.len()
    }
}

impl Socket {
    /// Receives into `buffer`. 0 is the end of what the peer sends.
    ///
    /// # Errors
    /// `WouldBlock` when nothing waits, and what breaks a connection.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        // SAFETY: the kernel writes at most the length of the buffer.
        check_size(unsafe { receive(&self.fd, buffer.as_mut_ptr(), buffer.len()) })
    }

    /// Receives at most `most` bytes behind what `buffer` holds, without growing it beyond its capacity.
    ///
    /// # Errors
    /// As [`Socket::receive`].
    pub fn receive_appending(&self, buffer: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        let room = buffer.spare_capacity_mut();
        let most = most.min(room.len());
        // SAFETY: the kernel writes at most `most` bytes into the spare capacity.
        let count = check_size(unsafe { receive(&self.fd, room.as_mut_ptr().cast(), most) })?;
        // SAFETY: the kernel has written `count` bytes behind the old length, within the capacity.
        unsafe { buffer.set_len(buffer.len() + count) };
        Ok(count)
    }

    /// Sends as much of `bytes` as there is room for.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room, and what breaks a connection.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.alias().send(bytes)
    }

    /// Sends as much of several pieces as there is room for, in one call.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub fn send_pieces(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.alias().send_pieces(pieces)
    }

    /// Another name for this socket.
    #[must_use]
    pub fn alias(&self) -> Alias {
        Alias(self.fd.as_raw_fd())
    }

    /// Says that no more will be sent. Errors do not matter: the connection is on its way out.
    pub fn shut_down_sending(&self) {
        shut_down(self.fd.as_raw_fd(), libc::SHUT_WR);
    }

    /// Ends the connection, even where a forked child holds the socket too.
    pub fn shut_down(&self) {
        shut_down(self.fd.as_raw_fd(), libc::SHUT_RDWR);
    }

    /// The far end.
    ///
    /// # Errors
    /// When the connection is broken already.
    pub fn peer(&self) -> io::Result<Peer> {
        address_of(&self.fd, libc::getpeername).map(|address| address.map_or(Peer::Unix, Peer::Tcp))
    }

    /// This end.
    #[must_use]
    pub fn local(&self) -> Peer {
        address_of(&self.fd, libc::getsockname).ok().flatten().map_or(Peer::Unix, Peer::Tcp)
    }
}

impl Alias {
    /// Ends the connection, as [`Socket::shut_down`] does.
    pub fn shut_down(self) {
        shut_down(self.0, libc::SHUT_RDWR);
    }

    /// Sends as much of `bytes` as there is room for.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub fn send(self, bytes: &[u8]) -> io::Result<usize> {
        self.send_alias(BytesAlias::of(bytes))
    }

    /// Sends as much as there is room for of bytes that still are where they were.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub fn send_alias(self, BytesAlias { address, length }: BytesAlias) -> io::Result<usize> {
        const NOWHERE: usize = 0;
        #[cfg(test)]
        let length = throttle::admit(length)?;
        // SAFETY: the bytes are there, by the contract of the alias, and the kernel reads nothing else. It checks each
        // address that it reads from.
        let sent =
            unsafe { libc::syscall(libc::SYS_sendto, self.0, address, length, libc::MSG_NOSIGNAL, NOWHERE, NOWHERE) };
        check_size(sent as libc::ssize_t)
    }

    /// Sends as much of several pieces as there is room for, in one call.
    ///
    /// # Errors
    /// As [`Socket::send`].
    pub fn send_pieces(self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        #[cfg(test)]
        let pieces = &throttle::cut(pieces)?[..];
        // SAFETY: an all-zero message header is a valid empty one.
        let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
        message.msg_iov = pieces.as_ptr().cast_mut().cast();
        message.msg_iovlen = pieces.len() as _;
        // SAFETY: `IoSlice` has the layout of `iovec` by its documentation, the kernel only reads through it, and the
        // pieces outlive the call.
        let sent = unsafe { libc::syscall(libc::SYS_sendmsg, self.0, &raw const message, libc::MSG_NOSIGNAL) };
        check_size(sent as libc::ssize_t)
    }
}

impl From<OwnedFd> for Socket {
    /// A connected, non-blocking stream socket.
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// `recv`, but not the one of the C library. In a process with threads that is a point of cancellation, as all its sending,
/// receiving and waiting is, which costs two atomic operations each time, and nobody cancels these threads.
///
/// # Safety
/// There is room for `length` bytes at `to`.
unsafe fn receive(fd: &OwnedFd, to: *mut u8, length: usize) -> libc::ssize_t {
    const NOWHERE: usize = 0;
    const NO_FLAGS: libc::c_int = 0;
    // SAFETY: the contract of this function; the address of the sender is not asked for.
    unsafe {
        libc::syscall(libc::SYS_recvfrom, fd.as_raw_fd(), to, length, NO_FLAGS, NOWHERE, NOWHERE) as libc::ssize_t
    }
}

fn shut_down(fd: RawFd, how: libc::c_int) {
    // SAFETY: the call takes no pointers.
    unsafe { libc::shutdown(fd, how) };
}
