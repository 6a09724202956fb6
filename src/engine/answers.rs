//! Frames end to end, in a buffer that is written once for each and never moved: what a turn has to send.
//!
//! The buffer is full of bytes all the time, and only a number says how many of them count. So a frame is written into
//! it with plain stores, and one that turns out not to be fit to send is left there and not counted.

use crate::protocol::decoder::Kind;
use crate::protocol::frame::{self, Header, Opcode};
use crate::protocol::{mask, utf8};
use crate::sys::copy;
use std::collections::TryReserveError;
use std::io::IoSlice;

/// Frames end to end.
#[derive(Debug, Default)]
pub struct Answers {
    bytes: Vec<u8>,
    length: usize,
}

/// A buffer that grew beyond this is not kept, in bytes.
const KEPT_MAX: usize = 512 * 1024;

/// The least that a buffer has room for, in bytes.
const ROOM_MIN: usize = 4 * 1024;

impl Answers {
    /// No frames, and no buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), length: 0 }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes of all frames.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// The frames.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Makes room for so many bytes more.
    ///
    /// # Errors
    /// There is no memory for them.
    #[inline]
    pub fn reserve(&mut self, more: usize) -> Result<(), TryReserveError> {
        if self.bytes.len() - self.length < more { self.grow(more) } else { Ok(()) }
    }

    /// Adds a short message, unless it is text that is not UTF-8, or there is no memory for it. Whether it was added.
    #[inline]
    pub fn add_short_message(&mut self, kind: Kind, payload: &[u8]) -> bool {
        let Some(room) = self.bytes.get_mut(self.length..).and_then(<[u8]>::first_chunk_mut) else {
            return self.grow_and_add(kind, payload);
        };
        let (length, ascii) = frame::write_short(room, kind.into(), payload);
        let valid = ascii || kind == Kind::Binary || utf8::is_valid(payload);
        if valid {
            self.length += length;
        }
        valid
    }

    #[cold]
    fn grow_and_add(&mut self, kind: Kind, payload: &[u8]) -> bool {
        self.grow(frame::MAX_SHORT_FRAME).is_ok() && self.add_short_message(kind, payload)
    }

    /// Adds a frame, for which there is room.
    pub fn add(&mut self, opcode: Opcode, payload: &[u8]) {
        let mut buffer = [0; frame::MAX_HEADER];
        let length = Header { fin: true, opcode, mask: None, length: payload.len() as u64 }.write(&mut buffer);
        self.add_bytes(&buffer[..length]);
        self.add_bytes(payload);
    }

    /// Adds a frame that is encoded already, for which there is room.
    pub fn add_frame(&mut self, frame: &[u8]) {
        self.add_bytes(frame);
    }

    /// Adds a frame of a client, for which there is room.
    pub fn add_masked(&mut self, opcode: Opcode, payload: &[u8], key: mask::Key) {
        let mut buffer = [0; frame::MAX_HEADER];
        let length = Header { fin: true, opcode, mask: Some(key), length: payload.len() as u64 }.write(&mut buffer);
        self.add_bytes(&buffer[..length]);
        mask::copy_masked(self.room(payload.len()), payload, key);
        self.length += payload.len();
    }

    /// The place of the next bytes, so many of them.
    fn room(&mut self, length: usize) -> &mut [u8] {
        &mut self.bytes[self.length..][..length]
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        copy::copy(self.room(bytes.len()), bytes);
        self.length += bytes.len();
    }

    #[cold]
    fn grow(&mut self, more: usize) -> Result<(), TryReserveError> {
        let least = self.length + more;
        let wanted = least.max(2 * self.bytes.len()).max(ROOM_MIN);
        self.bytes.try_reserve_exact(wanted - self.bytes.len())?;
        self.bytes.resize(wanted, 0);
        Ok(())
    }

    /// Lends all frames and one more to `send`, in pieces. Keeps what it does not take, and returns how much it took; and with it
    /// whether all of the rest is kept, or there was no memory for it.
    pub fn send_with(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        send: impl FnOnce(&[IoSlice<'_>]) -> usize,
    ) -> (usize, Result<(), TryReserveError>) {
        let mut buffer = [0; frame::MAX_HEADER];
        let length = Header { fin: true, opcode, mask: None, length: payload.len() as u64 }.write(&mut buffer);
        let header = &buffer[..length];
        let sent = send(&[self.bytes(), header, payload].map(IoSlice::new));
        let kept = sent.min(self.length);
        self.bytes.copy_within(kept..self.length, 0);
        self.length -= kept;
        let mut past = sent - kept;
        if let Err(error) = self.reserve(header.len() + payload.len() - past) {
            return (sent, Err(error));
        }
        for piece in [header, payload] {
            let skip = past.min(piece.len());
            past -= skip;
            self.add_bytes(&piece[skip..]);
        }
        (sent, Ok(()))
    }

    /// Forgets the frames.
    pub fn clear(&mut self) {
        self.length = 0;
        if self.bytes.len() > KEPT_MAX {
            self.bytes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_not_utf8_is_not_counted() {
        let mut answers = Answers::new();
        assert!(answers.add_short_message(Kind::Text, "grün".as_bytes()));
        assert!(!answers.add_short_message(Kind::Text, b"\xff"));
        assert!(answers.add_short_message(Kind::Binary, b"\xff"));
        assert_eq!(answers.bytes(), b"\x81\x05gr\xc3\xbcn\x82\x01\xff");
    }

    #[test]
    fn what_a_call_does_not_take_is_kept_wherever_it_stops() {
        let payload: Vec<u8> = (0..5000_u32).map(|i| (i / 3) as u8).collect();
        let mut all = Answers::new();
        all.reserve(10_000).unwrap();
        all.add(Opcode::Text, b"before");
        all.add(Opcode::Binary, &payload);
        for taken in (0..20).chain([100, 2049, all.len() - 1, all.len()]) {
            let mut answers = Answers::new();
            answers.reserve(100).unwrap();
            answers.add(Opcode::Text, b"before");
            let (sent, kept) = answers.send_with(Opcode::Binary, &payload, |pieces| {
                assert_eq!(pieces.iter().map(|piece| piece.to_vec()).collect::<Vec<_>>().concat(), all.bytes());
                taken
            });
            assert!(kept.is_ok());
            assert_eq!((sent, answers.bytes()), (taken, &all.bytes()[taken..]));
        }
    }

    #[test]
    fn frames_of_a_client_are_masked() {
        let mut answers = Answers::new();
        for payload in [&b""[..], b"Hello", &[0x5a; 126], &[0xa5; 70_000]] {
            answers.clear();
            answers.reserve(frame::MAX_HEADER + payload.len()).unwrap();
            answers.add_masked(Opcode::Text, payload, [0x37, 0xfa, 0x21, 0x3d]);
            let mut expected = Vec::new();
            frame::write(&mut expected, Opcode::Text, true, Some([0x37, 0xfa, 0x21, 0x3d]), payload);
            assert_eq!(answers.bytes(), expected);
        }
    }

    #[test]
    fn a_buffer_that_grew_is_not_kept_for_ever() {
        let mut answers = Answers::new();
        answers.reserve(3 * KEPT_MAX).unwrap();
        answers.add(Opcode::Binary, &vec![1; 2 * KEPT_MAX]);
        answers.clear();
        assert!(answers.is_empty() && answers.bytes.is_empty());
        (0..1000).for_each(|_| assert!(answers.add_short_message(Kind::Text, b"again")));
        assert_eq!(answers.len(), 7000);
    }
}
