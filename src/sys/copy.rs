//! Copying more than a few bytes, without falling into a hole of the processor.
//!
//! C libraries copy blocks from about two KiB upwards with one string instruction, `rep movsb`, and the kernel copies all that
//! is sent and received with it. Some processors (AMD's Zen 3 and 4 among them) carry it out at a twentieth of its usual
//! speed when the target lies a few bytes behind the source, counted within a page: 3 GB/s instead of 50, and slowly still
//! at some hundred bytes. That is just how a payload lies that is copied from behind one header to behind another, from
//! one block of an allocator to another, or to and from the kernel, whose buffers begin with a page as well.
//!
//! So our own copies are made in pieces below the threshold, with vector instructions, which do not mind. And where others
//! copy, the hole is avoided by lying in the middle of a page, as far as can be from where theirs begin.

/// Bytes copied at a time: below the threshold of any C library, and enough to make the calls not matter.
const PIECE: usize = 1024;

/// Bytes from which on a copy may be made with the string instruction.
pub const LONG: usize = 2048;

/// Appends `from` to `to`.
#[inline]
pub fn append(to: &mut Vec<u8>, from: &[u8]) {
    if from.len() < LONG {
        to.extend_from_slice(from);
    } else {
        append_long(to, from);
    }
}

/// Copies `from` to `to`, which is as long.
#[inline]
pub fn copy(to: &mut [u8], from: &[u8]) {
    if from.len() < LONG {
        return to.copy_from_slice(from);
    }
    for (to, from) in to.chunks_mut(PIECE).zip(from.chunks(PIECE)) {
        to.copy_from_slice(from);
    }
}

fn append_long(to: &mut Vec<u8>, from: &[u8]) {
    to.reserve(from.len());
    for piece in from.chunks(PIECE) {
        to.extend_from_slice(piece);
    }
}

/// Bytes of a page of memory.
pub const PAGE: usize = 4096;

/// How many bytes after `address` the middle of a page is.
#[must_use]
pub const fn to_middle(address: usize) -> usize {
    (PAGE / 2).wrapping_sub(address) % PAGE
}

/// How many bytes to leave free at `address` so that a copy of what is put behind them, to a block that begins with a page
/// or a short head, is a fast one even where it is not ours to make: 0 wherever that is so anyway.
#[must_use]
pub const fn gap(address: usize) -> usize {
    const LINE: usize = 64;
    const LATE: usize = PAGE * 3 / 4;
    match address % PAGE {
        at @ ..LINE => LINE - at,
        LATE.. => LINE + PAGE - address % PAGE,
        _ => 0,
    }
}

/// The most that [`gap`] can be.
pub const MAX_GAP: usize = PAGE / 4 + 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lengths_are_appended_whole() {
        for length in [0, 1, LONG - 1, LONG, LONG + 1, 3 * PIECE + 5] {
            let from: Vec<u8> = (0..length).map(|i| (i * 7 + i / 251) as u8).collect();
            let mut to = b"before".to_vec();
            append(&mut to, &from);
            assert_eq!(to, [b"before", &from[..]].concat(), "{length} bytes");
            to.fill(0);
            copy(&mut to[6..], &from);
            assert_eq!(to, [&[0; 6], &from[..]].concat(), "{length} bytes");
        }
    }

    #[test]
    fn a_gap_leads_away_from_where_pages_begin() {
        for address in 0..3 * PAGE {
            let gap = gap(address);
            assert!(gap <= MAX_GAP && (64..3072).contains(&((address + gap) % PAGE)), "{address}: {gap}");
            assert_eq!((address + to_middle(address)) % PAGE, 2048);
            assert!(to_middle(address) < PAGE);
        }
    }
}
