//! Masking (RFC 6455 section 5.3): every payload byte is XORed with one of the four bytes of the key, in turn.
//!
//! The key is held rotated to the phase of the next byte, so a payload can be unmasked in pieces of any length:
//! [`apply`] returns the key for the piece that follows. The wide loop works on blocks of 64 bytes, a whole number
//! of keys, which the compiler turns into vector instructions; eight bytes at a time and then one at a time do the
//! rest. The one-line definition is the oracle in the tests.

/// A masking key, rotated so that its first byte belongs to the next payload byte.
pub type Key = [u8; 4];

const BLOCK: usize = 64;
const WORD: usize = 8;

/// Masks or unmasks `payload` in place and returns the key for the byte after it.
#[inline]
#[must_use = "the next piece of the payload needs the rotated key"]
pub fn apply(payload: &mut [u8], key: Key) -> Key {
    let word = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let mut blocks = payload.chunks_exact_mut(BLOCK);
    for block in &mut blocks {
        xor_words(block, word);
    }
    let rest = blocks.into_remainder();
    let whole = rest.len() - rest.len() % WORD;
    let (words, tail) = rest.split_at_mut(whole);
    xor_words(words, word);
    for (byte, mask) in tail.iter_mut().zip([key, key].as_flattened()) {
        *byte ^= mask;
    }
    let mut next = key;
    next.rotate_left(payload.len() % 4);
    next
}

/// XORs a whole number of words with `word`.
#[inline(always)]
fn xor_words(bytes: &mut [u8], word: u64) {
    for chunk in bytes.chunks_exact_mut(WORD) {
        let mut lane = [0; WORD];
        lane.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(lane) ^ word).to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let key = [0x12, 0xff, 0x00, 0xa5];
        for offset in 0..WORD {
            for length in 0..300 {
                let mut fast = sample(offset + length);
                let mut slow = fast.clone();
                let _ = apply(&mut fast[offset..], key);
                naive(&mut slow[offset..], key);
                assert_eq!(fast, slow, "offset {offset}, length {length}");
            }
        }
    }

    #[test]
    fn pieces_of_any_length_give_the_same_as_the_whole() {
        let key = [1, 2, 3, 4];
        for first in 0..140 {
            let mut pieces = sample(200);
            let mut whole = pieces.clone();
            let next = apply(&mut pieces[..first], key);
            let _ = apply(&mut pieces[first..], next);
            naive(&mut whole, key);
            assert_eq!(pieces, whole, "cut at {first}");
        }
    }
}
