//! Masking (RFC 6455 section 5.3): every payload byte is XORed with one of the four bytes of the key, in turn.
//!
//! The key is held rotated to the phase of the next byte, so a payload can be unmasked in pieces of any length. Most text
//! is ASCII, and ASCII is UTF-8; whoever goes over the bytes anyway can tell for next to nothing. So every pass here
//! says whether all bytes are ASCII: [`apply`], which masks or unmasks in place; [`copy`], which does not mask, but
//! copies; [`copy_masked`], which does both; and [`is_ascii`], which only looks.
//!
//! No pass takes byte after byte. A short piece is a few words at its beginning and as many at its end, as wide as it
//! allows. They overlap unless it is twice as long as they are, so all are loaded before any is stored. A long piece is
//! blocks of words from its beginning on and one block at its end; these words are as wide as the processor has them,
//! which is found out when it runs. The vectors are named, not left to the compiler: it takes a short piece in integers,
//! more of them than there are registers.

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
    let next = rotated(key, payload.len());
    Applied { next, ascii: pass(InPlace(payload), key, next) }
}

/// The key for the byte behind a piece of this length. Words are a whole number of keys long, so that the last one of a piece
/// begins in the phase in which the next piece will.
#[inline(always)]
const fn rotated(key: Key, length: usize) -> Key {
    u32::from_le_bytes(key).rotate_right(8 * (length as u32 % 4)).to_le_bytes()
}

/// Copies `from` to `to`, which is as long, and masks it on the way.
#[inline]
pub fn copy_masked(to: &mut [u8], from: &[u8], key: Key) {
    pass(Copied { from, to: &mut to[..from.len()] }, key, rotated(key, from.len()));
}

/// Copies `from` to `to`, which is as long. Whether every byte is ASCII.
#[inline(always)]
#[must_use]
pub fn copy(to: &mut [u8], from: &[u8]) -> bool {
    if from.len() > SHORT {
        return copy_long(to, from);
    }
    pass(Copied { from, to: &mut to[..from.len()] }, NONE, NONE)
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
    pass(Seen(bytes), NONE, NONE)
}

/// The key that changes nothing.
const NONE: Key = [0; 4];

/// The longest piece that is not worth a call, in bytes.
const SHORT: usize = 128;

/// XORs a piece with `key`, but the words at its end with `last`. Whether what came out is ASCII.
#[inline(always)]
fn pass(piece: impl Piece, key: Key, last: Key) -> bool {
    match piece.len() {
        0..4 => bytes(piece, key),
        4..8 => ends::<u32, 1>(piece, key, last),
        8..16 => ends::<u64, 1>(piece, key, last),
        16..32 => ends::<Wide, 1>(piece, key, last),
        32..64 => ends::<Wide, 2>(piece, key, last),
        64..=SHORT => ends::<Wide, 4>(piece, key, last),
        _ => long(piece, key, last),
    }
}

#[inline(always)]
fn bytes(mut piece: impl Piece, key: Key) -> bool {
    let mut seen = 0;
    for (at, key) in key.into_iter().enumerate().take(piece.len()) {
        let byte = xor(piece.load::<u8, 1>(at), key);
        piece.store(at, byte);
        seen |= any(byte);
    }
    seen.is_ascii()
}

#[inline(always)]
fn ends<W: Word, const N: usize>(mut piece: impl Piece, key: Key, last: Key) -> bool {
    let end = piece.len() - size_of::<[W; N]>();
    let first = xor(piece.load::<W, N>(0), W::repeat(key));
    let last = xor(piece.load::<W, N>(end), W::repeat(last));
    piece.store(0, first);
    piece.store(end, last);
    any(first).or(any(last)).is_ascii()
}

#[inline(never)]
fn long<P: Piece>(piece: P, key: Key, last: Key) -> bool {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { long_avx2(piece, key, last) };
    }
    long_anywhere(piece, key, last)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn long_avx2<P: Piece>(piece: P, key: Key, last: Key) -> bool {
    blocks::<x86::Avx2, 4>(piece, key, last)
}

/// Not inlined, so that choosing is no more than a look and a jump.
#[inline(never)]
fn long_anywhere<P: Piece>(piece: P, key: Key, last: Key) -> bool {
    blocks::<Wide, 4>(piece, key, last)
}

#[inline(always)]
fn blocks<W: Word, const N: usize>(mut piece: impl Piece, key: Key, last: Key) -> bool {
    let end = piece.len() - size_of::<[W; N]>();
    let key = W::repeat(key);
    let last = xor(piece.load::<W, N>(end), W::repeat(last));
    let mut seen = any(last);
    let mut at = 0;
    while at < end {
        let block = xor(piece.load::<W, N>(at), key);
        piece.store(at, block);
        seen = seen.or(any(block));
        at += size_of::<[W; N]>();
    }
    piece.store(end, last);
    seen.is_ascii()
}

#[inline(always)]
fn xor<W: Word, const N: usize>(mut block: [W; N], key: W) -> [W; N] {
    // A plain loop: a closure, as `map` takes one, is not inlined into a function that has AVX2.
    for word in &mut block {
        *word = word.xor(key);
    }
    block
}

