//! The chunked transfer coding as its bytes arrive (RFC 9112 section 7.1).
//!
//! Nothing of it is forgiven: a size is hexadecimal digits and nothing else, a line ends in CRLF, and what a chunk
//! extension or a trailer may hold is counted. Recipients that read these differently are how requests are smuggled.

use super::response::{Refusal, bad};
use super::tokens::{is_field_byte, is_token_byte};

/// The most bytes that chunk extensions and trailers may take in one body, all together.
pub(crate) const EXTRAS_MAX: u32 = 8 * 1024;

/// The most digits of a size: no body that is taken needs more.
const DIGITS_MAX: u8 = 15;

/// Where in the coding the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the size, so many digits of it behind.
    Size(u64, u8),
    /// In the extensions behind the size.
    Extension(u64),
    /// Before the line feed of the size line.
    SizeEnd(u64),
    /// In a chunk, of which so much is left.
    Data(u64),
    /// Before the CRLF that ends a chunk.
    DataReturn,
    DataEnd,
    /// Before a trailer line, or the empty line that ends it all.
    Line,
    /// In the name of a trailer field.
    Name,
    /// In its value.
    Value,
    /// Before its line feed.
    LineEnd,
    /// Before the very last line feed.
    LastEnd,
    Done,
}

/// Takes the chunks of one body apart. Trailers are checked and dropped (RFC 9110 section 6.5.1 allows it).
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct ChunkedReader {
    at: At,
    extras: u32,
}

impl ChunkedReader {
    pub(in crate::protocol) const fn new() -> Self {
        Self { at: At::Size(0, 0), extras: 0 }
    }

    /// Whether the body has ended.
    pub(in crate::protocol) fn is_done(&self) -> bool {
        self.at == At::Done
    }

    /// Hands the data in `input` to `data` piece by piece, and returns how many bytes were taken: all, but for what
    /// stands behind the end of the body.
    ///
    /// # Errors
    /// 400 for what is not this coding, or the refusal that `data` returns.
    pub(in crate::protocol) fn read(
        &mut self,
        input: &[u8],
        mut data: impl FnMut(&[u8]) -> Result<(), Refusal>,
    ) -> Result<usize, Refusal> {
        let mut used = 0;
        while used < input.len() && self.at != At::Done {
            if let At::Data(left) = self.at {
                let rest = &input[used..];
                let length = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                data(&rest[..length])?;
                used += length;
                self.at = if length as u64 == left { At::DataReturn } else { At::Data(left - length as u64) };
            } else {
                self.at = self.after(input[used])?;
                used += 1;
            }
        }
        Ok(used)
    }

    /// What comes behind this byte.
    fn after(&mut self, byte: u8) -> Result<At, Refusal> {
        Ok(match (self.at, byte) {
            (At::Size(size, digits), _) if byte.is_ascii_hexdigit() => {
                if digits == DIGITS_MAX {
                    return bad("the size of a chunk is too long");
                }
                At::Size(size << 4 | u64::from((byte as char).to_digit(16).unwrap_or(0)), digits + 1)
            }
            (At::Size(_, 0), _) => return bad("a chunk without a size"),
            (At::Size(size, _), b'\r') => At::SizeEnd(size),
            (At::Size(size, _), b';') => At::Extension(size),
            (At::Size(..), _) => return bad("the size of a chunk is not hexadecimal"),
            (At::Extension(size), b'\r') => At::SizeEnd(size),
            (At::Extension(size), _) if is_field_byte(byte) => self.extra(At::Extension(size))?,
            (At::SizeEnd(0), b'\n') => At::Line,
            (At::SizeEnd(size), b'\n') => At::Data(size),
            (At::DataReturn, b'\r') => At::DataEnd,
            (At::DataEnd, b'\n') => At::Size(0, 0),
            (At::DataReturn | At::DataEnd, _) => return bad("a chunk is longer than its size says"),
            (At::Line, b'\r') => At::LastEnd,
            (At::Line, _) if is_token_byte(byte) => self.extra(At::Name)?,
            (At::Name, b':') => At::Value,
            (At::Name, _) if is_token_byte(byte) => self.extra(At::Name)?,
            (At::Value, b'\r') => At::LineEnd,
            (At::Value, _) if is_field_byte(byte) => self.extra(At::Value)?,
            (At::LineEnd, b'\n') => At::Line,
            (At::LastEnd, b'\n') => At::Done,
            (At::Line | At::Name | At::Value, _) => return bad("a malformed trailer"),
            (At::Extension(_), _) => return bad("a malformed chunk extension"),
            _ => return bad("a carriage return without a line feed"),
        })
    }

