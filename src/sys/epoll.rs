//! Readiness of many descriptors at once.

use super::check;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// An epoll instance. Descriptors leave it by being closed.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
}

/// What became of a descriptor, under the token it was added with.
#[derive(Debug, Clone, Copy)]
pub struct Ready {
    /// The token given to [`Epoll::add`].
    pub token: u64,
    /// There are bytes to receive, connections to accept, or an end to be told.
    pub readable: bool,
    /// There is room to send again.
    pub writable: bool,
    /// The peer has ended its side, or the connection is broken: a receive will tell which.
    pub hangup: bool,
    /// The connection is gone in both directions.
    pub gone: bool,
}

/// Room for the answers of one [`Epoll::wait`].
pub struct Events {
    list: Vec<libc::epoll_event>,
}

impl Events {
    /// Room for this many descriptors per wait.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { list: Vec::with_capacity(capacity) }
    }

    /// The number of descriptors that the last wait reported.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether the last wait reported nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// One of the descriptors that the last wait reported.
    #[must_use]
    pub fn get(&self, index: usize) -> Ready {
        let event = self.list[index];
        let bits = event.events as i32;
        let hangup = bits & (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) != 0;
        Ready {
            token: event.u64,
            readable: hangup || bits & libc::EPOLLIN != 0,
            writable: bits & libc::EPOLLOUT != 0,
            hangup,
            gone: bits & (libc::EPOLLHUP | libc::EPOLLERR) != 0,
        }
    }
}

impl Epoll {
    /// A new instance.
    ///
    /// # Errors
    /// When the process or the system is out of descriptors.
    pub fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointers, and its result is a new descriptor that nobody else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
        Ok(Self { fd })
    }

    /// Watches `fd`, edge-triggered, for reading and writing: registered once and never changed.
    ///
    /// # Errors
    /// When the kernel is out of memory or watches.
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token)
    }

    /// Reports `fd` under another token from now on, and once more what holds of it now.
    ///
    /// # Errors
    /// If it was not added.
    pub fn rename(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token)
    }

    /// No longer reports `fd`. Closing it does that, too, but only when nobody else has the same socket.
    pub fn remove(&self, fd: BorrowedFd<'_>) {
        let _ = self.control(libc::EPOLL_CTL_DEL, fd, 0);
    }

    fn control(&self, operation: libc::c_int, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        let bits = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET;
        let mut event = libc::epoll_event { events: bits as u32, u64: token };
        // SAFETY: both descriptors are open for the length of the call, and `event` outlives it.
        check(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), operation, fd.as_raw_fd(), &raw mut event) })?;
        Ok(())
    }

    /// Waits for at most `timeout_ms` milliseconds (-1: without end) and fills `events`.
    ///
    /// # Errors
    /// `Interrupted` after a signal handler ran, and none besides that a caller could cause.
    pub fn wait(&self, events: &mut Events, timeout_ms: i32) -> io::Result<()> {
        const NO_MASK: usize = 0;
        events.list.clear();
        let room = i32::try_from(events.list.capacity()).unwrap_or(i32::MAX);
        let (fd, list) = (self.fd.as_raw_fd(), events.list.as_mut_ptr());
        // Not by the C library, as in `socket`: its wait is a point of cancellation, and costs two atomic operations more.
        // SAFETY: the list has room for `room` events, of which the kernel fills the first `count`; no signal mask is given.
        let count = unsafe { libc::syscall(libc::SYS_epoll_pwait, fd, list, room, timeout_ms, NO_MASK, 0_usize) };
        let count = check(count as libc::c_int)?;
        // SAFETY: the kernel has written `count` events, and `count` is at most the capacity.
        unsafe { events.list.set_len(count as usize) };
        Ok(())
    }
}
