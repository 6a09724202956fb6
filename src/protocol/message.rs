//! A message in a buffer of its own, which it may be assembled in and travel with.
//!
//! The payload does not begin where the buffer does. Hosts copy a large message into a block of their allocator, behind a
//! head of a few bytes. A buffer that begins a page, or nearly so, as large ones do, would have that copy fall into the
//! hole that [`copy`] tells of.

use crate::sys::copy;
use std::collections::TryReserveError;

/// Bytes of the buffer that come before the payload: with the 16 that the allocator of a C library keeps to itself, one line
/// of the cache.
const LEAD: usize = 48;

/// A payload, and the buffer around it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Message {
    buffer: Vec<u8>,
}

impl Message {
    /// An empty message that allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { buffer: Vec::new() }
    }

    /// An empty message in this buffer.
    #[must_use]
    pub fn within(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self { buffer }
    }

    /// A message with a copy of this payload.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn copied(payload: &[u8]) -> Result<Self, TryReserveError> {
        let mut message = Self::new();
        message.buffer.try_reserve_exact(LEAD + payload.len())?;
        message.append(payload)?;
        Ok(message)
    }

    /// A message with a copy of this payload, which is short.
    #[must_use]
    pub fn short(text: &[u8]) -> Self {
        let mut buffer = Vec::with_capacity(LEAD + text.len());
        buffer.resize(LEAD, 0);
        buffer.extend_from_slice(text);
        Self { buffer }
    }

    /// The buffer, for another message.
    #[must_use]
    pub fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.buffer.get(LEAD..).unwrap_or(&[])
    }

    /// The last `count` bytes of the payload.
    pub fn last(&mut self, count: usize) -> &mut [u8] {
        let start = self.buffer.len() - count;
        &mut self.buffer[start..]
    }

    /// Bytes of payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len().saturating_sub(LEAD)
    }

    /// Whether there is no payload.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the buffer takes of memory, in bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Takes the payload away and keeps the buffer.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    /// Adds to the payload.
    ///
    /// # Errors
    /// There is no memory for it. Nothing was added.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), TryReserveError> {
        if !bytes.is_empty() {
            let lead = LEAD.saturating_sub(self.buffer.len());
            self.buffer.try_reserve(lead + bytes.len())?;
            self.lead();
            copy::append(&mut self.buffer, bytes);
        }
        Ok(())
    }

    /// The buffer, to append to the payload, and for how much there is room, which is at least one byte. If it is full, it
    /// grows by `step` bytes, or twofold. `None` if there is no memory for that.
    pub fn room(&mut self, step: usize, most: usize) -> Option<(&mut Vec<u8>, usize)> {
        if self.buffer.capacity() <= self.buffer.len().max(LEAD) {
            let lead = LEAD.saturating_sub(self.buffer.len());
            self.buffer.try_reserve_exact(lead + self.len().max(step).min(most)).ok()?;
        }
        self.lead();
        let room = self.buffer.capacity() - self.buffer.len();
        Some((&mut self.buffer, room.min(most)))
    }

    fn lead(&mut self) {
        if self.buffer.is_empty() {
            self.buffer.resize(LEAD, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_what_was_appended_in_any_way() {
        let mut message = Message::within(vec![7; 100]);
        assert!(message.is_empty() && message.payload().is_empty());
        assert_eq!(message.append(b"one "), Ok(()));
        let (buffer, room) = message.room(10, 4).expect("memory");
        assert_eq!(room, 4);
        buffer.extend_from_slice(b"two ");
        assert_eq!(message.append(&[b'3'; 5000]), Ok(()));
        assert_eq!(message.payload(), [b"one two ", &[b'3'; 5000][..]].concat());
        assert_eq!((message.len(), &*message.last(2)), (5008, &b"33"[..]));
        message.clear();
        assert!(message.is_empty());
    }

    #[test]
    fn an_empty_message_takes_no_memory_until_there_is_something_for_it() {
        let mut message = Message::new();
        assert_eq!((message.capacity(), message.len()), (0, 0));
        let (_, room) = message.room(1000, 1 << 40).expect("memory");
        assert!((1..=1000).contains(&room));
    }

    #[test]
    fn what_there_is_no_memory_for_is_an_answer() {
        let mut message = Message::new();
        assert!(message.room(1 << 62, 1 << 62).is_none());
        assert!(message.is_empty());
    }
}
