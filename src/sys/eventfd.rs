//! A descriptor that one thread makes readable to wake another.

use super::check;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// An eventfd that is readable from [`EventFd::signal`] to [`EventFd::clear`].
#[derive(Debug)]
pub struct EventFd {
    fd: OwnedFd,
    /// What a model waits for in place of the descriptor.
    #[cfg(loom)]
    bell: super::futex::Bell,
}

impl EventFd {
    /// A new one, not readable.
    ///
    /// # Errors
    /// When the process or the system is out of descriptors.
    pub fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointers, and its result is a new descriptor that nobody else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(check(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?) };
        Ok(Self {
            fd,
            #[cfg(loom)]
            bell: super::futex::Bell::default(),
        })
    }

    /// Makes it readable.
    pub fn signal(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: the buffer holds the eight bytes that are written. A full counter is readable as it is.
        unsafe { libc::write(self.fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        #[cfg(loom)]
        self.bell.ring();
    }

    /// Makes it unreadable.
    pub fn clear(&self) {
        let mut count = [0_u8; 8];
        // SAFETY: the buffer has room for the eight bytes that are read. An empty counter is clear as it is.
        unsafe { libc::read(self.fd.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }

    /// Rings with each signal.
    #[cfg(loom)]
    pub const fn bell(&self) -> &super::futex::Bell {
        &self.bell
    }

    /// The descriptor, for a host that watches it in a loop of its own.
    #[must_use]
    pub fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