/// The bits that are set in any word of a block.
#[inline(always)]
fn any<W: Word, const N: usize>(block: [W; N]) -> W {
    let mut seen = block[0];
    for &word in &block[1..] {
        seen = seen.or(word);
    }
    seen
}

/// A piece that a pass goes over.
trait Piece {
    /// What is loaded.
    fn from(&self) -> &[u8];

    /// Where it is stored, if anywhere: as many bytes.
    fn to(&mut self) -> Option<&mut [u8]>;

    #[inline(always)]
    fn len(&self) -> usize {
        self.from().len()
    }

    #[inline(always)]
    fn load<W: Word, const N: usize>(&self, at: usize) -> [W; N] {
        let block = &self.from()[at..at + size_of::<[W; N]>()];
        // SAFETY: the bytes are there, and any bytes are words.
        unsafe { block.as_ptr().cast::<[W; N]>().read_unaligned() }
    }

    #[inline(always)]
    fn store<W: Word, const N: usize>(&mut self, at: usize, block: [W; N]) {
        let Some(to) = self.to() else { return };
        let place = &mut to[at..at + size_of::<[W; N]>()];
        // SAFETY: the bytes are there, and words are nothing but bytes.
        unsafe { place.as_mut_ptr().cast::<[W; N]>().write_unaligned(block) }
    }
}

struct InPlace<'a>(&'a mut [u8]);

impl Piece for InPlace<'_> {
    #[inline(always)]
    fn from(&self) -> &[u8] {
        self.0
    }

    #[inline(always)]
    fn to(&mut self) -> Option<&mut [u8]> {
        Some(self.0)
    }
}

struct Copied<'a> {
    from: &'a [u8],
    to: &'a mut [u8],
}

impl Piece for Copied<'_> {
    #[inline(always)]
    fn from(&self) -> &[u8] {
        self.from
    }

    #[inline(always)]
    fn to(&mut self) -> Option<&mut [u8]> {
        Some(self.to)
    }
}

struct Seen<'a>(&'a [u8]);

impl Piece for Seen<'_> {
    #[inline(always)]
    fn from(&self) -> &[u8] {
        self.0
    }

    #[inline(always)]
    fn to(&mut self) -> Option<&mut [u8]> {
        None
    }
}

/// What is loaded, XORed and stored as one.
///
/// # Safety
/// Any bytes are a word, and none of its bytes is padding.
unsafe trait Word: Copy {
    /// The key, over and over.
    fn repeat(key: Key) -> Self;
    fn xor(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn is_ascii(self) -> bool;
}

macro_rules! integer {
    ($word:ty) => {
        // SAFETY: it is an integer.
        unsafe impl Word for $word {
            #[inline(always)]
            fn repeat(key: Key) -> Self {
                Self::from_ne_bytes(std::array::from_fn(|i| key[i % key.len()]))
            }

            #[inline(always)]
            fn xor(self, other: Self) -> Self {
                self ^ other
            }

            #[inline(always)]
            fn or(self, other: Self) -> Self {
                self | other
            }

            #[inline(always)]
            fn is_ascii(self) -> bool {
                self & (Self::MAX / 0xff * 0x80) == 0
            }
        }
    };
}

integer!(u8);
integer!(u32);
integer!(u64);
integer!(u128);

/// The widest word that every processor has.
#[cfg(not(target_arch = "x86_64"))]
type Wide = u128;
#[cfg(target_arch = "x86_64")]
type Wide = x86::Sse2;

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![allow(unused_unsafe, reason = "what every processor has is safe, but not to compilers before 1.87")]

    use super::{Key, Word};
    use std::arch::x86_64::*;

    /// Sixteen bytes.
    #[derive(Clone, Copy)]
    pub struct Sse2(__m128i);

    /// Thirty-two bytes. It is only made within a function that has AVX2.
    #[derive(Clone, Copy)]
    pub struct Avx2(__m256i);

    // SAFETY: it is a vector of integers.
    unsafe impl Word for Sse2 {
        #[inline(always)]
        fn repeat(key: Key) -> Self {
            // SAFETY: every x86-64 processor has SSE2.
            Self(unsafe { _mm_set1_epi32(i32::from_ne_bytes(key)) })
        }

        #[inline(always)]
        fn xor(self, other: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm_xor_si128(self.0, other.0) })
        }

        #[inline(always)]
        fn or(self, other: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm_or_si128(self.0, other.0) })
        }

        #[inline(always)]
        fn is_ascii(self) -> bool {
            // SAFETY: as above.
            unsafe { _mm_movemask_epi8(self.0) == 0 }
        }
    }

    // SAFETY: it is a vector of integers.
    unsafe impl Word for Avx2 {
        #[inline(always)]
        fn repeat(key: Key) -> Self {
            // SAFETY: there is AVX2 where there is this type.
            Self(unsafe { _mm256_set1_epi32(i32::from_ne_bytes(key)) })
        }

        #[inline(always)]
        fn xor(self, other: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm256_xor_si256(self.0, other.0) })
        }

        #[inline(always)]
        fn or(self, other: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm256_or_si256(self.0, other.0) })
        }

        #[inline(always)]
        fn is_ascii(self) -> bool {
            // SAFETY: as above.
            unsafe { _mm256_movemask_epi8(self.0) == 0 }
        }
    }
}

#[cfg(test)]
mod tests;
