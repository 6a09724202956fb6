//! Masking (RFC 6455 section 5.3): every payload byte is XORed with one of the four bytes of the key, in turn.
//!
//! The key is held rotated to the phase of the next byte, so a payload can be unmasked in pieces of any length. Most text
//! is ASCII, and ASCII is UTF-8; whoever goes over the bytes anyway can tell for next to nothing. So every pass here
//! says whether all bytes are ASCII: [`apply`], which masks or unmasks in place; [`copy`], which does not mask, but
//! copies; and [`is_ascii`], which only looks.
//!
//! No pass takes byte after byte. A short piece is two words, one at its beginning and one at its end, as wide as it
//! allows. They overlap unless it is twice as long as they are, so both are loaded before either is stored. A long piece
//! is blocks from its beginning on and one block at its end. The loop over blocks is compiled twice, for every processor
//! and for those with AVX2, and the fitting one is chosen when it runs.

/// A masking key, rotated so that its first byte belongs to the next payload byte.
pub type Key = [u8; 4];

/// What masking a piece of a payload leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// The key for the byte after the piece.
    pub next: Key,
    /// Whether every byte of the piece is ASCII now.
    pub ascii: bool,
}

/// Masks or unmasks `payload` in place.
#[inline]
#[must_use = "the next piece of the payload needs the rotated key"]
pub fn apply(payload: &mut [u8], key: Key) -> Applied {
    let key = u32::from_le_bytes(key);
    // Words are a whole number of keys long, so that the last one begins in the phase in which the next piece will.
    let next = key.rotate_right(8 * (payload.len() as u32 % 4));
    let seen = pass(&mut InPlace(payload), twice(key), twice(next));
    Applied { next: next.to_le_bytes(), ascii: is_all_ascii(seen) }
}

/// Copies `from` to `to`, which is as long. Whether every byte is ASCII.
#[inline(always)]
#[must_use]
pub fn copy(to: &mut [u8], from: &[u8]) -> bool {
    if from.len() >= BLOCK {
        return copy_long(to, from);
    }
    is_all_ascii(pass(&mut Copied { from, to: &mut to[..from.len()] }, 0, 0))
}

#[inline(never)]
fn copy_long(to: &mut [u8], from: &[u8]) -> bool {
    to.copy_from_slice(from);
    is_ascii(from)
}

/// Whether every byte is ASCII.
#[inline]
#[must_use]
pub fn is_ascii(bytes: &[u8]) -> bool {
    is_all_ascii(pass(&mut Seen(bytes), 0, 0))
}

const fn twice(key: u32) -> u64 {
    (key as u64) << 32 | key as u64
}

const fn is_all_ascii(seen: u64) -> bool {
    seen & 0x8080_8080_8080_8080 == 0
}

/// A piece that a pass goes over: where it loads from, and where it stores to. Words are within its length.
trait Piece {
    fn len(&self) -> usize;
    fn load<const N: usize>(&self, at: usize) -> [u8; N];
    fn store<const N: usize>(&mut self, at: usize, word: [u8; N]);
}

const BLOCK: usize = 64;

/// XORs all words of a piece with `key`, but the last one with `last`. Returns what came out, all eight bytes of it and
/// then the next eight ORed together.
#[inline(always)]
fn pass(piece: &mut impl Piece, key: u64, last: u64) -> u64 {
    match piece.len() {
        0..4 => bytes(piece, key),
        4..8 => ends::<4>(piece, key, last),
        8..16 => ends::<8>(piece, key, last),
        16..32 => ends::<16>(piece, key, last),
        32..BLOCK => ends::<32>(piece, key, last),
        _ => blocks(piece, key, last),
    }
}

#[inline(always)]
fn bytes(piece: &mut impl Piece, key: u64) -> u64 {
    let mut seen = 0;
    for at in 0..piece.len().min(3) {
        let [byte] = piece.load::<1>(at);
        let byte = byte ^ (key >> (8 * at)) as u8;
        piece.store(at, [byte]);
        seen |= u64::from(byte);
    }
    seen
}

#[inline(always)]
fn ends<const N: usize>(piece: &mut impl Piece, key: u64, last: u64) -> u64 {
    let at = piece.len() - N;
    let (first, seen) = xor(piece.load::<N>(0), key);
    let (last, also) = xor(piece.load::<N>(at), last);
    piece.store(0, first);
    piece.store(at, last);
    seen | also
}

#[inline(never)]
fn blocks<P: Piece>(piece: &mut P, key: u64, last: u64) -> u64 {
    let at = piece.len() - BLOCK;
    let (last, seen) = xor(piece.load::<BLOCK>(at), last);
    let seen = seen | each_block(piece, key);
    piece.store(at, last);
    seen
}

fn each_block<P: Piece>(piece: &mut P, key: u64) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { each_block_avx2(piece, key) };
    }
    each_block_anywhere(piece, key)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn each_block_avx2<P: Piece>(piece: &mut P, key: u64) -> u64 {
    each_block_anywhere(piece, key)
}

