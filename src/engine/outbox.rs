//! What waits to be sent to one connection.
//!
//! Small frames are gathered in one buffer, large ones keep the buffer they came in, and a frame for many receivers is
//! shared between their outboxes. One call sends up to 64 of them. A connection has an outbox only while it
//! has something to send; empty ones go back to a pool, with the buffer they have grown.

use crate::sys::copy;
use crate::sys::socket::Socket;
use std::collections::{TryReserveError, VecDeque};
use std::io::{self, IoSlice};
use std::sync::Arc;

/// The most pieces that one call sends.
const PIECES: usize = 64;

/// Pieces up to this size are copied together, in bytes.
pub const GATHER_MAX: usize = 16 * 1024;

/// A buffer that gathers small frames is not continued beyond this size, in bytes.
const GATHERED_MAX: usize = 256 * 1024;

/// The largest buffer that an empty outbox keeps, in bytes.
const KEPT_MAX: usize = 64 * 1024;

#[derive(Debug)]
enum Piece {
    Gathered(Vec<u8>),
    Whole(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Gathered(bytes) | Self::Whole(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// A queue of bytes in pieces.
#[derive(Debug, Default)]
pub struct Outbox {
    pieces: VecDeque<Piece>,
    /// Bytes of the first piece that are sent already.
    sent: usize,
    queued: usize,
    spare: Vec<u8>,
    /// The last large buffer that was sent, for whoever wants it.
    pub used: Option<Vec<u8>>,
}

impl Outbox {
    /// Bytes that wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.queued
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.queued == 0
    }

    /// Adds a copy of `bytes`.
    ///
    /// # Errors
    /// There is no memory for it, and nothing was added.
    #[inline]
    pub fn gather(&mut self, bytes: &[u8]) -> Result<(), TryReserveError> {
        if let Some(Piece::Gathered(last)) = self.pieces.back_mut() {
            if last.len() + bytes.len() <= GATHERED_MAX {
                reserve(last, bytes.len())?;
                copy::append(last, bytes);
                self.queued += bytes.len();
                return Ok(());
            }
        }
        self.gather_apart(bytes)
    }

    /// The same in a buffer of its own.
    #[inline(never)]
    fn gather_apart(&mut self, bytes: &[u8]) -> Result<(), TryReserveError> {
        self.pieces.try_reserve(1)?;
        reserve(&mut self.spare, bytes.len())?;
        let mut buffer = std::mem::take(&mut self.spare);
        copy::append(&mut buffer, bytes);
        self.queued += bytes.len();
        self.pieces.push_back(Piece::Gathered(buffer));
        Ok(())
    }

    /// Adds `bytes` without copying them, unless they are few.
    ///
    /// # Errors
    /// As [`Outbox::gather`].
    pub fn append(&mut self, bytes: Vec<u8>) -> Result<(), TryReserveError> {
        if bytes.len() <= GATHER_MAX {
            return self.gather(&bytes);
        }
        self.pieces.try_reserve(1)?;
        self.queued += bytes.len();
        self.pieces.push_back(Piece::Whole(bytes));
        Ok(())
    }

    /// Adds bytes that others send too. The first `skip` of them are sent already, which can only be so while the outbox
    /// is empty.
    ///
    /// # Errors
    /// As [`Outbox::gather`].
    pub fn share(&mut self, bytes: &Arc<Vec<u8>>, skip: usize) -> Result<(), TryReserveError> {
        let left = bytes.len() - skip;
        if left <= GATHER_MAX || !(skip == 0 || self.is_empty()) {
            return self.gather(&bytes[skip..]);
        }
        self.pieces.try_reserve(1)?;
        self.sent += skip;
        self.queued += left;
        self.pieces.push_back(Piece::Shared(Arc::clone(bytes)));
        Ok(())
    }

    /// Sends as much as there is room for and returns how much that was. What is left waits for room.
    ///
    /// # Errors
    /// What breaks the connection.
    pub fn send(&mut self, socket: &Socket) -> io::Result<usize> {
        let before = self.queued;
        while !self.is_empty() {
            let offered = self.queued;
            match self.send_once(socket) {
                Ok(count) => {
                    self.advance(count);
                    if count < offered && self.pieces.len() < PIECES {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(before - self.queued)
    }

    fn send_once(&self, socket: &Socket) -> io::Result<usize> {
        let first = &self.pieces[0].bytes()[self.sent..];
        if self.pieces.len() == 1 {
            return socket.send(first);
        }
        let mut list = [IoSlice::new(first); PIECES];
        let count = self.pieces.len().min(PIECES);
        for (entry, piece) in list[1..count].iter_mut().zip(self.pieces.iter().skip(1)) {
            *entry = IoSlice::new(piece.bytes());
        }
        socket.send_pieces(&list[..count])
    }

    /// Takes `count` bytes off the front.
    fn advance(&mut self, count: usize) {
        self.queued -= count;
        self.sent += count;
        while let Some(piece) = self.pieces.front() {
            let length = piece.bytes().len();
            if self.sent < length {
                break;
            }
            self.sent -= length;
            match self.pieces.pop_front() {
                Some(Piece::Gathered(mut buffer))
                    if (self.spare.capacity()..=KEPT_MAX).contains(&buffer.capacity()) =>
                {
                    buffer.clear();
                    self.spare = buffer;
                }
                Some(Piece::Whole(buffer)) => self.used = Some(buffer),
                _ => {}
            }
        }
    }

    /// Empties it, for another connection to use.
    pub fn clear(&mut self) {
        self.advance(self.queued);
        self.used = None;
    }
}

/// Makes room in a buffer that gathers.
#[inline]
fn reserve(buffer: &mut Vec<u8>, length: usize) -> Result<(), TryReserveError> {
    #[cfg(test)]
    let length = if scarcity::is_on() { usize::MAX } else { length };
    buffer.try_reserve(length)
}

/// Tests have the memory of a thread run out.
#[cfg(test)]
pub mod scarcity {
    use std::cell::Cell;

    thread_local! {
        static ON: Cell<bool> = const { Cell::new(false) };
    }

    /// Has the memory for what waits run out, or be there again.
    pub fn set(on: bool) {
        ON.set(on);
    }

    /// Whether it has run out.
    pub fn is_on() -> bool {
        ON.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    fn pair() -> (Socket, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Socket::from(std::os::fd::OwnedFd::from(ours)), theirs)
    }

    #[test]
    fn pieces_of_all_kinds_leave_in_their_order() {
        let (socket, mut peer) = pair();
        let mut outbox = Outbox::default();
        let shared = Arc::new((0..50_000_u32).map(|i| (i * 3) as u8).collect::<Vec<_>>());
        let large: Vec<u8> = (0..100_000_u32).map(|i| (i / 7) as u8).collect();
        let mut expected = shared[10..].to_vec();
        outbox.share(&shared, 10).unwrap();
        for _ in 0..3 {
            outbox.gather(b"small").unwrap();
            outbox.append(b"also small".to_vec()).unwrap();
            outbox.append(large.clone()).unwrap();
            outbox.share(&shared, 0).unwrap();
            for part in [&b"small"[..], b"also small", &large, &shared] {
                expected.extend_from_slice(part);
            }
        }
        assert_eq!(outbox.len(), expected.len());
        let mut received = Vec::new();
        let mut sent = 0;
        while !outbox.is_empty() {
            let count = outbox.send(&socket).unwrap();
            let mut part = vec![0; count];
            peer.read_exact(&mut part).unwrap();
            received.extend(part);
            sent += count;
            assert_eq!(outbox.len(), expected.len() - sent);
        }
        assert!(received == expected);
    }

    #[test]
    fn an_emptied_outbox_keeps_its_buffer() {
        let (socket, _peer) = pair();
        let mut outbox = Outbox::default();
        outbox.gather(&[1; 1000]).unwrap();
        outbox.send(&socket).unwrap();
        assert!(outbox.is_empty() && outbox.spare.capacity() >= 1000);
        outbox.gather(&[2; 10]).unwrap();
        outbox.clear();
        assert!(outbox.is_empty() && outbox.sent == 0);
    }

    #[test]
    fn a_broken_connection_is_an_error() {
        let (socket, peer) = pair();
        drop(peer);
        let mut outbox = Outbox::default();
        outbox.gather(b"x").unwrap();
        assert!(outbox.send(&socket).is_err());
    }

    #[test]
    fn without_memory_nothing_is_added() {
        let mut outbox = Outbox::default();
        outbox.gather(b"before").unwrap();
        scarcity::set(true);
        assert!(outbox.gather(b"more").is_err());
        assert!(outbox.append(b"few".to_vec()).is_err());
        scarcity::set(false);
        outbox.gather(b" and after").unwrap();
        assert_eq!((outbox.len(), outbox.pieces[0].bytes()), (16, &b"before and after"[..]));
    }
}
