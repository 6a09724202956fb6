//! The Range header (RFC 9110 section 14.2): one range of bytes, or what amounts to no header at all.

use std::ops::Range;

/// What is wanted of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes, of which there is at least one.
    Part(Range<u64>),
    /// Bytes that it does not have.
    Nothing,
}

/// What a Range header wants of a file of this size. What is malformed, in another unit, or asks for several ranges, means
/// the whole file: a server may ignore the header, and the answer to several ranges costs more than it is worth.
pub(super) fn wanted(value: &[u8], size: u64) -> Wanted {
    let text = std::str::from_utf8(value).unwrap_or_default();
    let Some((unit, set)) = text.split_once('=') else { return Wanted::Whole };
    let Some((first, last)) = set.trim_matches([' ', '\t']).split_once('-') else { return Wanted::Whole };
    if !unit.eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => Wanted::Whole,
        (Some(first), Some(last)) => part(first, last.saturating_add(1), size),
        (Some(first), None) if last.is_empty() => part(first, u64::MAX, size),
        (None, Some(0)) if first.is_empty() => Wanted::Nothing,
        // The last so many bytes, or all if it has less. An empty file has none, and is sent whole.
        (None, Some(count)) if first.is_empty() && size > 0 => part(size.saturating_sub(count), size, size),
        _ => Wanted::Whole,
    }
}

fn part(start: u64, end: u64, size: u64) -> Wanted {
    if start < size { Wanted::Part(start..end.min(size)) } else { Wanted::Nothing }
}

/// A number of digits alone; one that is too large to matter is the largest there is.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges() {
        use Wanted::{Nothing, Part, Whole};
        let rows: &[(&str, u64, Wanted)] = &[
            ("bytes=0-0", 10, Part(0..1)),
            ("bytes=0-9", 10, Part(0..10)),
            ("bytes=2-5", 10, Part(2..6)),
            ("bytes=5-", 10, Part(5..10)),
            ("bytes=9-99", 10, Part(9..10)),
            ("bytes=0-99999999999999999999999", 10, Part(0..10)),
            ("bytes=0-18446744073709551615", 10, Part(0..10)),
            ("bytes=-1", 10, Part(9..10)),
            ("bytes=-10", 10, Part(0..10)),
            ("bytes=-99999999999999999999", 10, Part(0..10)),
            ("Bytes= 2-5\t", 10, Part(2..6)),
            ("bytes=10-", 10, Nothing),
            ("bytes=10-20", 10, Nothing),
            ("bytes=99999999999999999999-", 10, Nothing),
            ("bytes=-0", 10, Nothing),
            ("bytes=0-", 0, Nothing),
            ("bytes=0-0", 0, Nothing),
            ("bytes=-5", 0, Whole),
            ("bytes=5-2", 10, Whole),
            ("bytes=0-1,4-5", 10, Whole),
            ("bytes=0-1,", 10, Whole),
            ("bytes=0-1-2", 10, Whole),
            ("bytes=a-", 10, Whole),
            ("bytes=+1-2", 10, Whole),
            ("bytes=1 -2", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes=", 10, Whole),
            ("bytes", 10, Whole),
            ("bytes 0-1", 10, Whole),
            ("bytes =0-1", 10, Whole),
            ("items=0-1", 10, Whole),
            ("", 10, Whole),
        ];
        for (value, size, expected) in rows {
            assert_eq!(wanted(value.as_bytes(), *size), *expected, "{value} of {size}");
        }
        assert_eq!(wanted(b"bytes=0-\xff", 10), Whole);
    }

    proptest! {
        #[test]
        fn a_part_lies_in_the_file(value in "bytes=[0-9]{0,3}-[0-9]{0,3}", size in 0..1000_u64) {
            if let Wanted::Part(range) = wanted(value.as_bytes(), size) {
                prop_assert!(range.start < range.end && range.end <= size, "{range:?}");
            }
        }
    }
}
