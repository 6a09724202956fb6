//! Sockets that accept connections.

use super::connecting::is_shortage;
use super::path::{self, Access, Identity};
use super::raw::{address_of, open, set_flag, to_raw, told_address};
use super::{Address, Peer, Socket, shut_down};
use crate::sys::check;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A socket that accepts connections. The file of a Unix socket lives no longer than that, unless it is inherited.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    address: Address,
    /// The file that it has made, of a Unix socket.
    file: Option<Identity>,
    is_inherited: bool,
}

impl Listener {
    /// Binds and listens. The address can be taken again at once after a process that held it has died; with
    /// `reuse_port` several sockets of one user may listen on it together, and the kernel spreads connections over them.
    /// `access` is that of a Unix socket.
    ///
    /// # Errors
    /// What `socket`, `bind` and `listen` say, and `chown` and `chmod`. `AlreadyExists` where the path of a Unix socket is that
    /// of something else.
    pub fn bind(address: &Address, backlog: i32, reuse_port: bool, access: Access) -> io::Result<Self> {
        match address {
            Address::Tcp(tcp) => {
                let family = if tcp.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET };
                let fd = open(family)?;
                set_flag(&fd, libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
                if reuse_port {
                    set_flag(&fd, libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
                }
                if tcp.is_ipv6() {
                    set_flag(&fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY)?;
                }
                let (storage, length) = to_raw(tcp);
                bind_and_listen(&fd, (&raw const storage).cast(), length, backlog)?;
                let address = Address::Tcp(local_address(&fd)?);
                Ok(Self { fd, address, file: None, is_inherited: false })
            }
            Address::Unix(path) => {
                let (fd, file) = path::listen(path, backlog, access)?;
                Ok(Self { fd, address: address.clone(), file: Some(file), is_inherited: false })
            }
            Address::Descriptor(fd) => Self::inherit(*fd),
        }
    }

    pub(in crate::sys) const fn inherited(fd: OwnedFd, address: Address) -> Self {
        Self { fd, address, file: None, is_inherited: true }
    }

    /// Whether others may go on to accept from it.
    #[must_use]
    pub const fn is_inherited(&self) -> bool {
        self.is_inherited
    }

    /// Where it listens, with the port that the kernel chose if 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Takes the next connection that waits, and tells its far end: also of one that is broken by now, which
    /// [`Socket::peer`] does not.
    ///
    /// # Errors
    /// `WouldBlock` when none waits, and what `accept4` says: of that connection, or of a lack of descriptors.
    pub fn accept(&self) -> io::Result<(Socket, Peer)> {
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: there is room at `address` for as many bytes as `length` says; the result is a new descriptor.
        let (fd, far_end) = told_address(|address, length| unsafe {
            let fd = libc::accept4(self.fd.as_raw_fd(), address, length, flags);
            Ok(OwnedFd::from_raw_fd(check(fd)?))
        })?;
        if matches!(self.address, Address::Tcp(_)) {
            set_flag(&fd, libc::IPPROTO_TCP, libc::TCP_NODELAY)?;
        }
        Ok((Socket { fd }, far_end.map_or(Peer::Unix, Peer::Tcp)))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.is_inherited {
            return;
        }
        // First: a successor may have the path as soon as nobody listens here, and the inode is ours until the socket closes.
        if let (Address::Unix(path), Some(file)) = (&self.address, self.file) {
            path::remove(path, file);
        }
        // A forked child may hold the socket too; nobody is to wait for it to accept.
        shut_down(self.fd.as_raw_fd(), libc::SHUT_RDWR);
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether an error of an accept is not about the connection that was to be accepted, so that trying again at once is of no
/// use: there are no descriptors or no memory left, or somebody has shut an inherited listener down (`EINVAL`).
#[must_use]
pub fn is_lasting(error: &io::Error) -> bool {
    is_shortage(error) || error.raw_os_error() == Some(libc::EINVAL)
}

fn bind_and_listen(fd: &OwnedFd, address: *const libc::sockaddr, length: usize, backlog: i32) -> io::Result<()> {
    // SAFETY: the callers pass a pointer to an initialised address of `length` bytes that outlives the call.
    check(unsafe { libc::bind(fd.as_raw_fd(), address, length as libc::socklen_t) })?;
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::listen(fd.as_raw_fd(), backlog) })?;
    Ok(())
}

fn local_address(fd: &OwnedFd) -> io::Result<SocketAddr> {
    address_of(fd, libc::getsockname)?.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}