#[inline(always)]
fn each_block_anywhere(piece: &mut impl Piece, key: u64) -> u64 {
    let mut seen = [0; BLOCK / 8];
    for index in 0..piece.len() / BLOCK {
        let mut block = piece.load::<BLOCK>(index * BLOCK);
        for (word, seen) in block.chunks_exact_mut(8).zip(&mut seen) {
            let (plain, bits) = xor::<8>([word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]], key);
            word.copy_from_slice(&plain);
            *seen |= bits;
        }
        piece.store(index * BLOCK, block);
    }
    seen.into_iter().fold(0, |all, seen| all | seen)
}

/// XORs a word of 4 bytes or a multiple of 8.
#[inline(always)]
fn xor<const N: usize>(mut word: [u8; N], key: u64) -> ([u8; N], u64) {
    let mut seen = 0;
    for part in word.chunks_mut(8) {
        let mut wide = [0; 8];
        wide[..part.len()].copy_from_slice(part);
        let plain = (u64::from_le_bytes(wide) ^ key).to_le_bytes();
        part.copy_from_slice(&plain[..part.len()]);
        wide[..part.len()].copy_from_slice(part);
        seen |= u64::from_le_bytes(wide);
    }
    (word, seen)
}

struct InPlace<'a>(&'a mut [u8]);

struct Copied<'a> {
    from: &'a [u8],
    to: &'a mut [u8],
}

struct Seen<'a>(&'a [u8]);

impl Piece for InPlace<'_> {
    #[inline(always)]
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline(always)]
    fn load<const N: usize>(&self, at: usize) -> [u8; N] {
        load(self.0, at)
    }

    #[inline(always)]
    fn store<const N: usize>(&mut self, at: usize, word: [u8; N]) {
        self.0[at..at + N].copy_from_slice(&word);
    }
}

impl Piece for Copied<'_> {
    #[inline(always)]
    fn len(&self) -> usize {
        self.from.len()
    }

    #[inline(always)]
    fn load<const N: usize>(&self, at: usize) -> [u8; N] {
        load(self.from, at)
    }

    #[inline(always)]
    fn store<const N: usize>(&mut self, at: usize, word: [u8; N]) {
        self.to[at..at + N].copy_from_slice(&word);
    }
}

impl Piece for Seen<'_> {
    #[inline(always)]
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline(always)]
    fn load<const N: usize>(&self, at: usize) -> [u8; N] {
        load(self.0, at)
    }

    #[inline(always)]
    fn store<const N: usize>(&mut self, _: usize, _: [u8; N]) {}
}

#[inline(always)]
fn load<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut word = [0; N];
    word.copy_from_slice(&bytes[at..at + N]);
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = [0x12, 0xff, 0x00, 0xa5];

    fn naive(payload: &mut [u8], key: Key) {
        for (i, byte) in payload.iter_mut().enumerate() {
            *byte ^= key[i % 4];
        }
    }

    fn sample(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i * 7 + i / 251) as u8).collect()
    }

    #[test]
    fn agrees_with_the_definition_at_every_offset_and_length() {
        for offset in 0..8 {
            for length in 0..300 {
                let mut fast = sample(offset + length);
                let mut slow = fast.clone();
                let applied = apply(&mut fast[offset..], KEY);
                naive(&mut slow[offset..], KEY);
                assert_eq!(fast, slow, "offset {offset}, length {length}");
                assert_eq!(applied.ascii, slow[offset..].is_ascii(), "offset {offset}, length {length}");
            }
        }
    }

    #[test]
    fn agrees_with_the_definition_for_every_processor() {
        for length in (0..300).chain([4096, 100_000]) {
            let mut plain = sample(length);
            let mut slow = plain.clone();
            let key = twice(u32::from_le_bytes(KEY));
            let whole = length - length % BLOCK;
            let seen = each_block_anywhere(&mut InPlace(&mut plain), key);
            naive(&mut slow[..whole], KEY);
            assert_eq!(plain, slow, "length {length}");
            assert_eq!(is_all_ascii(seen), slow[..whole].is_ascii(), "length {length}");
        }
    }

    #[test]
    fn pieces_of_any_length_give_the_same_as_the_whole() {
        for first in 0..200 {
            let mut pieces = sample(200);
            let mut whole = pieces.clone();
            let next = apply(&mut pieces[..first], KEY).next;
            let _ = apply(&mut pieces[first..], next);
            naive(&mut whole, KEY);
            assert_eq!(pieces, whole, "cut at {first}");
        }
    }

    #[test]
    fn a_byte_that_is_not_ascii_is_seen_wherever_it_stands() {
        for length in 1..200 {
            let text = vec![b'a'; length];
            let mut to = vec![0; length];
            assert!(is_ascii(&text) && copy(&mut to, &text) && to == text, "length {length}");
            for at in 0..length {
                let mut other = text.clone();
                other[at] = 0x80;
                assert!(!is_ascii(&other) && !copy(&mut to, &other) && to == other, "length {length}, at {at}");
                naive(&mut other, KEY);
                assert!(!apply(&mut other, KEY).ascii, "length {length}, at {at}");
            }
        }
    }
}
