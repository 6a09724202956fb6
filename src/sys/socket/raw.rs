//! Sockets and their addresses as the kernel takes them.

use crate::sys::check;
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const STREAM: libc::c_int = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;

/// A new socket of this family.
pub(super) fn open(family: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: the call takes no pointers, and its result is a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(check(libc::socket(family, STREAM, 0))?) })
}

/// Sets an option that is on or off.
pub(super) fn set_flag(fd: &OwnedFd, level: libc::c_int, name: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option is an int, and the pointer and length are those of one.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const on).cast(), length) })?;
    Ok(())
}

pub(in crate::sys) type AddressCall =
    unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

/// Asks for an address of a socket: `None` if it is that of a Unix one.
pub(in crate::sys) fn address_of(fd: &OwnedFd, call: AddressCall) -> io::Result<Option<SocketAddr>> {
    // SAFETY: all of these calls write at most `length` bytes to where the address goes.
    let told = |address: *mut _, length: *mut _| check(unsafe { call(fd.as_raw_fd(), address, length) });
    told_address(told).map(|(_, address)| address)
}

/// Makes a call that tells an address besides its result, and reads that. An IPv4 address that was mapped into IPv6, as all
/// are at a socket that takes both, is the IPv4 address.
pub(super) fn told_address<T>(
    call: impl FnOnce(*mut libc::sockaddr, *mut libc::socklen_t) -> io::Result<T>,
) -> io::Result<(T, Option<SocketAddr>)> {
    // SAFETY: all-zero is a valid value of this plain structure.
    let mut storage: libc::sockaddr_storage = unsafe { MaybeUninit::zeroed().assume_init() };
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    let result = call((&raw mut storage).cast(), &raw mut length)?;
    let address = match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that the storage holds this structure.
            let v4 = unsafe { &*(&raw const storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::new(IpAddr::V4(ip), u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that the storage holds this structure.
            let v6 = unsafe { &*(&raw const storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddr::new(IpAddr::V6(ip).to_canonical(), u16::from_be(v6.sin6_port)))
        }
        libc::AF_UNIX => None,
        // A peer that is gone before anybody has asked for it.
        _ => return Err(io::ErrorKind::NotConnected.into()),
    };
    Ok((result, address))
}

pub(super) fn to_raw(address: &SocketAddr) -> (libc::sockaddr_storage, usize) {
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

pub(super) fn to_raw_unix(path: &Path) -> io::Result<(libc::sockaddr_un, usize)> {
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