    fn extra(&mut self, next: At) -> Result<At, Refusal> {
        self.extras += 1;
        if self.extras > EXTRAS_MAX {
            return bad("chunk extensions and trailers are too long");
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads `input` in pieces of at most `piece` bytes: the body and the bytes behind it, or the refusal.
    fn read(input: &[u8], piece: usize) -> Result<(Vec<u8>, Option<usize>), Refusal> {
        let (mut reader, mut body, mut used) = (ChunkedReader::new(), Vec::new(), 0);
        while used < input.len() && !reader.is_done() {
            let end = input.len().min(used + piece);
            used += reader.read(&input[used..end], |data| {
                body.extend_from_slice(data);
                Ok(())
            })?;
        }
        Ok((body, reader.is_done().then_some(input.len() - used)))
    }

    #[test]
    fn chunks_make_a_body_however_they_are_cut() {
        let rows: &[(&[u8], &[u8], Option<usize>)] = &[
            (b"0\r\n\r\n", b"", Some(0)),
            (b"5\r\nhello\r\n0\r\n\r\nGET", b"hello", Some(3)),
            (b"1\r\na\r\n00a\r\nbcdefghijk\r\n0\r\n\r\n", b"abcdefghijk", Some(0)),
            (b"A;x=\"y z\"\r\n0123456789\r\n0;last\r\n\r\n", b"0123456789", Some(0)),
            (b"1\r\na\r\n0\r\nX: 1\r\ny:\r\n\r\n", b"a", Some(0)),
            (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n", Some(0)),
            (b"5\r\nhel", b"hel", None),
            (b"1\r\na\r\n0\r\n", b"a", None),
        ];
        for (input, body, rest) in rows {
            for piece in 1..=input.len() {
                assert_eq!(read(input, piece), Ok((body.to_vec(), *rest)), "{}", input.escape_ascii());
            }
        }
    }

    #[test]
    fn what_is_not_the_coding_is_refused() {
        let rows: &[&[u8]] = &[
            b"\r\n",
            b"x\r\n",
            b"-1\r\n",
            b"+1\r\n",
            b"0x1\r\n",
            b" 1\r\n",
            b"1 \r\n",
            b"1\n",
            b"1\ra",
            b";\r\n",
            b"1;\x01\r\n",
            b"1;\n",
            b"0000000000000001\r\n",
            b"1\r\nab",
            b"1\r\na\n",
            b"1\r\na\ra",
            b"0\r\n ",
            b"0\r\n:",
            b"0\r\nA\r\n",
            b"0\r\nA :",
            b"0\r\nA: \x01",
            b"0\r\nA: b\n",
            b"0\r\nA: b\rc",
            b"0\r\n\n",
            b"0\r\n\ra",
        ];
        for input in rows {
            for piece in 1..=input.len() {
                assert_eq!(read(input, piece).unwrap_err().status, 400, "{}", input.escape_ascii());
            }
        }
    }

    #[test]
    fn what_stands_beside_the_data_is_bounded() {
        for (count, fits) in [(EXTRAS_MAX as usize, true), (EXTRAS_MAX as usize + 1, false)] {
            let extension = format!("0;{}\r\n\r\n", "e".repeat(count));
            assert_eq!(read(extension.as_bytes(), 1000).is_ok(), fits);
            let trailers = format!("0\r\n{}:\r\n{}:\r\n\r\n", "t".repeat(count - 10), "u".repeat(10));
            assert_eq!(read(trailers.as_bytes(), 1000).is_ok(), fits);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_chunked_comes_back(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..20),
            piece in 1_usize..60,
        ) {
            let mut input = Vec::new();
            for chunk in &chunks {
                input.extend(format!("{:x}\r\n", chunk.len()).bytes().chain(chunk.iter().copied()).chain(*b"\r\n"));
            }
            input.extend(b"0\r\n\r\nnext");
            prop_assert_eq!(read(&input, piece), Ok((chunks.concat(), Some(4))));
        }

        #[test]
        fn garbage_is_no_panic(input in proptest::collection::vec(any::<u8>(), 0..200), piece in 1_usize..60) {
            let cut = read(&input, piece);
            prop_assert_eq!(cut, read(&input, input.len().max(1)));
        }
    }
}
