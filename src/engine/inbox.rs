//! Where a reactor receives: one buffer for all its connections, which hold none while they are idle.
//!
//! What a connection has left over from before is put in front of what arrives, so that both are worked off as one. What
//! arrives begins in the middle of a page, for the sake of the kernel's copy (see [`copy`]) and of that back, of a payload
//! that is sent on from here.

use crate::sys::copy;

/// Bytes that one call receives at most.
pub const RECEIVE: usize = 256 * 1024;

/// Room in front of them for what a connection has left over, in bytes.
const LEFTOVER: usize = 64 * 1024 + 1024;

/// The buffer. It takes memory from its first use on.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// Where received bytes begin.
    middle: usize,
}

impl Inbox {
    /// The bytes of `before`, with room for [`RECEIVE`] more behind them.
    ///
    /// # Panics
    /// If there are more of them than a connection can have left over.
    pub fn behind(&mut self, before: &[u8]) -> &mut [u8] {
        if self.bytes.is_empty() {
            self.bytes = vec![0; LEFTOVER + copy::PAGE + RECEIVE];
            self.middle = LEFTOVER + copy::to_middle(self.bytes.as_ptr().addr() + LEFTOVER);
        }
        let room = &mut self.bytes[self.middle - before.len()..self.middle + RECEIVE];
        room[..before.len()].copy_from_slice(before);
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_lies_behind_what_was_left_over() {
        let mut inbox = Inbox::default();
        for left_over in [b"".as_slice(), b"begun", &[7; LEFTOVER]] {
            let room = inbox.behind(left_over);
            assert_eq!(room.len(), left_over.len() + RECEIVE);
            assert_eq!(&room[..left_over.len()], left_over);
            assert_eq!(room[left_over.len()..].as_ptr().addr() % copy::PAGE, copy::PAGE / 2);
        }
    }
}
