//! What the kernel holds of a connection, and how far the peer has come with what was sent: questions for when a deadline
//! has passed, since each of them is a system call.

use super::Socket;
use crate::sys::check;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// The part of `struct tcp_info` that is looked at, in bytes: up to `tcpi_bytes_acked`, which Linux has had since 4.1.
const TCP_INFO: usize = 128;

/// Where its fields lie.
const LAST_DATA_SENT: usize = 44;
const LAST_ACK_RECEIVED: usize = 56;
const BYTES_ACKNOWLEDGED: usize = 120;

/// How far a peer has come with what was sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Rises as the peer takes bytes. Over TCP it counts what the peer's kernel has acknowledged. Over a Unix socket it falls
    /// back as more is sent.
    pub taken: i64,
    /// The bytes of `taken` are bytes of the stream, and it never falls back.
    pub is_exact: bool,
    /// For how long the peer has taken nothing of what waits; `None` if the kernel does not tell.
    pub stalled: Option<Duration>,
}

impl Socket {
    /// Bytes that were received and not read.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.count(libc::FIONREAD)
    }

    /// Bytes that were sent and not yet taken by the peer: over TCP by its kernel, over a Unix socket by the peer itself,
    /// with what they cost the kernel.
    #[must_use]
    pub fn untaken(&self) -> usize {
        self.count(libc::TIOCOUTQ)
    }

    /// Whether there is room to send, or an error to be told: for one that connects, whether that has come to an end.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        let mut polled = libc::pollfd { fd: self.as_fd().as_raw_fd(), events: libc::POLLOUT, revents: 0 };
        // SAFETY: the kernel reads and writes one structure, which outlives the call; it does not wait.
        unsafe { libc::poll(&raw mut polled, 1, 0) == 1 }
    }

    fn count(&self, request: libc::c_ulong) -> usize {
        let mut count: libc::c_int = 0;
        // SAFETY: both requests write one integer, which outlives the call.
        let result = unsafe { libc::ioctl(self.as_fd().as_raw_fd(), request as _, &raw mut count) };
        if result == 0 { usize::try_from(count).unwrap_or(0) } else { 0 }
    }

    /// How far the peer has come with what was sent to it.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let mut info = [0_u8; TCP_INFO];
        let mut size = TCP_INFO as libc::socklen_t;
        let (fd, to) = (self.as_fd().as_raw_fd(), info.as_mut_ptr().cast());
        // SAFETY: the kernel writes at most `size` bytes, which `info` has, and `size` outlives the call.
        let result = check(unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, to, &raw mut size) });
        if result.is_err() || (size as usize) < TCP_INFO {
            return Progress { taken: -(self.untaken() as i64), is_exact: false, stalled: None };
        }
        let number = |at: usize| u32::from_ne_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
        let acknowledged = info.last_chunk().map_or(0, |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes));
        const { assert!(BYTES_ACKNOWLEDGED + 8 == TCP_INFO) };
        // Data leaves while the peer's window is open, and again while nobody answers; then only acknowledgements tell.
        let stalled = number(LAST_DATA_SENT).max(number(LAST_ACK_RECEIVED));
        Progress {
            taken: i64::try_from(acknowledged).unwrap_or(i64::MAX),
            is_exact: true,
            stalled: Some(Duration::from_millis(u64::from(stalled))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    fn tcp() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (theirs, _) = listener.accept().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Socket::from(OwnedFd::from(ours)), theirs)
    }

    fn unix() -> (Socket, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Socket::from(OwnedFd::from(ours)), theirs)
    }

    /// Sends until the kernel takes no more.
    fn fill(socket: &Socket) {
        while socket.send(&[7; 64 * 1024]).is_ok() {}
    }

    #[test]
    fn what_was_received_is_counted_until_it_is_read() {
        let (socket, mut peer) = tcp();
        assert_eq!(socket.unread(), 0);
        peer.write_all(&[1; 1000]).unwrap();
        while socket.unread() < 1000 {
            std::thread::yield_now();
        }
        assert_eq!(socket.receive(&mut [0; 600]).unwrap(), 600);
        assert_eq!(socket.unread(), 400);
    }

    #[test]
    fn a_peer_that_reads_makes_progress_over_tcp() {
        let (socket, mut peer) = tcp();
        fill(&socket);
        let before = socket.progress();
        assert!(before.is_exact && socket.untaken() > 0);
        let mut buffer = vec![0; 1 << 20];
        while socket.progress().taken <= before.taken {
            assert!(peer.read(&mut buffer).unwrap() > 0);
        }
        assert!(socket.progress().stalled.unwrap() < Duration::from_secs(10));
    }

    #[test]
    fn a_peer_that_reads_makes_progress_over_a_unix_socket() {
        let (socket, mut peer) = unix();
        fill(&socket);
        let before = socket.progress();
        assert_eq!(socket.progress(), before);
        let mut buffer = vec![0; 1 << 16];
        while socket.progress().taken <= before.taken {
            assert!(peer.read(&mut buffer).unwrap() > 0);
        }
        assert!(!before.is_exact && before.stalled.is_none());
    }
}
