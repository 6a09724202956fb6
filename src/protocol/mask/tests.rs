//! Every pass beside one that is obviously right.

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
    for length in (SHORT..300).chain([4096, 100_000]) {
        let (mut wide, mut slow) = (sample(length), sample(length));
        let mut portable = sample(length);
        let last = [KEY, KEY].concat()[length % 4..][..4].try_into().unwrap();
        let ascii = blocks::<Wide, 4>(InPlace(&mut wide), KEY, last);
        let also = blocks::<u128, 4>(InPlace(&mut portable), KEY, last);
        naive(&mut slow, KEY);
        assert!(wide == slow && portable == slow, "length {length}");
        assert!(ascii == slow.is_ascii() && also == slow.is_ascii(), "length {length}");
    }
}

#[test]
fn a_masked_copy_is_a_copy_that_was_masked() {
    for length in (0..300).chain([4096, 100_001]) {
        let from = sample(length);
        let (mut to, mut slow) = (vec![0; length], from.clone());
        copy_masked(&mut to, &from, KEY);
        naive(&mut slow, KEY);
        assert!(to == slow, "length {length}");
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
