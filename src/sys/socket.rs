//! Stream sockets, TCP and Unix: listening, accepting, receiving and sending, never blocking.

use super::{check, check_size};
use std::io::{self, IoSlice};
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const STREAM: libc::c_int = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;

/// Where a socket listens.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// A socket that accepts connections. A Unix socket leaves its path behind no longer than it lives, unless it is inherited.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    address: Address,
    is_inherited: bool,
}

impl Listener {
    /// Binds and listens. The address can be taken again at once after a process that held it has died; with
    /// `reuse_port` several sockets of one user may listen on it together, and the kernel spreads connections over them.
    ///
    /// # Errors
    /// What `socket`, `bind` and `listen` say.
    pub fn bind(address: &Address, backlog: i32, reuse_port: bool) -> io::Result<Self> {
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
                Ok(Self { fd, address, is_inherited: false })
            }
            Address::Unix(path) => {
                let fd = open(libc::AF_UNIX)?;
                let (storage, length) = to_raw_unix(path)?;
                remove_dead_socket(path);
                bind_and_listen(&fd, (&raw const storage).cast(), length, backlog)?;
                Ok(Self { fd, address: address.clone(), is_inherited: false })
            }
            Address::Descriptor(fd) => Self::inherit(*fd),
        }
    }

    pub(super) const fn inherited(fd: OwnedFd, address: Address) -> Self {
        Self { fd, address, is_inherited: true }
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

    /// Takes the next connection that waits.
    ///
    /// # Errors
    /// `WouldBlock` when none waits, and what `accept4` says: of that connection, or of a lack of descriptors.
    pub fn accept(&self) -> io::Result<Socket> {
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: null pointers say that the address of the peer is not wanted; the result is a new descriptor.
        let fd = unsafe {
            let fd = libc::accept4(self.fd.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut(), flags);
            OwnedFd::from_raw_fd(check(fd)?)
        };
        if matches!(self.address, Address::Tcp(_)) {
            set_flag(&fd, libc::IPPROTO_TCP, libc::TCP_NODELAY)?;
        }
        Ok(Socket { fd })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.is_inherited {
            return;
        }
        // First, so that it is not the path of a successor, who may have it as soon as nobody listens here.
        if let Address::Unix(path) = &self.address {
            let _ = std::fs::remove_file(path);
        }
        // A forked child may hold the socket too; nobody is to wait for it to accept.
        shut_down(&self.fd, libc::SHUT_RDWR);
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
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
        shut_down(&self.fd, libc::SHUT_WR);
    }

    /// Ends the connection, even where a forked child holds the socket too.
    pub fn shut_down(&self) {
        shut_down(&self.fd, libc::SHUT_RDWR);
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

/// Whether an error of an accept is not about the connection that was to be accepted, so that trying again at once is of no
/// use: there are no descriptors or no memory left, or somebody has shut an inherited listener down (`EINVAL`).
#[must_use]
pub fn is_lasting(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::EINVAL))
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

fn shut_down(fd: &OwnedFd, how: libc::c_int) {
    // SAFETY: the call takes no pointers.
    unsafe { libc::shutdown(fd.as_raw_fd(), how) };
}

fn open(family: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: the call takes no pointers, and its result is a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(check(libc::socket(family, STREAM, 0))?) })
}

fn set_flag(fd: &OwnedFd, level: libc::c_int, name: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option is an int, and the pointer and length are those of one.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const on).cast(), length) })?;
    Ok(())
}

fn bind_and_listen(fd: &OwnedFd, address: *const libc::sockaddr, length: usize, backlog: i32) -> io::Result<()> {
    // SAFETY: the callers pass a pointer to an initialised address of `length` bytes that outlives the call.
    check(unsafe { libc::bind(fd.as_raw_fd(), address, length as libc::socklen_t) })?;
    // SAFETY: the call takes no pointers.
    check(unsafe { libc::listen(fd.as_raw_fd(), backlog) })?;
    Ok(())
}

/// Takes away what a server that was killed has left at `path`: a socket that nobody listens on.
fn remove_dead_socket(path: &Path) {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && connect_unix(path).is_err_and(refused) {
        let _ = std::fs::remove_file(path);
    }
}

/// Tries to connect, without waiting: a server whose queue is full is there, too.
fn connect_unix(path: &Path) -> io::Result<OwnedFd> {
    let (storage, length) = to_raw_unix(path)?;
    let fd = open(libc::AF_UNIX)?;
    // SAFETY: the pointer and length are those of an initialised address that outlives the call.
    check(unsafe { libc::connect(fd.as_raw_fd(), (&raw const storage).cast(), length as libc::socklen_t) })?;
    Ok(fd)
}

fn local_address(fd: &OwnedFd) -> io::Result<SocketAddr> {
    address_of(fd, libc::getsockname)?.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

type AddressCall = unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

/// Asks for an address of a socket: `None` if it is not an internet one.
pub(super) fn address_of(fd: &OwnedFd, call: AddressCall) -> io::Result<Option<SocketAddr>> {
    // SAFETY: all-zero is a valid value of this plain structure.
    let mut storage: libc::sockaddr_storage = unsafe { MaybeUninit::zeroed().assume_init() };
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes of address, and the storage has room for any.
    check(unsafe { call(fd.as_raw_fd(), (&raw mut storage).cast(), &raw mut length) })?;
    match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the storage holds this structure.
            let v4 = unsafe { &*(&raw const storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Ok(Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(v4.sin_port))))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that the storage holds this structure.
            let v6 = unsafe { &*(&raw const storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Ok(Some(SocketAddr::new(IpAddr::V6(ip), u16::from_be(v6.sin6_port))))
        }
        _ => Ok(None),
    }
}

fn to_raw(address: &SocketAddr) -> (libc::sockaddr_storage, usize) {
    // SAFETY: all-zero is a valid value of this plain structure.
    let mut storage: libc::sockaddr_storage = unsafe { MaybeUninit::zeroed().assume_init() };
    match address {
        SocketAddr::V4(v4) => {
            // SAFETY: the storage has room and alignment for any address structure.
            let raw = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in>() };
            raw.sin_family = libc::AF_INET as libc::sa_family_t;
            raw.sin_port = v4.port().to_be();
            raw.sin_addr.s_addr = u32::from(*v4.ip()).to_be();
            (storage, size_of::<libc::sockaddr_in>())
        }
        SocketAddr::V6(v6) => {
            // SAFETY: the storage has room and alignment for any address structure.
            let raw = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in6>() };
            raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            raw.sin6_port = v6.port().to_be();
            raw.sin6_addr.s6_addr = v6.ip().octets();
            raw.sin6_scope_id = v6.scope_id();
            (storage, size_of::<libc::sockaddr_in6>())
        }
    }
}

fn to_raw_unix(path: &Path) -> io::Result<(libc::sockaddr_un, usize)> {
    // SAFETY: all-zero is a valid value of this plain structure.
    let mut raw: libc::sockaddr_un = unsafe { MaybeUninit::zeroed().assume_init() };
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() || bytes.len() >= raw.sun_path.len() || bytes.contains(&0) {
        let message = format!("a socket path has 1 to {} bytes", raw.sun_path.len() - 1);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    raw.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in raw.sun_path.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    Ok((raw, size_of::<libc::sockaddr_un>()))
}
