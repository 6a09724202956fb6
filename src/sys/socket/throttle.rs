//! For tests: what the sockets of a thread take, as if the kernel had no more room.

use std::cell::Cell;
use std::io::{self, IoSlice};

thread_local!(static ROOM: Cell<usize> = const { Cell::new(usize::MAX) });

/// Has them take so many bytes from now on, and then none; `usize::MAX` is without end.
pub fn set(room: usize) {
    ROOM.set(room);
}

/// How many of so many bytes are taken now.
pub(super) fn admit(length: usize) -> io::Result<usize> {
    let room = ROOM.get();
    if room == usize::MAX {
        return Ok(length);
    }
    let taken = length.min(room);
    if taken == 0 && length > 0 {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    ROOM.set(room - taken);
    Ok(taken)
}

/// The same for pieces.
pub(super) fn cut<'a>(pieces: &'a [IoSlice<'a>]) -> io::Result<Vec<IoSlice<'a>>> {
    let mut left = admit(pieces.iter().map(|piece| piece.len()).sum())?;
    let taken = pieces.iter().map(|piece| {
        let taken = piece.len().min(left);
        left -= taken;
        IoSlice::new(&piece[..taken])
    });
    Ok(taken.collect())
}
