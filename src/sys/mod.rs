//! The kernel: the one home of `libc` and of system calls, behind types that own their descriptors.
//!
//! Everything here is a thin, safe face: errors are `io::Error`, descriptors close themselves and do not survive an
//! `exec`, and no call raises `SIGPIPE`. The floors above hold no `unsafe` for the sake of the kernel.

pub mod barrier;
pub mod clock;
pub mod copy;
pub mod epoll;
pub mod eventfd;
pub mod fault;
pub mod files;
pub mod futex;
pub mod inherit;
pub mod lease;
pub mod lock;
pub mod ownership;
pub mod process;
pub mod random;
pub mod ring;
pub mod socket;
pub mod sync;
pub mod users;

use std::io;

/// Turns the -1 of a system call into the error it stands for.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The same for calls that return a byte count.
fn check_size(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
