//! Copying more than a few bytes, without falling into a hole of the processor.
//!
//! C libraries copy blocks from about two KiB upwards with one string instruction, `rep movsb`. Some processors (AMD's Zen 3
//! and 4 among them) carry it out at a twentieth of its usual speed when the target lies a few bytes behind the source,
//! counted within a page: 3 GB/s instead of 50. That is just how a payload lies that is copied from behind one header
//! to behind another, or from one block of an allocator to another. In pieces below the threshold the copy is made
//! with vector instructions, which do not mind.

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

/// How many bytes to leave free at `address` so that a copy of what is put behind them, to a block that an allocator has
/// put a short head in front of, is a fast one even where it is not ours to make.
#[must_use]
pub const fn gap(address: usize) -> usize {
    const LINE: usize = 64;
    const PAGE: usize = 4096;
    let gap = address.next_multiple_of(LINE) - address;
    if (address + gap) % PAGE == 0 { gap + LINE } else { gap }
}

/// The most that [`gap`] can be.
pub const MAX_GAP: usize = 127;

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
    fn a_gap_leads_to_a_line_of_the_cache_that_does_not_begin_a_page() {
        for address in 0..3 * 4096 {
            let gap = gap(address);
            assert!(gap <= MAX_GAP && (address + gap) % 64 == 0 && (address + gap) % 4096 != 0);
        }
    }
}
